"""`RandomForestSegmenter` as a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from hybridseg.onnx.pieces import Trees, const, sum_of_trees

from ..candidates import CandidateSegmenter
from ..trees import LEVELS, FlatTrees
from .candidates import model
from .features import features
from .grid import smooth


def forest_model(segmenter: CandidateSegmenter, forest: FlatTrees) -> Any:
    """Return the `onnx.ModelProto` of a fitted `RandomForestSegmenter` and its trees."""
    grid = segmenter.grid
    trees = own_numbers(forest)
    levels = const(np.array(LEVELS)[:, np.newaxis, np.newaxis])

    def propose(image: Var) -> tuple[Var, Var]:
        total = op.cast(sum_of_trees(features(image, grid), trees), to=np.int64)
        probability = op.reshape(op.div(total, const(len(trees.sizes))), const(grid))
        grey = smooth(image, grid, 2)
        return grey, op.greater_or_equal(probability, levels)

    return model(segmenter, propose)


def own_numbers(trees: FlatTrees) -> Trees:
    """Return the forest with each tree's nodes counted from its root, as `sum_of_trees` takes them."""
    sizes = np.diff([*trees.first, len(trees.feature)])
    start = np.repeat(trees.first, sizes)
    leaf = trees.left == np.arange(len(trees.left))
    return Trees(
        feature=trees.feature,
        threshold=trees.threshold.astype(np.float32),
        left=np.where(leaf, -1, trees.left - start),
        right=np.where(leaf, -1, trees.right - start),
        value=trees.value.astype(np.float32),
        sizes=sizes,
    )
