"""
How sure a mask is
==================

A mask's confidence should be the chance that the mask is right: that its IoU with the lesion is above a half. The mean
probability in a mask isn't such a chance. The pictures are small **synthetic** phantoms with a lesion.
"""

import matplotlib.pyplot as plt
import numpy as np

import hybridseg
from hybridseg.confidence import apply_line, raw_confidence
from hybridseg.data.phantoms import phantom_dataset
from hybridseg.metrics import count_pixels, f1
from hybridseg.metrics.calibration import fit_line, mean_at_coverage, reliability

train = phantom_dataset(20, seed=50, shape=(160, 190))
model = hybridseg.create("otsu").fit([case.image for case in train], [case.mask for case in train])
raw, score = [], []
for case in phantom_dataset(160, seed=7, shape=(160, 190)):
    image, truth = case.read()
    mask = model.predict(image)
    if truth.any() and mask.any():
        raw.append(raw_confidence(mask, model.predict_proba(image)))
        score.append(f1(count_pixels(truth, mask)))
raw, score = np.array(raw), np.array(score)
right = score > 2 / 3  # the F1 of an IoU of a half

# %%
# Half of the pictures teach a line from the raw value to the share of masks that are right (J. Platt 1999). The other
# half shows what the line is worth. A dot is a tenth of the scale, with the interval of its share. So few masks leave
# wide intervals.

teach = np.arange(len(raw)) % 2 == 0
line = fit_line(raw[teach], right[teach])
confidence = np.array([apply_line(line, value) for value in raw])

figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
for axis, values, title in zip(axes, (raw, confidence), ("mean probability", "confidence"), strict=True):
    axis.plot([0, 1], [0, 1], color="gray", linewidth=1)
    for part in reliability(values[~teach], right[~teach]):
        axis.plot([part.confidence] * 2, [part.right.low, part.right.high], color="orange")
        axis.plot(part.confidence, part.right.value, "o", color="orange")
    axis.set_xlabel(title)
    axis.set_aspect("equal")
axes[0].set_ylabel("share of masks that are right")

# %%
# Whoever may refuse keeps the surest masks. `segment --refuse-below` does so. The mean F1 of those that stay rises,
# if the confidence knows anything.

shares = np.linspace(0.2, 1, 9)
groups = [str(k) for k in range(int((~teach).sum()))]
kept = [mean_at_coverage(confidence[~teach], score[~teach], groups, share) for share in shares]

figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
axis.fill_between(shares, [each.low for each in kept], [each.high for each in kept], color="orange", alpha=0.3)
axis.plot(shares, [each.value for each in kept], color="orange")
axis.set_xlabel("share of masks that is kept, the surest first")
axis.set_ylabel("mean F1 (synthetic)")
