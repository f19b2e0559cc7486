"""
How copies are found
====================

Public sets hold one frame several times: cropped, shifted, brighter, with other marks. A copy in training makes a test
easy. The pictures are **synthetic** phantoms and altered copies of them.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import hybridseg
from hybridseg.data.duplicates import find_pairs, group_cases
from hybridseg.data.folds import grouped_folds


@dataclass(frozen=True)
class Copy(hybridseg.Case):
    """A crop of another case, brighter, with a bar burnt in."""

    original: hybridseg.Case

    def read(self):
        """Return image and mask."""
        image, mask = (pixels[30:, 60:-20].copy() for pixels in self.original.read())
        image = np.clip(1.15 * image + 8, 0, 255).astype(np.uint8)
        image[15:25, 20:120] = 255
        return image, mask

    def content_hash(self):
        """Return what tells it from others."""
        return "copy of " + self.original.content_hash()


originals = hybridseg.load_dataset("phantoms[n=6]")
copies = [Copy(f"copy of {each.case_id}", f"{each.case_id}, too", each.label, original=each) for each in originals[:3]]
data = hybridseg.Dataset("phantoms and copies", (*originals, *copies))

# %%
# Two pictures of one lesion may look alike without being copies. Speckle tells: it is the same grain only in one frame.
# So pictures are laid over each other by points that they share, and their speckle is compared.

pairs = find_pairs(data)
figure, axes = plt.subplots(2, len(pairs), figsize=(10, 6), layout="constrained")
images = {case.case_id: case.image for case in data}
for column, pair in zip(axes.T, pairs, strict=True):
    for axis, name in zip(column, (pair.case_a, pair.case_b), strict=True):
        axis.imshow(images[name], cmap="gray")
        axis.set_title(name)
        axis.set_axis_off()
    column[1].set_title(f"{pair.case_b}\nspeckle correlates by {pair.score:.2f}")

# %%
# Each pair becomes one scene. Whole scenes are dealt into folds, so that no copy of a test image is learned from.

scenes = data.regrouped(group_cases(data, pairs), "near-duplicates")
for number, fold in enumerate(grouped_folds(scenes, 3).folds):
    print(f"fold {number} tests", ", ".join(fold.test))
