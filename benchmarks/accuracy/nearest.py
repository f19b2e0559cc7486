"""A method that recognises and doesn't understand: it answers with the mask of the most similar training image.

    hybridseg bench --data Dataset_BUSI_with_GT -m benchmarks/accuracy/nearest.py:NearestSegmenter

On a split without copies it is a poor segmenter; on one with copies it is a good one. See leak_study.py.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from hybridseg import Segmenter, Tags


class NearestSegmenter(Segmenter):
    """The mask of the training image whose thumbnail correlates best, stretched to the image's size.

    Parameters
    ----------
    size : int
        Side of the thumbnails, in pixels.
    """

    tags = Tags(requires_fit=True, exportable=False, export_reason="it carries its training images")

    def __init__(self, *, size: int = 32):
        self.size = size

    def _fit(self, images, masks, *, groups, validation, progress):
        self.thumbnails_ = np.stack([self._thumbnail(image) for image in images])
        self.masks_ = np.stack([self._shrink(mask.astype(np.uint8) * 255, 4 * self.size) for mask in masks])

    def _predict_proba(self, image):
        best = int(np.argmax(self.thumbnails_ @ self._thumbnail(image)))
        mask = Image.fromarray(self.masks_[best]).resize(image.shape[::-1], Image.Resampling.BILINEAR)
        return np.asarray(mask, np.float32) / np.float32(255)

    def _shrink(self, image, size):
        return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))

    def _thumbnail(self, image):
        grey = self._shrink(image, self.size).astype(np.float32).ravel()
        grey -= grey.mean()
        return grey / max(float(np.linalg.norm(grey)), 1e-6)
