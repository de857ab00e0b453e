#!/usr/bin/env python3
"""Accuracy by batch and learning-rate rule: which rule keeps it when batches grow with the ranks.

    tools/large-batches.py PROGRAM OUT --cifar FOLDER [--batches 64 256 1024] [--rules constant sqrt linear]

Trains the undefended model (--defense none) with B samples a step in shards of 8, so that batch statistics stay
those of the usual batch of 64, and the rate 0.07 x rule(B / 64): constant 1, sqrt, linear. Everything else is the
default. One JSON line a run in OUT/batches.jsonl; what is there is not run again. Prints the table at the end.
"""
import argparse, json, math, os, statistics, subprocess

p = argparse.ArgumentParser()
p.add_argument("program"); p.add_argument("out"); p.add_argument("--cifar", required=True)
p.add_argument("--batches", type=int, nargs="*", default=[64, 128, 256, 512, 1024, 2048])
p.add_argument("--rules", nargs="*", default=["constant", "sqrt", "linear"], choices=["constant", "sqrt", "linear"])
p.add_argument("--seeds", type=int, nargs="*", default=[1, 2]); p.add_argument("--epochs", type=int, default=16)
p.add_argument("--width", type=int, default=16); p.add_argument("--options", default="")
a = p.parse_args(); os.makedirs(a.out, exist_ok=True)
FACTORS = {"constant": lambda x: 1.0, "sqrt": math.sqrt, "linear": lambda x: x}
path = f"{a.out}/batches.jsonl"
rows = [json.loads(line) for line in open(path)] if os.path.exists(path) else []


def key(row):
    return row["batch"], row["rule"], row["seed"], row["epochs"], row["width"]


for seed in a.seeds:
    for batch in a.batches:
        for rule in a.rules if batch != 64 else a.rules[:1]:
            row = dict(batch=batch, rule=rule, seed=seed, epochs=a.epochs, width=a.width)
            if key(row) in {key(r) for r in rows if "acc" in r}:
                continue
            rate = 0.07 * FACTORS[rule](batch / 64)
            out = f"{a.out}/run"
            words = [a.program, "--defense", "none", "--no-oracle", "--dataset", "cifar10", "--data", a.cifar]
            words += ["--width", str(a.width), "--epochs", str(a.epochs), "--seed", str(seed), "--batch", str(batch)]
            words += ["--shards", str(batch // 8), "--learning-rate", f"{rate:.6g}", "--output", out]
            done = subprocess.run(words + ["--resume", "never", "--force", "--quiet"] + a.options.split(),
                                  capture_output=True, text=True)
            if done.returncode:
                row["error"] = done.stderr.strip().splitlines()[-1][:200]
            else:
                row["acc"] = json.load(open(f"{out}/result.json"))["no_defense"]["acc"]
            rows.append(row)
            with open(path, "a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)

print("| batch | " + " | ".join(a.rules) + " |\n|---" + "|---" * len(a.rules) + "|")
for batch in a.batches:
    cells = []
    for rule in a.rules:
        own = [100 * r["acc"] for r in rows if r["batch"] == batch and r["rule"] == rule and "acc" in r]
        cells.append(f"{statistics.mean(own):.1f} ({', '.join(f'{x:.1f}' for x in own)})" if own else "–")
    print(f"| {batch} | " + " | ".join(cells) + " |")
