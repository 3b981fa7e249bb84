#!/usr/bin/env bash
# Moments, elimination of 30 % and refit of one layer of LLaMA-2-7B's shape (F 11008, D 4096, 16384 tokens), beside a bare
# ssyrk and a bare sgemm of the same run. Takes 3 GiB of memory.
# Usage: bench/surgeon_vs_blas.sh [REPEAT]
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
"$build/bench/prunenet-bench-surgeon-step" --repeat "${1:-3}"
"$build/bench/prunenet-bench-surgeon-step" --repeat 0 --target --sensitivity
