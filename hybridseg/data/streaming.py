"""Images and masks of many cases as sequences that read on demand, since a training set may exceed memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cases import Case

MAX_KEPT_BYTES = 2**30

ImageAndMask = tuple[NDArray[np.uint8], NDArray[np.bool_]]


class CaseReader:
    """Reads cases and keeps what fits, so that several methods and folds read each file once.

    Parameters
    ----------
    max_bytes : int
        Decoded cases are kept up to this size together; any other is read again.
    """

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._left = max_bytes
        self._kept: dict[str, ImageAndMask] = {}
        self._last: tuple[str, ImageAndMask] | None = None  # an image is asked for just before or after its mask

    def read(self, case: Case) -> ImageAndMask:
        """Return image and mask, which belong to the caller: methods may write into them."""
        if self._last is not None and self._last[0] == case.case_id:
            pair = self._last[1]
        elif case.case_id in self._kept:
            pair = self._kept[case.case_id]
        else:
            pair = case.read()
            self._last = case.case_id, pair
            size = pair[0].nbytes + pair[1].nbytes
            if size <= self._left:
                self._left -= size
                self._kept[case.case_id] = pair
        return pair[0].copy(), pair[1].copy()

    def images(self, cases: Sequence[Case]) -> Sequence[NDArray[np.uint8]]:
        """Return the images of cases, each read when it is asked for."""
        return _Read(cases, lambda case: self.read(case)[0])

    def masks(self, cases: Sequence[Case]) -> Sequence[NDArray[np.bool_]]:
        """Return the masks of cases, each read when it is asked for."""
        return _Read(cases, lambda case: self.read(case)[1])


class _Read(Sequence[Any]):
    def __init__(self, cases: Sequence[Case], read: Callable[[Case], Any]) -> None:
        self._cases, self._read = cases, read

    def __len__(self) -> int:
        return len(self._cases)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _Read(self._cases[index], self._read)
        return self._read(self._cases[index])
