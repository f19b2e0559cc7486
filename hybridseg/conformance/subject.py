"""The checks' subject: a method, one shared fit of it, and images. Also how checks say what is wrong."""

from __future__ import annotations

import contextlib
import io
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.phantoms import phantom
from ..parameters import clone
from ..segmenter import Segmenter

ImageList = list[NDArray[np.uint8]]
MaskList = list[NDArray[np.bool_]]

ODD_SHAPES = ((1, 1), (1, 9), (9, 1), (2, 2), (3, 3), (13, 17), (31, 8), (64, 81))


class SkipCheck(Exception):
    """A check doesn't apply to this method, or can't run here; the message says why."""


@dataclass(frozen=True)
class ObservedFit:
    """One fit and everything about it that a check looks at."""

    model: Segmenter
    returned: Any
    images_before: ImageList
    masks_before: MaskList
    images: ImageList
    masks: MaskList
    printed: str
    random_state_kept: bool
    folder_kept: bool
    progress: list[tuple[Any, Any, Any]]


class Subject:
    """A method under check: its prototype, and one fit that the checks share because fitting may be slow."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.prototype = segmenter
        self.name = type(segmenter).__name__

    def new(self) -> Segmenter:
        """Return an unfitted copy."""
        return clone(self.prototype)

    @cached_property
    def fit(self) -> ObservedFit:
        """The shared fit, on six small phantoms of which one has no lesion."""
        images, masks = training_set()
        before = [image.copy() for image in images], [mask.copy() for mask in masks]
        progress: list[tuple[Any, Any, Any]] = []
        printed = io.StringIO()
        state, folder = _random_state(), os.getcwd()
        model = self.new()
        with contextlib.redirect_stdout(printed):
            returned = model.fit(images, masks, progress=lambda *call: progress.append(call))
            model.predict(images[0])
        folder_kept = os.getcwd() == folder
        os.chdir(folder)
        kept = _random_state() == state
        if not kept:
            # The import of a library may draw (scikit-learn's does), but only once: what counts is the next time.
            np.random.random(), random.random()  # elsewhere, so that seeding with the same number shows
            state = _random_state()
            self.new().fit(images, masks).predict(images[0])
            kept = _random_state() == state
        return ObservedFit(model, returned, *before, images, masks, printed.getvalue(), kept, folder_kept, progress)

    @property
    def fitted(self) -> Segmenter:
        """The model of the shared fit; a check that changes it takes a copy."""
        return self.fit.model


def training_set() -> tuple[ImageList, MaskList]:
    """Return six phantoms of different small sizes: three benign, two malignant, one without a lesion."""
    kinds = ("benign", "malignant", "benign", "normal", "malignant", "benign")
    made = [phantom((7, i), kind, (60 + 3 * i, 84 - 5 * i)) for i, kind in enumerate(kinds)]
    return [each.image for each in made], [each.mask for each in made]


def probe_images() -> ImageList:
    """Return images of awkward sizes and contents: noise, black, white, one grey, ramps, a phantom."""
    rng = np.random.default_rng(11)
    noise = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ODD_SHAPES]
    flat = [np.full((21, 34), grey, np.uint8) for grey in (0, 255, 128)]
    ramp = np.tile(np.arange(64, dtype=np.uint8), (48, 1))
    return [*noise, *flat, ramp, ramp.T.copy(), phantom((7, 99), "benign", (70, 90)).image]


def require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def require_equal(got: NDArray[Any], expected: NDArray[Any], message: str) -> None:
    if got.shape != expected.shape:
        raise AssertionError(f"{message}, got shape {got.shape} for {expected.shape}")
    differing = int((got != expected).sum())
    require(differing == 0, f"{message}, {differing} of {got.size} pixels differ")


def require_mask(mask: Any, image: NDArray[np.uint8], what: str) -> None:
    require(isinstance(mask, np.ndarray), f"{what} must give an array, got {type(mask).__name__}")
    require(mask.dtype == np.bool_, f"{what} must give bool, got {mask.dtype}")
    require(mask.shape == image.shape, f"{what} must give the image's shape {image.shape}, got {mask.shape}")


def require_same_params(got: Segmenter, expected: Segmenter, what: str) -> None:
    mine, wanted = got.get_params(deep=False), expected.get_params(deep=False)
    require(sorted(mine) == sorted(wanted), f"{what} must keep the parameters, got {sorted(mine)}")
    for name, value in wanted.items():
        same = mine[name] is value or repr(mine[name]) == repr(value)
        require(same, f"{what} must keep parameter `{name}` = {value!r}, got {mine[name]!r}")


@contextlib.contextmanager
def raises(kind: type[Exception], text: str, what: str) -> Iterator[None]:
    try:
        yield
    except kind as error:
        if text not in str(error):
            raise AssertionError(f"{what} must say {text}, got {kind.__name__}: {error}") from error
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise AssertionError(f"{what} must raise {kind.__name__}, got {got}") from error
    else:
        raise AssertionError(f"{what} must raise {kind.__name__}, got no error")


def _random_state() -> tuple[Any, ...]:
    state: Any = np.random.get_state(legacy=False)
    return state["state"]["key"].tolist(), state["state"]["pos"], state["has_gauss"], random.getstate()
