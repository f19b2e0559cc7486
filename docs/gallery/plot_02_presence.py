"""
What the presence decision does
===============================

A picture may show no lesion. The presence threshold decides: if no pixel's probability reaches it, the mask is empty.
The pictures are **synthetic** phantoms.
"""

import matplotlib.pyplot as plt
import numpy as np

import hybridseg

data = hybridseg.load_dataset("phantoms[n=12]")
model = hybridseg.load("unet-tiny.onnx")
highest = np.array([model.predict_proba(case.image).max() for case in data])
lesion = np.array([case.mask.any() for case in data])

# %%
# Each dot is a picture, at its highest probability.

figure, axis = plt.subplots(figsize=(7, 2.5), layout="constrained")
for row, (has_lesion, colour) in enumerate([(True, "deepskyblue"), (False, "orange")]):
    values = highest[lesion == has_lesion]
    axis.scatter(values, np.full(values.shape, row), color=colour)
axis.set_yticks([0, 1], ["lesion", "lesion-free"])
axis.set_ylim(-0.5, 1.5)
axis.set_xlim(0, 1)
axis.set_xlabel("highest probability in the picture")

# %%
# A threshold between both rows would tell them apart.
# Where they overlap, every threshold loses lesions or outlines tissue.

for threshold in (0.1, 0.5, 0.9):
    kept, outlined = (highest[lesion] >= threshold).mean(), (highest[~lesion] >= threshold).mean()
    print(f"presence threshold {threshold}: {kept:.0%} of the lesions kept, {outlined:.0%} of the others outlined")
