#!/usr/bin/env bash
# Compares `meca-dist bench` with PyTorch on one core: images per second of training, evaluation
# and scoring, fp32, one rank and one thread against one process and one thread.
#
#   PYTHON=venv/bin/python Benchmarks/first-look.sh [WIDTH [BATCH [ROUNDS]]]
#
# WIDTH   channels of the network's first stage (64)
# BATCH   samples of a training step (32); meca-dist cuts it into 2 logical shards, the fewest it
#         allows, PyTorch takes it whole. Evaluation and scoring run at 32, which is fixed there.
# ROUNDS  how often the two take turns (5); the medians over the rounds are printed
# PYTHON  an interpreter with torch (required)
# MECA_DIST  the program (.build/release/meca-dist)
# SAMPLES    samples of one measured pass of meca-dist (256)
#
# The two take turns so that both meet the same neighbours and the same heat.
set -euo pipefail

: "${PYTHON:?set PYTHON to an interpreter with torch}"
here=$(cd "$(dirname "$0")" && pwd)
program=${MECA_DIST:-$here/../.build/release/meca-dist}
width=${1:-64} batch=${2:-32} rounds=${3:-5} samples=${SAMPLES:-256}
if [ ! -x "$program" ]; then
  echo "$program is not there: build it first with: swift build -c release" >&2
  exit 69
fi

# mpirun refuses root unless told that it is meant.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT

for round in $(seq "$rounds"); do
  echo "round $round of $rounds" >&2
  mpirun -n 1 --bind-to none "$program" bench --json --width "$width" --batch "$batch" \
    --shards 2 --threads 1 --samples "$samples" --repeats 3 >>"$lines"
  for mode in train eval score; do
    size=$([ "$mode" = train ] && echo "$batch" || echo 32)
    "$PYTHON" "$here/peer.py" --mode "$mode" --width "$width" --batch "$size" --threads 1 \
      >>"$lines"
  done
done

"$PYTHON" - "$lines" <<'PYTHON_END'
import json
import statistics
import sys

ours, peer = {}, {}
about = {}
for line in open(sys.argv[1]):
    values = json.loads(line)
    if "mode" in values:
        peer.setdefault(values["mode"], []).append(values["images_per_second"])
        about["torch"] = values["torch"]
    else:
        for mode in ("train", "eval", "score"):
            ours.setdefault(mode, []).append(values[mode])
        about.update({key: values[key] for key in ("engine", "width", "batch", "rss_mb")})
print(
    f"resnet18 width {about['width']}, training batch {about['batch']}, fp32, one core; "
    f"engine {about['engine']}, torch {about['torch']}; peak memory here {about['rss_mb']} MB"
)
print(f"{'images/s, median':18} {'meca-dist':>10} {'torch':>10} {'ratio':>7}   ratios by round")
for mode in ("train", "eval", "score"):
    mine, theirs = statistics.median(ours[mode]), statistics.median(peer[mode])
    ratios = " ".join(f"{a / b:.2f}" for a, b in zip(ours[mode], peer[mode], strict=True))
    print(f"{mode:18} {mine:10.1f} {theirs:10.1f} {mine / theirs:7.2f}   {ratios}")
PYTHON_END
