#!/usr/bin/env bash
# What plan predicts beside what prune then takes: time, and the peak of anonymous memory (what is mapped from files is
# not counted; sampled 20 times a second).
# usage: plan_accuracy.sh ["MODEL OPTIONS..." ...]
# Each argument is one run of prune without its -o. Without arguments: small synthetic models, some minutes. Prints a line
# a run, with ratios of predicted to measured.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export OMP_WAIT_POLICY=passive
export PRUNENET_CACHE=$scratch/cache # plan does not look into the cache of spectra: every run is a first one

cases=("$@")
if [ ${#cases[@]} -eq 0 ]; then
  for shape in "tinyllama-1.1b 2" "llama2-7b 1"; do
    set -- $shape
    "$make_checkpoint" "$scratch/$1" --shape "$1" --layers "$2" --vocab 32000 --tokenizer > /dev/null
  done
  cases=("$scratch/tinyllama-1.1b --ratio 0.3 --own-text 8 --neuron-steps 0 --dtype bf16"
         "$scratch/tinyllama-1.1b --ratio 0.3 --calibration gaussian"
         "$scratch/llama2-7b --ratio 0.3 --method prunenet --episodes 3"
         "$scratch/llama2-7b --ratio 0.3 --method product")
fi

# The first number of that name: those of the whole run come before those of its phases.
field() { sed -n "s/^ *\"$2\": \([0-9.e+-]*\),*\$/\1/p" "$1" | head -1; }

printf '%8s %8s %6s   %9s %9s %6s   %7s   %s\n' "plan s" "run s" "ratio" "plan MB" "run MB" "ratio" "planning" "run"
for words in "${cases[@]}"; do
  read -r -a arguments <<< "$words"
  rm -rf "$scratch/out" "$scratch/cache"
  began=$(now)
  "$prunenet" plan "${arguments[@]}" -o "$scratch/out" --json --quiet > "$scratch/plan.json"
  planned=$(now)
  peak_anon "$prunenet" prune "${arguments[@]}" -o "$scratch/out" --json --quiet \
    > "$scratch/prune.json" 2> "$scratch/prune.log" || { cat "$scratch/prune.log" >&2; exit 1; }
  ended=$(now)
  awk -v plan="$(field "$scratch/plan.json" estimated_s)" -v began="$began" -v planned="$planned" -v ended="$ended" \
    -v bytes="$(field "$scratch/plan.json" estimated_peak_bytes)" -v peak="$((peak_anon_kib * 1024))" \
    -v words="${words//$scratch\//}" 'BEGIN {
      run = ended - planned
      printf "%8.1f %8.1f %6.2f   %9.0f %9.0f %6.2f   %6.1f s   %s\n", plan, run, plan / run, bytes / 1e6, peak / 1e6,
             bytes / peak, planned - began, words
    }'
done
