#!/usr/bin/env bash
# Self-calibrated pruning of a model of TinyLlama-1.1B's shape (22 layers, random weights), 30 % of the neurons, from the command
# to the finished folder: the time of each stage and the largest anonymous memory. 64 x 256 own tokens, the default at that size.
# Usage: bench/self_1b.sh [LAYERS] [PRUNE OPTIONS ...]   (22 layers take about 20 minutes on two cores and 5 GB of disk)
source "$(dirname "$0")/common.sh"
source "$(dirname "$0")/self_run.sh"
layers=${1:-22}
shift || true
"$make_checkpoint" "$scratch/model" --shape tinyllama-1.1b --layers "$layers" --vocab 32000 --tokenizer >/dev/null
start=$(now)
run_self "$scratch/model" "$@"
awk -v start="$start" -v end="$(now)" 'BEGIN {printf "whole run: %.0f s\n", end - start}'
