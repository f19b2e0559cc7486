"""Trees grown by scikit-learn, kept as flat arrays of integers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grid import Ints

FULL = 4096
"""Probability 1 in a tree's leaf and in the forest's mean."""
LEVELS = tuple(range(FULL // 10, FULL, FULL // 20))
"""Forest probabilities at which the map is cut into candidate regions."""


class FlatTrees(NamedTuple):
    """A forest as flat arrays, all trees after one another; a leaf points to itself.

    A cell goes left where its feature is at most the threshold. ``first`` holds each tree's root.
    """

    first: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: NDArray[np.int16]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.int16]  # 0..FULL, in leaves


def draw_bags(scenes: int, n_trees: int, random_state: int) -> NDArray[np.bool_]:
    """Return which scenes each tree sees: about two thirds of them, at least one. Shape (n_trees, scenes)."""
    rng = np.random.default_rng([random_state, 0])
    bags: NDArray[np.bool_] = rng.random((n_trees, scenes)) < 0.632
    bags[np.arange(n_trees), rng.integers(scenes, size=n_trees)] = True
    return bags


def draw_cells(truth: NDArray[np.bool_], count: int, rng: np.random.Generator) -> Ints:
    """Return cells to learn from: half lesion, half not; without a lesion, only the half that is not."""
    lesion, other = np.flatnonzero(truth), np.flatnonzero(~truth)
    half = max(1, count // 2)
    drawn = [rng.choice(kind, half) for kind in (lesion, other) if len(kind)]
    return np.concatenate(drawn)


def grow_tree(
    samples: NDArray[np.int16],
    labels: NDArray[np.bool_],
    *,
    max_depth: int,
    max_features: float,
    min_samples_leaf: int,
    seed: int,
) -> FlatTrees:
    """Return one extremely randomised tree, grown by scikit-learn and kept as arrays."""
    from sklearn.tree import ExtraTreeClassifier

    grown = ExtraTreeClassifier(
        criterion="entropy", max_depth=max_depth, max_features=max_features, min_samples_leaf=min_samples_leaf,
        random_state=seed,
    ).fit(samples.astype(np.float32), labels.astype(np.int8)).tree_  # fmt: skip
    leaf = grown.children_left < 0
    itself = np.arange(grown.node_count, dtype=np.int32)
    weight = grown.value[:, 0, :]
    # Bags that hold one class only make a tree with a single column.
    lesion = weight[:, 1] / weight.sum(axis=1) if weight.shape[1] == 2 else np.full(len(weight), float(labels[0]))
    return FlatTrees(
        first=np.zeros(1, np.int32),
        feature=np.where(leaf, 0, grown.feature).astype(np.int16),
        # Features are integers: x <= t is x <= floor(t).
        threshold=np.where(leaf, 0, np.floor(grown.threshold)).astype(np.int16),
        left=np.where(leaf, itself, grown.children_left).astype(np.int32),
        right=np.where(leaf, itself, grown.children_right).astype(np.int32),
        value=np.rint(FULL * np.where(leaf, lesion, 0)).astype(np.int16),
    )


def check_trees(trees: FlatTrees, features: int) -> None:
    """Raise ValueError unless every path ends: each child comes after its parent, and all indices exist.

    ``features`` is how many a cell has.
    """
    count = len(trees.feature)
    itself = np.arange(count)
    for name, array in trees._asdict().items():
        wanted = np.int32 if name in ("first", "left", "right") else np.int16
        if not (isinstance(array, np.ndarray) and array.dtype == wanted and array.ndim == 1 and len(array)):
            raise ValueError(f"`tree_{name}_` must be a list of {np.dtype(wanted)}")
        if name != "first" and len(array) != count:
            raise ValueError(f"`tree_{name}_` must have {count} nodes, got {len(array)}")
    for name, array, low, high in (
        ("first", trees.first, 0, count - 1),
        ("feature", trees.feature, 0, features - 1),
        ("left", trees.left, itself, count - 1),
        ("right", trees.right, itself, count - 1),
        ("value", trees.value, 0, FULL),
    ):
        if (array < low).any() or (array > high).any():
            raise ValueError(f"`tree_{name}_` points outside the forest")


def join(trees: list[FlatTrees]) -> FlatTrees:
    """Return several forests as one."""
    starts = np.cumsum([0, *(len(tree.feature) for tree in trees)])[:-1].astype(np.int32)
    return FlatTrees(
        np.concatenate([tree.first + start for tree, start in zip(trees, starts, strict=True)]),
        np.concatenate([tree.feature for tree in trees]),
        np.concatenate([tree.threshold for tree in trees]),
        np.concatenate([tree.left + start for tree, start in zip(trees, starts, strict=True)]),
        np.concatenate([tree.right + start for tree, start in zip(trees, starts, strict=True)]),
        np.concatenate([tree.value for tree in trees]),
    )


def predict_cells(trees: FlatTrees, cells: NDArray[np.int16], chosen: Ints | None = None) -> Ints:
    """Return each cell's mean leaf value over the trees (or the chosen ones), 0..FULL, rounded down.

    Parameters
    ----------
    cells : ndarray of shape (F, n), int16
    chosen : ndarray of int, optional
        Numbers of the trees to ask.
    """
    roots = trees.first if chosen is None else trees.first[chosen]
    count = cells.shape[1]
    flat, place = cells.ravel(), np.arange(count, dtype=np.int32)
    total = np.zeros(count, np.int64)
    offset = trees.feature.astype(np.int32) * np.int32(count)
    for root in roots:
        node = np.full(count, root, np.int32)
        while True:
            goes_left = flat[offset[node] + place] <= trees.threshold[node]
            following = np.where(goes_left, trees.left[node], trees.right[node])
            if (following == node).all():
                break
            node = following
        total += trees.value[node]
    return total // len(roots)
