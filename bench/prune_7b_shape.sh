#!/usr/bin/env bash
# The published method at LLaMA-2-7B's layer shape: what `plan` foretells, and what `prune` takes in time and memory.
# Usage: bench/prune_7b_shape.sh [LAYERS] [EPISODES]
source "$(dirname "$0")/common.sh"
layers=${1:-2}
episodes=${2:-3}
"$make_checkpoint" "$scratch/model" --shape llama2-7b --layers "$layers" >/dev/null
"$prunenet" plan "$scratch/model" --ratio 0.3 --episodes "$episodes" -o "$scratch/out"
"$prunenet" prune "$scratch/model" -o "$scratch/out" --ratio 0.3 --episodes "$episodes" --json -q >"$scratch/result.json"
grep -E '"(elapsed_s|peak_rss_bytes|ffn_ratio_reached|total_ratio_reached)"' "$scratch/result.json" | sed 's/^ */  /'
