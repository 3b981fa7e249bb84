#!/usr/bin/env bash
# What reading costs: `score` of one text by a model of LLaMA-2-7B's shape with a cold page cache and with a warm one, in turn,
# REPEATS times each; with weights that are used where they are stored, and then the same with --stream, bf16. Before a cold run
# the page cache is dropped and the program with its libraries is read again: only the model is cold.
# `score` passes the text through the model once and then decodes 16 ids, each a pass of its own for which the model is in the
# cache already, if memory holds it. So much of both times is decoding, and the ratio of cold to warm is that of the verb: it
# understates what reading costs a single pass. The difference of the two does not.
# Dropping the page cache hits every process of the machine: run it where nothing else is at work.
# Needs root, to drop the page cache. On a device of its own (a loop device, say) the read-ahead of the kernel can be chosen
# with blockdev --setra: set TMPDIR to a folder on it.
# Usage: bench/cold_cache.sh [LAYERS] [TOKENS] [REPEATS]
source "$(dirname "$0")/common.sh"
layers=${1:-8}
tokens=${2:-256}
repeats=${3:-5}
if [ ! -w /proc/sys/vm/drop_caches ]; then
  echo "only root may drop the page cache" >&2
  exit 1
fi
"$make_checkpoint" "$scratch/model" --shape llama2-7b --layers "$layers" --vocab 32000 >/dev/null
"$make_checkpoint" "$scratch/small" --shape tinyllama-1.1b --layers 1 --vocab 64 >/dev/null
ids() { seq -s, 1 "$1"; }
score() { "$prunenet" score "$scratch/model" --dtype bf16 --ids "$(ids "$tokens")" -q "$@" >"$scratch/answer"; }
cool() {
  sync
  echo 3 >/proc/sys/vm/drop_caches
  "$prunenet" score "$scratch/small" --ids "$(ids 4)" -q >/dev/null
}
timed() {  # FILE OPTIONS...
  local file=$1 start end
  shift
  start=$(now); score "$@"; end=$(now)
  echo "$start $end" | awk '{print $2 - $1}' >>"$file"
}
echo "$(($(stat -c %s "$scratch/model"/*.safetensors | paste -sd+) / 1000000)) MB ($layers layers), $tokens tokens and 16 steps of greedy decoding, $repeats times each, in turn"
for option in "" --stream; do
  rm -f "$scratch/cold" "$scratch/warm"
  for ((i = 0; i < repeats; ++i)); do
    cool
    timed "$scratch/cold" $option
    timed "$scratch/warm" $option
  done
  cold_s=$(median <"$scratch/cold") warm_s=$(median <"$scratch/warm")
  echo "${option:-used in place}: cold $cold_s s ($(sort -g "$scratch/cold" | head -1) to $(sort -g "$scratch/cold" | tail -1))," \
    "warm $warm_s s ($(sort -g "$scratch/warm" | head -1) to $(sort -g "$scratch/warm" | tail -1)), ratio of medians" \
    "$(echo "$cold_s $warm_s" | awk '{printf "%.2f", $1 / $2}')"
done
