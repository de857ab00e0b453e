#!/usr/bin/env python3
"""The table of a bank of draws by attack and rate, from the lines that tools/detection-draws.py writes.

    tools/bank-table.py docs/draws/cifar-2715.jsonl

Found of those that an undefended model learns; ranges are over the attacks that were found. Attacks that were missed
and clean sets that were flagged are listed below.
"""
import collections, json, statistics, sys

draws = [json.loads(line) for file in sys.argv[1:] for line in open(file)]
attacks = [d for d in draws if d["attack"] != "none"]
clean = [d for d in draws if d["attack"] == "none"]


def row(name, own):
    learnt = [d for d in own if d["outcome"] != "not learnt"]
    found = [d for d in learnt if d["outcome"] == "found"]
    cells = ["–"] * 3
    if found:
        tpr, fpr, kept = ([100 * d[key] for d in found] for key in ("tpr", "fpr", "kept"))
        cells = [
            f"{statistics.median(tpr):.2f}, {min(tpr):.1f}",
            f"{statistics.median(fpr):.2f}, {max(fpr):.2f}",
            f"{statistics.median(kept):.2f}, {min(kept):.1f}",
        ]
    other = len(own) - len(learnt)
    print(f"| {name} | {len(found)} of {len(learnt)}{f' ({other} not learnt)' if other else ''} | " + " | ".join(cells) + " |")


print("| attack, rate | found | TPR: median, least | FPR: median, most | least kept: median, least |")
print("|---|---|---|---|---|")
strata = collections.defaultdict(list)
for draw in attacks:
    strata[draw["attack"], draw["rate"]].append(draw)
for (attack, rate), own in sorted(strata.items()):
    row(f"{attack} {100 * rate:g} %", own)
row("all", attacks)
flagged = [d for d in clean if d["outcome"] != "passes"]
print(f"\nClean sets: {len(flagged)} of {len(clean)} flagged.")
for draw in flagged + [d for d in attacks if d["outcome"] != "found"]:
    print("*", json.dumps({k: v for k, v in draw.items() if v is not None}))
