"""Otsu's method made for ultrasound: recursive thresholds on a de-speckled image, regions chosen by score."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridseg import Tags

from .candidates import CandidateSegmenter
from .grid import FINE, Ints, bowl, box_mean, close, smooth
from .parameters import check_whole, is_number


class OtsuSegmenter(CandidateSegmenter):
    """Dark regions below recursive Otsu thresholds; a learned score chooses among them.

    The scan (`hybridseg.find_scan`) is seen on a fixed grid. Block means and two 3x3 means take out the speckle. The
    mean of the surroundings is subtracted, against shadow and gain. Brightness is added towards the borders, where
    lesions are rare. A grey closing cuts thin dark bridges. Otsu's threshold is applied, then again to each class,
    ``depth`` times in all. The connected dark regions of every threshold are the candidates.

    Parameters
    ----------
    depth : int
        Rounds of splitting: up to ``2 ** depth - 1`` thresholds.
    surroundings : int
        Radius, in cells of the 64 x 76 grid, of the mean that is subtracted.
    bowl : float
        Grey levels added at the middle of an image's edge.
    sharpness : float, optional
        How far below the best a region's score may be and still have 1/e of its say; chosen by ``fit`` if not given.

    References
    ----------
    N. Otsu, A threshold selection method from gray-level histograms, IEEE Transactions on Systems, Man, and
    Cybernetics 9(1):62-66, 1979, doi 10.1109/TSMC.1979.4310076.
    """

    tags = Tags(max_differing_pixels=0.0)

    def __init__(
        self, *, depth: int = 4, surroundings: int = 11, bowl: float = 20.0, sharpness: float | None = None
    ) -> None:
        self.depth = depth
        self.surroundings = surroundings
        self.bowl = bowl
        self.sharpness = sharpness

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_whole(self, "depth", 1, 6)
        check_whole(self, "surroundings", 1, 64)
        if not (is_number(self.bowl) and 0 <= self.bowl <= 255):
            raise ValueError(f"`bowl` must lie in [0, 255], got {self.bowl!r}")

    def _propose(self, image: NDArray[np.uint8]) -> tuple[Ints, Ints]:
        self._check_parameters()
        grey = smooth(image, self.grid, 2)
        flat = grey - box_mean(grey, self.surroundings) + 128 * FINE + bowl(self.grid, self.bowl)
        levels = np.clip(flat, 0, 256 * FINE - 1) // FINE
        thresholds = recursive_otsu(np.bincount(levels.ravel(), minlength=256), self.depth)
        closed = [close(levels, radius) for radius in (1, 2)]
        masks = [dark < threshold for dark in closed for threshold in thresholds]
        return grey, components(np.stack(masks)) if masks else np.zeros((1, *self.grid), np.int64)

    def _to_onnx(self) -> Any:
        from .onnx.otsu import otsu_model

        return otsu_model(self, depth=self.depth, surroundings=self.surroundings, edge=self.bowl)


def components(masks: NDArray[np.bool_]) -> Ints:
    """Return the 4-connected components of every mask of (L, h, w), numbered through from 1; 0 outside."""
    from scipy import ndimage

    in_layer = ndimage.generate_binary_structure(3, 1)
    in_layer[[0, 2]] = False
    labels: Ints = ndimage.label(masks, structure=in_layer, output=np.int64)[0]
    return labels


def recursive_otsu(histogram: Ints, depth: int) -> list[int]:
    """Return rising thresholds t (dark: grey < t): Otsu's of all, then of each class, ``depth`` times.

    A class of a single grey level isn't split. The lowest threshold wins among equals.

    Parameters
    ----------
    histogram : ndarray of shape (256,), int64
        Pixels per grey level.
    """
    bounds = [0, len(histogram)]
    for _ in range(depth):
        found = [otsu(histogram[low:high]) for low, high in pairwise(bounds)]
        bounds = sorted(set(bounds) | {low + t for low, t in zip(bounds[:-1], found, strict=True) if t})
    return bounds[1:-1]


def otsu(histogram: Ints) -> int:
    """Return the t with the largest between-class variance of levels < t and >= t; 0 if there is none."""
    count = np.cumsum(histogram)
    total = np.cumsum(histogram * np.arange(len(histogram)))
    below, above = count[:-1].astype(np.float64), (count[-1] - count[:-1]).astype(np.float64)
    # (n total_below - n_below total)^2 / (n_below n_above) is the between-class variance times n^2
    difference = (count[-1] * total[:-1] - count[:-1] * total[-1]).astype(np.float64)
    both = below * above
    variance = np.where(both > 0, difference * difference / np.maximum(both, 1), 0.0)
    return int(variance.argmax()) + 1 if variance.any() else 0
