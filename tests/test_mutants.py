"""Broken twins of metrics and splits: each has one mistake that people make, and the tests by hand must see it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

COUNTS, BOUNDARY, SUMMARY, SIGNIFICANCE = (
    f"hybridseg.metrics.{name}" for name in ("counts", "boundary", "summary", "significance")
)
FOLDS, LEAKS = "hybridseg.data.folds", "hybridseg.data.leaks"
RATIOS = ("test_counts_and_ratios_by_hand", "test_truth_and_prediction_are_not_interchangeable")
OUTLINES = (
    "test_boundary_pixels_by_hand", "test_hd95_and_nsd_by_hand", "test_spacing_is_row_then_column",
    "test_empty_outlines_are_decided",
)  # fmt: skip
REDUCTIONS = ("test_reductions_by_hand", "test_interval_covers_and_widens_with_copies")
VERDICTS = ("test_holm_by_hand", "test_copies_do_not_make_a_difference_significant", "test_rank_stability")
DEALING = (
    "test_folds_are_balanced_by_class_and_size", "test_the_seed_decides_and_the_order_of_cases_does_not",
    "test_folds_of_any_dataset",
)  # fmt: skip
LEAKING = ("test_leaks_are_counted_by_hand", "test_restricted_split")
TESTS = {
    COUNTS: ("test_metrics", RATIOS), BOUNDARY: ("test_metrics", OUTLINES), SUMMARY: ("test_metrics", REDUCTIONS),
    SIGNIFICANCE: ("test_metrics", VERDICTS), FOLDS: ("test_data_splits", (*DEALING, *LEAKING)),
    LEAKS: ("test_data_splits", LEAKING),
}  # fmt: skip

MUTANTS = [
    (COUNTS, "return Counts(tp, fp, fn,", "return Counts(tp, fn, fp,"),  # truth and prediction swapped
    (COUNTS, "mask_true & mask_pred", "mask_true | mask_pred"),
    (COUNTS, "mask_true.size - tp - fp - fn)", "mask_true.size - tp)"),
    (COUNTS, "return _ratio(counts.tp, counts.tp + counts.fp + counts.fn, empty)",
     "return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn, empty)"),  # F1 sold as IoU
    (COUNTS, "return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn, empty)",
     "return _ratio(counts.tp, counts.tp + counts.fp + counts.fn, empty)"),
    (COUNTS, "return _ratio(counts.tp, counts.tp + counts.fp, empty)",
     "return _ratio(counts.tp, counts.tp + counts.fn, empty)"),
    (COUNTS, "return _ratio(counts.tp, counts.tp + counts.fn, empty)",
     "return _ratio(counts.tp, counts.tp + counts.fp, empty)"),
    (COUNTS, "float(np.mean(present))", "float(np.max(present))"),
    (BOUNDARY, "hd95 = max(", "hd95 = min("),
    (BOUNDARY, "hd95 = max(_percentile95(from_true), _percentile95(from_pred))",
     "hd95 = (_percentile95(from_true) + _percentile95(from_pred)) / 2"),
    (BOUNDARY, "hd95 = max(_percentile95(from_true), _percentile95(from_pred))",
     "hd95 = _percentile95(np.concatenate([from_true, from_pred]))"),
    (BOUNDARY, "hd95 = max(_percentile95(from_true), _percentile95(from_pred))",
     "hd95 = max(from_true.mean(), from_pred.mean())"),
    (BOUNDARY, "hd95 = max(_percentile95(from_true), _percentile95(from_pred))",
     "hd95 = max(from_true.max(), from_pred.max())"),  # plain Hausdorff
    (BOUNDARY, "hd95 = max(_percentile95(from_true), _percentile95(from_pred))", "hd95 = _percentile95(from_true)"),
    (BOUNDARY, "place = 0.95 *", "place = 0.90 *"),
    (BOUNDARY, "tolerance * (1 + 1e-9)", "tolerance * (1 - 1e-9)"),
    (BOUNDARY, "from_true <= reach", "from_true < reach"),
    (BOUNDARY, "np.count_nonzero(from_true <= reach) + ", "2 * "),
    (BOUNDARY, "np.array(spacing_mm if", "np.array(spacing_mm[::-1] if"),
    (BOUNDARY, "1.0 if both else 0.0", "0.0 if both else 1.0"),
    (BOUNDARY, "0.0 if both else missing", "0.0"),
    (BOUNDARY, "& part[1:-1, :-2] & part[1:-1, 2:]", ""),
    (BOUNDARY, "flat // part.shape[1] + top", "flat // part.shape[1]"),
    (SUMMARY, "np.bincount(index, minlength=count)", "len(index) / count"),
    (SUMMARY, "means = group_means(values, groups)", "means = np.asarray(values, np.float64)"),  # copies vote again
    (SUMMARY, "index, count = group_indices(groups)\n    top_sums",
     "index, count = group_indices(range(len(groups)))\n    top_sums"),
    (SUMMARY, "[c.tp for c in counts], [c.tp + c.fp + c.fn for c in counts]",
     "[c.tp for c in counts], [c.tp + c.fn for c in counts]"),
    (SUMMARY, "[2 * c.tp for c in counts]", "[c.tp for c in counts]"),
    (SIGNIFICANCE, "(len(p_values) - position)", "len(p_values)"),  # Bonferroni
    (SIGNIFICANCE, "highest = max(highest, ", "highest = max(0.0, "),
    (SIGNIFICANCE, "index, count = group_indices(groups)\n    sums = np.bincount(index, differences, count)",
     "index, count = group_indices(range(len(groups)))\n    sums = np.bincount(index, differences, count)"),
    (SIGNIFICANCE, "np.argsort(-(weights", "np.argsort((weights"),  # worst first
    (FOLDS, "str(fold_of[case.group])) for case in dataset]",
     "str(number % n_folds)) for number, case in enumerate(dataset)]"),  # images dealt, not scenes
    (FOLDS, "int(np.argmin(holds @ (brings[i] * weight)))", "int(i) % n_folds"),  # classes not looked at
    (FOLDS, "np.random.default_rng(seed)", "np.random.default_rng(0)"),
    (FOLDS, "if not fold or int(fold) != number", "if True"),  # what is tested is learnt from
    (FOLDS, "tuple(c for c in fold.test if c in kept)", "fold.test"),
    (LEAKS, "if group_of[case_id] in learnt)", "if case_id in fold.train)"),  # copies don't count
    (LEAKS, "for case_id in fold.train:", "for case_id in fold.test:"),
    (LEAKS, "sum(len(fold.leaked) for fold in self.folds)", "sum(len(fold.pairs) for fold in self.folds)"),
]  # fmt: skip


def load(name: str, old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module made from another one's text with one place changed."""
    original = importlib.import_module(name)
    text = Path(str(original.__file__)).read_text("utf-8")
    assert text.count(old) == 1, f"{text.count(old)} places in {name} read {old!r}"
    module = ModuleType(f"{name}_mutant")
    module.__package__ = original.__package__
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where dataclasses look
    exec(compile(text.replace(old, new), str(original.__file__), "exec"), module.__dict__)
    return module


def failures(name: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return which tests by hand fail where the module stands in for the one called ``name``."""
    file, names = TESTS[name]
    tests: Any = importlib.import_module(file)
    for attribute, value in vars(module).items():
        if getattr(value, "__module__", "") == module.__name__ and hasattr(tests, attribute):
            monkeypatch.setattr(tests, attribute, value)
    return [each for each in names if _fails(getattr(tests, each))]


def _fails(test: Callable[[], None]) -> bool:
    try:
        test()
    except Exception:  # an assertion, or what the mistake leads to
        return True
    return False


@pytest.mark.parametrize(("name", "old", "new"), MUTANTS, ids=range(len(MUTANTS)))
def test_mistake_is_seen(name: str, old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failures(name, load(name, old, new, monkeypatch), monkeypatch), f"nobody sees `{new}` for `{old}`"


@pytest.mark.parametrize("name", TESTS)
def test_twin_without_a_mistake_passes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failures(name, load(name, "from __future__ import annotations", "", monkeypatch), monkeypatch) == []
