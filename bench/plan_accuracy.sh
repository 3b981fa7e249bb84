#!/usr/bin/env bash
# What plan predicts beside what prune then takes: time, and the peak of anonymous memory (what is mapped from files is
# not counted; sampled 20 times a second).
# Usage: bench/plan_accuracy.sh [--phases] ["MODEL OPTIONS..." ...]
# Each argument is one run of prune without its -o. Without arguments: small synthetic models, and the real tiny ones
# where they are: many minutes. Prints a line a run, with ratios of predicted to measured; those beyond 30 % (below 0.77,
# above 1.43) are marked. With --phases, the phases of each run beside those of its plan, too. Runs of less than a second
# and peaks of some megabytes are sampled too coarsely to say much. A machine that gives pages back to its host (a virtual one)
# writes its first gigabytes far slower than the same pages again: what is short and writes much is then slower than planned.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export OMP_WAIT_POLICY=passive
export PRUNENET_CACHE=$scratch/cache # empty for each run: plan would find, and count, what the one before left

phases=0
if [ "${1:-}" = --phases ]; then
  phases=1
  shift
fi
cases=("$@")
if [ ${#cases[@]} -eq 0 ]; then
  for shape in "tinyllama-1.1b 2" "llama2-7b 1" "llama2-7b 2"; do
    set -- $shape
    "$make_checkpoint" "$scratch/$1-$2" --shape "$1" --layers "$2" --vocab 32000 --tokenizer > /dev/null
  done
  tiny="$scratch/tinyllama-1.1b-2 --ratio 0.3" large="$scratch/llama2-7b-1 --ratio 0.3"
  cases=("$tiny --own-text 8 --neuron-steps 0 --dtype bf16"
         "$tiny --own-text 8 --neuron-steps 0"
         "$tiny --own-text 8 --neuron-steps 1 --dtype bf16"
         "$tiny --own-text 8 --neuron-steps 1"
         "$tiny --own-text 32 --neuron-steps 0 --dtype bf16"
         "$tiny --calibration gaussian"
         "$tiny --method prunenet --episodes 3"
         "$large --method product"
         "$large --method prunenet --episodes 3 --spectrum exact"
         "$large --method prunenet --episodes 3 --spectrum estimate"
         "$scratch/llama2-7b-2 --ratio 0.3 --method prunenet --episodes 3 --spectrum estimate"
         "$root/demo/stories1M --ratio 0.3")
  stories=${PRUNENET_SHARED_DATA:-$root/shared/data}/models/stories260K
  if [ -d "$stories" ]; then
    cases+=("$stories --ratio 0.3"
            "$stories --ratio 0.3 --calibration gaussian"
            "$stories --ratio 0.3 --own-text 1024 --tokens 256 --neuron-steps 0")
  fi
fi

# The number of that name that speaks of the whole run.
field() { sed -n "s/^  \"$2\": \([0-9.e+-]*\),*\$/\1/p" "$1" | head -1; }
# A line "NAME<tab>SECONDS" for each phase of a file: `field` is its name for the time.
phases_of() {
  awk -v field="\"$2\":" '/"phases": \[/ {inside = 1} inside && $1 == "\"name\":" {name = $0; gsub(/.*: "|",*$/, "", name)}
       inside && $1 == field {gsub(/,/, "", $2); print name "\t" $2} inside && /^  \]/ {exit}' "$1"
}

printf '%8s %8s %6s   %9s %9s %6s   %8s   %s\n' "plan s" "run s" "ratio" "plan MB" "run MB" "ratio" "planning" "run"
for words in "${cases[@]}"; do
  read -r -a arguments <<< "$words"
  rm -rf "$scratch/out" "$scratch/cache"
  began=$(now)
  "$prunenet" plan "${arguments[@]}" -o "$scratch/out" --json --quiet > "$scratch/plan.json"
  planned=$(now)
  timed=()
  if [ $phases = 1 ]; then timed=(--phases); fi
  peak_anon "$prunenet" prune "${arguments[@]}" -o "$scratch/out" --json --quiet "${timed[@]}" \
    > "$scratch/prune.json" 2> "$scratch/prune.log" || { cat "$scratch/prune.log" >&2; exit 1; }
  ended=$(now)
  # With --phases, rates are measured when the run is over: that is no part of what plan speaks of.
  run=$(awk -v a="$planned" -v b="$ended" -v said="$(field "$scratch/prune.json" elapsed_s)" -v phases=$phases \
    'BEGIN { print phases ? said : b - a }')
  awk -v plan="$(field "$scratch/plan.json" estimated_s)" -v run="$run" -v planning="$(awk "BEGIN { print $planned - $began }")" \
    -v bytes="$(field "$scratch/plan.json" estimated_peak_bytes)" -v peak="$((peak_anon_kib * 1024))" \
    -v words="${words//"$scratch/"/}" 'function beyond(ratio) { return ratio < 0.77 || ratio > 1.43 ? "!" : " " }
    BEGIN {
      printf "%8.2f %8.2f %6.2f%s  %9.1f %9.1f %6.2f%s  %6.1f s   %s\n", plan, run, plan / run, beyond(plan / run),
             bytes / 1e6, peak / 1e6, bytes / peak, beyond(bytes / peak), planning, words
    }'
  if [ $phases = 1 ]; then
    { phases_of "$scratch/plan.json" estimated_s | sed 's/^/plan\t/'; phases_of "$scratch/prune.json" elapsed_s | sed 's/^/run\t/'; } |
      awk -F'\t' '{ if (!($2 in seen)) { seen[$2] = 1; order[++n] = $2 } time[$1, $2] = $3 }
        END { for (i = 1; i <= n; ++i) printf "%8s %8s   %s\n", show("plan", order[i]), show("run", order[i]), order[i] }
        function show(who, name) { return (who, name) in time ? sprintf("%.2f", time[who, name]) : "-" }'
  fi
done
