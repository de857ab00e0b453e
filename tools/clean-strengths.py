#!/usr/bin/env python3
"""Strengths that pixels alone show in clean sets: the null distribution of the findings.

    tools/clean-strengths.py PROGRAM OUT [--cifar FOLDER ...] [--tiny FOLDER] [--shapes N] [--draws N] [--seed S]

Random parts of the CIFAR-10 folders (10,000, 5,000 and 2,500 images in turns), of a Tiny ImageNet
folder by labels, and fresh built-in sets go through `--proposers patch,stamp,colour,sharpness` without an
attack. One line a label to OUT/strengths.csv: set and images, kind, label, strength, distance, valley,
agreement; of patches a line a finding. Prints the largest of each kind.
"""
import argparse, csv, glob, json, os, random, subprocess, sys

p = argparse.ArgumentParser()
p.add_argument("program"); p.add_argument("out")
p.add_argument("--cifar", nargs="*", default=[]); p.add_argument("--tiny")
p.add_argument("--shapes", type=int, default=0); p.add_argument("--draws", type=int, default=12)
p.add_argument("--seed", type=int, default=1)
a = p.parse_args()
os.makedirs(a.out, exist_ok=True)
random_source = random.Random(a.seed)
short = "--proposers patch,stamp,colour,sharpness --warmup-epochs 1 --confirm-epochs 1 --epochs 1 " \
        "--relearn-epochs 0 --width 1 --no-undefended --no-oracle --attack none --resume never --force --quiet"
found = []

def measure(name, options):
    folder = f"{a.out}/run"
    run = subprocess.run([a.program, *short.split(), "--output", folder, *options], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{name}: {run.stderr.strip().splitlines()[-1:]}")
    rows = [json.loads(line) for line in open(f"{folder}/metrics.jsonl")]
    for row in rows:
        if row.get("event") == "template" and row["round"] == 0:
            found.append((name, row["kind"], row["label"], row["strength"], row["distance"], row["valley"], row["agreement"]))
        if row.get("event") == "finding" and row["kind"] in ("patch", "stamp"):
            found.append((name, row["kind"], row["label"], row["strength"], 0, 0, 0))
    print(name, len(rows), flush=True)

records = [open(f, "rb").read() for d in a.cifar for f in sorted(glob.glob(d + "/data_batch_*.bin"))]
images = [r[i:i + 3073] for r in records for i in range(0, len(r), 3073)]
for draw in range(a.draws if images else 0):
    count = [10000, 5000, 2500][draw % 3]
    folder = f"{a.out}/cifar"; os.makedirs(folder, exist_ok=True)
    open(f"{folder}/data_batch_1.bin", "wb").write(b"".join(random_source.sample(images, count)))
    open(f"{folder}/test_batch.bin", "wb").write(b"".join(images[:1000]))
    measure(f"cifar-{count}", ["--dataset", "cifar10", "--data", folder, "--seed", str(a.seed * 1000 + draw)])
for draw in range(a.shapes):
    measure("shapes", ["--dataset", "shapes", "--seed", str(a.seed * 1000 + 500 + draw)])
if a.tiny:
    measure("tiny", ["--dataset", "tiny-imagenet", "--data", a.tiny, "--seed", str(a.seed)])
with open(f"{a.out}/strengths.csv", "a", newline="") as file:
    csv.writer(file).writerows(found)
for kind in ("patch", "stamp", "colour", "sharpness"):
    own = sorted((row for row in found if row[1] == kind), key=lambda row: -row[3])
    print(kind, len(own), [(row[0], round(row[3], 2)) for row in own[:6]])
