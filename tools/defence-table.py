#!/usr/bin/env python3
"""All defences on the same poisoned sets: runs what is missing, prints the table of docs/results.md.

  python3 tools/defence-table.py PROGRAM CIFAR_BIN_FOLDER OUT [--draws SEED:TARGET,...]

A cell of the table is a run of its own, on one core; a run whose result.json is there is not made
again. The runs of one attack and draw share the checkpoints of the undefended model and the oracle.
ACC and ASR are those of a defence's final model; defences that judge samples have the number that
they flagged, the share of poisoned among these, and TPR and FPR. Rates in per cent.
"""

import argparse
import json
import os
import pathlib
import subprocess
from concurrent.futures import ThreadPoolExecutor

OPTIONS = (
    "--dataset cifar10 --width 16 --epochs 8 --augment none --poison-rate 0.05 --oracle"
).split()
OPTIONS_OF = {"meca": ["--detector-width", "8"]}
ROOT_MAY = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--attacks", default="badnets,blend,sig")
    parser.add_argument("--draws", default="2:7,3:1", help="SEED:TARGET,... (2:7,3:1)")
    parser.add_argument("--defenses", default="none,meca,abl,active,fine-tuning,clp")
    parser.add_argument("--workers", type=int, default=2, help="runs at once (2)")
    given = parser.parse_args()
    given.defenses = given.defenses.split(",")
    given.sets = [
        (attack, *draw.split(":"))
        for draw in given.draws.split(",")
        for attack in given.attacks.split(",")
    ]
    return given


def folder(given, place, defense):
    return given.out / "-".join([*place, defense])


def make_runs(given, place):
    attack, seed, target = place
    for defense in given.defenses:
        output = folder(given, place, defense)
        if (output / "result.json").exists():
            continue
        output.mkdir(parents=True, exist_ok=True)
        command = [given.program, *OPTIONS, *OPTIONS_OF.get(defense, [])]
        command += ["--defense", defense, "--data", given.data, "--output", str(output)]
        command += ["--attack", attack, "--seed", seed, "--target", target]
        command += ["--checkpoints", str(folder(given, place, "checkpoints"))]
        with open(output / "log", "w") as log:
            done = subprocess.run(command, stdout=log, stderr=log, env={**os.environ, **ROOT_MAY})
        print(f"{output.name}: status {done.returncode}", flush=True)


def percent(rate):
    return "–" if rate is None else f"{100 * rate:.2f}"


def model(figures):
    return f"{percent(figures['acc'])}/{percent(figures['asr'])}"


def found(detection):
    if detection is None:
        return ["–"] * 4
    rates = [percent(detection.get(key)) for key in ("precision", "tpr", "fpr")]
    return [str(detection["flagged"]), *rates]


def rows(given, place):
    name = "{}, seed {}, target {}".format(*place)
    for defense in given.defenses:
        try:
            result = json.loads((folder(given, place, defense) / "result.json").read_text())
        except OSError:
            yield [name, defense] + ["missing"] * 6
            continue
        if defense == "none":
            final = result["no_defense"]
            if "oracle" in result:
                yield [name, "oracle", model(result["oracle"])] + ["–"] * 5
        else:
            final = result.get("relearned") or result["defended"]
        hash = result["weights_sha256"][:12] + "…"
        yield [name, defense, model(final), *found(result.get("detection")), hash]


def print_row(cells):
    print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    given = arguments()
    with ThreadPoolExecutor(given.workers) as pool:
        list(pool.map(lambda place: make_runs(given, place), given.sets))
    heads = "set,defence,ACC/ASR,flagged,poisoned of these,TPR,FPR,`weights_sha256`".split(",")
    print_row(heads)
    print("|" + "---|" * len(heads))
    for place in given.sets:
        for cells in rows(given, place):
            print_row(cells)
