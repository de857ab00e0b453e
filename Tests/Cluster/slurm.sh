#!/usr/bin/env bash
# Real Slurm on this machine: a job is warned, saves, is queued again by itself, goes on with another
# number of ranks, and ends with the weights of a run that nobody disturbed.
#
#   Tests/Cluster/slurm.sh [--srun] [PROGRAM]   as root; installs slurm-wlm and munge, takes five minutes
#
# Starts munge, slurmctld and two slurmd of its own in a temporary folder, and takes all of it away.
# With --srun the job's ranks are started by srun --mpi=pmix in place of mpirun.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
launcher=mpirun
if [ "${1:-}" = --srun ]; then
  launcher=srun
  shift
fi
given=$(realpath "${1:-$root/.build/release/meca-dist}")
say() { printf '== %s\n' "$*" >&2; }
fail() { say "FAILED: $*"; exit 1; }

if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
fi

# Not under /tmp, of which every node gets one of its own, as on hosts of their own: two slurmstepd with
# one /tmp would take each other's folder for PMIx.
here=$(mktemp -d -p /var/tmp)
pids=()
finish() {
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$here"
}
trap finish EXIT
host=$(hostname -s)
cores=$(nproc)
mkdir -p "$here/state" "$here/munge" "$here/work"
program=$here/meca-dist
cp "$given" "$program"
script=$here/slurm.sbatch
if [ $launcher = srun ]; then
  sed -e 's/^# \(export SRUN_\)/\1/' -e 's/^# \(launch=(srun\)/\1/' -e 's/^# \(once=(srun\)/\1/' \
    "$root/launch/slurm.sbatch" > "$script"
  [ "$(grep -c '^[a-z]*=(srun' "$script")" = 2 ] || { say "the script has no lines for srun"; exit 1; }
else
  cp "$root/launch/slurm.sbatch" "$script"
fi
cat > "$here/slurm.conf" <<CONF
ClusterName=here
SlurmctldHost=$host
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$here/munge/socket
CryptoType=crypto/munge
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool-%n
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd-%n.pid
SlurmctldPort=6827
SlurmctldLogFile=$here/slurmctld.log
SlurmdLogFile=$here/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
JobRequeue=1
KillWait=5
SchedulerParameters=sched_interval=5
ReturnToService=2
NodeName=here[1-2] NodeHostname=$host Port=[6828-6829] CPUs=$cores State=UNKNOWN
PartitionName=all Nodes=here[1-2] Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$here/slurm.conf

dd if=/dev/urandom of="$here/munge/key" bs=1024 count=1 status=none
chmod 400 "$here/munge/key"
chmod 755 "$here" "$here/munge"
munged --force --foreground --key-file="$here/munge/key" --socket="$here/munge/socket" \
  --pid-file="$here/munge/pid" --log-file="$here/munge/log" --seed-file="$here/munge/seed" \
  2> "$here/munge.out" &
pids+=($!)
for _ in $(seq 50); do [ -S "$here/munge/socket" ] && break; sleep 0.1; done
slurmctld -D > "$here/slurmctld.out" 2>&1 &
pids+=($!)
for node in here1 here2; do
  mkdir -p "$here/spool-$node" "$here/tmp-$node"
  # shellcheck disable=SC2016
  unshare --mount sh -c 'mount --bind "$1" /tmp && exec slurmd -D -N "$2"' slurmd \
    "$here/tmp-$node" "$node" > "$here/slurmd-$node.out" 2>&1 &
  pids+=($!)
done
for _ in $(seq 60); do
  [ "$(sinfo -h -t idle -o %D 2>/dev/null || true)" = 2 ] && break
  sleep 0.5
done
[ "$(sinfo -h -t idle -o %D)" = 2 ] || { cat "$here"/*.out; fail "two nodes are not idle"; }

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_btl_vader_single_copy_mechanism=none
run=(--defense none --no-oracle --width 4 --train-limit 600 --test-limit 200 --epochs 400)
run+=(--augment none --seed 4)
weights() { sed -n 's/.*"weights_sha256" *: *"\([0-9a-f]*\)".*/\1/p' "$1/result.json"; }

say "undisturbed, on 2 ranks"
(cd "$here/work" && mpirun -n 2 "$program" "${run[@]}" --output alone > alone.log 2>&1) ||
  { tail -5 "$here/work/alone.log"; fail "the undisturbed run"; }

say "the job, by $launcher: two nodes, one rank each, a minute, warned 40 seconds before"
cd "$here/work"
job=$(MECA_PROGRAM=$program sbatch --parsable --nodes=2 --ntasks-per-node=1 --time=1 \
  --signal=B:USR1@40 --hint=multithread --output="$here/work/job.log" "$script" \
  "${run[@]}" --output job)
state() { squeue -h -j "$job" -o %T 2>/dev/null || true; }
for _ in $(seq 600); do
  grep -q "stopped by SIGUSR1" job.log 2>/dev/null && break
  case "$(state)" in RUNNING | PENDING | CONFIGURING) ;; *) break ;; esac
  sleep 0.5
done
grep -q "stopped by SIGUSR1" job.log || { tail -20 job.log; fail "the run was not warned, or did not stop"; }
[ -e job/requeue ] || fail "no requeue file"
say "stopped: $(grep 'stopped by' job.log)"
for _ in $(seq 240); do
  [ "$(state)" = PENDING ] && break
  sleep 0.5
done
[ "$(state)" = PENDING ] || fail "the job is not queued again, but $(state)"
say "queued again; now on one node with one rank, and five minutes (Slurm waits two before it starts)"
scontrol update JobId="$job" NumNodes=1 NumTasks=1 TimeLimit=5
for _ in $(seq 600); do
  [ -n "$(state)" ] || break
  case "$(state)" in COMPLETED | FAILED | CANCELLED | TIMEOUT) break ;; esac
  sleep 1
done
grep -q "goes on in epoch" job.log || { tail -20 job.log; fail "it did not go on"; }
[ -e job/result.json ] || { tail -20 job.log; fail "no result"; }
say "ranks of the end: $(sed -n 's/.*"ranks" *: *\([0-9]*\).*/\1/p' job/result.json)"
[ "$(weights alone)" = "$(weights job)" ] || fail "other weights: $(weights alone), $(weights job)"
say "the same weights: $(weights job)"
