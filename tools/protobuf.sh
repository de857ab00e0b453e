#!/usr/bin/env bash
# Makes the Swift code of Sources/MecaExport/Protobuf/*.proto anew, after one of them has changed:
#
#   tools/protobuf.sh
#
# Needs protoc (Debian: protobuf-compiler). protoc-gen-swift is built from the swift-protobuf that the
# package resolves to, so that generated code and library are of one version; minutes, the first time.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$root/Sources/MecaExport/Protobuf
command -v protoc >/dev/null || {
  echo "protoc is not on the PATH; install it with: sudo apt-get install protobuf-compiler" >&2
  exit 69
}
swift package --package-path "$root" resolve
build=(--package-path "$root/.build/checkouts/swift-protobuf" -c release
  --scratch-path "$root/.build-protobuf")
swift build "${build[@]}" --product protoc-gen-swift
plugin=$(swift build "${build[@]}" --show-bin-path)/protoc-gen-swift
for file in "$folder"/*.proto; do
  # Visible in the package, so that tests read back what was written.
  protoc --plugin=protoc-gen-swift="$plugin" --proto_path="$folder" \
    --swift_opt=Visibility=Package --swift_out="$folder" "$file"
done
