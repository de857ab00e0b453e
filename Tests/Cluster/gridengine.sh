#!/usr/bin/env bash
# Real Grid Engine on this machine: a job ends before its deadline, saved, is queued again by itself
# until it is done, and ends with the weights of a run that nobody disturbed.
#
#   Tests/Cluster/gridengine.sh [PROGRAM]      as root; installs and sets up gridengine, takes minutes
#   EPOCHS=1000 Tests/Cluster/gridengine.sh    where a job of 14 s is done at once
#
# For a machine that has no Grid Engine of its own: it fills the cell that Debian's packages make. At its
# end the daemons are stopped; the packages stay.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
program=$(realpath "${1:-$root/.build/release/meca-dist}")
say() { printf '== %s\n' "$*" >&2; }
fail() { say "FAILED: $*"; exit 1; }

if ! command -v qconf >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    gridengine-master gridengine-exec gridengine-client >/dev/null
fi
export SGE_ROOT=/var/lib/gridengine SGE_CELL=default
here=$(mktemp -d)
finish() {
  pkill -x sge_execd 2>/dev/null || true
  pkill -x sge_qmaster 2>/dev/null || true
  rm -rf "$here"
}
trap finish EXIT
host=$(hostname)
pgrep -x sge_qmaster >/dev/null && fail "a sge_qmaster runs here already"
echo "$host" > "$SGE_ROOT/$SGE_CELL/common/act_qmaster"
echo "$host localhost" > "$SGE_ROOT/$SGE_CELL/common/host_aliases"
install -d -o sgeadmin -g sgeadmin /var/run/gridengine
sge_qmaster > "$here/qmaster.out" 2>&1
for _ in $(seq 60); do qconf -sh >/dev/null 2>&1 && break; sleep 0.5; done

# qconf opens an editor on what it is to change; this one is a list of substitutions.
edited() {
  local change=$1
  shift
  # shellcheck disable=SC2016
  printf '#!/bin/sh\nsed -i -e "%s" "$1"\n' "$change" > "$here/editor"
  chmod +x "$here/editor"
  EDITOR=$here/editor qconf "$@" >/dev/null 2>&1 || true
}
qconf -as "$host" >/dev/null 2>&1 || true
edited "s/^hostname.*/hostname $host/" -ae
printf 'group_name @allhosts\nhostlist %s\n' "$host" > "$here/group"
qconf -Ahgrp "$here/group" >/dev/null 2>&1 || true
edited 's/^min_uid.*/min_uid 0/;s/^min_gid.*/min_gid 0/' -mconf global
edited 's/^slots.*/slots 99/;s/^control_slaves.*/control_slaves TRUE/;s/^job_is_first_task.*/job_is_first_task FALSE/' \
  -ap mpi
edited 's/^hostlist.*/hostlist @allhosts/;s/^slots.*/slots 2/;s/^pe_list.*/pe_list mpi/;s/^rerun.*/rerun TRUE/;s/^load_thresholds.*/load_thresholds NONE/' \
  -aq all.q
sleep 3
sge_execd > "$here/execd.out" 2>&1
for _ in $(seq 60); do qstat -f 2>/dev/null | grep -q "all.q@.*lx-amd64 *$" && break; sleep 1; done
qstat -f 2>/dev/null | grep -q "all.q@" || fail "no queue"

run=(--defense none --no-oracle --width 4 --train-limit 600 --test-limit 200 --epochs "${EPOCHS:-400}")
run+=(--augment none --seed 4)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
export MECA_PROGRAM=$program
weights() { sed -n 's/.*"weights_sha256" *: *"\([0-9a-f]*\)".*/\1/p' "$1/result.json"; }
cd "$here"
mpirun --oversubscribe -n 2 "$program" "${run[@]}" --output alone > alone.log 2>&1 ||
  { tail -5 alone.log; fail "the undisturbed run"; }
say "the job: two slots, 14 seconds at a time"
sed 's/-pe mpi 8/-pe mpi 2/' "$root/launch/sge.sh" > job.sh
names=MECA_PROGRAM,OMPI_ALLOW_RUN_AS_ROOT,OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
names+=,OMPI_MCA_rmaps_base_oversubscribe,OMPI_MCA_btl_vader_single_copy_mechanism
qsub -terse -v "$names" job.sh "${run[@]}" --deadline 14s --deadline-margin 0.02 --output job >&2
for _ in $(seq 400); do
  [ ! -e job/result.json ] || break
  [ -n "$(qstat)" ] || break
  sleep 1
done
sleep 2
log=$(cat meca-dist.o*)
[ -e job/result.json ] || { tail -20 meca-dist.o*; fail "no result"; }
starts=$(grep -c "goes on in epoch" <<< "$log" || true)
[ "$starts" -ge 1 ] || fail "the job was not queued again"
say "it was queued again $starts times"
[ "$(weights alone)" = "$(weights job)" ] || fail "other weights: $(weights alone), $(weights job)"
say "the same weights: $(weights job)"
