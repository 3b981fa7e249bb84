"""What a checkpoint's gate matrices look like: the tail of their singular values against random matrices, outlier columns.

Usage: bench/checkpoint_spectra.py PRUNENET MODEL   (MODEL: a folder with one model.safetensors in BF16)
The reference is Marchenko and Pastur's law for independent entries of the same shape. The exponent is Hill's, of the density
of the eigenvalues (squares) of the largest hundredth: language models are reported at 2 to 6 (Martin and Mahoney).
"""

import json
import math
import struct
import subprocess
import sys


def marchenko_pastur_quantiles(rows, cols, shares):
    """Singular values over sqrt(rows), by integrating the density of their squares. shares: of the largest."""
    ratio = cols / rows
    low, high = (1 - math.sqrt(ratio)) ** 2, (1 + math.sqrt(ratio)) ** 2
    steps = 20000
    grid = [low + (high - low) * (i + 0.5) / steps for i in range(steps)]
    mass = [math.sqrt((high - x) * (x - low)) / x for x in grid]
    total, found, running = sum(mass), {}, 0.0
    for x, weight in zip(reversed(grid), reversed(mass)):
        running += weight / total
        for share in shares:
            if running >= share and share not in found:
                found[share] = math.sqrt(x)
    return [math.sqrt(high)] + [found[share] for share in shares], math.sqrt(low)


def sampled_columns(path, name, rows_wanted=64):
    """Root mean square of every column over some rows, and the matrix's rows and columns."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        start = file.tell()
        entry = header[name]
        assert entry["dtype"] == "BF16", entry["dtype"]
        rows, cols = entry["shape"]
        sums, used = [0.0] * cols, range(0, rows, max(1, rows // rows_wanted))
        for row in used:
            file.seek(start + entry["data_offsets"][0] + row * cols * 2)
            bits = struct.unpack(f"<{cols}H", file.read(cols * 2))
            values = struct.unpack(f"<{cols}f", struct.pack(f"<{cols}I", *(b << 16 for b in bits)))
            for j, value in enumerate(values):
                sums[j] += value * value
        return [math.sqrt(s / len(used)) for s in sums], rows, cols


def main():
    program, model = sys.argv[1:]
    text = subprocess.run([program, "spectrum", model, "--json", "-q", "--no-cache"], check=True, capture_output=True).stdout
    config = json.load(open(f"{model}/config.json"))
    layers = {"llama": "model.layers.{}.mlp.gate_proj", "phi": "model.layers.{}.mlp.fc1", "opt": "model.decoder.layers.{}.fc1"}
    for layer in json.loads(text)["layers"]:
        name = layers[config["model_type"]].format(layer["index"]) + ".weight"
        rms, rows, cols = sampled_columns(f"{model}/model.safetensors", name)
        values = sorted(layer["singular_values"], reverse=True)
        at = lambda share: values[int(share * len(values))]
        expected, _ = marchenko_pastur_quantiles(rows, cols, [0.01, 0.1, 0.5])
        measured = [values[0], at(0.01), at(0.1), at(0.5)]
        print(f"{name} {rows} x {cols}: singular values over their median, and of independent entries")
        for label, ours, random in zip(["largest", "1 %", "10 %"], measured, expected):
            print(f"  {label:>8}  {ours / measured[-1]:6.2f}  {random / expected[-1]:6.2f}")
        count = max(4, len(values) // 100)
        hill = sum(math.log(values[i] ** 2 / values[count] ** 2) for i in range(count)) / count
        print(f"  exponent of the eigenvalues' tail: {1 + 1 / hill:.2f}")
        middle = sorted(rms)[cols // 2]
        outliers = sorted((r / middle for r in rms if r > 2.5 * middle), reverse=True)
        print(f"  columns beyond 2.5 times the median column: {len(outliers)} of {cols}, largest {outliers[0] if outliers else 0:.1f}")


if __name__ == "__main__":
    main()
