#!/usr/bin/env bash
# A run of meca-dist as a Grid Engine job, printed by: meca-dist script --scheduler sge
#
#   qsub launch/sge.sh --dataset cifar10 --data "$HOME/cifar-10-batches-bin" --output runs/cifar
#
# Before its time is over the run saves and ends with status 75; the job is then queued again and goes
# on from that step. Submitted again unchanged it goes on too, on any number of ranks.
# The parallel environment (-pe) is called differently everywhere: qconf -spl lists them.
#$ -N meca-dist
#$ -S /bin/bash
#$ -cwd
#$ -pe mpi 8
#$ -l h_rt=04:00:00
#$ -notify
#$ -r y
#$ -j y
set -uo pipefail
cd "${SGE_O_WORKDIR:?submit this script with qsub}" || exit 69

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
index=${SGE_TASK_ID/undefined/}
launch=(mpirun -n "$((NSLOTS / threads))" --map-by "slot:PE=$threads" --bind-to core)
once=(mpirun --map-by ppr:1:node)
# The end of the job's time; the seconds are those of the limit above.
options+=(--deadline "$(date -d "+14400 seconds" +%Y-%m-%dT%H:%M:%S%:z)")

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
if [ "$status" = 75 ]; then exit 99; fi
exit "$status"
