"""The learned part of a method, and the images that it learned from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .confidence import Calibration


class Learned:
    """Attributes whose name ends in one underscore.

    ``fingerprints_`` among them says from which images, ``scope_`` what these look like, ``calibration_`` what its
    probabilities meant on others.
    """

    fingerprints_: NDArray[np.uint8] | None
    scope_: NDArray[np.float32] | None
    calibration_: Calibration | None

    @property
    def has_learned(self) -> bool:
        """Whether there is anything that ``fit`` or ``load`` left."""
        return bool(self._state())

    def _state(self) -> dict[str, Any]:
        """The learned state: attributes whose name ends in one underscore."""
        return {
            name: value
            for name, value in vars(self).items()
            if name.endswith("_") and not name.endswith("__") and not name.startswith("_")
        }

    def _set_state(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def _forget(self) -> None:
        for name in self._state():
            delattr(self, name)

    @property
    def fingerprints(self) -> NDArray[np.uint8] | None:
        """Fingerprints of the images that it has learned from, (N, 18) uint8, see `hybridseg.data.fingerprints`.

        None if that isn't known: an earlier version fitted it. Empty if it has learned nothing. `fit` sets
        ``fingerprints_`` before ``_fit``, which can add what it learns from in other ways, such as a teacher.
        """
        return getattr(self, "fingerprints_", None) if self.has_learned else examine([])[0]

    @property
    def calibration(self) -> Calibration | None:
        """The meaning of its probabilities, measured on held-out cases; None if nobody has measured that."""
        return getattr(self, "calibration_", None)

    @property
    def scope(self) -> NDArray[np.float32] | None:
        """The looks of the images that it has learned from, see `hybridseg.data.scope`; None if nobody knows."""
        return getattr(self, "scope_", None)

    def is_in_scope(self, image: NDArray[np.uint8]) -> bool | None:
        """Return whether an image, (H, W) uint8, looks like those that it has learned from; None if nobody knows."""
        scope = self.scope
        if scope is None:
            return None
        from .data.scope import is_in_scope

        return is_in_scope(image, scope)

    def _check_carried(self) -> None:
        """Raise ValueError if it carries something else under the name of fingerprints, scope or calibration."""
        if not isinstance(self.calibration, Calibration | None):
            raise ValueError(f"`calibration_` is of type {type(self.calibration).__name__}")
        prints = self.fingerprints
        if prints is not None:
            from .data.fingerprints import check_fingerprints

            check_fingerprints(prints)
        if self.scope is not None:
            from .data.scope import check_scope

            check_scope(self.scope)


def examine(sets: Sequence[Sequence[NDArray[np.uint8]]]) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """Return fingerprints and scope of several sets of images, each image read once."""
    from .data.fingerprints import take_fingerprints
    from .data.scope import MIN_IMAGES, look_of, take_scope

    enough = sum(map(len, sets)) >= MIN_IMAGES
    looks = []

    def each_image() -> Iterator[NDArray[np.uint8]]:
        for images in sets:
            for image in images:
                if enough:
                    looks.append(look_of(image))
                yield image

    return take_fingerprints(each_image()), take_scope(looks)
