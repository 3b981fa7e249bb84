#!/usr/bin/env bash
# The whole product in one command on a fresh Debian 12: installs the packages, builds, makes the bundled demo model,
# prunes it with the published policy, compares with other ways to choose, and writes the report.
# Usage: scripts/demo.sh [MODEL]   (MODEL: a Hugging Face folder of your own instead of the demo model)
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh --build-only
echo "building (a few minutes the first time)"
cmake --preset release -DPRUNENET_TESTS=OFF -DPRUNENET_BENCH=OFF >build-demo.log 2>&1 && \
  cmake --build --preset release --target prunenet prunenet_make_demo_model >>build-demo.log 2>&1 || {
  tail -n 40 build-demo.log >&2
  echo "the build failed; the whole log is in build-demo.log" >&2
  exit 1
}
rm -f build-demo.log

prunenet=build/release/src/prunenet
out=build/demo
mkdir -p "$out"
say() { printf '\n$ %s\n' "$prunenet $* -q"; "$prunenet" "$@" -q; }

model=${1:-}
if [ -z "$model" ]; then
  model=$out/demo-llama
  build/release/tools/prunenet-make-demo-model "$model" --force >/dev/null
  echo "demo model: $model (random weights with structured spectra, made by this repository)"
fi

say inspect "$model"
say plan "$model" --ratio 0.3
say prune "$model" -o "$out/pruned" --ratio 0.3 --method prunenet --seed 42 --report "$out/report.html" --force
say prune "$model" -o "$out/pruned-by-norms" --ratio 0.3 --method product --force
say spectrum "$model" "$out/pruned-by-norms"
say inspect "$out/pruned"

cat <<END

Compare the KS of the policy with that of the simple rule "product": the published policy ends close to random pruning (README.md).
The pruned model is in $out/pruned: config, tokenizer, weights, and prunenet.json with every kept row.
The report is $PWD/$out/report.html - open it in a browser.
END
