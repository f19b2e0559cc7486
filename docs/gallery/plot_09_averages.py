"""
Per image, per scene, pooled
============================

Three ways to average give three numbers. The counts are real: `unet` of 0.1.0 on the lesion images of BUSI's
development part, each scored by a network that hadn't learned from its fold.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from hybridseg.metrics import Counts, image_mean, pooled_f1, scene_mean

with Path("../../benchmarks/results/busi_5fold_cases.csv").open(newline="") as stream:
    rows = [row for row in csv.DictReader(stream) if row["method"] == "unet"]
rows = [row for row in rows if int(row["tp"]) + int(row["fn"])]
counts = [Counts(*(int(row[key]) for key in ("tp", "fp", "fn", "tn"))) for row in rows]
scenes = [row["group"] for row in rows]
f1 = np.array([2 * each.tp / (2 * each.tp + each.fp + each.fn) for each in counts])

estimates = {
    "per image": image_mean(f1, scenes),
    "per scene": scene_mean(f1, scenes),
    "pooled": pooled_f1(counts, scenes),
}

# %%
# Per image, every picture has one vote. Per scene, copies share one. Pooled, every pixel has one.

figure, axis = plt.subplots(figsize=(7, 2.2), layout="constrained")
for row, estimate in enumerate(estimates.values()):
    axis.plot([estimate.low, estimate.high], [row, row], color="orange", linewidth=3)
    axis.plot(estimate.value, row, "o", color="black")
    axis.annotate(f"{estimate.value:.3f}", (estimate.value, row), (0, 7), textcoords="offset points", ha="center")
axis.set_yticks(range(3), estimates)
axis.set_ylim(2.5, -0.6)
axis.set_xlabel("F1 with its 95 % interval")

# %%
# Large lesions hold most of the pixels, so they decide the pooled figure.

area = np.array([each.tp + each.fn for each in counts])
order = np.argsort(area)
share = np.cumsum(area[order]) / area.sum()
print(f"the larger half of the lesions holds {1 - share[len(share) // 2]:.0%} of the lesion pixels")

figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
axis.scatter(area, f1, s=8, color="gray", alpha=0.5)
for part in np.array_split(order, 6):
    axis.plot([area[part].min(), area[part].max()], [f1[part].mean()] * 2, color="orange", linewidth=3)
axis.set_xscale("log")
axis.set_xlabel("lesion's area in pixels; orange: means of six parts of equal size")
axis.set_ylabel("F1")
