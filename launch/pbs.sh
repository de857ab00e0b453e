#!/usr/bin/env bash
# A run of meca-dist as a job of PBS Pro or OpenPBS, printed by: meca-dist script --scheduler pbs
# Options of the run cannot stand behind qsub's: write them below, or print a script with them:
#
#   meca-dist script --scheduler pbs -- --dataset cifar10 --data DATA --output runs/cifar > job.sh
#   qsub job.sh
#
# Before its time is over the run saves and ends with status 75; the job is then queued again and goes
# on from that step. Submitted again unchanged it goes on too, on any number of ranks.
#PBS -N meca-dist
#PBS -l select=1:ncpus=8:mpiprocs=8:ompthreads=1
#PBS -l place=scatter:excl
#PBS -l walltime=04:00:00
#PBS -r y
#PBS -j oe
set -uo pipefail
cd "${PBS_O_WORKDIR:?submit this script with qsub}" || exit 69

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
index=${PBS_ARRAY_INDEX:-}
# Debian's Open MPI does not ask this scheduler for the job's hosts: they come from its list.
hosts=$(mktemp)
trap 'rm -f "$hosts"' EXIT
sort "$PBS_NODEFILE" | uniq -c | awk '{ print $2 " slots=" $1 }' > "$hosts"
ranks=$(wc -l < "$PBS_NODEFILE")
reach=(--hostfile "$hosts")
if command -v pbs_tmrsh >/dev/null; then reach+=(--mca plm_rsh_agent pbs_tmrsh); fi
launch=(mpirun "${reach[@]}" -n "$ranks" --map-by "slot:PE=$threads" --bind-to core)
once=(mpirun "${reach[@]}" --map-by ppr:1:node)
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
if [ "$status" = 75 ]; then qrerun "$PBS_JOBID" || qsub "$0"; fi
exit "$status"
