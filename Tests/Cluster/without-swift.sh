#!/usr/bin/env bash
# A Debian without Swift, with the run-time packages alone: the installed program runs there.
#
#   Tests/Cluster/without-swift.sh [PREFIX]     as root; PREFIX as launch/install has filled it, else it
#                                               is installed first (a build of some minutes)
#
# Uses debootstrap and this machine's own package mirror; takes all of it away at its end.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
say() { printf '== %s\n' "$*" >&2; }
fail() { say "FAILED: $*"; exit 1; }
packages="openmpi-bin libopenblas0-pthread libdnnl2 libssl3 libjpeg62-turbo libpng16-16 libwebp7"
grep -q "$packages" "$root/launch/install" || fail "launch/install names other packages"

here=$(mktemp -d)
finish() {
  umount "$here/debian/proc" "$here/debian/dev/shm" 2>/dev/null || true
  rm -rf "$here"
}
trap finish EXIT
prefix=${1:-}
if [ -z "$prefix" ]; then
  prefix=$here/prefix
  "$root/launch/install" "$prefix"
fi
if ! command -v debootstrap >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI)' | head -n 1)
say "a Debian with: $packages"
debootstrap --variant=minbase --include="${packages// /,},ca-certificates" bookworm \
  "$here/debian" "$mirror" > "$here/debootstrap.log" 2>&1 || { tail -5 "$here/debootstrap.log"; fail "debootstrap"; }
cp -r "$prefix" "$here/debian/opt/meca-dist"
mkdir -p "$here/debian/dev/shm"
mount -t proc proc "$here/debian/proc"
mount -t tmpfs tmpfs "$here/debian/dev/shm"
[ -z "$(find "$here/debian" -xdev -name 'libswift*' -print -quit)" ] || fail "there is Swift in it"
say "running there on 2 ranks"
chroot "$here/debian" env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 HOME=/root \
  OMPI_MCA_btl_vader_single_copy_mechanism=none \
  mpirun --oversubscribe -n 2 /opt/meca-dist/bin/meca-dist --train-limit 300 --test-limit 100 \
  --width 4 --epochs 1 --output /root/run > "$here/run.log" 2>&1 || { tail -5 "$here/run.log"; fail "the run"; }
grep weights_sha256 "$here/run.log" >&2
mpirun --oversubscribe --allow-run-as-root -n 1 "$prefix/bin/meca-dist" --train-limit 300 \
  --test-limit 100 --width 4 --epochs 1 --output "$here/here" > "$here/here.log" 2>&1
[ "$(grep weights_sha256 "$here/run.log")" = "$(grep weights_sha256 "$here/here.log")" ] ||
  fail "other weights than here"
say "the same weights as here"
