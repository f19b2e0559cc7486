"""Watershed made for ultrasound: catchment basins of the gradient, merged step by step; regions chosen by score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridseg import Tags

from .candidates import CandidateSegmenter
from .grid import Ints, smooth
from .parameters import check_whole


class WatershedSegmenter(CandidateSegmenter):
    """Basins of the gradient merge into ever larger regions; a learned score chooses among them.

    Every cell of a de-speckled grid image of the scan (`hybridseg.find_scan`) drains to its lowest neighbour in the
    gradient. Cells that end in one minimum are a basin. Then, in rounds, two regions merge where each is the other's
    weakest border. A border's strength is the mean gradient along it times the root of the smaller region's area, so
    small regions go first. Every region that ever was is a candidate.

    Classical marker control picks the places to flood from beforehand, by darkness and position. A lesion that isn't
    marked is lost. Here nothing is marked. All minima are flooded, merging gives nested regions of every size, and
    darkness, position and outline speak afterwards, in the score that chooses.

    Parameters
    ----------
    smoothing : int
        3x3 means before the gradient is taken.
    rounds : int
        Rounds of merging at most.
    sharpness : float, optional
        How far below the best a region's score may be and still have 1/e of its say; chosen by ``fit`` if not given.

    References
    ----------
    S. Beucher, F. Meyer, The morphological approach to segmentation: the watershed transformation, in:
    Mathematical Morphology in Image Processing, 1993, doi 10.1201/9781482277234-12.
    J. B. T. M. Roerdink, A. Meijster, The watershed transform: definitions, algorithms and parallelization
    strategies, Fundamenta Informaticae 41:187-228, 2000, doi 10.3233/FI-2000-411207.
    """

    tags = Tags(max_differing_pixels=0.0)
    untrained_sharpness = 0.0075  # hundreds of nested candidates: at 0.03 the many outvote the best

    def __init__(self, *, smoothing: int = 2, rounds: int = 20, sharpness: float | None = None) -> None:
        self.smoothing = smoothing
        self.rounds = rounds
        self.sharpness = sharpness

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("smoothing", "rounds"):
            check_whole(self, name, 1, 64)

    def _propose(self, image: NDArray[np.uint8]) -> tuple[Ints, Ints]:
        self._check_parameters()
        grey = smooth(image, self.grid, self.smoothing)
        slope = gradient(grey)
        regions = basins(slope)
        layers = [regions + 1]
        used = int(layers[0].max())
        for _ in range(self.rounds):
            merged, new = merge(regions, slope)
            if not new.any():
                break
            # A layer holds what this round made; older regions are in an earlier layer.
            number = np.where(new, used + np.cumsum(new), 0)
            used += int(new.sum())
            layers.append(number[merged])
            regions = merged
        return grey, np.stack(layers)

    def _to_onnx(self) -> Any:
        from .onnx.watershed import watershed_model

        return watershed_model(self, smoothing=self.smoothing, rounds=self.rounds)


def gradient(grey: Ints) -> Ints:
    """Return |difference over rows| + |difference over columns| between a cell's two neighbours; borders repeat."""
    padded = np.pad(grey, 1, mode="edge")
    slope: Ints = np.abs(padded[2:, 1:-1] - padded[:-2, 1:-1]) + np.abs(padded[1:-1, 2:] - padded[1:-1, :-2])
    return slope


def basins(slope: Ints) -> Ints:
    """Return catchment basins, numbered from 0 in raster order of their minima.

    A cell drains to its lowest 4-neighbour if that is lower than itself; of equal cells the first in raster order
    counts as lower.
    """
    height, width = slope.shape
    cells = height * width
    place = np.arange(cells, dtype=np.int64).reshape(height, width)
    rank = np.pad(slope * cells + place, 1, constant_values=np.iinfo(np.int64).max)
    shifts = ((1, 1), (0, 1), (1, 0), (1, 2), (2, 1))
    lowest = np.min([rank[r : r + height, c : c + width] for r, c in shifts], axis=0)
    drain = (lowest % cells).ravel()
    while True:
        further = drain[drain]
        if (further == drain).all():
            break
        drain = further
    minimum = drain == place.ravel()
    return np.asarray((np.cumsum(minimum) - 1)[drain].reshape(height, width))


def merge(regions: Ints, slope: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Merge each pair of regions that are each other's weakest border.

    Returns
    -------
    merged : ndarray of shape (h, w), int64
        The regions afterwards, 0..n-1, in the order of their lowest earlier number.
    new : ndarray of shape (n,), bool
        Which of them were made now.
    """
    count = int(regions.max()) + 1
    area = np.bincount(regions.ravel(), minlength=count)
    pairs, height = [], []
    for axis in (0, 1):
        before, after = np.delete(regions, -1, axis).ravel(), np.delete(regions, 0, axis).ravel()
        pairs.append(np.minimum(before, after) * count + np.maximum(before, after))
        height.append(np.maximum(np.delete(slope, -1, axis), np.delete(slope, 0, axis)).ravel())
    pair, steps = np.concatenate(pairs), np.concatenate(height)
    length = np.bincount(pair, minlength=count * count).reshape(count, count)
    total = np.bincount(pair, steps, minlength=count * count).reshape(count, count)
    length, total = length + length.T, total + total.T
    small = np.sqrt(np.minimum(area[:, None], area))
    cost = np.where(length > 0, total / np.maximum(length, 1) * small, np.inf)
    np.fill_diagonal(cost, np.inf)
    weakest = cost.argmin(axis=1)
    index = np.arange(count)
    mutual = (weakest[weakest] == index) & np.isfinite(cost.min(axis=1))
    parent = np.where(mutual, np.minimum(index, weakest), index)
    first = parent == index
    number = (np.cumsum(first) - 1)[parent]
    return np.asarray(number[regions]), (mutual & first)[first]
