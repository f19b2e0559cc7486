"""
What a paired test says
=======================

Two methods are compared on the same images. The counts are real: `unet` and `unet-tiny` of 0.1.0, trained on four folds
of BUSI, on the images of the fifth.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from hybridseg.metrics import image_mean, paired_difference


def read(name):
    """Return F1 of each lesion image, and its scene."""
    with Path(f"../../benchmarks/results/counts/{name}-fold0.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if int(row["tp"]) + int(row["fn"])]
    tp, fp, fn = (np.array([int(row[key]) for row in rows]) for key in ("tp", "fp", "fn"))
    return 2 * tp / (2 * tp + fp + fn), [row["group"] for row in rows]


large, scenes = read("unet")
small, _ = read("unet-tiny")
for name, values in (("unet", large), ("unet-tiny", small)):
    mean = image_mean(values, scenes)
    print(f"{name:9}: F1 {mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]")

# %%
# The two intervals overlap widely. That doesn't make the methods equal: what is hard for one is hard for the other.
# Each dot is an image. Most lie near the line, where both score the same.

figure, axis = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
axis.plot([0, 1], [0, 1], color="gray", linewidth=1)
axis.scatter(small, large, color="orange", alpha=0.6)
axis.set_xlabel("F1 of unet-tiny")
axis.set_ylabel("F1 of unet")
axis.set_aspect("equal")

# %%
# So the differences are looked at. If the methods were equal, each scene's difference could as well have the other
# sign. The test flips signs at random 10,000 times. The p-value is the share of flips whose mean is as far from 0.

result = paired_difference(large, small, scenes)
low, high = result.difference.low, result.difference.high
print(f"difference: {result.difference.value:+.3f} [{low:+.3f}, {high:+.3f}], p = {result.p_value:.3f}")

index = np.unique(scenes, return_inverse=True)[1]
sums = np.bincount(index, large - small)
flipped = np.random.default_rng(0).choice([-1, 1], (10_000, len(sums))) @ sums / len(large)

figure, axis = plt.subplots(figsize=(8, 2.5), layout="constrained")
axis.hist(flipped, 60, color="gray", label="with signs flipped")
axis.axvline(result.difference.value, color="orange", label="as measured")
axis.set_xlabel("mean difference of F1")
axis.set_ylabel("flips")
axis.legend()

# %%
# A table with many pairs of methods asks many such questions. `hybridseg report` corrects its p-values for that, after
# S. Holm (1979).
