"""Choosing among a method's candidates inside a training part: the fold that is scored has no say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data import Case, CaseReader, Dataset, grouped_folds
from ...metrics import count_pixels, iou
from ..method import create_method
from ..plan import Cell, Plan

INNER_FOLDS = 3


def search(plan: Plan, cell: Cell, cases: Dataset, reader: CaseReader, say: Callable[[str], None]) -> dict[str, Any]:
    """Fit each candidate on inner folds of whole groups; return ``chosen`` and the rest of `FitRecord.search`.

    Chosen is the spec with the highest mean IoU over lesion images, by which tables rank, the first one of several.

    Raises
    ------
    DataError
        If the training part has fewer groups than there are inner folds.
    ValueError
        If it has no image with a lesion.
    """
    folds = grouped_folds(cases, INNER_FOLDS, plan.seed).folds
    means = {}
    for number, spec in enumerate(cell.method.candidates, 1):
        scores: list[float] = []
        for inner, fold in enumerate(folds, 1):
            say(f"searching: {number} of {len(cell.method.candidates)}, inner fold {inner} of {len(folds)}")
            model, train = create_method(plan.factory, spec, plan.seed, as_given=False), cases.select(fold.train)
            model.fit(reader.images(train), reader.masks(train), groups=train.groups)
            for case in cases.select(fold.test):
                image, mask_true = reader.read(case)
                if mask_true.any():
                    scores.append(_iou(case, mask_true, model.predict(image.copy())))
        if not scores:
            raise ValueError("its training part has no lesion: nothing tells which parameters are better")
        means[spec] = float(np.mean(scores))
    return {"fold": plan.crossing.fold_names[cell.fold], "chosen": max(means, key=means.__getitem__), "iou": means}


def _iou(case: Case, mask_true: NDArray[np.bool_], mask_pred: NDArray[np.bool_]) -> float:
    ignored = case.ignored
    return iou(count_pixels(mask_true, mask_pred if ignored is None else mask_pred & ~ignored))
