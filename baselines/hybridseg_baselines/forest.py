"""Random forest made for ultrasound: a forest says how likely each grid cell is lesion, a score chooses the region."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridseg import Tags

from .candidates import Candidates, CandidateSegmenter, describe
from .features import COUNT, features
from .grid import Ints, smooth
from .growing import GrownTrees
from .otsu import components
from .trees import LEVELS, predict_cells


class RandomForestSegmenter(GrownTrees, CandidateSegmenter):
    """Randomised trees on box means of grid cells, cut at many levels; a learned score chooses the regions.

    A picture is seen where its scan is (`hybridseg.find_scan`). Trees are grown on a balanced sample of lesion and
    other cells of whole scenes drawn at random. A training image's own probabilities come from the trees that never
    saw its scene. From them the score learns which of the regions above any level is the lesion, as in Otsu and
    watershed.

    Parameters
    ----------
    n_trees, max_depth, ...
        As those of `GrownTrees`.

    References
    ----------
    L. Breiman, Random forests, Machine Learning 45:5-32, 2001, doi 10.1023/A:1010933404324.
    P. Geurts, D. Ernst, L. Wehenkel, Extremely randomized trees, Machine Learning 63:3-42, 2006,
    doi 10.1007/s10994-006-6226-1.
    """

    tags = Tags(requires_fit=True, max_differing_pixels=0.0005)
    feature_count = COUNT

    def _features(self, scan: NDArray[np.uint8]) -> NDArray[np.int16]:
        return features(scan, self.grid)

    def _fit(self, images: Any, masks: Any, *, groups: Any, validation: Any, progress: Any) -> None:
        del validation
        greys: list[Ints] = []
        probabilities, truths = self._grow_forest(
            images, masks, groups, progress, lambda scan: greys.append(smooth(scan, self.grid, 2))
        )
        self._learn([self._cut(*pair) for pair in zip(greys, probabilities, strict=True)], truths)

    def _cut(self, grey: Ints, probability: Ints) -> Candidates:
        layers = probability.reshape(self.grid) >= np.array(LEVELS)[:, None, None]
        return describe(grey, components(layers))

    def _propose(self, image: NDArray[np.uint8]) -> tuple[Ints, Ints]:
        probability = predict_cells(self._trees(), self._features(image)).reshape(self.grid)
        return smooth(image, self.grid, 2), components(probability >= np.array(LEVELS)[:, None, None])

    def _to_onnx(self) -> Any:
        from .onnx.forest import forest_model

        return forest_model(self, self._trees())
