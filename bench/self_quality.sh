#!/usr/bin/env bash
# What self-calibrated pruning loses, and what each of its parts brings: KL from the dense model in nats a token, on own text
# that nothing was fitted to (64 sequences of 256 tokens, seed 999), means over calibration seeds.
# Usage: bench/self_quality.sh MODEL [SEEDS [TEXT]]   (SEEDS: such as "1 2 3"; TEXT: a file in the model's own domain)
# About 20 minutes for a model of 260 thousand parameters. Everything is FFN only, uniform widths, --width-multiple 1,
# unless the row says otherwise.
set -euo pipefail
. "$(dirname "$0")/common.sh"
model=${1:?usage: bench/self_quality.sh MODEL [SEEDS [TEXT]]}
seeds=${2:-1 2 3}
text=${3:-}
field() { sed -n "s/^ *\"$1\": \([-0-9.e+]*\),*$/\1/p" | head -n 1; }
mean() { tr ' ' '\n' | awk 'NF { n++; s += $1; q += $1 * $1 } END { v = n > 1 ? (q - s * s / n) / (n - 1) : 0; printf "%.4f +- %.4f", s / n, sqrt(v > 0 ? v : 0) }'; }
kl() { # prune options; prints the KL of each seed
  for seed in $seeds; do
    "$prunenet" prune "$model" -o "$scratch/out" --force -q --seed "$seed" --width-multiple 1 "$@" >/dev/null
    "$prunenet" compare "$model" "$scratch/out" --own-text 64 --seed 999 --json -q | field kl_nats
  done
}
row() { local words=$1; shift; printf '| %s | %s |\n' "$words" "$(kl "$@" | mean)"; }

printf '%s, calibration seeds %s\n\n| FFN removed | published policy | self, down alone | self (default) |\n|---|---|---|---|\n' "$(basename "$model")" "$seeds"
for ratio in 0.1 0.2 0.3 0.5; do
  printf '| %s | %s | %s | %s |\n' "$ratio" "$(kl --ratio $ratio --method prunenet | mean)" \
    "$(kl --ratio $ratio --neuron-steps 0 --check 0 | mean)" "$(kl --ratio $ratio --check 0 | mean)"
done

printf '\n| at 30 %% | KL |\n|---|---|\n'
row "random" --ratio 0.3 --method random
row "product of norms" --ratio 0.3 --method product
row "surgeon, no refit" --ratio 0.3 --no-refit --check 0
row "one shot, down alone" --ratio 0.3 --refit one-shot --neuron-steps 0 --check 0
row "sequential, down alone, no feedback" --ratio 0.3 --feedback 0 --neuron-steps 0 --keep-output --check 0
row "sequential, down alone, half feedback" --ratio 0.3 --neuron-steps 0 --keep-output --check 0
row "and the attention output refitted" --ratio 0.3 --neuron-steps 0 --check 0
row "and the neurons: the default" --ratio 0.3 --check 0
row "the default, errors not weighed by the loss" --ratio 0.3 --weighting plain --check 0
row "the default, 64 sequences of own text" --ratio 0.3 --own-text 64 --check 0
row "the default, widths by measured KL (adaptive, padded)" --ratio 0.3 --allocate adaptive --pad --check 0
row "random tokens instead of own text" --ratio 0.3 --calibration random-tokens --check 0
row "Gaussian inputs, no forward pass" --ratio 0.3 --calibration gaussian

printf '\n| width multiple 32 instead of 1 | width | KL |\n|---|---|---|\n'
for ratio in 0.2 0.3 0.5; do
  for multiple in 1 32; do
    out=$("$prunenet" prune "$model" -o "$scratch/out" --force -q --seed 1 --ratio $ratio --width-multiple $multiple --json)
    printf '| %s, multiple %s | %s | %s |\n' $ratio $multiple "$(tr -d ' \n' <<<"$out" | sed 's/.*"kept_widths":\[\([0-9]*\).*/\1/')" \
      "$("$prunenet" compare "$model" "$scratch/out" --own-text 64 --seed 999 --json -q | field kl_nats)"
  done
done

if [ -n "$text" ]; then
  printf '\n| %s, 30 %% removed | perplexity | times the dense one |\n|---|---|---|\n' "$(basename "$text")"
  for method in prunenet self; do
    "$prunenet" prune "$model" -o "$scratch/out" --force -q --seed 1 --ratio 0.3 --width-multiple 1 --method $method >/dev/null
    "$prunenet" compare "$model" "$scratch/out" --data "$text" --json -q >"$scratch/json"
    own=$("$prunenet" compare "$model" "$scratch/out" --own-text 64 --seed 999 --json -q | field perplexity_ratio)
    printf '| %s | %s | %s (own text: %s) |\n' $method "$(tail -n +1 "$scratch/json" | tr -d '\n ' | sed 's/.*"other":{[^}]*"perplexity":\([0-9.]*\).*/\1/')" \
      "$(field perplexity_ratio <"$scratch/json")" "$own"
  done
fi
