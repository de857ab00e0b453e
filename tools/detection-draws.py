#!/usr/bin/env python3
"""Detection over random draws of (images, attack, rate, target, seed): what is found, what is flagged in clean sets.

    tools/detection-draws.py PROGRAM OUT --set shapes --attacks 60 --clean 60 --seed 7
    tools/detection-draws.py PROGRAM OUT --set cifar --cifar FOLDER FOLDER FOLDER --attacks 60 --clean 30 --seed 7

A CIFAR draw is 10,000 images at random from those of all folders, width 16, detectors of width 8; the detection
alone is run, one core a run. An attack counts as found where TPR >= 94 % and FPR <= 5 %. For every other one the
undefended model is trained too: what it does not learn (ASR < 50 %) is no backdoor and does not count. A clean set
passes where nothing is flagged. One JSON line a draw in OUT/draws.jsonl; a draw that is there is not run again, so
that the script goes on where it was stopped. Prints the tables by attack and rate at the end.
"""
import argparse, glob, json, os, random, statistics, subprocess, threading, time
from concurrent.futures import ThreadPoolExecutor

KINDS = [("badnets", .05), ("blend", .05), ("sig", .05), ("physical", .05), ("tact", .05), ("adaptive-blend", .05),
         ("adaptive-patch", .05), ("badnets", .02), ("blend", .02), ("sig", .02), ("badnets", .01), ("blend", .01),
         ("badnets", .1), ("blend", .1), ("badnets", .005), ("blend", .005), ("sig", .005), ("tact", .005), ("wanet", .1)]
p = argparse.ArgumentParser()
p.add_argument("program"); p.add_argument("out"); p.add_argument("--set", choices=["shapes", "cifar"], required=True)
p.add_argument("--cifar", nargs="*", default=[]); p.add_argument("--attacks", type=int, default=19)
p.add_argument("--clean", type=int, default=10); p.add_argument("--seed", type=int, default=1)
p.add_argument("--workers", type=int, default=2); p.add_argument("--minutes", type=float, default=1e9)
p.add_argument("--only", default=""); p.add_argument("--names", nargs="*", help="only these draws, as in attack18"); p.add_argument("--options", default="")
a = p.parse_args(); os.makedirs(a.out, exist_ok=True)
kinds = [k for k in KINDS if not a.only or k[0] in a.only.split(",")]
rng = random.Random(a.seed)
draws = []
for n in range(a.attacks):
    attack, rate = kinds[n % len(kinds)]
    draws.append(dict(name=f"attack{n}", at=n / a.attacks, attack=attack, rate=rate, target=rng.randrange(10), seed=rng.randrange(1000, 10000)))
for n in range(a.clean):
    draws.append(dict(name=f"clean{n}", at=n / a.clean, attack="none", rate=0, target=0, seed=rng.randrange(1000, 10000)))
# Attacks and clean sets in turns, so that a run that is stopped has some of both.
draws.sort(key=lambda d: d.pop("at"))
draws = [d for d in draws if not a.names or d["name"] in a.names]
images = [r[i:i + 3073] for d in a.cifar for f in sorted(glob.glob(d + "/data_batch_*.bin"))
          for r in [open(f, "rb").read()] for i in range(0, len(r), 3073)]
tests = [r for d in a.cifar[-1:] for r in [open(d + "/test_batch.bin", "rb").read()[-2000 * 3073:]]]
path = f"{a.out}/draws.jsonl"
done = [json.loads(l) for l in open(path)] if os.path.exists(path) else []
lock, begin = threading.Lock(), time.time()

def options(d):
    if a.set == "shapes":
        return ["--dataset", "shapes"]
    folder = f"{a.out}/set-{d['name']}"
    if not os.path.exists(folder):
        os.makedirs(folder)
        open(f"{folder}/data_batch_1.bin", "wb").write(b"".join(random.Random(d["seed"]).sample(images, 10000)))
        open(f"{folder}/test_batch.bin", "wb").write(tests[0])
    return ["--dataset", "cifar10", "--data", folder, "--width", "16", "--augment", "none"]

def run(d, name, more):
    out = f"{a.out}/{d['name']}-{name}"
    words = [a.program, "--output", out, "--resume", "never", "--force", "--seed", str(d["seed"]), "--attack", d["attack"], "--no-oracle"]
    if d["attack"] != "none": words += ["--poison-rate", str(d["rate"]), "--target", str(d["target"])]
    if d["attack"] == "tact" and d["target"] == 0: words += ["--source", "1"]
    if d["attack"] == "wanet": words += ["--warp-strength", "2"]
    start = time.time()
    r = subprocess.run(words + options(d) + more, capture_output=True, text=True)
    open(out + ".log", "w").write(r.stdout + r.stderr)
    subprocess.run(["rm", "-rf", out + "/checkpoints"])
    return json.load(open(out + "/result.json")) if r.returncode == 0 else None, time.time() - start

def one(d):
    if time.time() - begin > a.minutes * 60 or any(e["name"] == d["name"] for e in done): return
    detect = ["--no-undefended", "--epochs", "1", "--relearn-epochs", "0"] + (["--detector-width", "8"] if a.set == "cifar" else [])
    result, seconds = run(d, "detect", detect + a.options.split())
    d["seconds"] = round(seconds)
    if result is None: d["outcome"] = "failed"
    else:
        x = result["detection"]
        d.update(verdict=x.get("verdict"), tpr=x.get("tpr"), fpr=x.get("fpr"), flagged=x["flagged"], labels=x["suspicious_labels"],
                 kept=min(v for v in x["kept_per_class"] if v is not None), unconfirmed=x.get("unconfirmed"))
        judged = [json.loads(l) for l in open(f"{a.out}/{d['name']}-detect/metrics.jsonl") if '"judgement"' in l]
        d["carry_over"] = [round(j["carry_over"], 3) for j in judged if j.get("event") == "judgement"]
        if d["attack"] == "none": d["outcome"] = "passes" if x["flagged"] == 0 else "false alarm"
        elif (x.get("tpr") or 0) >= .94 and (x.get("fpr") or 0) <= .05: d["outcome"] = "found"
        else:
            u, _ = run(d, "undefended", ["--defense", "none"] + (["--epochs", "8"] if a.set == "cifar" else []))
            d["asr"] = u["no_defense"]["asr"] if u else None
            d["outcome"] = "not learnt" if not x["flagged"] and d["asr"] is not None and d["asr"] < .5 else "poor" if x["flagged"] else "missed"
    subprocess.run(["rm", "-rf", f"{a.out}/set-{d['name']}"])
    with lock:
        done.append(d); open(path, "a").write(json.dumps(d) + "\n"); print(json.dumps(d), flush=True)

with ThreadPoolExecutor(a.workers) as pool: list(pool.map(one, draws))
median = lambda v: f"{100 * statistics.median(v):.2f}" if v else "-"
print("| attack | rate | found | TPR, median | FPR, median | least kept, median | not learnt |\n|---|---|---|---|---|---|---|")
for attack, rate in KINDS:
    own = [d for d in done if (d["attack"], d["rate"]) == (attack, rate)]
    real = [d for d in own if d["outcome"] != "not learnt"]; f = [d for d in real if d["outcome"] == "found"]
    if own: print(f"| {attack} | {100 * rate:g} % | {len(f)} of {len(real)} | {median([d['tpr'] for d in real if d.get('tpr') is not None])} | "
                  f"{median([d['fpr'] for d in real if d.get('fpr') is not None])} | {median([d['kept'] for d in real if 'kept' in d])} | {len(own) - len(real)} |")
real = [d for d in done if d["attack"] != "none" and d["outcome"] != "not learnt"]; clean = [d for d in done if d["attack"] == "none"]
print(f"found {sum(d['outcome'] == 'found' for d in real)} of {len(real)} learnt attacks; "
      f"clean sets flagged {sum(d['outcome'] != 'passes' for d in clean)} of {len(clean)}")
for d in real + clean:
    if d["outcome"] not in ("found", "passes"): print(json.dumps(d))
