#!/usr/bin/env bash
# Time to answer: --help and inspect, whole processes, median of 21.
# Usage: bench/startup.sh [MODEL]   (default: the demo model, made on the spot)
source "$(dirname "$0")/common.sh"
model=${1:-}
if [ -z "$model" ]; then
  model=$scratch/demo
  "$build/tools/prunenet-make-demo-model" "$model" >/dev/null
fi
time_of() {
  for _ in $(seq 21); do
    start=$(now); "$@" >/dev/null; end=$(now)
    echo "$start $end" | awk '{print ($2 - $1) * 1000}'
  done | median
}
echo "prunenet --help:  $(time_of "$prunenet" --help) ms"
echo "prunenet inspect: $(time_of "$prunenet" inspect "$model") ms"
