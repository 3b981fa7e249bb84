#!/usr/bin/env bash
# Memory of self-calibrated pruning at LLaMA-2-7B's shape: the largest anonymous memory with few layers and with more, which is to
# be the same. 64 x 256 own tokens, bf16, and --neuron-steps 0, which is the default from 2 G parameters on.
# Usage: bench/self_memory.sh [LAYERS ...]   (1 2 4; a layer takes about 1 to 2 minutes on two cores and 0.4 GB of disk)
source "$(dirname "$0")/common.sh"
source "$(dirname "$0")/self_run.sh"
for layers in "${@:-1 2 4}"; do
  for count in $layers; do
    "$make_checkpoint" "$scratch/model" --shape llama2-7b --layers "$count" --vocab 32000 --tokenizer >/dev/null
    echo "$count layers"
    run_self "$scratch/model" --neuron-steps 0 --check 0 | sed 's/^/  /'
    rm -r "$scratch/model"
  done
done
