#!/usr/bin/env bash
# The whole product in one command on a fresh Debian 12: installs the packages, builds, prunes the bundled model (a small Llama
# that this repository trained itself, see demo/README.md), measures what that cost, and writes the report.
# Usage: scripts/demo.sh [MODEL]   (MODEL: a Hugging Face folder of your own instead of the bundled model)
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh --build-only
echo "building (a few minutes the first time)"
cmake --preset release -DPRUNENET_TESTS=OFF -DPRUNENET_BENCH=OFF >build-demo.log 2>&1 && \
  cmake --build --preset release --target prunenet prunenet_make_demo_text >>build-demo.log 2>&1 || {
  tail -n 40 build-demo.log >&2
  echo "the build failed; the whole log is in build-demo.log" >&2
  exit 1
}
rm -f build-demo.log

prunenet=build/release/src/prunenet
out=build/demo
mkdir -p "$out"
say() { printf '\n$ %s' "$prunenet"; printf ' %q' "$@"; printf ' -q\n'; "$prunenet" "$@" -q; }

model=${1:-}
if [ -z "$model" ]; then
  model=demo/stories1M
  build/release/tools/prunenet-make-demo-text "$out/held-out.txt" --stories 300 --force >/dev/null
  echo "model: $model, a Llama of 1 M parameters; text that it has not seen: $out/held-out.txt (300 stories)"
fi

say inspect "$model"
printf '\n30 %% of the feed-forward neurons go; the model writes the text that decides which, and the others are refitted (a minute):\n'
say prune "$model" -o "$out/pruned" --ratio 0.3 --report "$out/report.html" --force
printf '\nThe published policy, and a rule by norms, to compare with:\n'
say prune "$model" -o "$out/pruned-by-policy" --ratio 0.3 --method prunenet --force
say prune "$model" -o "$out/pruned-by-norms" --ratio 0.3 --method product --force

printf '\nWhat did that cost? Each against the dense model, on text that the dense model writes itself (not the text it was fitted to):\n'
say compare "$model" "$out/pruned" --report "$out/compared.html" --force
say compare "$model" "$out/pruned-by-policy"
say compare "$model" "$out/pruned-by-norms"

if [ -e "$out/held-out.txt" ] && [ -z "${1:-}" ]; then
  printf '\nAnd on stories that no model here has seen:\n'
  for folder in "$model" "$out/pruned" "$out/pruned-by-policy" "$out/pruned-by-norms"; do
    say eval "$folder" --task perplexity --data "$out/held-out.txt"
  done
  for folder in "$model" "$out/pruned"; do
    say generate "$folder" --prompt "Once a" --max-tokens 110
  done
  printf '\nThe pruned model for llama.cpp, in eight bits; this program runs it as well:\n'
  say convert "$out/pruned" -o "$out/pruned.q8_0.gguf" --type q8_0 --force
  say compare "$model" "$out/pruned.q8_0.gguf"
fi

cat <<END

The published policy ends close to random pruning, and rules by norms know no more of what the model says; measuring on the model's own
text and refitting is what keeps it whole (docs/self-calibrated.md). All methods in one table: $prunenet compare-methods $model --ratio 0.3
The pruned models are in $out: config, tokenizer, weights, and prunenet.json with every kept row.
The reports are $PWD/$out/report.html and $PWD/$out/compared.html - open them in a browser.
END
