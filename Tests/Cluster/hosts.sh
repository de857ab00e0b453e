#!/usr/bin/env bash
# Four hosts on this machine (network namespaces joined by a bridge, an sshd in each): the same weights
# as on one; a link that is cut and a host that dies are told in one line, and the run goes on without.
#
#   Tests/Cluster/hosts.sh [PROGRAM]        as root; installs openssh-server and iproute2, takes minutes
#   RANKS_EACH=4 EPOCHS=30 Tests/Cluster/hosts.sh     with so many ranks on each host; WIDTH=8: of a larger network
#
# With several ranks on a host it counts the bytes between hosts twice: with ranks that are neighbours,
# whose sums are made within a host first, and with ranks dealt out one by one, whose sums cannot be.
# Takes all of it away at its end.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
program=$(realpath "${1:-$root/.build/release/meca-dist}")
ranks_each=${RANKS_EACH:-1}
say() { printf '== %s\n' "$*" >&2; }
fail() { say "FAILED: $*"; exit 1; }

if ! command -v sshd >/dev/null && [ ! -x /usr/sbin/sshd ] || ! command -v ip >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends openssh-server iproute2 >/dev/null
fi
here=$(mktemp -d)
tag=m$$
finish() {
  for n in 1 2 3 4; do
    ip netns pids "$tag-$n" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
    ip netns del "$tag-$n" 2>/dev/null || true
  done
  ip link del "$tag" 2>/dev/null || true
  rm -rf "$here"
}
trap finish EXIT

ip link add "$tag" type bridge
ip link set "$tag" up
ssh-keygen -q -t ed25519 -N '' -f "$here/key"
ssh-keygen -q -t ed25519 -N '' -f "$here/hostkey"
cp "$here/key.pub" "$here/authorized"
chmod 600 "$here/authorized"
mkdir -p /run/sshd
# A host: its network, its name, and an sshd.
host() {
  ip netns exec "$tag-$1" unshare --uts sh -c "hostname host$1; exec /usr/sbin/sshd -D -e -p 2222 \
    -h $here/hostkey -o AuthorizedKeysFile=$here/authorized -o StrictModes=no -o PidFile=none \
    -o PermitRootLogin=yes -o UsePAM=no -o AcceptEnv='*'" 2> "$here/sshd-$1.log" &
}
connect() {
  ip netns add "$tag-$1"
  ip link add "$tag$1" type veth peer name eth0 netns "$tag-$1"
  ip link set "$tag$1" master "$tag" up
  ip -n "$tag-$1" addr add "10.77.0.$1/24" dev eth0
  ip -n "$tag-$1" link set eth0 up
  ip -n "$tag-$1" link set lo up
  host "$1"
}
for n in 1 2 3 4; do connect "$n"; done
hostfile() { for n in "$@"; do echo "10.77.0.$n slots=$ranks_each"; done > "$here/hosts-$#"; }
hostfile 1 2 3 4
hostfile 1 2 3
ssh_words="-p 2222 -i $here/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
ssh_words="$ssh_words -o LogLevel=ERROR -o BatchMode=yes"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# As in the scripts of launch.
export OMPI_MCA_oob_tcp_keepalive_time=20 OMPI_MCA_oob_tcp_keepalive_intvl=5
export OMPI_MCA_oob_tcp_keepalive_probes=4
run=(--defense none --no-oracle --width "${WIDTH:-4}" --train-limit 600 --test-limit 200 --epochs "${EPOCHS:-200}")
run+=(--augment none --seed 4 --shards "$((ranks_each > 2 ? 4 * ranks_each : 8))")
# Where the next rank goes: slot fills a host first, node takes the next host.
map_by=slot
# mpirun on the first host, over the first $1 of them.
over() {
  local hosts=$1
  shift
  ip netns exec "$tag-1" unshare --uts sh -c 'hostname host1; exec "$@"' over \
    mpirun --hostfile "$here/hosts-$hosts" -n "$((hosts * ranks_each))" --oversubscribe \
    --map-by "$map_by" --bind-to none \
    --mca plm_rsh_args "$ssh_words" --mca btl_vader_single_copy_mechanism none \
    --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
    "$program" "${run[@]}" "$@"
}
weights() { sed -n 's/.*"weights_sha256" *: *"\([0-9a-f]*\)".*/\1/p' "$1/result.json"; }
sent() { # bytes that hosts gave to the bridge
  local sum=0 n
  for n in 1 2 3 4; do sum=$((sum + $(cat "/sys/class/net/$tag$n/statistics/rx_bytes"))); done
  echo "$sum"
}
epoch() { # waits until a run has trained so many epochs
  local count
  for _ in $(seq 3000); do
    count=$(grep -c '"event":"epoch"' "$1/metrics.jsonl" 2>/dev/null || true)
    [ "${count:-0}" -ge "$2" ] && return 0
    sleep 0.1
  done
  fail "no epoch $2 in $1"
}

cd "$here"
mpirun --oversubscribe -n 2 "$program" "${run[@]}" --output one > one.log 2>&1 ||
  { tail -5 one.log; fail "the run on one host"; }
before=$(sent)
over 4 --output four > four.log 2>&1 || { tail -5 four.log; fail "the run on four hosts"; }
bytes=$(($(sent) - before))
say "four hosts, $ranks_each ranks each: $bytes bytes between them"
grep -E "^meca-dist [0-9.]+, .* ranks? on " four.log >&2
[ "$(weights one)" = "$(weights four)" ] || fail "other weights on four hosts"
say "the same weights as on one: $(weights four)"

if [ "$ranks_each" -gt 1 ]; then
  map_by=node
  before=$(sent)
  over 4 --output dealt > dealt.log 2>&1 || { tail -5 dealt.log; fail "the run with dealt ranks"; }
  dealt=$(($(sent) - before))
  map_by=slot
  say "the same with ranks dealt out: $dealt bytes, so that neighbours send $((100 * bytes / dealt)) %"
  [ "$(weights one)" = "$(weights dealt)" ] || fail "other weights with dealt ranks"
  # Gradients alone are one in RANKS_EACH; headers and control messages come on top of both.
  [ "$((100 * bytes / dealt))" -le $((100 / ranks_each + 5)) ] || fail "neighbours save too little"
fi

# Runs over four hosts, lets $2 happen to one of them, and goes on without it.
without() {
  local name=$1
  shift
  over 4 --output "$name" --checkpoint-every 0 > "$name.log" 2>&1 &
  local job=$!
  epoch "$name" 5
  "$@"
  local begin=$SECONDS status=0
  while kill -0 "$job" 2>/dev/null; do
    [ $((SECONDS - begin)) -lt 90 ] || break
    sleep 0.5
  done
  ! kill -0 "$job" 2>/dev/null || fail "$name: mpirun has not ended after 90 s"
  wait "$job" || status=$?
  say "$name: ended with $status after $((SECONDS - begin)) s"
  grep -E "rank [0-9]+ of [0-9]+ on host4" "$name.log" >&2 ||
    { tail -20 "$name.log"; fail "$name: no line"; }
  sleep 1
  over 3 --output "$name" > "$name-again.log" 2>&1 || { grep "^meca-dist: " "$name-again.log"; fail "going on on three"; }
  grep -q "goes on in epoch" "$name-again.log" || fail "$name began anew"
  [ "$(weights one)" = "$(weights "$name")" ] || fail "$name: other weights"
  say "$name: went on on three hosts, the same weights"
}
cut_link() { ip link set "${tag}4" down; }
kill_host() { ip netns pids "$tag-4" | xargs -r kill -9; }
without cut-link cut_link
ip netns pids "$tag-4" | xargs -r kill -9 || true
ip link set "${tag}4" up
host 4
sleep 1
without killed-host kill_host
