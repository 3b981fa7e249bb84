#!/usr/bin/env bash
# A 2048-token window of a perplexity run beside the bare matrix products that it needs, for a model of TinyLlama-1.1B's shape with random
# weights, in f32 and bf16; and the memory of a streamed run. Takes 5 GB of disk and 6 GB of memory.
# Usage: bench/window_vs_matmul.sh [REPEAT] [LAYERS]
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
repeat=${1:-5}
layers=${2:-22}
window=$build/bench/prunenet-bench-window
if [ ! -x "$window" ]; then
  echo "this needs the runtime: install libtorch-dev and build again" >&2
  exit 1
fi
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
for dtype in bf16 f32; do
  "$make_checkpoint" "$scratch/model" --shape tinyllama-1.1b --layers "$layers" --vocab 32000 --dtype $dtype >/dev/null
  "$window" "$scratch/model" --dtype $dtype --repeat "$repeat"
  "$window" "$scratch/model" --dtype $dtype --stream --repeat 1
  rm -rf "$scratch/model"
done
