#!/usr/bin/env bash
# Cutting and writing against cp: prune by a mask (no choosing, no spectra) and cp of what came out, in turn, on the same
# bytes in the same folder.
# Usage: bench/slice_vs_cp.sh [LAYERS] [REPEATS] [bf16|f32] [folder|gguf] [warm|cold]
#   warm: source in the page cache, as cp's is. cold: the page cache is dropped before each (needs root).
source "$(dirname "$0")/common.sh"
layers=${1:-4}
repeats=${2:-7}
dtype=${3:-bf16}
kind=${4:-folder}
cache=${5:-warm}
"$make_checkpoint" "$scratch/model" --shape llama2-7b --layers "$layers" --dtype "$dtype" $([ "$kind" = gguf ] && echo --tokenizer) >/dev/null
awk -v layers="$layers" 'BEGIN {
  srand(1); printf "{\"layers\": ["
  for (l = 0; l < layers; ++l) {
    printf "%s{\"index\": %d, \"keep\": [", l ? ", " : "", l
    left = 7680
    for (i = 0; i < 11008; ++i) if (rand() < left / (11008 - i)) { printf "%s%d", left < 7680 ? ", " : "", i; --left }
    printf "]}"
  }
  print "]}" }' >"$scratch/mask.json"
model=$scratch/model out=$scratch/out pruned=$scratch/pruned
if [ "$kind" = gguf ]; then
  model=$scratch/model.gguf out=$scratch/out.gguf pruned=$scratch/pruned.gguf
  "$prunenet" convert "$scratch/model" -o "$model" -q >/dev/null
  rm -r "$scratch/model"
fi
"$prunenet" prune "$model" -o "$pruned" --mask "$scratch/mask.json" -q >/dev/null
bytes=$(du -sb "$pruned" | cut -f1)
echo "writing $((bytes / 1000000)) MB ($layers layers, $dtype, $kind, $cache), $repeats times each, in turn"
# Each runs once untimed before it is timed: in a virtual machine the first to touch memory that another freed long ago pays for it.
copy() { cp -r --reflink=never "$pruned" "$out"; }
slice() { "$prunenet" prune "$model" -o "$out" --mask "$scratch/mask.json" -q >/dev/null; }
cool() { if [ "$cache" = cold ]; then echo 3 >/proc/sys/vm/drop_caches; fi; }
timed() {
  "$1"; rm -r "$out"; sync; cool
  start=$(now); "$1"; end=$(now)
  echo "$start $end" | awk '{print $2 - $1}' >>"$scratch/times-$1"
  rm -r "$out"; sync
}
for ((i = 0; i < repeats; ++i)); do
  timed copy
  timed slice
done
cp_s=$(median <"$scratch/times-copy"); slice_s=$(median <"$scratch/times-slice")
paste "$scratch/times-copy" "$scratch/times-slice" | awk '{printf "  cp %.3f s   prunenet %.3f s   ratio %.2f\n", $1, $2, $1 / $2}'
paste "$scratch/times-copy" "$scratch/times-slice" | awk '{print $1 / $2}' | sort -g >"$scratch/ratios"
echo "median: cp $cp_s s, prunenet $slice_s s, fastest: $(sort -g "$scratch/times-copy" | head -1) s, $(sort -g "$scratch/times-slice" | head -1) s;" \
  "speed of cp reached, median of the pairs: $(median <"$scratch/ratios") ($(head -1 "$scratch/ratios") to $(tail -1 "$scratch/ratios"))"
