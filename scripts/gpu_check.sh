#!/usr/bin/env bash
# The GPU's own check: builds prunenet against a libtorch with CUDA, runs the runtime's tests there, and times a forward
# pass, the surgeon and a policy step on the GPU and on the processor, in the same run.
# Usage: scripts/gpu_check.sh [LIBTORCH_DIR]
#   LIBTORCH_DIR   an unpacked libtorch (cxx11 ABI, 1.13 or newer, with CUDA), or site-packages/torch of a Python
#                  installation; without it, the one that python3 imports
#   BUILD          the build folder (build/gpu)
# The tests that hold a device to numbers (forward pass, sessions, walks, moments, choosing, refitting, training) compute
# on the GPU; those of what is the processor's own, such as bits that no number of threads changes, stay there.
# Exit status: 0 only when everything was built, every test ran and passed, and what was measured on the GPU is no
#   further from the processor's results than prunenet-bench-device allows.
#   1: something is missing, which is said in one sentence each, or a build, a test or a measurement failed, or a test
#   was skipped.
#   2: wrong usage.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,14s/^# \{0,1\}//p' "$0"; }
case "${1:-}" in -h | --help) usage; exit 0 ;; -*) usage >&2; exit 2 ;; esac
if [ $# -gt 1 ]; then usage >&2; exit 2; fi

missing=()
gpus=$(nvidia-smi -L 2>/dev/null || true)
[ -n "$gpus" ] || missing+=("no NVIDIA GPU: nvidia-smi -L lists none (or there is no driver)")

libtorch=${1:-}
if [ -z "$libtorch" ]; then
  libtorch=$(python3 -c 'import torch, pathlib; print(pathlib.Path(torch.__file__).parent)' 2>/dev/null || true)
fi
if [ -z "$libtorch" ]; then
  missing+=("no libtorch: give its folder (https://pytorch.org, cxx11 ABI, with CUDA), as python3 has no torch either")
elif [ ! -f "$libtorch/share/cmake/Torch/TorchConfig.cmake" ]; then
  missing+=("no libtorch in $libtorch: there is no share/cmake/Torch/TorchConfig.cmake")
elif [ ! -e "$libtorch/lib/libtorch_cuda.so" ]; then
  missing+=("the libtorch in $libtorch has no CUDA: there is no lib/libtorch_cuda.so")
fi

cuda=${CUDA_HOME:-${CUDA_PATH:-/usr/local/cuda}}
if ! command -v nvcc >/dev/null && [ ! -x "$cuda/bin/nvcc" ]; then
  missing+=("no CUDA toolkit: neither nvcc nor $cuda/bin/nvcc is there, and libtorch's own CMake files ask for it")
fi
for tool in cmake ninja c++; do
  command -v "$tool" >/dev/null || missing+=("no $tool: scripts/setup.sh installs it")
done

shared=${PRUNENET_SHARED_DATA:-$PWD/../shared/data}
for part in golden models policy_golden; do
  [ -d "$shared/$part" ] || missing+=("no shared test data: there is no $shared/$part (PRUNENET_SHARED_DATA names the folder)")
done

if [ ${#missing[@]} -gt 0 ]; then
  printf 'gpu_check: %s\n' "${missing[@]}" >&2
  echo "gpu_check: nothing was built and nothing was tested" >&2
  exit 1
fi

build=${BUILD:-build/gpu}
libtorch=$(cd "$libtorch" && pwd)
printf '%s\nlibtorch %s in %s\n' "$gpus" "$(cat "$libtorch/build-version" 2>/dev/null || echo "of unknown version")" "$libtorch"

step() { printf '\n== %s (%s s so far)\n' "$1" "$SECONDS"; }
step "building in $build"
PATH=$PATH:$cuda/bin cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPRUNENET_RUNTIME=ON \
  -DPRUNENET_TESTS=ON -DPRUNENET_BENCH=ON -DTorch_DIR="$libtorch/share/cmake/Torch"
PATH=$PATH:$cuda/bin cmake --build "$build" -j "$(nproc)" --target prunenet prunenet_runtime_module test_runtime \
  prunenet_bench_device prunenet_bench_make_checkpoint

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

step "the runtime's tests with the GPU"
export OMP_WAIT_POLICY=passive
export TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=0  # NVIDIA's containers turn TF32 on, whose rounding no tolerance here is for
# A device that cannot be opened fails every test that computes there. Those of the tests' own device are not for here.
PRUNENET_SHARED_DATA=$(cd "$shared" && pwd) PRUNENET_TEST_DEVICE=cuda "$build/tests/test_runtime" --gtest_brief=1 \
  --gtest_filter='-StrictDevice*' | tee "$scratch/tests"
if grep -q 'SKIPPED' "$scratch/tests"; then
  echo "gpu_check: some tests were skipped, so not everything was tested" >&2
  exit 1
fi

step "the surgeon and a policy step of LLaMA-2-7B's shape"
"$build/bench/prunenet-bench-device" --device cuda

step "a forward pass, two layers of LLaMA-2-7B's shape"
"$build/bench/prunenet-bench-make-checkpoint" "$scratch/model" --shape llama2-7b --layers 2 --dtype bf16
for device in cpu cuda; do
  "$build/src/prunenet" bench "$scratch/model" --dtype bf16 --device "$device"
done
printf '\ngpu_check: built, tested and measured with the GPU in %s s\n' "$SECONDS"
