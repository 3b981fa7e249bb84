#!/usr/bin/env python3
"""The same spectrum step as a competent torch user writes it: svdvals of the kept rows, then KS (scipy if it is there).

Usage: torch_spectrum_step.py FOLDER [REPEATS]; FOLDER as prunenet-bench-make-checkpoint writes it. Needs python3-torch.
"""
import json
import os
import struct
import sys
import time

import numpy
import torch


def read_matrix(folder, name):
    with open(f"{folder}/model.safetensors", "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        entry = json.loads(file.read(length))[name]
        begin, end = entry["data_offsets"]
        file.seek(8 + length + begin)
        data = bytearray(file.read(end - begin))
    dtype = {"BF16": torch.bfloat16, "F32": torch.float32}[entry["dtype"]]
    return torch.frombuffer(data, dtype=dtype).reshape(entry["shape"]).float()


def ks(a, b):
    a, b = numpy.sort(a), numpy.sort(b)
    x = numpy.concatenate([a, b])
    return numpy.abs(numpy.searchsorted(a, x, "right") / len(a) - numpy.searchsorted(b, x, "right") / len(b)).max()


def main():
    torch.set_num_threads(os.cpu_count())
    folder, repeats = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    w = read_matrix(folder, "model.layers.0.mlp.gate_proj.weight")
    keep = int(0.7 * w.shape[0])
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, layer {tuple(w.shape)}, {keep} rows kept")
    whole = torch.linalg.svdvals(w).numpy()
    times = []
    for step in range(repeats):
        rows = torch.randperm(w.shape[0])[:keep].sort().values
        start = time.monotonic()
        value = ks(whole, torch.linalg.svdvals(w[rows]).numpy())
        times.append(time.monotonic() - start)
        print(f"  step {step}: {times[-1]:.3f} s, KS {value:.5f}", flush=True)
    print(f"torch svdvals step, median of {repeats}: {sorted(times)[repeats // 2]:.3f} s")


main()
