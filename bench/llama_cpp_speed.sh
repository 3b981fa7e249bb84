#!/usr/bin/env bash
# What pruning brings in llama.cpp: tokens a second of a dense and a pruned model, in turn, and the share of the gain
# that the removed bytes foretell. Without files: makes a model of TinyLlama-1.1B's shape with random weights, prunes 30 %
# of its neurons and converts both to Q8_0 (6 GB of scratch space, removed at the end).
# Usage: bench/llama_cpp_speed.sh [DENSE.gguf PRUNED.gguf]
# Environment: THREADS (2), ROUNDS (5), PROMPT (256 tokens), GENERATE (64 tokens), RATIO (0.3), LAYERS (22);
#   PRUNENET_LLAMA_CPP: folder of the llama.cpp client, else one is installed into the build folder (needs node and npm)
source "$(dirname "$0")/common.sh"
case $# in 0 | 2) ;; *) echo "usage: $0 [DENSE.gguf PRUNED.gguf]" >&2; exit 2 ;; esac
command -v node >/dev/null || { echo "node is missing: scripts/setup.sh installs it" >&2; exit 1; }
if [ -z "${PRUNENET_LLAMA_CPP:-}" ]; then
  "$root/tests/llama_cpp/install.sh" "$build/llama_cpp" >&2
  export PRUNENET_LLAMA_CPP=$build/llama_cpp
fi

if [ $# = 2 ]; then
  dense=$1 pruned=$2
else
  dense=$scratch/dense.gguf pruned=$scratch/pruned.gguf
  "$make_checkpoint" "$scratch/dense" --shape tinyllama-1.1b --layers "${LAYERS:-22}" --vocab 32000 --tokenizer
  "$prunenet" prune "$scratch/dense" -o "$scratch/pruned" --method product --ratio "${RATIO:-0.3}" -q
  for model in dense pruned; do
    "$prunenet" convert "$scratch/$model" -o "$scratch/$model.gguf" --type q8_0 -q
    rm -r "${scratch:?}/$model"
  done
fi
node "$root/bench/llama_cpp_speed.mjs" "$dense" "$pruned" "$scratch" \
  "${THREADS:-2}" "${ROUNDS:-5}" "${PROMPT:-256}" "${GENERATE:-64}"
