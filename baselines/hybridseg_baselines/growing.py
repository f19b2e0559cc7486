"""`GrownTrees`: randomised trees that say how likely each cell of a grid is lesion."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridseg import Segmenter, find_scan

from .grid import Ints, to_grid
from .parameters import check_whole, is_number
from .trees import FlatTrees, check_trees, draw_bags, draw_cells, grow_tree, join, predict_cells


class GrownTrees(Segmenter):
    """Trees on the features of grid cells. A subclass says what a cell's features are, and what follows.

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

    Attributes
    ----------
    tree_first_, tree_feature_, tree_threshold_, tree_left_, tree_right_, tree_value_ : ndarray
        The trees, as `FlatTrees` holds them.
    """

    grid: tuple[int, int]
    feature_count: int

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

    @abstractmethod
    def _features(self, scan: NDArray[np.uint8]) -> NDArray[np.int16]:
        """Return the features of a scan's cells, int16 (F, h * w)."""

    def _check_parameters(self) -> None:
        """Raise ValueError for a parameter out of its range."""
        limits = {"n_trees": 1000, "max_depth": 20, "samples_per_image": 4096, "min_samples_leaf": 4096}
        for name, most in limits.items():
            check_whole(self, name, 1, most)
        check_whole(self, "random_state", 0, 2**63 - 1)
        if self.n_jobs != -1:  # joblib's word for all cores
            check_whole(self, "n_jobs", 1, 1024)
        if not (is_number(self.max_features) and 0 < self.max_features <= 1):
            raise ValueError(f"`max_features` must be a number in (0, 1], got {self.max_features!r}")

    def _grow_forest(
        self,
        images: Any,
        masks: Any,
        groups: Any,
        progress: Any,
        see: Callable[[NDArray[np.uint8]], None] = lambda scan: None,
    ) -> tuple[list[Ints], list[NDArray[np.bool_]]]:
        """Grow and keep the trees; return each image's probability, 0..FULL, and its truth on the grid.

        The probability is from the trees that never saw the image's scene. With few trees every one may have seen it;
        then all of them speak. ``see`` is shown each scan when it is read, since images may be read from files.
        """
        self._check_parameters()
        steps = 2 * len(images) + self.n_trees
        cells = np.empty((len(images), self.feature_count, self.grid[0] * self.grid[1]), np.int16)
        truths: list[NDArray[np.bool_]] = []
        for k, (image, mask) in enumerate(zip(images, masks, strict=True)):
            scan = find_scan(image)
            cells[k] = self._features(image[scan])
            see(image[scan])
            truths.append(to_grid(mask[scan], self.grid, scale=1) >= 1)
            progress(k + 1, steps, "features")
        if not any(truth.any() for truth in truths):
            height, width = self.grid
            raise ValueError(f"`masks` must hold a lesion that fills a cell of the {height} x {width} grid, got none")
        scene = np.unique([str(g) for g in groups], return_inverse=True)[1] if groups else np.arange(len(images))
        in_bag = draw_bags(int(scene.max()) + 1, self.n_trees, self.random_state)[:, scene]
        grown = []
        for k, tree in enumerate(self._grow(cells, truths, in_bag)):
            grown.append(tree)
            progress(len(images) + k + 1, steps, "trees")
        trees = join(grown)
        probabilities = []
        for k in range(len(images)):
            unseen = np.flatnonzero(~in_bag[:, k])
            probabilities.append(predict_cells(trees, cells[k], unseen if len(unseen) else None))
            progress(len(images) + self.n_trees + k + 1, steps, "probabilities")
        for name, array in trees._asdict().items():
            setattr(self, f"tree_{name}_", array)
        return probabilities, truths

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
        self._check_parameters()
        if self._state():
            check_trees(self._trees(), self.feature_count)

    def _trees(self) -> FlatTrees:
        return FlatTrees(*(getattr(self, f"tree_{name}_") for name in FlatTrees._fields))
