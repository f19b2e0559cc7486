"""
Watershed, step by step
=======================

A picture's gradient is a landscape: edges are ridges, and even tissue lies in basins. `watershed` floods every basin,
then merges basins over their lowest ridges. The picture is a **synthetic** phantom.
"""

import matplotlib.pyplot as plt
from hybridseg_baselines.grid import GRID, smooth
from hybridseg_baselines.watershed import basins, gradient, merge
from scipy import ndimage

import hybridseg

case = hybridseg.load_dataset("phantoms[n=4]")[2]

# %%
# The picture is reduced to a grid of 64 x 76 cells and smoothed. The gradient rises at edges.
# Each cell drains to its lowest neighbour. Cells that end in one place are one basin.

grey = smooth(case.image, GRID, 2)
slope = gradient(grey)
regions = basins(slope)

figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
axes[0].imshow(grey, cmap="gray")
axes[0].set_title("grid image")
axes[1].imshow(slope, cmap="magma")
axes[1].set_title("gradient")
axes[2].imshow(regions, cmap="prism")
axes[2].set_title(f"{regions.max() + 1} basins")
for axis in axes:
    axis.set_axis_off()

# %%
# In each round two regions merge if each is the other's weakest border. Small regions go first.
# Each region is drawn in its mean grey. Somewhere on the way, one region is the lesion.

figure, axes = plt.subplots(1, 4, figsize=(12, 2.8), layout="constrained")
for rounds, axis in zip((4, 8, 12, 16), axes, strict=True):
    for _ in range(4):
        regions, _new = merge(regions, slope)
    means = ndimage.mean(grey, regions, range(regions.max() + 1))
    axis.imshow(means[regions], cmap="gray")
    axis.set_title(f"{rounds} rounds: {len(means)} regions")
    axis.set_axis_off()

# %%
# Every region of every round is a candidate. A score chooses among them by size, place, shape and edge.
# The textbook's watershed works otherwise. It floods from two markers, inside and outside of Otsu's region.

train = hybridseg.load_dataset("phantoms[n=8,seed=50]")
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for axis, name in zip(axes, ("watershed-textbook", "watershed"), strict=True):
    model = hybridseg.create(name).fit([each.image for each in train], [each.mask for each in train])
    axis.imshow(case.image, cmap="gray")
    axis.contour(model.predict(case.image), [0.5], colors="orange")
    axis.contour(case.mask, [0.5], colors="deepskyblue")
    axis.set_title(name)
    axis.set_axis_off()
