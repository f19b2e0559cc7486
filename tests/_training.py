"""What tests of training share: a recipe, and a disc for a lesion."""

from __future__ import annotations

import numpy as np

from hybridseg.training.sampling import Recipe

RECIPE = Recipe({}, 32, 2, 4, 1e-3, 0.01, 0.9, 0.25, 5, 0)


def disc(size: int = 64, centre: tuple[float, float] = (30, 40), radius: float = 12) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
