#!/usr/bin/env bash
# Cutting and writing against cp: prune by a mask (no choosing, no spectra) and cp of the folder that came out, in turn, on
# the same bytes in the same folder; the page cache is warm for both.
# Usage: bench/slice_vs_cp.sh [LAYERS] [REPEATS]
source "$(dirname "$0")/common.sh"
layers=${1:-4}
repeats=${2:-7}
"$make_checkpoint" "$scratch/model" --shape llama2-7b --layers "$layers" >/dev/null
awk -v layers="$layers" 'BEGIN {
  srand(1); printf "{\"layers\": ["
  for (l = 0; l < layers; ++l) {
    printf "%s{\"index\": %d, \"keep\": [", l ? ", " : "", l
    left = 7680
    for (i = 0; i < 11008; ++i) if (rand() < left / (11008 - i)) { printf "%s%d", left < 7680 ? ", " : "", i; --left }
    printf "]}"
  }
  print "]}" }' >"$scratch/mask.json"
"$prunenet" prune "$scratch/model" -o "$scratch/pruned" --mask "$scratch/mask.json" -q >/dev/null
bytes=$(du -sb "$scratch/pruned" | cut -f1)
echo "writing $((bytes / 1000000)) MB, $repeats times each, in turn"
# Each runs once untimed before it is timed: in a virtual machine the first to touch memory that another freed long ago pays for it.
copy() { cp -r --reflink=never "$scratch/pruned" "$scratch/out"; }
slice() { "$prunenet" prune "$scratch/model" -o "$scratch/out" --mask "$scratch/mask.json" -q >/dev/null; }
timed() {
  "$1"; rm -r "$scratch/out"; sync
  start=$(now); "$1"; end=$(now)
  echo "$start $end" | awk '{print $2 - $1}' >>"$scratch/times-$1"
  rm -r "$scratch/out"; sync
}
for ((i = 0; i < repeats; ++i)); do
  timed copy
  timed slice
done
cp_s=$(median <"$scratch/times-copy"); slice_s=$(median <"$scratch/times-slice")
paste "$scratch/times-copy" "$scratch/times-slice" | awk '{printf "  cp %.3f s   prunenet %.3f s   ratio %.2f\n", $1, $2, $1 / $2}'
ratio=$(paste "$scratch/times-copy" "$scratch/times-slice" | awk '{print $1 / $2}' | median)
echo "median: cp $cp_s s, prunenet $slice_s s; speed of cp reached, median of the pairs: $ratio"
