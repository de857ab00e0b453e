#!/usr/bin/env python3
"""Checks the curves of a run (`--tensorboard`) with the real TensorBoard against its metrics.

    tools/check-tensorboard.py RUN [RUN ...]

Needs tensorboard, numpy and pandas (Tests/Readers/requirements.txt). TensorBoard's own EventAccumulator
reads RUN/events, check sums included; every number of the `epoch` and `model` lines of RUN/metrics.jsonl
must be there, as the same float32, at its step and time, once, and nothing else. Of epochs that a resumed
run has said again the last ones count. Exit status 1 if anything differs.
"""

import math
import pathlib
import sys

import numpy
import pandas
from tensorboard.backend.event_processing import event_accumulator

PLACES = {"epoch", "epochs", "step", "seconds"}


def tag(name):
    if name.startswith(("reduce_", "late_")):
        return "exchange/" + name
    if name.startswith("test_"):
        return "test/" + name.removeprefix("test_")
    return ("test/" if name in ("acc", "asr") else "train/") + name


def folder(curve):
    """A curve's name as this program's folders have it; only ASCII letters are expected here."""
    return "".join(sign if sign.isalnum() or sign in " -_.,()+/" else "_" for sign in curve)


def recorded(run):
    """The points of metrics.jsonl: {curve: {step: {tag: value}}}, and the time of each."""
    curves, times = {}, {}
    lines = pandas.read_json(run / "metrics.jsonl", lines=True, dtype=False, precise_float=True)
    for line in lines.to_dict("records"):
        if line["event"] == "epoch":
            curve, step = line["stage"], int(line["epoch"])
        elif line["event"] == "model":
            curve, step = "models/" + line["model"], 0
        else:
            continue
        points = curves.setdefault(folder(curve), {})
        for later in [other for other in points if other >= step]:
            del points[later]
        points[step] = {
            tag(name): value
            for name, value in line.items()
            if name not in PLACES and isinstance(value, (int, float)) and math.isfinite(value)
        }
        times[folder(curve), step] = pandas.Timestamp(line["time"]).timestamp()
    return curves, times


def drawn(run):
    """The points that TensorBoard reads, in the same form; one that is there twice ends the check."""
    curves, times = {}, {}
    for path in sorted({file.parent for file in (run / "events").rglob("events.out.tfevents.*")}):
        # 0: keep all points.
        accumulator = event_accumulator.EventAccumulator(str(path), size_guidance={"scalars": 0})
        accumulator.Reload()
        name = str(path.relative_to(run / "events"))
        points = curves.setdefault(name, {})
        for label in accumulator.Tags()["scalars"]:
            for event in accumulator.Scalars(label):
                if label in points.setdefault(event.step, {}):
                    sys.exit(f"{run}: {name}, {label}: step {event.step} is there twice")
                points[event.step][label] = event.value
                times[name, event.step] = event.wall_time
    return curves, times


def check(run):
    """Prints what differs; gives the number of values that do not."""
    (wanted, wanted_times), (found, found_times) = recorded(run), drawn(run)
    if not wanted:
        sys.exit(f"{run}: the metrics have no epoch and no model; the check would see nothing")
    equal, faults = 0, []
    for curve in sorted({*wanted, *found}):
        ours, theirs = wanted.get(curve, {}), found.get(curve, {})
        for step in sorted({*ours, *theirs}):
            for label in sorted({*ours.get(step, {}), *theirs.get(step, {})}):
                pair = ours.get(step, {}).get(label), theirs.get(step, {}).get(label)
                if None not in pair and numpy.float32(pair[0]) == numpy.float32(pair[1]):
                    equal += 1
                else:
                    faults.append(f"{curve}, {label}, step {step}: metrics {pair[0]}, events {pair[1]}")
    for place, time in wanted_times.items():
        # The metrics have thousandths of a second.
        if place in found_times and abs(found_times[place] - time) > 2e-3:
            faults.append(f"{place}: metrics at {time}, events at {found_times[place]}")
    print(f"{run}: {len(found)} curves, {equal} values equal, {len(faults)} faults")
    for fault in faults[:20]:
        print("  " + fault)
    return faults


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(1 if [run for run in sys.argv[1:] if check(pathlib.Path(run))] else 0)


if __name__ == "__main__":
    main()
