#!/usr/bin/env python3
"""The same layer-episode as a competent torch user writes it: the collapsed policy, svdvals of the kept rows, KS, autograd,
torch.optim.AdamW. Weights stay in bf16 as they are stored and become f32 when a layer is looked at.

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
    return torch.frombuffer(data, dtype=dtype).reshape(entry["shape"])


def ks(a, b):
    a, b = numpy.sort(a), numpy.sort(b)
    x = numpy.concatenate([a, b])
    return numpy.abs(numpy.searchsorted(a, x, "right") / len(a) - numpy.searchsorted(b, x, "right") / len(b)).max()


def logistic(n):
    e = torch.rand(n)
    return e.log() - (-e).log1p()


def main():
    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(42)
    folder, repeats = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    stored = read_matrix(folder, "model.layers.0.mlp.gate_proj.weight")
    rows, cols = stored.shape
    keep = int(0.7 * rows)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, layer {(rows, cols)}, {keep} rows kept")
    bound = cols**-0.5
    p = torch.nn.Parameter(torch.empty(rows, cols).uniform_(-bound, bound))
    b = torch.nn.Parameter(torch.empty(rows).uniform_(-bound, bound))
    q = torch.nn.Parameter(torch.rand(rows))
    optimiser = torch.optim.AdamW([p, b, q], lr=1e-3)
    logits = lambda w: w @ (p.T @ q) + b @ q  # the published order, (w P^T + b) q, takes rows times longer
    whole = torch.linalg.svdvals(stored.float()).numpy()
    times = []
    for step in range(repeats + 1):  # the first makes the moments
        start = time.monotonic()
        with torch.no_grad():
            w = stored.float()
            weights = torch.sigmoid(logits(w) + logistic(rows))
            kept = torch.multinomial(weights, keep).sort().values
            value = ks(whole, torch.linalg.svdvals(w[kept]).numpy())
        w = stored.float()
        loss = -(1 / value) * torch.nn.functional.logsigmoid(logits(w) + logistic(rows))[kept].sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step > 0:
            times.append(time.monotonic() - start)
            print(f"  layer-episode {step}: {times[-1]:.3f} s, KS {value:.5f}", flush=True)
    print(f"torch svdvals, layer-episode, median of {repeats}: {sorted(times)[repeats // 2]:.3f} s")


main()
