"""Tree ensembles inside a graph against scikit-learn's forest."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("spox")

import spox
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from spox import Tensor

from hybridseg.onnx.pieces.trees import Trees, round_down, sum_of_trees
from hybridseg.onnx.runtime import open_session


def run(trees: Trees, rows: np.ndarray) -> np.ndarray:
    features = spox.argument(Tensor(np.float32, ("N", rows.shape[1])))
    model = spox.build({"x": features}, {"y": sum_of_trees(features, trees)})
    session = open_session(model.SerializeToString())
    return np.asarray(session.run(None, {"x": rows})[0])


def test_two_stumps_by_hand() -> None:
    # x0 <= 0.5 ? 0.25 : 0.75, and x1 <= -1 ? 1 : 0
    trees = Trees(
        feature=np.array([0, -2, -2, 1, -2, -2]),
        threshold=np.array([0.5, -2, -2, -1.0, -2, -2]),
        left=np.array([1, -1, -1, 1, -1, -1]),
        right=np.array([2, -1, -1, 2, -1, -1]),
        value=np.array([9, 0.25, 0.75, 9, 1.0, 0.0]),
        sizes=np.array([3, 3]),
    )
    rows = np.array([[0.5, -1.0], [0.6, -1.0], [0.5, 0.0], [0.6, 0.0]], np.float32)
    assert run(trees, rows).tolist() == [1.25, 1.75, 0.25, 0.75]


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_a_forest_is_scikit_learns(kind: type) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, 5)).astype(np.float32).round(2)
    truth = (rows[:, 0] * rows[:, 1] + rng.normal(0, 0.3, 2000)) > 0
    forest = kind(n_estimators=12, max_depth=7, random_state=0).fit(rows, truth)
    parts = [estimator.tree_ for estimator in forest.estimators_]
    trees = Trees(
        feature=np.concatenate([part.feature for part in parts]),
        threshold=np.concatenate([part.threshold for part in parts]),
        left=np.concatenate([part.children_left for part in parts]),
        right=np.concatenate([part.children_right for part in parts]),
        value=np.concatenate([part.value[:, 0, 1] for part in parts]),
        sizes=np.array([part.node_count for part in parts]),
    )
    np.testing.assert_allclose(run(trees, rows) / 12, forest.predict_proba(rows)[:, 1], atol=1e-6)


def test_thresholds_are_rounded_so_that_comparisons_stay() -> None:
    thresholds = np.array([0.1, 1 / 3, -0.1, 2.0, 1e-30, 16777217.0])
    rounded = round_down(thresholds)
    assert (rounded.astype(np.float64) <= thresholds).all()
    above = np.nextafter(rounded, np.float32(np.inf))
    assert (above.astype(np.float64) > thresholds).all()
