"""Ensembles of decision trees inside a graph, from plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import spox.opset.ai.onnx.ml.v3 as ml
import spox.opset.ai.onnx.v18 as op
from numpy.typing import NDArray
from spox import Var

from .batch import const


@dataclass(frozen=True)
class Trees:
    """The nodes of all trees, one tree after another, each beginning at its root.

    Attributes
    ----------
    feature : ndarray of shape (n,), int
        Column that a node looks at; anything at a leaf.
    threshold : ndarray of shape (n,), float32 or float64
        Left where ``feature <= threshold``; anything at a leaf.
    left, right : ndarray of shape (n,), int
        Children, counted from their own tree's root as in scikit-learn; -1 at a leaf.
    value : ndarray of shape (n,), float
        What a leaf says; anything elsewhere.
    sizes : ndarray of shape (T,), int
        Nodes of each tree.
    """

    feature: NDArray[np.integer]
    threshold: NDArray[np.floating]
    left: NDArray[np.integer]
    right: NDArray[np.integer]
    value: NDArray[np.floating]
    sizes: NDArray[np.integer]


def sum_of_trees(features: Var, trees: Trees) -> Var:
    """Return the sum of the leaves that each row of a float32 [N, F] reaches: float32 [N].

    Every row takes the same path as with float64 thresholds. The sum is made in float32: exact where leaves hold
    whole numbers and the sum stays below 2 ** 24.
    """
    leaf = trees.left < 0
    tree = np.repeat(np.arange(len(trees.sizes)), trees.sizes)
    first = np.repeat(np.cumsum(trees.sizes) - trees.sizes, trees.sizes)
    node = np.arange(len(leaf)) - first
    result = ml.tree_ensemble_regressor(
        features,
        n_targets=1,
        aggregate_function="SUM",
        nodes_treeids=tree.tolist(),
        nodes_nodeids=node.tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_featureids=np.where(leaf, 0, trees.feature).tolist(),
        nodes_values=np.where(leaf, 0, round_down(trees.threshold)).tolist(),
        nodes_truenodeids=np.where(leaf, 0, trees.left).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, trees.right).tolist(),
        target_treeids=tree[leaf].tolist(),
        target_nodeids=node[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights=trees.value[leaf].astype(np.float32).tolist(),
    )
    return op.reshape(result, const([-1]))


def round_down(threshold: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the largest float32 that isn't above each threshold: a float32 compares with both alike."""
    rounded = threshold.astype(np.float32)
    above = rounded.astype(np.float64) > threshold
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded
