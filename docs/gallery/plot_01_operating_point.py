"""
What the operating point does
=============================

A method gives each pixel a probability. The operating point makes a mask of it.
The picture is a **synthetic** phantom.
"""

import matplotlib.pyplot as plt

import hybridseg

case = hybridseg.load_dataset("phantoms[n=4]")[1]
model = hybridseg.load("unet-tiny.onnx")
probability = model.predict_proba(case.image)

# %%
# The probability is shown first, then masks at three thresholds.
# A low threshold spills over the edge, and a high one loses it.

figure, axes = plt.subplots(1, 4, figsize=(12, 3), layout="constrained")
axes[0].imshow(probability, cmap="magma", vmin=0, vmax=1)
axes[0].set_title("probability")
for axis, threshold in zip(axes[1:], (0.1, 0.5, 0.9), strict=True):
    axis.imshow(case.image, cmap="gray")
    axis.contour(probability >= threshold, [0.5], colors="orange")
    axis.contour(case.mask, [0.5], colors="deepskyblue")
    axis.set_title(f"threshold {threshold}")
for axis in axes:
    axis.set_axis_off()

# %%
# Orange is the model, blue the truth.
