"""
What is left out around a scan
==============================

Scanners frame their pictures, and write captions beside them. The methods here look only at the scan.
The picture is a **synthetic** phantom, framed for this page.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import hybridseg

case = hybridseg.load_dataset("phantoms[n=4]")[2]
height, width = case.image.shape
framed = np.zeros((height + 160, width + 220), np.uint8)
framed[60 : 60 + height, 40 : 40 + width] = case.image
framed[20:32, 40:200] = 180  # a title
framed[100:400:12, width + 100 : width + 104] = 200  # a ruler

# %%
# `find_scan` returns the rows and columns that the scan fills. What lies beyond a dark gap, as captions and rulers do,
# is left out. Probabilities are 0 there, and masks are always as large as the picture.

rows, columns = hybridseg.find_scan(framed)
model = hybridseg.load("unet-tiny.onnx")

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for axis in axes:
    axis.imshow(framed, cmap="gray")
    axis.set_axis_off()
corner, size = (columns.start, rows.start), (columns.stop - columns.start, rows.stop - rows.start)
axes[0].add_patch(Rectangle(corner, *size, fill=False, edgecolor="orange"))
axes[0].set_title("what find_scan keeps")
axes[1].contour(model.predict(framed), [0.5], colors="orange")
axes[1].set_title("mask")
