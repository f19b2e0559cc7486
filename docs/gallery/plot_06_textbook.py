"""
What a learned choice brings
============================

`otsu-textbook`, `watershed-textbook` and `pixel-forest` are what textbooks have. `otsu`, `watershed` and
`random-forest` propose many regions instead, and a score learned from training masks chooses. The pictures are small
**synthetic** phantoms: the figures show how methods differ, not how they do on patients.
"""

import matplotlib.pyplot as plt
import numpy as np

import hybridseg
from hybridseg.data.phantoms import phantom_dataset
from hybridseg.metrics import count_pixels, f1

train = phantom_dataset(10, seed=50, shape=(160, 190))
test = [case for case in phantom_dataset(16, shape=(160, 190)) if case.mask.any()]
images, masks = [case.image for case in train], [case.mask for case in train]

METHODS = {
    "otsu-textbook": {},
    "otsu": {},
    "watershed-textbook": {},
    "watershed": {},
    "pixel-forest": {"n_trees": 8},
    "random-forest": {"n_trees": 8},
}
scores = {}
for name, parameters in METHODS.items():
    method = hybridseg.create(name, **parameters).fit(images, masks)
    scores[name] = [f1(count_pixels(case.mask, method.predict(case.image))) for case in test]

# %%
# Each dot is a picture, each bar the mean.

figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
for row, values in enumerate(scores.values()):
    colour = "orange" if row % 2 else "gray"
    axis.scatter(values, np.full(len(values), row), color=colour, alpha=0.5)
    axis.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=3)
axis.set_yticks(range(len(scores)), scores)
axis.invert_yaxis()
axis.set_xlim(-0.02, 1)
axis.set_xlabel("F1 (synthetic)")
