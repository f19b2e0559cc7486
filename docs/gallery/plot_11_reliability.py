"""
Is a probability what it says?
==============================

Of the pixels to which a model gives 0.7, seven in ten should be lesion. A reliability diagram shows whether they are.
The pictures are **synthetic** phantoms, which the model never learned from.
"""

import matplotlib.pyplot as plt
import numpy as np

import hybridseg

data = hybridseg.load_dataset("phantoms[n=16,seed=3]")
model = hybridseg.load("unet-tiny.onnx")
probability = np.concatenate([model.predict_proba(case.image).ravel() for case in data])
lesion = np.concatenate([case.mask.ravel() for case in data])

# %%
# Pixels are sorted into ten bins by their probability. A dot below the line means that the model is too sure.
# Dots differ in size as bins do.

edges = np.linspace(0, 1, 11)
number = np.clip(np.digitize(probability, edges) - 1, 0, 9)
pixels = np.bincount(number, minlength=10)
mean = np.bincount(number, probability, minlength=10) / np.maximum(pixels, 1)
share = np.bincount(number, lesion, minlength=10) / np.maximum(pixels, 1)

figure, axis = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
axis.plot([0, 1], [0, 1], color="gray", linewidth=1)
axis.scatter(mean[pixels > 0], share[pixels > 0], 12 * np.log10(pixels[pixels > 0]), color="orange")
axis.set_xlabel("mean probability in the bin")
axis.set_ylabel("share that is lesion")
axis.set_aspect("equal")

# %%
# The expected calibration error is the mean distance from the line, each bin weighing as its pixels do
# (M. Naeini et al. 2015, doi 10.1609/aaai.v29i1.9602). Nearly all pixels are tissue far from any lesion, which every
# model gets right. So it is shown for pixels of at least 0.05, too.

for name, kept in (("all pixels", probability >= 0), ("from 0.05", probability >= 0.05)):
    n = np.bincount(number[kept], minlength=10)
    gap = np.abs(np.bincount(number[kept], probability[kept] - lesion[kept], minlength=10))
    print(f"{name:10}: {n.sum():9,} pixels, expected calibration error {gap.sum() / n.sum():.3f}")
