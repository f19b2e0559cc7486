"""
Random forest, step by step
===========================

A random forest is many decision trees, each grown on other examples (L. Breiman 2001, doi 10.1023/A:1010933404324).
Here each tree says how likely a grid cell is lesion. The pictures are **synthetic** phantoms.
"""

import matplotlib.pyplot as plt
from hybridseg_baselines.features import features
from hybridseg_baselines.grid import GRID
from hybridseg_baselines.trees import FULL, FlatTrees, predict_cells

import hybridseg

train = hybridseg.load_dataset("phantoms[n=6,seed=50]")
case = hybridseg.load_dataset("phantoms[n=4]")[1]
forest = hybridseg.create("random-forest", n_trees=20)
forest.fit([each.image for each in train], [each.mask for each in train])

# %%
# A tree sees a cell through features: means of boxes around it, differences between them, and where the cell lies.

cells = features(case.image, GRID)
figure, axes = plt.subplots(1, 4, figsize=(12, 2.8), layout="constrained")
for axis, number in zip(axes, (0, 8, 16, 24), strict=True):
    axis.imshow(cells[number].reshape(GRID), cmap="gray")
    axis.set_title(f"feature {number} of {len(cells)}")
    axis.set_axis_off()

# %%
# One tree is rough. The mean of many is smoother.

trees = FlatTrees(*(getattr(forest, f"tree_{name}_") for name in FlatTrees._fields))
figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
for axis, count in zip(axes, (1, 5, 20), strict=True):
    probability = predict_cells(trees, cells, list(range(count))).reshape(GRID) / FULL
    axis.imshow(probability, cmap="magma", vmin=0, vmax=1)
    axis.set_title(f"{count} of the trees")
    axis.set_axis_off()

# %%
# This map is cut at many levels, which gives regions. A learned score lets the better ones speak.

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
axes[0].imshow(forest.predict_proba(case.image), cmap="magma", vmin=0, vmax=1)
axes[0].set_title("probability after the score")
axes[1].imshow(case.image, cmap="gray")
axes[1].contour(forest.predict(case.image), [0.5], colors="orange")
axes[1].contour(case.mask, [0.5], colors="deepskyblue")
axes[1].set_title("mask")
for axis in axes:
    axis.set_axis_off()
