#!/usr/bin/env python3
"""All defences on the same poisoned sets: runs what is missing, prints the table of docs/results.md.

usage: defence-table.py PROGRAM CIFAR_BIN_FOLDER OUT [--attacks badnets,blend,sig] [--seeds 2,3] [--defenses none,meca,...] [--workers 2] [-- OPTIONS]

One run a cell, one core a run; the cells of a set share the checkpoints of the undefended model and the oracle. A cell whose result.json is there
is not run again. Columns: ACC/ASR of the defence's final model in per cent; for defences that judge samples what they flagged, how much of that is
poisoned, and TPR/FPR.
"""
import argparse, json, os, subprocess, sys
from concurrent.futures import ThreadPoolExecutor

own, rest = sys.argv[1:], []
if "--" in own: rest = own[own.index("--") + 1:]; own = own[:own.index("--")]
parser = argparse.ArgumentParser()
parser.add_argument("program"); parser.add_argument("data"); parser.add_argument("out")
parser.add_argument("--attacks", default="badnets,blend,sig"); parser.add_argument("--seeds", default="2,3")
parser.add_argument("--defenses", default="none,meca,abl,active,fine-tuning,clp"); parser.add_argument("--workers", type=int, default=2)
a = parser.parse_args(own)
COMMON = "--dataset cifar10 --width 16 --epochs 8 --augment none --poison-rate 0.05 --oracle".split() + rest
environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

def folder(attack, seed, defense): return f"{a.out}/{attack}-{seed}-{defense}"

def run_set(place):
    attack, seed = place
    for defense in a.defenses.split(","):
        output = folder(attack, seed, defense)
        if os.path.exists(output + "/result.json"): continue
        os.makedirs(output, exist_ok=True)
        command = [a.program, "--defense", defense, "--data", a.data, "--attack", attack, "--seed", seed, "--output", output,
                   "--checkpoints", f"{a.out}/{attack}-{seed}-checkpoints"] + COMMON
        if defense == "meca": command += ["--detector-width", "8"]
        with open(output + "/log", "w") as log: code = subprocess.run(command, stdout=log, stderr=log, env=environment).returncode
        print(f"{attack} {seed} {defense}: status {code}", flush=True)

places = [(attack, seed) for seed in a.seeds.split(",") for attack in a.attacks.split(",")]
with ThreadPoolExecutor(a.workers) as pool: list(pool.map(run_set, places))

def percent(value): return "–" if value is None else f"{100 * value:.1f}"
print("\n| attack, seed | defence | ACC | ASR | flagged | of them poisoned | TPR / FPR | `weights_sha256` |\n|---|---|---|---|---|---|---|---|")
for attack, seed in places:
    for defense in a.defenses.split(","):
        try: result = json.load(open(folder(attack, seed, defense) + "/result.json"))
        except OSError: print(f"| {attack}, {seed} | {defense} | missing |"); continue
        final = result["no_defense"] if defense == "none" else result.get("relearned") or result["defended"]
        found = result.get("detection")
        cells = [f"{found['flagged']}", percent(found.get("precision")), f"{percent(found.get('tpr'))} / {percent(found.get('fpr'))}"] if found else ["", "", ""]
        print(f"| {attack}, {seed} | {defense} | {percent(final['acc'])} | {percent(final['asr'])} | " + " | ".join(cells) + f" | `{result['weights_sha256'][:8]}` |")
    oracle = result.get("oracle")
    if oracle: print(f"| {attack}, {seed} | oracle | {percent(oracle['acc'])} | {percent(oracle['asr'])} | | | | |")
