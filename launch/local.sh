#!/usr/bin/env bash
# A run of meca-dist on this machine, or on those of a hostfile that ssh reaches without a password;
# printed by: meca-dist script --scheduler local
#
#   launch/local.sh --dataset cifar10 --data ~/cifar-10-batches-bin --output runs/cifar
#   MECA_RANKS=32 MECA_HOSTFILE=hostfiles/two-hosts.example launch/local.sh --shards 32 …
#   launch/local.sh --deadline 8h        # ends in the morning, saved
#
# Ctrl-C saves and ends with status 75; the same line goes on from that step, on any number of ranks.
set -uo pipefail
cd "${MECA_FOLDER:-.}" || exit 69

# Options of the run; those behind the script's name follow them. %a is the number in a job array.
options=()
# Modules of your site, if it has some:
# module load openmpi openblas
# Data that each node copies to a disk of its own first, and the folder that it gets there.
stage_from=
stage_to=

program=${MECA_PROGRAM:-.build/release/meca-dist}
# A host that is lost: mpirun looks after 20 s of silence and ends the job after 40 (else hours later).
export OMPI_MCA_oob_tcp_keepalive_time=20 OMPI_MCA_oob_tcp_keepalive_intvl=5
export OMPI_MCA_oob_tcp_keepalive_probes=4
threads=1
index=
reach=()
if [ -n "${MECA_HOSTFILE:-}" ]; then reach=(--hostfile "$MECA_HOSTFILE"); fi
# More ranks than cores are allowed; they give way to each other.
export OMPI_MCA_rmaps_base_oversubscribe=1
# A process group of its own, so that Ctrl-C reaches this script alone.
launch=(setsid mpirun "${reach[@]}" -n "${MECA_RANKS:-8}")
once=(mpirun "${reach[@]}" --map-by ppr:1:node)

if [ ! -x "$program" ]; then
  echo "$program is not there: build it with swift build -c release, or set MECA_PROGRAM" >&2
  exit 69
fi
if [ -n "$stage_from" ]; then
  # shellcheck disable=SC2016
  "${once[@]}" sh -c 'mkdir -p "$2" && cp -ru "$1" "$2"' stage "$stage_from" "$stage_to" || exit 74
fi
options+=("$@")
# In the background: a shell hears of signals only while it waits.
"${launch[@]}" "$program" --threads "$threads" "${options[@]//%a/$index}" &
run=$!
trap 'echo "told to end: the run saves" >&2; kill -USR1 "$run"' USR1 USR2 TERM INT XCPU
while true; do
  wait "$run"
  status=$?
  kill -0 "$run" 2>/dev/null || break
done
exit "$status"
