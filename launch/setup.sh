# shellcheck shell=bash disable=SC2034,SC2086
# Sourced by demo and test: finds the toolchain and installs what is missing. Sets `root`, the
# project's folder, and leaves the working directory alone.
# Needs Debian 12 (or a system with the same package names) and Swift 6.3 on the PATH.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
packages="libopenmpi-dev openmpi-bin libopenblas-dev libssl-dev pkg-config"
packages="$packages libjpeg-dev libpng-dev libwebp-dev"
[ "${MECA_ONEDNN:-}" = 0 ] || packages="$packages libdnnl-dev"
# What the caller needs besides.
packages="$packages ${more_packages:-}"

say() { printf '== %s\n' "$*" >&2; }

install_packages() {
  missing=""
  for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      missing="$missing $package"
  done
  [ -z "$missing" ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    if [ "$missing" = " libdnnl-dev" ] && [ "${MECA_ONEDNN:-}" != 1 ]; then
      say "libdnnl-dev is missing: going on without it, with the slower OpenBLAS engine alone"
      return 0
    fi
    say "missing Debian packages:$missing"
    say "install them with: sudo apt-get update && sudo apt-get install$missing"
    exit 69
  fi
  say "installing:$missing"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

require_swift() {
  command -v swift >/dev/null 2>&1 && return 0
  say "swift is not on the PATH: install Swift 6.3 (swift.org) and try again"
  exit 69
}

# SwiftPM keeps what it once read from Package.swift until the text or the environment changes, so
# that an oneDNN installed since would not be seen. The environment says what is there.
choose_engine() {
  [ -z "${MECA_ONEDNN:-}" ] || return 0
  if [ -e /usr/include/dnnl.h ] || [ -e /usr/local/include/dnnl.h ]; then
    export MECA_ONEDNN=1
  else
    export MECA_ONEDNN=0
  fi
}

# mpirun refuses root and more ranks than cores unless told that both are meant.
allow_small_machine() {
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export OMPI_MCA_rmaps_base_oversubscribe=1
  # Containers without SYS_PTRACE cannot copy memory between processes.
  export OMPI_MCA_btl_vader_single_copy_mechanism=none
}

require_swift
install_packages
choose_engine
