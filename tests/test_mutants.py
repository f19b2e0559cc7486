"""Broken twins of metrics and splits: each has one mistake that people make, and the tests by hand must see it."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable
from functools import cache
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
METRICS, SPLITS = "test_metrics/test_metrics.py", "test_data/test_data_splits.py"
TESTS = {
    COUNTS: (METRICS, RATIOS), BOUNDARY: (METRICS, OUTLINES), SUMMARY: (METRICS, REDUCTIONS),
    SIGNIFICANCE: (METRICS, VERDICTS), FOLDS: (SPLITS, (*DEALING, *LEAKING)),
    LEAKS: (SPLITS, LEAKING),
}  # fmt: skip

MUTANTS = [
    (COUNTS, "Counts(tp, fp, fn, mask_true.size - tp - fp - fn)",
     "Counts(tp, fn, fp, mask_true.size - tp - fp - fn)"),  # truth and prediction swapped
    (COUNTS, "mask_true & mask_pred", "mask_true | mask_pred"),
    (COUNTS, "mask_true.size - tp - fp - fn", "mask_true.size - tp"),
    (COUNTS, "return _ratio(counts.tp, counts.tp + counts.fp + counts.fn, empty)",
     "return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn, empty)"),  # F1 sold as IoU
    (COUNTS, "return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn, empty)",
     "return _ratio(counts.tp, counts.tp + counts.fp + counts.fn, empty)"),
    (COUNTS, "return _ratio(counts.tp, counts.tp + counts.fp, empty)",
     "return _ratio(counts.tp, counts.tp + counts.fn, empty)"),
    (COUNTS, "return _ratio(counts.tp, counts.tp + counts.fn, empty)",
     "return _ratio(counts.tp, counts.tp + counts.fp, empty)"),
    (COUNTS, "float(np.mean(present))", "float(np.max(present))"),
    (BOUNDARY, "hd95 = max(_percentile95(from_true), _percentile95(from_pred))",
     "hd95 = min(_percentile95(from_true), _percentile95(from_pred))"),
    (BOUNDARY, "hd95 = max(_percentile95(from_true), _percentile95(from_pred))",
     "hd95 = (_percentile95(from_true) + _percentile95(from_pred)) / 2"),
    (BOUNDARY, "hd95 = max(_percentile95(from_true), _percentile95(from_pred))",
     "hd95 = _percentile95(np.concatenate([from_true, from_pred]))"),
    (BOUNDARY, "hd95 = max(_percentile95(from_true), _percentile95(from_pred))",
     "hd95 = max(from_true.mean(), from_pred.mean())"),
    (BOUNDARY, "hd95 = max(_percentile95(from_true), _percentile95(from_pred))",
     "hd95 = max(from_true.max(), from_pred.max())"),  # plain Hausdorff
    (BOUNDARY, "hd95 = max(_percentile95(from_true), _percentile95(from_pred))", "hd95 = _percentile95(from_true)"),
    (BOUNDARY, "0.95 * (len(distances) - 1)", "0.90 * (len(distances) - 1)"),
    (BOUNDARY, "tolerance * (1 + 1e-9)", "tolerance * (1 - 1e-9)"),
    (BOUNDARY, "from_true <= reach", "from_true < reach"),
    (BOUNDARY, "np.count_nonzero(from_true <= reach) + np.count_nonzero(from_pred <= reach)",
     "2 * np.count_nonzero(from_pred <= reach)"),
    (BOUNDARY, "spacing_mm if spacing_mm is not None else (1.0, 1.0)",
     "spacing_mm[::-1] if spacing_mm is not None else (1.0, 1.0)"),
    (BOUNDARY, "1.0 if both else 0.0", "0.0 if both else 1.0"),
    (BOUNDARY, "0.0 if both else missing", "0.0"),
    (BOUNDARY, "part[:-2, 1:-1] & part[2:, 1:-1] & part[1:-1, :-2] & part[1:-1, 2:]",
     "part[:-2, 1:-1] & part[2:, 1:-1]"),
    (BOUNDARY, "flat // part.shape[1] + top", "flat // part.shape[1]"),
    (SUMMARY, "np.bincount(index, minlength=count)", "len(index) / count"),
    (SUMMARY, "means = group_means(values, groups)", "means = np.asarray(values, np.float64)"),  # copies vote again
    (SUMMARY, "index, count = group_indices(groups)\n"
     "top_sums, bottom_sums = (np.bincount(index, each, count) for each in (top, bottom))",
     "index, count = group_indices(range(len(groups)))\n"
     "top_sums, bottom_sums = (np.bincount(index, each, count) for each in (top, bottom))"),
    (SUMMARY, "[c.tp + c.fp + c.fn for c in counts]", "[c.tp + c.fn for c in counts]"),
    (SUMMARY, "[2 * c.tp for c in counts]", "[c.tp for c in counts]"),
    (SIGNIFICANCE, "len(p_values) - position", "len(p_values)"),  # Bonferroni
    (SIGNIFICANCE, "max(highest, min(1.0, (len(p_values) - position) * p_values[index]))",
     "min(1.0, (len(p_values) - position) * p_values[index])"),
    (SIGNIFICANCE, "index, count = group_indices(groups)\nsums = np.bincount(index, differences, count)",
     "index, count = group_indices(range(len(groups)))\nsums = np.bincount(index, differences, count)"),
    (SIGNIFICANCE, "-(weights @ sums.T)", "weights @ sums.T"),  # worst first
    (FOLDS, "[(case.case_id, case.group, case.label, str(fold_of[case.group])) for case in dataset]",
     "[(case.case_id, case.group, case.label, str(i % n_folds)) for i, case in enumerate(dataset)]"),  # not scenes
    (FOLDS, "int(np.argmin(holds @ (brings[i] * weight)))", "int(i) % n_folds"),  # classes not looked at
    (FOLDS, "np.random.default_rng(seed)", "np.random.default_rng(0)"),
    (FOLDS, "not fold or int(fold) != number", "True"),  # what is tested is learnt from
    (FOLDS, "tuple(c for c in fold.test if c in kept)", "fold.test"),
    (LEAKS, "group_of[case_id] in learnt", "case_id in fold.train"),  # copies don't count
    (LEAKS, "for case_id in fold.train:\n    learnt.setdefault(group_of[case_id], []).append(case_id)",
     "for case_id in fold.test:\n    learnt.setdefault(group_of[case_id], []).append(case_id)"),
    (LEAKS, "sum(len(fold.leaked) for fold in self.folds)", "sum(len(fold.pairs) for fold in self.folds)"),
]  # fmt: skip


class _Swap(ast.NodeTransformer):
    """Puts one expression, or some statements in a row, in the place of another, however the file spells it."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = ast.parse(old).body, ast.parse(new).body
        self.wanted = [ast.dump(each) for each in self.old]
        self.found = 0

    def visit(self, node: ast.AST) -> ast.AST:
        first = self.old[0]
        if isinstance(first, ast.Expr) and ast.dump(node) == ast.dump(first.value):
            self.found += 1
            (new,) = self.new
            assert isinstance(new, ast.Expr)
            return new.value
        for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            for start in range(len(body) if isinstance(body, list) else 0):
                if [ast.dump(each) for each in body[start : start + len(self.wanted)]] == self.wanted:
                    self.found += 1
                    body[start : start + len(self.wanted)] = self.new
        return self.generic_visit(node)


def load(name: str, old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module made from another one's syntax tree with one place changed."""
    original = importlib.import_module(name)
    tree, swap = ast.parse(Path(str(original.__file__)).read_text("utf-8")), _Swap(old, new)
    tree = swap.visit(tree)
    assert swap.found == 1, f"{swap.found} places in {name} say {old!r}"
    module = ModuleType(f"{name}_mutant")
    module.__package__ = original.__package__
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where dataclasses look
    exec(compile(ast.fix_missing_locations(tree), str(original.__file__), "exec"), module.__dict__)
    return module


@cache
def made_by_hand(file: str) -> Any:
    """Return a module of tests, loaded for the twins alone."""
    spec = importlib.util.spec_from_file_location(f"{Path(file).stem}_of_twins", Path(__file__).parent / file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def failures(name: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return which tests by hand fail where the module stands in for the one called ``name``."""
    file, names = TESTS[name]
    tests = made_by_hand(file)
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
