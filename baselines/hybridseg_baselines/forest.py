"""Random forest made for ultrasound: a forest says how likely each grid cell is lesion, a score chooses the region."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridseg import Tags, find_scan

from .candidates import Candidates, CandidateSegmenter, describe, is_number
from .features import COUNT, features
from .grid import Ints, box_mean, to_grid
from .otsu import components
from .trees import LEVELS, FlatTrees, check_trees, draw_bags, draw_cells, grow_tree, join, predict_cells


class RandomForestSegmenter(CandidateSegmenter):
    """Randomised trees on box means of grid cells, cut at many levels; the most plausible regions win.

    A picture is seen where its scan is (`hybridseg.find_scan`). FlatTrees are grown on a balanced sample of lesion and
    other cells of whole scenes drawn at random. A training image's own probabilities come from the trees that never saw
    its scene; from them the score learns which of the regions above any level is the lesion, as in Otsu and watershed.

    Parameters
    ----------
    n_trees : int
    max_depth : int
        Splits on a path at most.
    samples_per_image : int
        Cells that a tree sees of an image, half of them lesion.
    max_features : float
        Share of the features tried at each split.
    min_samples_leaf : int
    random_state : int
    n_jobs : int
        Threads that grow trees; the forest doesn't depend on it.

    References
    ----------
    L. Breiman, Random forests, Machine Learning 45:5-32, 2001, doi 10.1023/A:1010933404324.
    P. Geurts, D. Ernst, L. Wehenkel, Extremely randomized trees, Machine Learning 63:3-42, 2006,
    doi 10.1007/s10994-006-6226-1.
    """

    tags = Tags(requires_fit=True, max_differing_pixels=0.0005)

    def __init__(
        self,
        *,
        n_trees: int = 60,
        max_depth: int = 12,
        samples_per_image: int = 250,
        max_features: float = 0.5,
        min_samples_leaf: int = 10,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.n_trees = n_trees
        self.max_depth = max_depth
        self.samples_per_image = samples_per_image
        self.max_features = max_features
        self.min_samples_leaf = min_samples_leaf
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _check_parameters(self) -> None:
        limits = {"n_trees": 1000, "max_depth": 20, "samples_per_image": 4096, "min_samples_leaf": 4096}
        for name, most in limits.items():
            self._check_whole(name, 1, most)
        self._check_whole("random_state", 0, 2**63 - 1)
        if self.n_jobs != -1:  # joblib's word for all cores
            self._check_whole("n_jobs", 1, 1024)
        if not (is_number(self.max_features) and 0 < self.max_features <= 1):
            raise ValueError(f"`max_features` must be a number in (0, 1], got {self.max_features!r}")

    def _fit(self, images: Any, masks: Any, *, groups: Any, validation: Any, progress: Any) -> None:
        del validation
        self._check_parameters()
        steps = 2 * len(images) + self.n_trees
        cells = np.empty((len(images), COUNT, self.grid[0] * self.grid[1]), np.int16)
        greys: list[Ints] = []
        truths: list[NDArray[np.bool_]] = []
        for k, (image, mask) in enumerate(zip(images, masks, strict=True)):
            scan = find_scan(image)
            cells[k] = features(image[scan], self.grid)
            greys.append(smooth(image[scan], self.grid))
            truths.append(to_grid(mask[scan], self.grid, scale=1) >= 1)
            progress(k + 1, steps, "features")
        if not any(truth.any() for truth in truths):
            raise ValueError("`masks` must hold a lesion that fills a cell of the 64 x 76 grid, got none")
        scene = np.unique([str(g) for g in groups], return_inverse=True)[1] if groups else np.arange(len(images))
        in_bag = draw_bags(int(scene.max()) + 1, self.n_trees, self.random_state)[:, scene]
        grown = []
        for k, tree in enumerate(self._grow(cells, truths, in_bag)):
            grown.append(tree)
            progress(len(images) + k + 1, steps, "trees")
        trees = join(grown)
        proposed = []
        for k, grey in enumerate(greys):
            unseen = np.flatnonzero(~in_bag[:, k])
            # With few trees every one may have seen the scene; then all of them speak.
            probability = predict_cells(trees, cells[k], unseen if len(unseen) else None)
            proposed.append(self._cut(grey, probability))
            progress(len(images) + self.n_trees + k + 1, steps, "candidates")
        for name, array in trees._asdict().items():
            setattr(self, f"tree_{name}_", array)
        self._learn(proposed, truths)

    def _grow(
        self, cells: NDArray[np.int16], truths: list[NDArray[np.bool_]], in_bag: NDArray[np.bool_]
    ) -> Iterator[FlatTrees]:
        """Yield the trees in order; each depends on its number and ``random_state`` alone."""
        from joblib import Parallel, delayed

        def grow(number: int) -> FlatTrees:
            rng = np.random.default_rng([self.random_state, 1, number])
            samples, labels = [], []
            for k in np.flatnonzero(in_bag[number]):
                picked = draw_cells(truths[k], self.samples_per_image, rng)
                samples.append(cells[k][:, picked].T)
                labels.append(truths[k].ravel()[picked])
            return grow_tree(
                np.concatenate(samples), np.concatenate(labels), max_depth=self.max_depth,
                max_features=float(self.max_features), min_samples_leaf=self.min_samples_leaf,
                seed=int(rng.integers(2**31)),
            )  # fmt: skip

        yield from Parallel(n_jobs=self.n_jobs, prefer="threads", return_as="generator")(
            delayed(grow)(number) for number in range(self.n_trees)
        )

    def _check_state(self) -> None:
        super()._check_state()
        if self._state():
            check_trees(self._trees())

    def _trees(self) -> FlatTrees:
        return FlatTrees(*(getattr(self, f"tree_{name}_") for name in FlatTrees._fields))

    def _cut(self, grey: Ints, probability: Ints) -> Candidates:
        layers = probability.reshape(self.grid) >= np.array(LEVELS)[:, None, None]
        return describe(grey, components(layers))

    def _propose(self, image: NDArray[np.uint8]) -> tuple[Ints, Ints]:
        probability = predict_cells(self._trees(), features(image, self.grid)).reshape(self.grid)
        return smooth(image, self.grid), components(probability >= np.array(LEVELS)[:, None, None])

    def _to_onnx(self) -> Any:
        from .onnx.forest import forest_model

        return forest_model(self, self._trees())


def smooth(image: NDArray[np.uint8], grid: tuple[int, int]) -> Ints:
    """Return the de-speckled grid image in which regions are described."""
    return box_mean(box_mean(to_grid(image, grid), 1), 1)
