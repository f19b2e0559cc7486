"""
Accuracy against time
=====================

A method is worth looking at if no other is both faster and more accurate. Those methods make the Pareto front.
The counts are real: one fold of BUSI, exported files of 0.1.0, one thread.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from hybridseg.metrics import image_mean

with Path("../../benchmarks/results/busi_fold0_cases.csv").open(newline="") as stream:
    rows = [row for row in csv.DictReader(stream) if row["method"].endswith(".onnx")]

points = {}
for name in dict.fromkeys(row["method"] for row in rows):
    mine = [row for row in rows if row["method"] == name]
    milliseconds = np.median([float(row["predict_ms"]) for row in mine])
    lesions = [row for row in mine if int(row["tp"]) + int(row["fn"])]
    tp, fp, fn = (np.array([int(row[key]) for row in lesions]) for key in ("tp", "fp", "fn"))
    points[name] = milliseconds, image_mean(2 * tp / (2 * tp + fp + fn), [row["group"] for row in lesions])

# %%
# From the fastest on, a method joins the front if it scores higher than all before it.

front, best = [], 0.0
for name, (_, estimate) in sorted(points.items(), key=lambda item: item[1][0]):
    if estimate.value > best:
        front.append(name)
        best = estimate.value

figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
for name, (milliseconds, estimate) in points.items():
    colour = "orange" if name in front else "gray"
    axis.plot([milliseconds] * 2, [estimate.low, estimate.high], color=colour)
    axis.plot(milliseconds, estimate.value, "o", color=colour)
    axis.annotate(name, (milliseconds, estimate.high), (0, 4), textcoords="offset points", ha="center")
axis.set_xscale("log")
axis.set_xticks([5, 10, 20, 40], ["5", "10", "20", "40"], minor=False)
axis.set_xticks([], minor=True)
axis.set_xlim(5, 40)
axis.margins(y=0.15)
axis.set_xlabel("milliseconds per image")
axis.set_ylabel("F1 with its 95 % interval")

# %%
# The intervals overlap, so neighbours on the front needn't differ in accuracy. A paired test tells.

print("Pareto front:", ", ".join(front))
