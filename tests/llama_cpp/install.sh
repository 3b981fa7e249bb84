#!/usr/bin/env bash
# Installs the tests' real client, the llama.cpp of node-llama-cpp, through npm into a folder: one package (10 MB, 29 MB
# unpacked; version and hash in package-lock.json), nothing built. Does nothing where it is there already.
# Usage: tests/llama_cpp/install.sh FOLDER
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
mark=$folder/node_modules/installed-lock.json  # written last: a broken-off installation has none
if cmp -s "$here/package-lock.json" "$mark"; then
  echo "llama.cpp client: installed in $folder"
  exit 0
fi
echo "llama.cpp client: installing into $folder"
mkdir -p "$folder"
cp "$here/package.json" "$here/package-lock.json" "$folder/"
(cd "$folder" && NODE_LLAMA_CPP_SKIP_DOWNLOAD=true npm ci --no-audit --no-fund --omit=optional --ignore-scripts)
cp "$here/package-lock.json" "$mark"
