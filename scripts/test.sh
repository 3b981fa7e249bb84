#!/usr/bin/env bash
# Everything that is tested, on a fresh Debian 12: installs the packages, builds, runs every test, installs the library and
# builds a program against it, and fuzzes what reads hostile files.
# Usage: scripts/test.sh [--fast | --asan]
#   --fast   without the slow tests and the fuzzers
#   --asan   the fast suite under the address and undefined-behaviour sanitizers instead
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:-}
case "$mode" in "" | --fast | --asan) ;; *) echo "usage: scripts/test.sh [--fast | --asan]" >&2; exit 2 ;; esac
shared=${PRUNENET_SHARED_DATA:-$PWD/../shared/data}
[ -d "$shared/golden" ] || echo "note: no shared test data at $shared: the tests that read it are skipped"

scripts/setup.sh
jobs=$(nproc)
preset=release
[ "$mode" = --asan ] && preset=asan-ubsan
step() { printf '\n== %s (%s s so far)\n' "$1" "$SECONDS"; }

step "llama.cpp, the real client"
if command -v node >/dev/null && command -v npm >/dev/null && [ "$(uname -m)" = x86_64 ]; then
  # Without it the tests against llama.cpp fail, each with this word; everything else is tested all the same.
  tests/llama_cpp/install.sh "build/$preset/llama_cpp" ||
    echo "warning: llama.cpp could not be installed (is the npm registry reachable?): the tests against it will fail" >&2
else
  echo "note: node, npm or an x86-64 processor is missing: the tests against llama.cpp are skipped"
fi

step "building ($preset)"
cmake --preset "$preset" -DPRUNENET_TESTS=ON $([ "$mode" = --asan ] || echo -DPRUNENET_BENCH=ON) >/dev/null
cmake --build --preset "$preset" -j "$jobs"

step "tests"
skip=()
[ -n "$mode" ] && skip=(-LE slow)
ctest --preset "$preset" -j "$jobs" "${skip[@]}"
if [ -n "$mode" ]; then exit 0; fi

step "building the fuzzers"
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$jobs"
step "fuzzing"
ctest --preset fuzz -j "$jobs"
printf '\nall tests passed in %s s\n' "$SECONDS"
