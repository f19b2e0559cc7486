"""
Otsu's threshold, step by step
==============================

Otsu's threshold splits the grey levels of a picture into dark and bright, so that each side varies least
(N. Otsu 1979, doi 10.1109/TSMC.1979.4310076). The picture is a **synthetic** phantom.
"""

import matplotlib.pyplot as plt
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu
from skimage.measure import label

import hybridseg

case = hybridseg.load_dataset("phantoms[n=8]")[7]

# %%
# Speckle is smoothed first. Then the threshold is read off the histogram.

smooth = gaussian_filter(case.image.astype(float), 5)
threshold = threshold_otsu(smooth)

figure, axes = plt.subplots(1, 3, figsize=(12, 3), layout="constrained")
axes[0].imshow(case.image, cmap="gray")
axes[0].set_title("picture")
axes[1].imshow(smooth, cmap="gray")
axes[1].set_title("smoothed")
for axis in axes[:2]:
    axis.set_axis_off()
axes[2].hist(smooth.ravel(), 64, color="gray")
axes[2].axvline(threshold, color="orange", label=f"Otsu's threshold, {threshold:.0f}")
axes[2].set_xlabel("grey level")
axes[2].set_ylabel("pixels")
axes[2].legend()

# %%
# The dark side holds the lesion, but fat and shadows, too. It falls into regions, and one of them has to be chosen.
# `otsu-textbook` takes the largest, where pixels near the middle count more. `otsu` learns the choice from training
# masks: eight other phantoms here.

dark = smooth < threshold
train = hybridseg.load_dataset("phantoms[n=8,seed=50]")

figure, axes = plt.subplots(1, 3, figsize=(12, 3), layout="constrained")
axes[0].imshow(label(dark), cmap="nipy_spectral")
axes[0].set_title("dark regions, each in its colour")
for axis, name in zip(axes[1:], ("otsu-textbook", "otsu"), strict=True):
    model = hybridseg.create(name).fit([each.image for each in train], [each.mask for each in train])
    axis.imshow(case.image, cmap="gray")
    axis.contour(model.predict(case.image), [0.5], colors="orange")
    axis.contour(case.mask, [0.5], colors="deepskyblue")
    axis.set_title(name)
for axis in axes:
    axis.set_axis_off()
