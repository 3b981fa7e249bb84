#!/usr/bin/env bash
# The published policy at LLaMA-2-7B's shape: seconds of an episode and peak anonymous memory for several numbers of layers.
# Shows whether time is linear in layers.
# Two runs a size, of FEW and of MANY episodes: their difference is the episodes' time, the rest is what comes once (reading,
# dense spectra). An episode takes a part that every layer adds to and one that is the same for any number of layers (its
# state goes into the journal), so that "episode s/layer" falls as layers are added, and no size by itself says what 32 layers
# take. With three sizes or more the straight line through them tells the two parts apart; two lines below the table say what
# it makes of 32 layers and 20 episodes, and how far the sizes are from it. With one or two sizes, whose line would fit
# whatever they are, there is the table alone.
# With 32 layers and MANY 20 the second run is the whole training, in column "the longer run s".
# Usage: bench/policy_scale.sh ["2 4 8"] [FEW] [MANY] [options for train, e.g. --spectrum estimate]
source "$(dirname "$0")/common.sh"
sizes=${1:-2 4 8}
few=${2:-1}
many=${3:-11}
shift $(($# < 3 ? $# : 3))
export PRUNENET_CACHE=$scratch/cache  # spectra that an earlier run left would hide what comes once
echo "layers  once s/layer  episode s  episode s/layer  the longer run s  peak anonymous MiB  mapped files MiB"
for layers in $sizes; do
  "$make_checkpoint" "$scratch/model" --shape llama2-7b --layers "$layers" >/dev/null
  for episodes in "$few" "$many"; do
    rm -rf "$PRUNENET_CACHE"
    start=$(now)
    peak_anon "$prunenet" train "$scratch/model" -o "$scratch/policy" --ratio 0.3 --episodes "$episodes" --force -q "$@" >/dev/null
    end=$(now)
    declare "s_$([ "$episodes" = "$few" ] && echo few || echo many)=$(awk "BEGIN {print $end - $start}")"
  done
  awk -v layers="$layers" -v few="$few" -v many="$many" -v a="$s_few" -v b="$s_many" -v anon="$peak_anon_kib" -v mapped="$peak_mapped_kib" 'BEGIN {
    episode = (b - a) / (many - few); once = (a - few * episode) / layers
    printf "%6d  %12.2f  %9.2f  %15.3f  %16.1f  %18.0f  %16.0f\n",
           layers, once, episode, episode / layers, b, anon / 1024, mapped / 1024
    printf "%d %.6f %.6f\n", layers, episode, once >> "'"$scratch"'/sizes" }'
  rm -rf "$scratch/model" "$scratch"/policy*
done
awk '{n++; l[n] = $1; e[n] = $2; once += $3; sl += $1; se += $2; sll += $1 * $1; sle += $1 * $2}
  END {
    if (n < 3) exit
    each = (n * sle - sl * se) / (n * sll - sl * sl); whatever = (se - each * sl) / n
    for (i = 1; i <= n; i++) { off = e[i] / (whatever + each * l[i]) - 1; if (off < 0) off = -off; if (off > most) most = off }
    printf "straight line: an episode takes %.2f s + %.3f s a layer; no size is further than %.0f %% from it\n", whatever, each, 100 * most
    printf "by it, 32 layers x 20 episodes: %.0f s\n", 32 * once / n + 20 * (whatever + 32 * each)
  }' "$scratch/sizes"
echo "mapped files are pages of the checkpoint that the kernel may take back at any time; they are not counted as the program's memory"
