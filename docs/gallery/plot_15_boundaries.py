"""
What each metric sees
=====================

IoU and F1 count pixels. HD95 and NSD look at the boundary. The outlines are **synthetic**, made for this page.
"""

import matplotlib.pyplot as plt
import numpy as np

from hybridseg.metrics import NSD_TOLERANCE_PX, boundary, count_pixels, f1, iou

rows, columns = np.mgrid[:200, :240]
disc = np.hypot(rows - 100, columns - 110)
angle = np.arctan2(rows - 100, columns - 110)

truth = disc <= 50
predictions = {
    "all over too large": disc <= 58,
    "shifted": np.hypot(rows - 100, columns - 120) <= 50,
    "ragged edge": disc <= 50 + 8 * np.sin(24 * angle),
    "a region far away": truth | (np.hypot(rows - 30, columns - 215) <= 18),
}

# %%
# Four errors, each with its scores. Orange is the prediction, blue the truth.

figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
for axis, (name, mask) in zip(axes, predictions.items(), strict=True):
    counts, edges = count_pixels(truth, mask), boundary(truth, mask, tolerance=NSD_TOLERANCE_PX)
    axis.imshow(np.zeros(truth.shape), cmap="gray")
    axis.contour(mask, [0.5], colors="orange")
    axis.contour(truth, [0.5], colors="deepskyblue")
    axis.set_title(f"{name}\nIoU {iou(counts):.2f}, F1 {f1(counts):.2f}\nHD95 {edges.hd95:.0f} px, NSD {edges.nsd:.2f}")
    axis.set_axis_off()

# %%
# IoU and F1 always tell the same story, because F1 = 2 IoU / (1 + IoU). HD95 is the distance in pixels below which 95 %
# of the boundary lies: a far region raises it. NSD is the share of the boundary within three pixels of the other's.
# In BUSI, frames that were outlined twice agree to a mean IoU of 0.78. Above that, a score says as much about outlines
# as about methods (:doc:`measured </published/results/near_duplicates>`).
