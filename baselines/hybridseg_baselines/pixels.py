"""A pixel forest as scikit-image's documentation shows it: multiscale features, trees, a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridseg import OperatingPoint, Tags, find_scan

from .grid import FINE, from_grid, to_grid
from .growing import GrownTrees
from .multiscale import PER_SIGMA, SIGMAS, multiscale
from .trees import FULL, predict_cells

THRESHOLDS = tuple(k / 40 for k in range(1, 40))


class PixelForestSegmenter(GrownTrees):
    """Randomised trees on scikit-image's multiscale features of each pixel, and a threshold; no score of regions.

    The scan (`hybridseg.find_scan`) as 128 x 152 block means is the picture. A pixel has the smoothed grey level, the
    edge and both eigenvalues of the Hessian at six scales (`skimage.feature.multiscale_basic_features`). ``fit`` learns
    the trees, and the threshold that has the best mean IoU on training images, each seen by trees that never saw its
    scene. The region with the largest sum of probability is the lesion.

    Parameters
    ----------
    n_trees, max_depth, ...
        As those of `GrownTrees`.

    References
    ----------
    L. Breiman, Random forests, Machine Learning 45:5-32, 2001, doi 10.1023/A:1010933404324.
    P. Geurts, D. Ernst, L. Wehenkel, Extremely randomized trees, Machine Learning 63:3-42, 2006,
    doi 10.1007/s10994-006-6226-1.
    S. van der Walt et al., scikit-image: image processing in Python, PeerJ 2:e453, 2014, doi 10.7717/peerj.453.
    """

    # A feature on the edge between two whole numbers may fall to either side, and with it a pixel in a few trees.
    tags = Tags(requires_fit=True, max_differing_pixels=0.002, max_probability_difference=0.25)
    operating_point = OperatingPoint(threshold=0.5, largest_only=True)
    grid = (128, 152)
    feature_count = PER_SIGMA * len(SIGMAS)

    def _features(self, scan: NDArray[np.uint8]) -> NDArray[np.int16]:
        return multiscale(to_grid(scan, self.grid).astype(np.float32) / np.float32(255 * FINE))

    def _fit(self, images: Any, masks: Any, *, groups: Any, validation: Any, progress: Any) -> None:
        del validation
        probabilities, truths = self._grow_forest(images, masks, groups, progress)
        total = np.zeros(len(THRESHOLDS))
        for probability, truth in zip(probabilities, truths, strict=True):
            if truth.any():
                for k, threshold in enumerate(THRESHOLDS):
                    mask = probability.reshape(self.grid) >= threshold * FULL
                    total[k] += (mask & truth).sum() / (mask | truth).sum()
        self.operating_point_ = OperatingPoint(threshold=THRESHOLDS[int(total.argmax())], largest_only=True)

    def _predict_proba(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        scan, probability = find_scan(image), np.zeros(image.shape, np.float32)
        cells = predict_cells(self._trees(), self._features(image[scan])).reshape(self.grid)
        probability[scan] = from_grid(cells.astype(np.float32) / np.float32(FULL), probability[scan].shape)
        return probability

    def _to_onnx(self) -> Any:
        from .onnx.pixels import pixel_forest_model

        return pixel_forest_model(self, self._trees())
