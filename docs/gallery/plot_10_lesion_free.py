"""
Lesion-free images decide rankings
==================================

IoU and F1 of two empty masks are 0 divided by 0, so a rule has to say what a correct empty mask scores. The counts are
real: random forest and `unet-tiny` of 0.1.0 on one fold of BUSI, 102 images with a lesion and 22 without.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

with Path("../../benchmarks/results/busi_fold0_cases.csv").open(newline="") as stream:
    rows = list(csv.DictReader(stream))


def f1_of(method):
    """Return F1 of each lesion image, and which of the lesion-free images get a mask."""
    counts = np.array([[int(row[k]) for k in ("tp", "fp", "fn")] for row in rows if row["method"] == method])
    tp, fp, fn = counts[counts[:, 0] + counts[:, 2] > 0].T
    free = counts[counts[:, 0] + counts[:, 2] == 0]
    return 2 * tp / (2 * tp + fp + fn), free[:, 1] > 0


# %%
# Three rules are in use. A correct empty mask may count 1 or 0, or lesion-free images may stay out of the mean.
# A method that outlines nothing at all shows what a rule is worth.

methods = {name: f1_of(name) for name in ("unet-tiny.onnx", "random-forest")}
methods["nothing, ever"] = (np.zeros(102), np.zeros(22, bool))

rules = {
    "left out": lambda f1, outlined: f1.mean(),
    "empty counts 1": lambda f1, outlined: np.concatenate([f1, ~outlined]).mean(),
    "empty counts 0": lambda f1, outlined: np.concatenate([f1, np.zeros(len(outlined))]).mean(),
}

figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
for k, (name, values) in enumerate(methods.items()):
    heights = [rule(*values) for rule in rules.values()]
    bars = axis.bar(
        np.arange(3) + 0.27 * (k - 1), heights, 0.25, color=("orange", "gray", "deepskyblue")[k], label=name
    )
    axis.bar_label(bars, fmt="%.2f")
axis.set_xticks(range(3), rules)
axis.set_ylim(0, 1)
axis.set_ylabel("mean F1")
axis.legend(ncols=3)

# %%
# hybridseg leaves lesion-free images out of the mean and gives them a line of their own. So nothing is hidden.

for name, (f1, outlined) in methods.items():
    print(f"{name:14}: F1 {f1.mean():.3f}; {outlined.sum():2} of {len(outlined)} lesion-free images get a mask")
