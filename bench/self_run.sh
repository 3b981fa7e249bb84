# Sourced by the scripts that time self-calibration: run_self MODEL [OPTIONS] prunes it as a user would, and prints the stages
# with their times as the program does and the largest anonymous memory that it held (RssAnon in /proc, five times a second:
# mapped files are not in it).
run_self() {
  local model=$1 pid now_kb peak_kb=0
  shift
  rm -rf "$scratch/pruned"
  "$prunenet" prune "$model" -o "$scratch/pruned" --ratio 0.3 --dtype bf16 "$@" >"$scratch/said" 2>"$scratch/stages" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    now_kb=$(awk '/^RssAnon/ {print $2}' "/proc/$pid/status" 2>/dev/null || true)
    if [ "${now_kb:-0}" -gt "$peak_kb" ]; then peak_kb=$now_kb; fi
    sleep 0.2
  done
  wait "$pid" || { cat "$scratch/stages" >&2; return 1; }
  tr '\r' '\n' <"$scratch/stages" | grep ': done in' || true
  awk -v kb="$peak_kb" 'BEGIN {printf "peak anonymous memory: %.2f GiB\n", kb / 1048576}'
}
