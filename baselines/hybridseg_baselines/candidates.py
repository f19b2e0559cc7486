"""Choosing among candidate regions: what the classical methods share.

A method reduces the image to a small fixed grid and proposes regions on it. This module describes each region by a few
numbers. It predicts from them the IoU that the region would reach, and lets the regions vote.

Features are made from integer sums, and the votes are rounded to integers, so that a graph of standard
operators reaches the same mask.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridseg import OperatingPoint, Segmenter, find_scan

from .grid import FINE, Ints, from_grid, to_grid
from .parameters import is_number

Floats = NDArray[np.float64]

SMALLEST, LARGEST = 0.004, 0.5
"""Regions outside these shares of the scan are no candidates."""

SHARPNESSES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
THRESHOLDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, *(k / 50 for k in range(1, 31)))
"""What ``fit`` chooses among, by the mean IoU of its training images that hold a lesion."""

# A feature's mean and spread over candidates, and what it counts for before anything was learned.
_BY_HAND = {
    "log_area": (-3.9, 1.2, 0.03),
    "row": (0.42, 0.24, -0.02),
    "ellipse_fill": (0.89, 0.11, 0.03),
    "width_over_height": (0.25, 0.45, 0.0),
    "sides": (0.2, 0.45, -0.06),
    "top_edge": (0.03, 0.2, -0.04),
    "bottom_edge": (0.06, 0.3, -0.04),
    "boundary_rise": (8.4, 4.3, 0.07),
    "below_brightness": (17.0, 23.0, 0.03),
    "first_row": (0.32, 0.25, 0.0),
    "last_row": (0.53, 0.27, 0.0),
    "image_mean": (86.0, 21.0, 0.0),
}
FEATURES = tuple(_BY_HAND)
"""Names of a candidate's features, in the order of the columns that `describe` returns."""

RISE = FEATURES.index("boundary_rise")

CENTRE, SPREAD = np.array([value[:2] for value in _BY_HAND.values()]).T
WEIGHTS = np.zeros(1 + len(FEATURES) + len(FEATURES) * (len(FEATURES) + 1) // 2)
WEIGHTS[: 1 + len(FEATURES)] = 0.2, *(value[2] for value in _BY_HAND.values())


@dataclass(frozen=True)
class Candidates:
    """Regions on the grid: ``labels`` (L, h, w), 0 or 1..K, each in one layer; ``features`` (K, F).

    ``fit`` keeps those of every image, so they are small: regions of a plausible size are fewer than 32768.
    """

    labels: NDArray[np.int16]
    features: Floats


def describe(grey: Ints, labels: Ints) -> Candidates:
    """Return the regions of a plausible size, renumbered, with their features.

    Parameters
    ----------
    grey : ndarray of shape (h, w), int64
        De-speckled image in sixteenths of a grey level.
    labels : ndarray of shape (L, h, w), int64
        Layers of regions; 0 is no region, and a number occurs in one layer only.
    """
    from scipy import ndimage

    height, width = grey.shape
    cells = height * width
    kept, count = _keep_plausible(labels, cells)
    if count == 0:
        return Candidates(kept, np.zeros((0, len(FEATURES))))

    def sums(numbers: NDArray[np.int16], weights: NDArray[Any] | None = None) -> Floats:
        return np.bincount(numbers, weights, minlength=count + 1)[1:].astype(np.float64)

    place = np.flatnonzero(kept)
    inside = kept.ravel()[place]
    row, column = np.divmod(place % cells, width)
    n = sums(inside)
    boxes = ndimage.find_objects(kept)
    first_row = np.array([box[1].start for box in boxes])
    last_row = np.array([box[1].stop for box in boxes])
    r, c = sums(inside, row), sums(inside, column)
    # n^2 times the second central moments; n^2 / 12 is a cell's own extent
    rr = n * sums(inside, row * row) - r * r + n * n / 12
    cc = n * sums(inside, column * column) - c * c + n * n / 12
    rc = n * sums(inside, row * column) - r * c
    ellipse = 4 * np.pi * np.sqrt(np.maximum(rr * cc - rc * rc, 1.0)) / (n * n)

    edges, rise = _boundary(grey, kept, sums)
    root = np.sqrt(n)
    mean = sums(inside, grey.ravel()[row * width + column]) / n
    below = _enhancement(grey, kept, sums, mean)
    features = np.stack(
        [
            np.log(n / cells),
            r / (n * height),
            n / ellipse,
            (cc - rr) / (cc + rr),
            sums(inside, (column == 0) | (column == width - 1)) / root,
            sums(inside, row == 0) / root,
            sums(inside, row == height - 1) / root,
            rise / np.maximum(edges, 1) / FINE,
            below / FINE,
            first_row / height,
            last_row / height,
            np.full(count, grey.sum() / (cells * FINE)),
        ],
        axis=1,
    )
    return Candidates(kept, features)


def _keep_plausible(labels: Ints, cells: int) -> tuple[NDArray[np.int16], int]:
    """Return the regions of a plausible size, renumbered from 1, and how many they are."""
    area = np.bincount(labels.ravel())
    keep = (area >= SMALLEST * cells) & (area <= LARGEST * cells)
    keep[0] = False
    count = int(keep.sum())
    number = np.zeros(len(keep), np.int16)
    number[keep] = np.arange(1, count + 1)
    return number[labels], count


def _boundary(grey: Ints, kept: NDArray[np.int16], sums: Callable[..., Floats]) -> tuple[Floats, Floats]:
    """Return how many neighbours of each region lie outside it, and how much brighter they are in all."""
    edges, rise = sums(kept[:0].ravel()), sums(kept[:0].ravel())
    for axis in (1, 2):
        before, after = np.delete(kept, -1, axis), np.delete(kept, 0, axis)
        step = np.broadcast_to(np.diff(grey, axis=axis - 1), before.shape)
        differs = before != after
        before, after, step = before[differs], after[differs], step[differs]
        edges += sums(before) + sums(after)
        rise += sums(before, step) - sums(after, step)
    return edges, rise


def _enhancement(grey: Ints, kept: NDArray[np.int16], sums: Callable[..., Floats], mean: Floats) -> Floats:
    """Return posterior enhancement: how much brighter the strip right below each region is than the region."""
    depth = grey.shape[0] // 12
    shadow = np.zeros_like(kept)
    shadow[:, depth:] = kept[:, :-depth]
    shadow[kept > 0] = 0
    place = np.flatnonzero(shadow)
    under = shadow.ravel()[place]
    below = sums(under, grey.ravel()[place % grey.size]) / np.maximum(sums(under), 1)
    enhancement: Floats = np.where(sums(under) > 0, below - mean, 0.0)
    return enhancement


def terms(features: Floats, centre: Floats, spread: Floats) -> Floats:
    """Return the (K, T) terms of a quadratic in the standardised features, which are cut off at +-3."""
    z = np.clip((features - centre) / spread, -3, 3)
    first, second = np.triu_indices(z.shape[1])
    return np.concatenate([np.ones((len(z), 1)), z, z[:, first] * z[:, second]], axis=1)


def vote(candidates: Candidates, score: Floats, sharpness: float) -> Ints:
    """Return each cell's probability in 1/4096: the mean of the candidates' scores, 0 outside them.

    Candidates weigh ``exp(score / sharpness)``; scores are cut to [0, 1] and, like weights, rounded down.
    """
    if len(score) == 0:
        return np.zeros(candidates.labels.shape[1:], np.int64)
    weight = np.floor(np.exp((score - score.max()) / sharpness) * 65536).astype(np.int64)
    value = np.floor(np.clip(score, 0, 1) * 4096).astype(np.int64)
    share = np.concatenate([np.zeros(1, np.int64), weight * value])
    return np.asarray(share[candidates.labels].sum(axis=0) // weight.sum())


class CandidateSegmenter(Segmenter):
    """A method that proposes regions on a grid; a score chooses among them.

    A subclass writes `_propose`, which sees what the scan fills of an image (`hybridseg.find_scan`); around it the
    probability is 0. ``fit`` learns a ridge regression of a region's IoU on a quadratic of its features, then the
    sharpness of the vote and the threshold. Without ``fit`` the score is set by hand: clear edge, oval, off the border.

    A candidate whose predicted IoU is lower than the best one's by the sharpness has 1/e of its say. The parameter of
    that name, unless it is None, replaces the choice of ``fit``.

    Attributes
    ----------
    centre_, spread_ : ndarray of shape (F,)
        What features are standardised with.
    weights_ : ndarray of shape (1 + F + F (F + 1) / 2,)
        The quadratic's coefficients, in the order of `terms`.
    sharpness_ : float
        One of `SHARPNESSES`.
    """

    operating_point = OperatingPoint(threshold=0.15, fill_holes=False)
    grid: tuple[int, int] = (64, 76)
    ridge = 0.003
    untrained_sharpness = 0.03
    sharpness: float | None = None

    @property
    def current_sharpness(self) -> float:
        """The sharpness of the vote: the parameter, else the choice of ``fit``, else the one set by hand."""
        learned: float = getattr(self, "sharpness_", self.untrained_sharpness)
        return learned if self.sharpness is None else self.sharpness

    def _check_parameters(self) -> None:
        """Raise ValueError for a parameter out of its range."""
        if self.sharpness is not None and not (is_number(self.sharpness) and 0.0005 <= self.sharpness <= 10):
            raise ValueError(f"`sharpness` must be None or lie in [0.0005, 10], got {self.sharpness!r}")

    def _check_state(self) -> None:
        super()._check_state()
        self._check_parameters()
        for name, default in (("centre_", CENTRE), ("spread_", SPREAD), ("weights_", WEIGHTS)):
            learned = getattr(self, name, default)
            fits = isinstance(learned, np.ndarray) and learned.shape == default.shape and learned.dtype == default.dtype
            if not (fits and np.isfinite(learned).all() and (name != "spread_" or (learned > 0).all())):
                raise ValueError(f"`{name}` must be {len(default)} finite numbers, a spread above 0")
        if getattr(self, "sharpness_", SHARPNESSES[0]) not in SHARPNESSES:
            raise ValueError(f"`sharpness_` must be one of {SHARPNESSES}")

    @abstractmethod
    def _propose(self, image: NDArray[np.uint8]) -> tuple[Ints, Ints]:
        """Return the smoothed grid image (h, w) and layers of numbered regions (L, h, w), as `describe` takes."""

    def _candidates(self, image: NDArray[np.uint8]) -> Candidates:
        return describe(*self._propose(image))

    def _score(self, features: Floats) -> Floats:
        centre, spread = getattr(self, "centre_", CENTRE), getattr(self, "spread_", SPREAD)
        score = terms(features, centre, spread) @ getattr(self, "weights_", WEIGHTS)
        # Without a rise of brightness across its edge a region is no lesion, whatever else speaks for it.
        return np.where(features[:, RISE] > 0, score, 0.0)

    def _predict_proba(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        scan, probability = find_scan(image), np.zeros(image.shape, np.float32)
        candidates = self._candidates(image[scan])
        cells = vote(candidates, self._score(candidates.features), self.current_sharpness)
        probability[scan] = from_grid(cells.astype(np.float32) / np.float32(4096), probability[scan].shape)
        return probability

    def _fit(self, images: Any, masks: Any, *, groups: Any, validation: Any, progress: Any) -> None:
        del groups, validation
        proposed: list[Candidates] = []
        truths: list[NDArray[np.bool_]] = []
        for image, mask in zip(images, masks, strict=True):
            scan = find_scan(image)
            proposed.append(self._candidates(image[scan]))
            truths.append(to_grid(mask[scan], self.grid, scale=1) >= 1)
            progress(len(proposed), len(images), "candidates")
        self._learn(proposed, truths)

    def _learn(self, proposed: list[Candidates], truths: list[NDArray[np.bool_]]) -> None:
        """Learn score, sharpness and threshold from training images' candidates and truths on the grid."""
        features = np.concatenate([candidates.features for candidates in proposed])
        target = np.concatenate([_ious(c, t) for c, t in zip(proposed, truths, strict=True)])
        rising = features[:, RISE] > 0
        features, target = features[rising], target[rising]
        if not target.any():
            return
        self.centre_ = features.mean(axis=0)
        self.spread_ = np.maximum(features.std(axis=0), 1e-3)
        design = terms(features, self.centre_, self.spread_)
        penalty = np.full(design.shape[1], self.ridge * len(design))
        penalty[0] = 1e-9 * len(design)
        self.weights_ = np.linalg.solve(design.T @ design + np.diag(penalty), design.T @ target)
        self._choose_sharpness_and_threshold(proposed, truths)

    def _choose_sharpness_and_threshold(self, proposed: list[Candidates], truths: list[NDArray[np.bool_]]) -> None:
        tried = SHARPNESSES if self.sharpness is None else (self.sharpness,)
        total = np.zeros((len(tried), len(THRESHOLDS)))
        for candidates, truth in zip(proposed, truths, strict=True):
            if truth.any():
                score = self._score(candidates.features)
                for row, sharpness in zip(total, tried, strict=True):
                    cells = vote(candidates, score, sharpness) / 4096
                    for k, threshold in enumerate(THRESHOLDS):
                        mask = cells >= threshold
                        row[k] += (mask & truth).sum() / (mask | truth).sum()
        if total.any():
            best, k = divmod(int(total.argmax()), len(THRESHOLDS))
            if self.sharpness is None:
                self.sharpness_ = SHARPNESSES[best]
            self.operating_point_ = OperatingPoint(threshold=THRESHOLDS[k], fill_holes=False)


def _ious(candidates: Candidates, truth: NDArray[np.bool_]) -> Floats:
    """Return each candidate's IoU with the truth."""
    count = len(candidates.features) + 1
    area = np.bincount(candidates.labels.ravel(), minlength=count)[1:]
    common = np.bincount(candidates.labels[:, truth].ravel(), minlength=count)[1:]
    ious: Floats = common / (area + truth.sum() - common)
    return ious
