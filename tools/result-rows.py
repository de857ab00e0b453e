#!/usr/bin/env python3
"""Rows of the tables in docs/results.md, from run folders (standard library only).

  python3 tools/result-rows.py RUN...

Prints one Markdown row a folder: name of the folder, test samples behind ACC and ASR, ACC/ASR of the
undefended, the clean and the relearned model, TPR, FPR, share kept of each class that lost samples,
flagged covers, first digits of weights_sha256. Rates in per cent; TaCT's ASR is that of the source
class, with that of all other classes in brackets.
"""

import json
import pathlib
import sys


def percent(rate):
    return "–" if rate is None else f"{100 * rate:.2f}"


def model(figures):
    if figures is None:
        return "–"
    asr = percent(figures.get("asr"))
    if "asr_all" in figures:
        asr += f" ({percent(figures['asr_all'])})"
    return f"{percent(figures['acc'])}/{asr}"


def samples(figures):
    asr = str(figures.get("asr_samples", "–"))
    if "asr_all" in figures:
        asr += f" ({figures['asr_all_samples']})"
    return f"{figures['acc_samples']}/{asr}"


def kept(detection):
    shares = detection.get("kept_per_class", [])
    lost = [f"{label}: {percent(share)}" for label, share in enumerate(shares) if (share or 0) < 1]
    return ", ".join(lost) or "all: 100.00"


def row(folder):
    result = json.loads((folder / "result.json").read_text())
    detection = result.get("detection", {})
    covers = detection.get("covers", 0)
    cells = [
        folder.name,
        samples(result["relearned"]),
        model(result.get("no_defense")),
        model(result.get("defended")),
        model(result.get("relearned")),
        percent(detection.get("tpr")),
        percent(detection.get("fpr")),
        kept(detection),
        percent(detection.get("cover_flagged", 0)) if covers else "–",
        result["weights_sha256"][:12] + "…",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    print(
        "| run | ACC/ASR over | undefended | MeCa | relearned | TPR | FPR | kept of class |"
        " covers flagged | `weights_sha256` |"
    )
    print("|" + "---|" * 10)
    for name in sys.argv[1:]:
        try:
            print(row(pathlib.Path(name)))
        except (OSError, ValueError, KeyError) as error:
            sys.exit(f"{name}: no results of a run with a defence ({error})")
