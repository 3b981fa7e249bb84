#!/usr/bin/env bash
# The published policy at LLaMA-2-7B's shape: seconds of a layer-episode and peak anonymous memory for several numbers of
# layers, and what that makes for 32 layers and 20 episodes. Shows whether time is linear in layers.
# Two runs a size, of FEW and of MANY episodes: their difference is the episodes' time, the rest is what comes once (reading,
# dense spectra).
# Usage: bench/policy_scale.sh ["2 4 8"] [FEW] [MANY] [options for train, e.g. --spectrum estimate]
source "$(dirname "$0")/common.sh"
sizes=${1:-2 4 8}
few=${2:-1}
many=${3:-11}
shift $(($# < 3 ? $# : 3))
export PRUNENET_CACHE=$scratch/cache  # spectra that an earlier run left would hide what comes once
echo "layers  once s/layer  episode s/layer  peak anonymous MiB  mapped files MiB  32 layers x 20 episodes s"
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
    episode = (b - a) / (many - few) / layers; once = a / layers - few * episode
    printf "%6d  %12.2f  %15.3f  %18.0f  %16.0f  %25.0f\n", layers, once, episode, anon / 1024, mapped / 1024, 32 * (once + 20 * episode)
    printf "%d %.6f\n", layers, episode >> "'"$scratch"'/episodes" }'
  rm -rf "$scratch/model" "$scratch"/policy*
done
awk 'NR == 1 {first = $2} {printf "%slayers %d: %.2f", (NR > 1 ? ", " : "seconds of a layer-episode against the first size: "), $1, $2 / first} END {print ""}' \
  "$scratch/episodes"
echo "mapped files are pages of the checkpoint that the kernel may take back at any time; they are not counted as the program's memory"
