#!/usr/bin/env bash
# Opens what the program writes with the readers that people have: exported networks with onnx.checker and
# onnxruntime, TensorBoard's curves with TensorBoard, tables with pandas, class probabilities with cleanlab,
# sets in the layouts of backdoor-toolbox and BackdoorBench with PyTorch.
#
#   Tests/Readers/check.sh PROGRAM
#   Tests/Readers/check.sh --packages      only fetches the packages
#
# Makes a virtual environment with the packages of requirements.txt, in .build-readers, and keeps it for the
# next time. PyTorch is Debian's python3-torch: the registry's own needs gigabytes of CUDA. Where it is not
# there and cannot be installed (not root), that one check is left out, and said.
# Exit status 0 if everything reads well, 1 if not, 69 if the packages cannot be had here (no venv module, no
# Python of at least 3.11, no package registry).
set -euo pipefail
program=${1:?name the program: Tests/Readers/check.sh PROGRAM}
[ "$program" = --packages ] || program=$(realpath "$program")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
wanted=$root/Tests/Readers/requirements.txt
environment=$root/.build-readers

say() { printf '== %s\n' "$*" >&2; }

# Ends with 1 whatever a check's own status is: 69 must mean one thing.
check() { "$@" || exit 1; }

# Says why the checks cannot be run here.
unavailable() {
  say "the readers' packages cannot be had: $*"
  exit 69
}

pip_install() {
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --only-binary :all: "$@"
}

if ! cmp -s "$wanted" "$environment/installed.txt"; then
  command -v python3 >/dev/null || unavailable "python3 is not on the PATH"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    unavailable "$(python3 --version), 3.11 is needed"
  rm -rf "$environment"
  made=0
  python3 -m venv "$environment" >/dev/null 2>&1 && made=1
  # Debian has the module in a package of its own.
  if [ $made = 0 ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv \
      >/dev/null 2>&1 || true
    rm -rf "$environment"
    python3 -m venv "$environment" >/dev/null 2>&1 && made=1
  fi
  [ $made = 1 ] || unavailable "python3 -m venv does not work; on Debian install python3-venv"
  if ! pip_install --requirement "$wanted"; then
    # Versions that are gone are a fault of this list; a registry that is not there is not.
    if pip_install --force-reinstall --no-deps packaging; then
      say "the registry answers, but not with what $wanted asks for"
      exit 1
    fi
    unavailable "the package registry does not answer"
  fi
  cp "$wanted" "$environment/installed.txt"
fi
debian=/usr/bin/python3
if ! "$debian" -c 'import torch' 2>/dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-torch >/dev/null || true
fi
[ "$program" != --packages ] || exit 0
python=$environment/bin/python

# As root and with more ranks than cores, if need be.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

say "exported networks in onnxruntime"
check "$python" "$root/tools/check-onnx.py" "$program"

say "curves in TensorBoard"
run=(--train-limit 150 --test-limit 70 --width 4 --batch 32 --epochs 3 --trigger-size 14 --poison-rate 0.3
  --no-oracle --tensorboard --output "$folder/run")
check mpirun -n 2 "$program" "${run[@]}" --quiet >/dev/null
check "$python" "$root/tools/check-tensorboard.py" "$folder/run"
# A stage that is lost is trained again, by a run that goes on: nothing may be there twice.
rm "$folder/run/checkpoints/undefended.safetensors"
check "$program" "${run[@]}" --quiet >/dev/null
check "$python" "$root/tools/check-tensorboard.py" "$folder/run"

say "class probabilities in cleanlab"
check "$python" "$root/tools/check-probabilities.py" --program "$program"

if "$debian" -c 'import torch' 2>/dev/null; then
  say "sets for backdoor-toolbox and BackdoorBench in PyTorch"
  check "$debian" "$root/tools/check-toolbox-sets.py" "$program" --torch
else
  say "NOT CHECKED: there is no python3-torch"
fi

say "everything reads well"
