"""
What an interval says
=====================

The counts are real: `unet-tiny` of 0.1.0, trained on four folds of BUSI, on the images of the fifth.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from hybridseg.metrics import image_mean

with Path("../../benchmarks/results/counts/unet-tiny-fold0.csv").open(newline="") as stream:
    rows = [row for row in csv.DictReader(stream) if int(row["tp"]) + int(row["fn"])]
tp, fp, fn = (np.array([int(row[key]) for row in rows]) for key in ("tp", "fp", "fn"))
f1, scenes = 2 * tp / (2 * tp + fp + fn), [row["group"] for row in rows]

# %%
# Most images score high, and some score 0. So a mean depends on how many hard images a test set happens to hold.

figure, axis = plt.subplots(figsize=(8, 2.5), layout="constrained")
axis.hist(f1, 25, color="gray")
axis.axvline(f1.mean(), color="orange", label=f"mean, {f1.mean():.3f}")
axis.set_xlabel("F1 of an image")
axis.set_ylabel("images")
axis.legend()

# %%
# The bootstrap asks what other test sets of this kind would have given. It draws as many scenes as there are, with
# replacement, 2,000 times, and takes the mean of each draw. The middle 95 % of the means are the interval.
# Whole scenes are drawn, because copies of a scene score alike (B. Efron 1979, doi 10.1214/aos/1176344552).

members = [np.flatnonzero([scene == each for scene in scenes]) for each in dict.fromkeys(scenes)]
rng = np.random.default_rng(0)
means = []
for _ in range(2000):
    drawn = np.concatenate([members[k] for k in rng.integers(len(members), size=len(members))])
    means.append(f1[drawn].mean())
estimate = image_mean(f1, scenes)

figure, axis = plt.subplots(figsize=(8, 2.5), layout="constrained")
axis.hist(means, 40, color="gray")
axis.axvspan(estimate.low, estimate.high, color="orange", alpha=0.3, label=f"{estimate.low:.3f} to {estimate.high:.3f}")
axis.set_xlabel("mean F1 of a draw")
axis.set_ylabel("draws")
axis.legend()

# %%
# More scenes make it narrower, roughly by the square root of their number: four times the scenes, half the width.

for count in (20, 40, len(members)):
    widths = []
    for _ in range(20):
        some = np.concatenate([members[k] for k in rng.permutation(len(members))[:count]])
        part = image_mean(f1[some], [scenes[k] for k in some], draws=500)
        widths.append(part.high - part.low)
    print(f"{count} scenes: an interval is {np.mean(widths):.2f} wide, mean of 20 samples")
