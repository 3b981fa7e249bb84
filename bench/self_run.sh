# Sourced by the scripts that time self-calibration: run_self MODEL [OPTIONS] prunes it as a user would, and prints the stages
# with their times as the program does and the largest anonymous memory that it held (peak_anon of common.sh: mapped files are
# not in it).
run_self() {
  local model=$1
  shift
  rm -rf "$scratch/pruned"
  peak_anon "$prunenet" prune "$model" -o "$scratch/pruned" --ratio 0.3 --dtype bf16 "$@" >"$scratch/said" 2>"$scratch/stages" ||
    { cat "$scratch/stages" >&2; return 1; }
  tr '\r' '\n' <"$scratch/stages" | grep ': done in' || true
  awk -v kb="$peak_anon_kib" 'BEGIN {printf "peak anonymous memory: %.2f GiB\n", kb / 1048576}'
}
