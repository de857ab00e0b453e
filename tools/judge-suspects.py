#!/usr/bin/env python3
"""Counts the suspects of a run whose set was poisoned by other means.

    tools/judge-suspects.py RUN TRUTH

TRUTH has a line a poisoned training sample: its index, or the name of its file; after a comma its kind, if there are
several. Prints, of the flagged and of the unconfirmed, how many are poisoned by kind and how many are clean, and
the smallest share of a label's clean samples that was kept.
"""
import collections, csv, sys

run, file = sys.argv[1:3]
truth = dict((line.strip().split(",") + ["poisoned"])[:2] for line in open(file) if line.strip() != "name,kind")
rows = [r for r in csv.DictReader(open(f"{run}/samples.csv")) if r["split"] == "train"]
kind = {r["index"]: truth.get(r["index"]) or truth.get(r["path"].split("/")[-1], "clean") for r in rows}
total = collections.Counter(kind.values())
suspects = list(csv.DictReader(open(f"{run}/suspects.csv")))
for verdict in ("suspect", "unconfirmed"):
    count = collections.Counter(kind[r["index"]] for r in suspects if r["verdict"] == verdict)
    print(verdict, " ".join(f"{k} {count[k]} of {n} ({100 * count[k] / n:.2f} %)" for k, n in sorted(total.items())))
clean, kept = collections.Counter(), collections.Counter()
flagged = {r["index"] for r in suspects if r["verdict"] == "suspect"}
for r in rows:
    if kind[r["index"]] == "clean":
        clean[r["label"]] += 1; kept[r["label"]] += r["index"] not in flagged
print("least kept", f"{100 * min(kept[c] / clean[c] for c in clean):.2f} %")
