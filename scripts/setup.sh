#!/usr/bin/env bash
# Installs the packages of Debian 12 or 13 that building and testing prunenet needs. Says what it does; does nothing where all are
# there already. Works as root or with sudo.
# Usage: scripts/setup.sh [--build-only] [--no-runtime] [--no-node]
#   --build-only   leave out what only the tests need
#   --no-node      leave out node and npm (355 small packages, 50 MB): the tests against llama.cpp are then skipped
#   --no-runtime   leave out libtorch (190 packages, 810 MB): everything but the verbs that run a model
set -euo pipefail

build_packages=(g++ cmake ninja-build libeigen3-dev libopenblas-openmp-dev liblapacke-dev nlohmann-json3-dev libfmt-dev
  libcli11-dev nettle-dev zlib1g-dev libpcre2-dev libutf8proc-dev libsentencepiece-dev)
test_packages=(libgtest-dev libbenchmark-dev clang libclang-rt-dev)

runtime_packages=(libtorch-dev)

packages=("${build_packages[@]}")
with_tests=1 with_runtime=1 with_node=1
for option in "$@"; do
  case "$option" in
    --build-only) with_tests=0 ;;
    --no-runtime) with_runtime=0 ;;
    --no-node) with_node=0 ;;
    *) echo "usage: scripts/setup.sh [--build-only] [--no-runtime] [--no-node]" >&2; exit 2 ;;
  esac
done
[ $with_tests = 0 ] || packages+=("${test_packages[@]}")
[ $with_runtime = 0 ] || packages+=("${runtime_packages[@]}")
# A node that came another way stays: Debian's npm would replace it by Debian's node.
if [ $with_tests = 1 ] && [ $with_node = 1 ] && ! { command -v node && command -v npm; } >/dev/null; then
  packages+=(nodejs npm)
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this is no Debian system; install the equivalents of: ${packages[*]}" >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: all ${#packages[@]} packages are installed"
  exit 0
fi

run=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup: not root and no sudo; as root: apt-get install ${missing[*]}" >&2; exit 1; }
  run=(sudo)
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${run[@]}" apt-get update -qq
"${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "setup: done"
