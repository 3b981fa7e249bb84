# Shared by the scripts of this folder: where the release build is, and scratch space that goes away.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${PRUNENET_BUILD:-$root/build/release}
prunenet=$build/src/prunenet
make_checkpoint=$build/bench/prunenet-bench-make-checkpoint
if [ ! -x "$prunenet" ] || [ ! -x "$make_checkpoint" ]; then
  echo "build first: cmake --preset release && cmake --build --preset release" >&2
  exit 1
fi
scratch=$(mktemp -d "${TMPDIR:-/tmp}/prunenet-bench-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
now() { date +%s.%N; }
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
