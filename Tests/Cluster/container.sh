#!/usr/bin/env bash
# The container of launch/containers/Dockerfile, built and run without a registry: its two base images are
# made here, of Debian's packages and of this machine's Swift.
#
#   Tests/Cluster/container.sh        as root; buildah, some 12 GB of room and a quarter of an hour
#
# BUILD_OPTIONS are further options of `buildah build`, as --volume for packages that are kept on this machine.
# Its images are kept apart from yours and taken away at its end.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
say() { printf '== %s\n' "$*" >&2; }
fail() { say "FAILED: $*"; exit 1; }
[ "$(id -u)" -eq 0 ] || fail "needs root"
swift=$(command -v swift) || fail "swift is not on the PATH"
swift=$(dirname "$(dirname "$(readlink -f "$swift")")")
for program in buildah debootstrap; do
  command -v $program >/dev/null && continue
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $program >/dev/null
done

here=$(mktemp -d)
store=(--root "$here/images" --runroot "$here/state")
finish() {
  status=$?
  buildah "${store[@]}" rm --all >/dev/null 2>&1 || true
  [ $status -eq 0 ] || tail -n 20 "$here"/*.log >&2 || true
  rm -rf "$here"
}
trap finish EXIT
export BUILDAH_ISOLATION=chroot
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI)' | head -n 1)

# What swift's own images for Debian have besides Swift.
swift_packages="binutils,ca-certificates,g++,git,libc6-dev,libcurl4-openssl-dev,libedit2,libncurses-dev"
swift_packages="$swift_packages,libpython3-dev,libsqlite3-0,libstdc++-12-dev,libxml2-dev,libz3-dev,pkg-config"
swift_packages="$swift_packages,tzdata,zlib1g-dev"

# An image of a folder.
image() {
  container=$(buildah "${store[@]}" from scratch)
  buildah "${store[@]}" copy --quiet "$container" "$2" / >/dev/null
  buildah "${store[@]}" commit --quiet "$container" "$1" >/dev/null
  buildah "${store[@]}" rm "$container" >/dev/null
  rm -rf "$2"
}

say "base images: Debian, and Debian with $("$swift/bin/swift" --version 2>/dev/null | head -n 1)"
debootstrap --variant=minbase --include=ca-certificates bookworm "$here/debian" "$mirror" >"$here/base.log" 2>&1
image debian:bookworm-slim "$here/debian"
debootstrap --variant=minbase --include="$swift_packages" bookworm "$here/swift" "$mirror" >"$here/base.log" 2>&1
cp -r "$swift/." "$here/swift/usr/"
image swift:bookworm-here "$here/swift"

say "building launch/containers/Dockerfile"
git clone --quiet "$root" "$here/source"
begin=$SECONDS
# shellcheck disable=SC2086
buildah "${store[@]}" build --pull-never --build-arg SWIFT_IMAGE=swift:bookworm-here --tag meca-dist \
  ${BUILD_OPTIONS:-} --file "$here/source/launch/containers/Dockerfile" "$here/source" >"$here/build.log" 2>&1 ||
  fail "the build"
say "built in $((SECONDS - begin)) s: $(buildah "${store[@]}" images --format '{{.Name}} {{.Size}}' | grep '/meca-dist ')"

run=(meca-dist --train-limit 300 --test-limit 100 --width 4 --epochs 1)
container=$(buildah "${store[@]}" from --pull-never meca-dist)
in_container() { buildah "${store[@]}" run "$container" -- "$@"; }
say "running in it on 1 and on 4 ranks"
for ranks in 1 4; do
  in_container mpirun -n $ranks "${run[@]}" --output "/work/$ranks" >"$here/run$ranks.log" 2>&1 || fail "the run"
  grep weights_sha256 "$here/run$ranks.log" >&2
done
[ "$(grep weights_sha256 "$here/run1.log")" = "$(grep weights_sha256 "$here/run4.log")" ] ||
  fail "4 ranks give other weights"
in_container sh -c '! find / -xdev -name "libswift*" | grep -q .' || fail "there is Swift in it"
in_container meca-dist doctor >"$here/doctor.log" 2>&1 || fail "meca-dist doctor"
say "the container runs, without Swift"
