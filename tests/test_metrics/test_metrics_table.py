"""One table of metrics: what rows, means and comparisons take from it, and metrics of other packages."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
from _reports import row
from _runs import write_rows

from hybridseg import check_metric
from hybridseg.bench import compare_runs, summarize
from hybridseg.bench.tables.run import render
from hybridseg.metrics import CaseMetric, Masks, MetricLoadError, boundary_iou, case_metrics, score_metrics
from hybridseg.metrics.table import BUILT_IN, GROUP

AREA = CaseMetric("area_ratio", "area ratio", lambda masks: masks.pred.sum() / masks.true.sum())


def square(start: int, side: int = 10) -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[start : start + side, start : start + side] = True
    return mask


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch):
    """Install what is given as a metric of another package."""

    def install(value: str) -> None:
        entry = importlib.metadata.EntryPoint("mine", value, GROUP)
        found = importlib.metadata.entry_points
        monkeypatch.setattr(
            importlib.metadata, "entry_points", lambda **which: [entry] if which == {"group": GROUP} else found(**which)
        )
        case_metrics.cache_clear()

    yield install
    monkeypatch.undo()
    case_metrics.cache_clear()


def test_boundary_iou_by_hand() -> None:
    # A diagonal of 72 pixels makes edges one pixel wide: 36 pixels of a square of 10. Moved right by one, its upper and
    # its lower side have 9 pixels each in common with those before.
    moved = np.roll(square(5), 1, axis=1)
    assert boundary_iou(square(5), moved) == 18 / (36 + 36 - 18)
    assert boundary_iou(square(5), square(5)) == 1.0
    assert boundary_iou(square(5), square(25)) == 0.0
    nothing = np.zeros((40, 60), bool)
    assert boundary_iou(nothing, nothing) == 1.0
    assert boundary_iou(nothing, nothing, empty=0.0) == 0.0
    assert boundary_iou(square(5), nothing) == 0.0


def test_the_edge_of_an_image_is_an_edge() -> None:
    whole = np.ones((40, 60), bool)
    inner = np.zeros((40, 60), bool)
    inner[1:-1, 1:-1] = True
    assert boundary_iou(whole, inner) == 0.0


def test_every_metric_decides_the_empty_cases() -> None:
    nothing = np.zeros((40, 60), bool)
    assert set(score_metrics(nothing, square(5)).values()) == {None}
    lost = {"hd95_px": None, "hd95_mm": None, "nsd": 0.0, "boundary_iou": 0.0}
    assert score_metrics(square(5), nothing) == score_metrics(square(5), None) == lost
    assert score_metrics(square(5), square(5)) == {"hd95_px": 0.0, "hd95_mm": None, "nsd": 1.0, "boundary_iou": 1.0}
    moved = np.roll(square(5), 4, axis=1)
    assert score_metrics(square(5), moved, (1.0, 0.5))["hd95_mm"] == 2.0


@pytest.mark.parametrize("metric", [*BUILT_IN, AREA], ids=lambda metric: metric.name)
def test_metrics_keep_the_rules(metric: CaseMetric) -> None:
    check_metric(metric)


def worse_for_the_truth(masks: Masks) -> float:
    return float((masks.true ^ masks.pred).sum())


def writes(masks: Masks) -> float:
    masks.pred[0, 0] = True
    return 1.0


DRAWS = iter(range(100))


@pytest.mark.parametrize(
    ("compute", "says"),
    [
        (worse_for_the_truth, "must not be worse for a mask like the truth"),
        (writes, "must leave the masks as they are"),
        (lambda masks: next(DRAWS), "must repeat"),
        (lambda masks: float("inf"), "must be a finite number of at least 0"),
        (lambda masks: -1.0, "must be a finite number of at least 0"),
        (lambda masks: "1", "must be a finite number of at least 0"),
        (lambda masks: None, "with a pixel spacing must be a number"),
    ],
)
def test_a_metric_that_breaks_a_rule_is_told_which(compute, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_metric(CaseMetric("mine", "mine", compute))
    with pytest.raises(AssertionError, match="must be a Python name, got `my own`"):
        check_metric(CaseMetric("my own", "mine", lambda masks: 1.0))


def test_a_metric_of_another_package_gets_into_rows(plug_in) -> None:
    plug_in(f"{__name__}:AREA")
    assert list(case_metrics()) == [*(each.name for each in BUILT_IN), "area_ratio"]
    assert score_metrics(square(5), square(5, 20))["area_ratio"] == 4.0


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("no_such_module:X", "metric `mine` of unknown .* failed to load: ModuleNotFoundError"),
        (f"{__name__}:square", "must be a hybridseg.metrics.CaseMetric, got function"),
        ("hybridseg.metrics.table:BUILT_IN", "must be a hybridseg.metrics.CaseMetric, got tuple"),
    ],
)
def test_a_metric_that_cannot_be_used_is_named(plug_in, value: str, says: str) -> None:
    plug_in(value)
    with pytest.raises(MetricLoadError, match=says):
        case_metrics()


def test_means_tables_and_comparisons_have_it(tmp_path: Path) -> None:
    rows = {
        name: [row(name, f"c{k}", (10, 5, 5, 80), metrics={"boundary_iou": value}) for k in range(8)]
        for name, value in (("low", 0.25), ("high", 0.5))
    }
    run = write_rows(tmp_path / "run", rows)
    means = {each.method: each.metrics["boundary_iou"] for each in summarize(run).methods}
    assert [(mean.value, mean.images) for mean in (means["low"], means["high"])] == [(0.25, 8), (0.5, 8)]
    summary = summarize(run)
    assert "boundary IoU" in render(summary, "text")
    header, first, *_ = render(summary, "csv").splitlines()
    assert float(dict(zip(header.split(","), first.split(","), strict=False))["boundary_iou"]) in (0.25, 0.5)
    (pair,) = compare_runs(
        write_rows(tmp_path / "a", {"low": rows["low"]}), write_rows(tmp_path / "b", {"high": rows["high"]}),
        metric="boundary_iou",
    ).pairs  # fmt: skip
    assert (pair.mean_a, pair.mean_b) == (0.25, 0.5)


def test_rows_older_than_a_metric_have_no_column_of_it(tmp_path: Path) -> None:
    run = write_rows(tmp_path / "run", {"m": [row("m", "c", (10, 5, 5, 80))]})
    assert "boundary IoU" not in render(summarize(run), "text")
