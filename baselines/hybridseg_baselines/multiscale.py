"""Multiscale features of each pixel, as integers, and the steps in which they are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
PER_SIGMA = 4  # smoothed grey, its edge, the two eigenvalues of its Hessian
STEPS = 4096
"""Features are whole numbers: so many steps to black and white; derivatives are multiplied by sigma for each order."""


def scales() -> NDArray[np.float32]:
    """Return what each feature is multiplied by before it is rounded to a whole number: float32 (F,)."""
    return np.array([STEPS * sigma**order for sigma in SIGMAS for order in (0, 1, 2, 2)], np.float32)


def multiscale(picture: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return the features of a float32 (h, w) in [0, 1]: int16 (F, h * w)."""
    from skimage.feature import multiscale_basic_features

    found: Any = multiscale_basic_features(  # type: ignore[no-untyped-call]
        picture, sigma_min=SIGMAS[0], sigma_max=SIGMAS[-1], workers=1
    )
    columns = np.asarray(found, np.float32).reshape(-1, len(SIGMAS) * PER_SIGMA).T
    whole: NDArray[np.int16] = np.rint(columns * scales()[:, None]).astype(np.int16)
    return whole
