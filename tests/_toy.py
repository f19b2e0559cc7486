"""A small method that learns, and what it learns from."""

from __future__ import annotations

import numpy as np

from hybridseg import OperatingPoint, Segmenter, Tags


class Toy(Segmenter):
    tags = Tags(requires_fit=True, exportable=False, export_reason="it is a toy")

    def __init__(self, *, level=80, inner=None, sizes=(1, 2)):
        self.level = level
        self.inner = inner
        self.sizes = sizes

    def _fit(self, images, masks, *, groups, validation, progress):
        self.seen_ = len(images)
        self.mean_ = np.array([image.mean() for image in images])
        self.notes_ = {"groups": groups, "pair": (1, 2.5)}
        self.operating_point_ = OperatingPoint(threshold=0.25, largest_only=True)

    def _predict_proba(self, image):
        return (image < self.level).astype(np.float32)


class Faulty(Segmenter):
    def __init__(self, *, answer=None):
        self.answer = answer

    def _predict_proba(self, image):
        return self.answer


IMAGE = np.array([[10, 200, 90], [20, 30, 255]], np.uint8)
MASK = np.array([[1, 0, 0], [1, 1, 0]], bool)


def fitted_toy():
    return Toy(level=85).fit([IMAGE, IMAGE], [MASK, ~MASK], groups=["a", "b"])
