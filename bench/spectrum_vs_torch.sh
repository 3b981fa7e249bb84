#!/usr/bin/env bash
# One layer of LLaMA-2-7B's shape (11008 x 4096, bf16, K = 7705) through one episode of the published training, ours (exact
# and estimated spectra) and torch's on the same numbers: torch, ours, torch, ours; and the estimate's KS against exact over
# 20 random masks.
# Usage: bench/spectrum_vs_torch.sh [REPEATS]   (layer-episodes in each of the two rounds; needs Debian's python3-torch for
# the peer, which is skipped with a word without it)
source "$(dirname "$0")/common.sh"
repeats=${1:-3}
"$make_checkpoint" "$scratch/layer" --shape llama2-7b --layers 2 >/dev/null
has_peer=
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
  has_peer=1
else
  echo "python3-torch is not installed: no peer in this run"
fi
for round in 1 2; do
  if [ -n "$has_peer" ]; then
    /usr/bin/python3 "$root/bench/torch_spectrum_step.py" "$scratch/layer" "$repeats" | tee "$scratch/torch"
  fi
  masks=$((round == 2 ? 20 : 0))
  "$build/bench/prunenet-bench-spectrum-step" "$scratch/layer" --repeats "$repeats" --exact-repeats "$repeats" --masks "$masks" |
    tee "$scratch/ours"
  if [ -n "$has_peer" ]; then
    peer=$(sed -n 's/^torch svdvals.*: \([0-9.]*\) s$/\1/p' "$scratch/torch")
    for method in exact estimate; do
      ours=$(sed -n "s/^prunenet $method, layer-episode.*: \([0-9.]*\) s$/\1/p" "$scratch/ours")
      awk -v peer="$peer" -v ours="$ours" -v method="$method" -v round="$round" \
        'BEGIN {printf "round %d, %s: %.1f times as fast as torch\n", round, method, peer / ours}'
    done
  fi
done
