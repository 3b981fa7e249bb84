# Shared by the scripts of this folder: their --help, where the release build is, and scratch space that goes away.
set -euo pipefail
# The comment at the head of the script that sources this file.
help_text() { sed -n '2,${/^#/!q; s/^# \{0,1\}//p}' "$0"; }
case ${1:-} in -h | --help)
  help_text
  exit 0
  ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${PRUNENET_BUILD:-$root/build/release}
prunenet=$build/src/prunenet
make_checkpoint=$build/bench/prunenet-bench-make-checkpoint
if [ ! -x "$prunenet" ] || [ ! -x "$make_checkpoint" ]; then
  echo "build first: cmake --preset release && cmake --build --preset release" >&2
  exit 1
fi
scratch=$(mktemp -d "${TMPDIR:-/tmp}/prunenet-bench-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
now() { date +%s.%N; }
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
# peak_anon COMMAND...: runs it and leaves the peaks of its anonymous memory and of its mapped files, sampled 20 times a second,
# in peak_anon_kib and peak_mapped_kib. Its exit status is the command's.
peak_anon() {
  peak_anon_kib=0 peak_mapped_kib=0
  "$@" &
  local pid=$! anon mapped
  while kill -0 "$pid" 2>/dev/null; do
    read -r anon mapped < <(awk '/^RssAnon/ {a = $2} /^RssFile/ {f = $2} END {print a + 0, f + 0}' "/proc/$pid/status" 2>/dev/null || echo 0 0)
    if [ "${anon:-0}" -gt "$peak_anon_kib" ]; then peak_anon_kib=$anon; fi
    if [ "${mapped:-0}" -gt "$peak_mapped_kib" ]; then peak_mapped_kib=$mapped; fi
    sleep 0.05
  done
  wait "$pid"
}
