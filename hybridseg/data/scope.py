"""What the images that a method learned from look like, and whether another image looks like one of them.

The look of an image is `NUMBERS` figures of its scan: grey levels, edges at several sizes, and how brightness falls
with depth. An image is out of scope if its look is farther from the mean of the training images than all but 2 % of
these are (P. Mahalanobis 1936). It tells photographs, pages and other organs from breast ultrasound. Whether a method
works on another hospital's scans it doesn't tell.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..images import find_scan

NUMBERS = 29
MIN_IMAGES = 100
"""From fewer training images no scope is taken."""
OUTSIDE = 0.02
"""Share of the training images that is left outside."""

_SIDE = 128  # pixels a side to which a scan is averaged
_LEVELS = 4  # sizes of edges, each twice the one before
_RIDGE = 0.1  # added to the correlations: figures that hardly vary mustn't decide alone
_BLACK, _WHITE, _STEP = 8, 224, 64


def look_of(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the look of an image, (H, W) uint8, as (29,) float64."""
    from PIL import Image  # here, so that reading a file's scope costs the start of `segment` nothing

    scan = image[find_scan(image)]
    small = np.asarray(
        Image.fromarray(scan.astype(np.float32)).resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64
    )
    here, beside = scan[:, :-1], scan[:, 1:]
    steps = np.maximum(here, beside) - np.minimum(here, beside)
    rows, columns = small.mean(axis=1), small.mean(axis=0)
    eighth = _SIDE // 8
    sides, middle = (columns[:eighth].mean() + columns[-eighth:].mean()) / 2, columns[2 * eighth : -2 * eighth].mean()
    return np.array([
        small.mean(), small.std(), *np.percentile(small, [5, 25, 50, 75, 95]),
        _share(scan <= _BLACK), _share(scan >= _WHITE), _share(steps == 0), np.log(_share(steps >= _STEP) + 1e-3),
        *_edges(small),
        *(rows.reshape(4, -1).mean(axis=1)[:3] - rows.mean()), rows.std(), columns.std(),
        np.log((sides + 5) / (middle + 5)),
    ])  # fmt: skip


def take_scope(looks: Sequence[NDArray[np.float64]]) -> NDArray[np.float32] | None:
    """Return the scope of training images by their looks, (30, 29) float32; None for fewer than `MIN_IMAGES`.

    Its first row is the mean look. The others lead from the distance to that mean to a vector whose length is 1 on the
    border of the scope.
    """
    if len(looks) < MIN_IMAGES:
        return None
    table = np.stack(looks)
    mean, spread = table.mean(axis=0), table.std(axis=0) + 1e-6
    standard = (table - mean) / spread
    correlation = standard.T @ standard / len(table) + _RIDGE * np.eye(NUMBERS)
    whitening = np.linalg.cholesky(np.linalg.inv(correlation)).T / spread
    lengths = np.linalg.norm((table - mean) @ whitening.T, axis=1)
    return np.vstack([mean, whitening / np.quantile(lengths, 1 - OUTSIDE)]).astype(np.float32)


def is_in_scope(image: NDArray[np.uint8], scope: NDArray[np.float32]) -> bool:
    """Whether an image, (H, W) uint8, looks like the images that a scope was taken from."""
    mean, whitening = scope[0].astype(np.float64), scope[1:].astype(np.float64)
    return bool(np.linalg.norm(whitening @ (look_of(image) - mean)) <= 1)


def check_scope(scope: object) -> NDArray[np.float32]:
    """Return a scope; ValueError if it is something else."""
    if not isinstance(scope, np.ndarray) or scope.dtype != np.float32 or scope.shape != (NUMBERS + 1, NUMBERS):
        got = f"{scope.dtype} {scope.shape}" if isinstance(scope, np.ndarray) else type(scope).__name__
        raise ValueError(f"a scope must be float32 ({NUMBERS + 1}, {NUMBERS}), got {got}")
    if not np.isfinite(scope).all():
        raise ValueError("a scope must be finite")
    return scope


def encode_scope(scope: NDArray[np.float32]) -> str:
    """Return a scope as text, for a file's metadata."""
    return base64.b64encode(scope.astype("<f4").tobytes()).decode("ascii")


def decode_scope(text: str) -> NDArray[np.float32]:
    """Return what `encode_scope` wrote; ValueError if it is something else."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None
    if len(data) != 4 * NUMBERS * (NUMBERS + 1):
        raise ValueError(f"a scope has {4 * NUMBERS * (NUMBERS + 1)} bytes, got {len(data)}")
    return check_scope(np.frombuffer(data, "<f4").astype(np.float32).reshape(NUMBERS + 1, NUMBERS))


def _share(chosen: NDArray[np.bool_]) -> float:
    return np.count_nonzero(chosen) / max(1, chosen.size)


def _edges(small: NDArray[np.float64]) -> list[float]:
    """Return for each size of edges: how strong, how unequally so, and how much more downwards than across."""
    figures = []
    for _ in range(_LEVELS):
        half = len(small) // 2
        coarse = small.reshape(half, 2, half, 2).mean(axis=(1, 3))
        detail = small - np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)
        strength, peak = np.abs(detail).mean() + 0.1, np.sqrt(np.square(detail).mean()) + 0.1
        down, across = (np.abs(np.diff(small, axis=axis)).mean() + 0.1 for axis in (0, 1))
        figures += [float(np.log(strength)), float(np.log(peak / strength)), float(np.log(down / across))]
        small = coarse
    return figures
