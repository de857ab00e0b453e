# Sourced by demo and test: finds the toolchain, installs what is missing, builds the release.
# Needs Debian 12 (or a system with the same package names) and Swift 6.3 on the PATH.

packages="libopenmpi-dev openmpi-bin libopenblas-dev libdnnl-dev libssl-dev pkg-config"

say() { printf '== %s\n' "$*" >&2; }

install_packages() {
  missing=""
  for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      missing="$missing $package"
  done
  [ -z "$missing" ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
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

# mpirun refuses root and more ranks than cores unless told that both are meant.
allow_small_machine() {
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export OMPI_MCA_rmaps_base_oversubscribe=1
  # Containers without SYS_PTRACE cannot copy memory between processes.
  export OMPI_MCA_btl_vader_single_copy_mechanism=none
}

cd "$(dirname "$0")/.."
require_swift
install_packages
