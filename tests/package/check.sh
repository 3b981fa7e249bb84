#!/usr/bin/env bash
# Installs this build into a scratch prefix, builds the project beside this file against it, and runs both it and the
# installed program. Usage: check.sh BUILD_FOLDER DEMO_MODEL_MAKER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cmake --install "$1" --prefix "$scratch/prefix" >/dev/null
cmake -S "$here" -B "$scratch/build" -G Ninja -DCMAKE_PREFIX_PATH="$scratch/prefix" -DCMAKE_BUILD_TYPE=Debug >/dev/null
cmake --build "$scratch/build" >/dev/null
"$2" "$scratch/demo" >/dev/null
"$scratch/build/uses_prunenet" "$scratch/demo" "$scratch/small"
"$scratch/prefix/bin/prunenet" inspect "$scratch/small"
