#!/usr/bin/env bash
# Kills a run with SIGKILL at random moments, goes on with the same command until it is done, and compares every byte of
# what came of it with an undisturbed run.
#
#   bench/kill_test.sh MODEL N VERB [options of the verb ...]      e.g.  bench/kill_test.sh MODEL 20 prune --ratio 0.3
#
# N rounds. In each the first kill comes at a moment drawn uniformly over the time of the undisturbed run (where the run
# was over before, it is run again and another moment drawn); up to KILLS - 1 more come likewise on the way, each with
# probability 1/2. Spectra are cached beside the outputs, and the cache is empty at every start. Environment: PROGRAM (build/release/src/prunenet),
# WORK (a folder for the outputs; a temporary one), SUFFIX of the output (none: a folder; .gguf; .safetensors for train),
# SEED of the moments (1), KILLS a round at most (3).
# Prints a line a round and exits with 1 when any output differs.
set -euo pipefail
help_text() { sed -n '2,${/^#/!q; s/^# \{0,1\}//p}' "$0"; }
case ${1:-} in -h | --help) help_text; exit 0 ;; esac
if [ $# -lt 3 ]; then
  help_text >&2
  exit 2
fi
model=$1 rounds=$2 verb=$3
shift 3
here=$(cd "$(dirname "$0")/.." && pwd)
program=${PROGRAM:-$here/build/release/src/prunenet}
own_work=
if [ -z "${WORK:-}" ]; then
  own_work=$(mktemp -d)
  WORK=$own_work
fi
pid=
clean() {
  if [ -n "$pid" ]; then kill -9 "$pid" 2>/dev/null || true; fi
  if [ -n "$own_work" ]; then rm -rf "$own_work"; fi
}
trap clean EXIT
suffix=${SUFFIX:-} most=${KILLS:-3}
RANDOM=${SEED:-1}  # drawn in this shell alone: a subshell's would not be this sequence
export PRUNENET_CACHE=$WORK/cache

expected=$WORK/undisturbed$suffix output=$WORK/killed$suffix log=$WORK/log
journal=$WORK/.killed$suffix.prunenet-journal
rm -rf "$expected" "$output" "$journal"
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.2f", b - a }'; }
# Sets `after`, uniform over [0, $1) seconds.
draw_moment() {
  local draw=$((RANDOM * 32768 + RANDOM))
  after=$(awk -v r="$draw" -v s="$1" 'BEGIN { printf "%.3f", s * r / 1073741824 }')
}

rm -rf "$PRUNENET_CACHE"
begin=$(now)
"$program" "$verb" "$model" -o "$expected" -q "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }
duration=$(since "$begin")
echo "undisturbed: $duration s, $(du -sb "$expected" | cut -f1) bytes"
printf '%5s  %-32s %6s %6s %10s  %s\n' round 'killed after (s)' starts 'parts' 'last run' result

failures=0 all_kills=0 missed=0
for ((round = 1; round <= rounds; ++round)); do
  rm -rf "$output" "$journal"
  kills='' starts=0 count=0 parts=0
  while :; do
    starts=$((starts + 1))
    rm -rf "$PRUNENET_CACHE"
    begin=$(now)
    "$program" "$verb" "$model" -o "$output" "$@" >"$log" 2>&1 &
    pid=$!
    if ((count == 0 || (count < most && RANDOM % 2 == 0))); then
      draw_moment "$duration"
      sleep "$after"
      kill -9 "$pid" 2>/dev/null || true
    fi
    status=0
    wait "$pid" 2>/dev/null || status=$?
    pid=
    last=$(since "$begin")
    ((status == 0)) && break  # over before a kill came, or none was to come
    if ((status != 137)); then
      echo "the run ended with status $status:"
      cat "$log"
      exit 1
    fi
    kills="$kills $after"
    count=$((count + 1))
    # Killed after it had ended its work, removed its journal and printed its result: there is nothing to go on from.
    # Nor does the same command, which is refused: it only clears away.
    if [ -e "$output" ] && [ ! -e "$journal" ]; then
      if "$program" "$verb" "$model" -o "$output" "$@" >"$log" 2>&1 || ! grep -q 'exists already' "$log"; then
        echo "a run that had ended was not known for one:"
        cat "$log"
        exit 1
      fi
      break
    fi
    parts=$( (ls "$journal" 2>/dev/null || true) | grep -c '\.part$' || true)
  done
  if ((count == 0)); then
    missed=$((missed + 1))
    if ((missed > 10 * rounds)); then
      echo "no kill hits: the run is over too soon"
      exit 1
    fi
    round=$((round - 1))
    continue
  fi
  all_kills=$((all_kills + count))
  result=same
  if ! diff -r "$expected" "$output" >"$WORK/diff"; then
    result=DIFFERENT
    head -5 "$WORK/diff"
    failures=$((failures + 1))
  fi
  left=$(find "$WORK" -maxdepth 1 -name '.killed*' | wc -l)
  if ((left > 0)); then
    result="$result, and something is left beside it"
    failures=$((failures + 1))
  fi
  printf '%5d  %-32s %6d %6d %8s s  %s\n' "$round" "${kills# }" "$starts" "$parts" "$last" "$result"
done
echo "$rounds rounds with $all_kills kills, $failures of them wrong"
((failures == 0))
