#!/usr/bin/env bash
# One exact spectrum step on a LLaMA-2-7B-shaped layer (11008 x 4096, bf16), ours and torch's on the same numbers, in turn.
# Usage: bench/spectrum_vs_torch.sh [REPEATS]   (needs Debian's python3-torch for the peer; skipped with a word without it)
source "$(dirname "$0")/common.sh"
repeats=${1:-5}
"$make_checkpoint" "$scratch/layer" --shape llama2-7b --layers 1 >/dev/null
"$build/bench/prunenet-bench-spectrum-step" "$scratch/layer" --repeats "$repeats"
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
  /usr/bin/python3 "$root/bench/torch_spectrum_step.py" "$scratch/layer" "$repeats"
else
  echo "python3-torch is not installed: no peer in this run"
fi
