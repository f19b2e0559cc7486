"""From rows typed by hand to the numbers and the look of the tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from _runs import write_rows

from hybridseg.bench import Record, RunError, summarize
from hybridseg.bench.report.document import percent
from hybridseg.bench.tables.run import render
from hybridseg.bench.verdicts.methods import MetricMean
from hybridseg.bench.verdicts.notes import title
from hybridseg.metrics import case_metrics
from hybridseg.text import aligned, interval_text, shortened

FIRST = "random-forest[n_trees=200,max_depth=12,criterion=entropy]"
SECOND = "random-forest[n_trees=200,max_depth=12,criterion=gini]"


def row(
    method: str,
    case: str,
    group: str,
    counts: tuple[int, int, int, int],
    metrics: dict[str, float] | None = None,
    **more: object,
) -> Record:
    tp, fp, fn, tn = counts
    metrics = {"hd95_px": None, "nsd": 0.0 if tp + fn else None, **(metrics or {})}
    rest = {"predict_ms": 10.0, **more, "metrics": metrics}
    return Record(method, 0, case, group, "", 10, 10, tp, fp, fn, tn, **rest)  # type: ignore[arg-type]


def write_run(root: Path, rows: dict[str, list[Record]], expected: int) -> None:
    sessions = [{"cpu": "A"}, {"cpu": "B"}]
    write_rows(root, rows, expected=expected, plan={}, dataset="a | b", cases=expected, sessions=sessions)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two copies of a scene found by half, another scene missed, two lesion-free images of which one is marked."""
    half, missed = (10, 5, 5, 80), (0, 10, 20, 70)
    first = [
        row(FIRST, "a", "s1", half, {"nsd": 0.6, "hd95_px": 4.0}, predict_ms=10.0),
        row(FIRST, "b", "s1", half, {"nsd": 0.3, "hd95_px": 6.0}, predict_ms=20.0),
        row(FIRST, "c", "s2", missed, predict_ms=30.0),
        row(FIRST, "d", "s3", (0, 25, 0, 75), predict_ms=40.0),
        row(FIRST, "e", "s4", (0, 0, 0, 100), predict_ms=None, error="RuntimeError: no"),
    ]
    second = [row(SECOND, each.case_id, each.group, (each.tp, each.fp, each.fn, each.tn)) for each in first[:4]]
    write_run(tmp_path / "run", {FIRST: first, SECOND: second}, expected=5)
    return tmp_path / "run"


def test_numbers_by_hand(run: Path) -> None:
    method = {each.method: each for each in summarize(run).methods}[FIRST]
    assert method.iou == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert method.f1 == pytest.approx((20 / 30 + 20 / 30 + 0) / 3)
    assert method.scene_iou == pytest.approx((0.5 + 0) / 2)
    assert method.scene_f1 == pytest.approx((20 / 30 + 0) / 2)
    assert method.pooled_iou == pytest.approx(20 / (20 + 20 + 30))
    assert method.pooled_f1 == pytest.approx(40 / (40 + 20 + 30))
    assert method.precision == pytest.approx((10 / 15 + 10 / 15 + 0 / 10) / 3)
    assert method.recall == pytest.approx((10 / 15 + 10 / 15 + 0 / 20) / 3)
    assert method.pooled_precision == pytest.approx(20 / 40)
    assert method.pooled_recall == pytest.approx(20 / 50)
    # All five images: tp 20, fp 45, fn 30, tn 405.
    assert method.mean_iou_two_class == pytest.approx((20 / 95 + 405 / 480) / 2)
    assert (method.all_iou, method.all_f1) == (None, None)
    assert method.metrics["hd95_px"] == MetricMean(5.0, 2)
    assert method.metrics["nsd"].value == pytest.approx((0.6 + 0.3 + 0) / 3)
    assert method.missed == pytest.approx(1 / 3)
    assert method.missed_scenes == pytest.approx(1 / 2)
    assert (method.false_positive_rate, method.false_positive_area) == (0.5, 0.125)
    assert (method.lesion_images, method.scenes, method.lesion_free_images) == (3, 2, 2)
    assert (method.cases, method.expected, method.failed) == (5, 5, 1)
    assert (method.fit_seconds, method.ms_median, method.threads) == (2.5, 25.0, None)
    assert method.iou_low is not None and method.iou_high is not None
    assert 0.0 <= method.iou_low <= method.iou <= method.iou_high <= 0.5


def test_lesions_are_counted_one_by_one(tmp_path: Path) -> None:
    counted = [(2, 0, 1), (0, 1, 0), (0, 0, 1)]  # found, missed, false
    rows = [
        row("otsu", name, name, (10, 5, 5, 80), lesions_found=found, lesions_missed=missed, false_regions=false)
        for name, (found, missed, false) in zip("abc", counted, strict=True)
    ]
    write_run(tmp_path / "run", {"otsu": rows}, expected=3)
    summary = summarize(tmp_path / "run")
    (method,) = summary.methods
    assert (method.lesions, method.lesions_found, method.false_regions) == (3, 2, 2)
    assert method.lesion_f1 == pytest.approx(4 / (3 + 4))
    assert method.lesion_f1_low is not None and method.lesion_f1_high is not None
    assert method.lesion_f1_low < method.lesion_f1 < method.lesion_f1_high
    lines = render(summary, "text").splitlines()
    header = next(place for place, line in enumerate(lines) if line.rstrip().endswith("lesion F1 [95 % CI]"))
    assert lines[header + 1].split()[:4] == ["otsu", "3", "2", "2"]
    assert any("IoU above 0.5" in note for note in summary.notes)
    assert "lesion F1" in render(summary, "md") and "false_regions" in render(summary, "csv")


def test_rows_of_older_versions_say_nothing_of_lesions(run: Path) -> None:
    summary = summarize(run)
    assert {method.lesions for method in summary.methods} == {None}
    assert "false regions" not in render(summary, "text")


def test_notes_say_what_is_missing_and_failed(run: Path) -> None:
    notes = summarize(run).notes
    assert f"INCOMPLETE: {SECOND} has 4 of 5 rows." in notes
    assert f"{FIRST}: 1 prediction failed, scored as the worst mask." in notes
    assert any("of the run itself" in note and "A and B" in note for note in notes)


@pytest.mark.parametrize("empty", [0.0, 1.0])
def test_means_over_all_images_take_the_policy_that_is_asked_for(run: Path, empty: float) -> None:
    summary = summarize(run, empty=empty)
    method = {each.method: each for each in summary.methods}[FIRST]
    assert method.all_iou == pytest.approx((0.5 + 0.5 + 0 + 0 + empty) / 5)
    assert method.all_f1 == pytest.approx((20 / 30 + 20 / 30 + 0 + 0 + empty) / 5)
    assert method.iou == summarize(run).methods[0].iou  # the headline is above policies
    assert any(f"on a lesion-free image scores {empty:g}" in note for note in summary.notes)
    assert "all images IoU" in render(summary, "text") and "all images IoU" not in render(summarize(run), "text")


def test_lesion_free_images_have_a_line_of_their_own(run: Path) -> None:
    lines = render(summarize(run), "text").splitlines()
    header = next(i for i, line in enumerate(lines) if "lesion-free images  with a mask %" in line)
    assert lines[header + 1].split()[-3:] == ["2", "50.0", "12.5"]
    (line,) = [line for line in render(summarize(run), "md").splitlines() if line.endswith("| 2 | 50.0 | 12.5 |")]
    assert line.startswith("| random-forest")


def test_equal_methods_show_no_difference(run: Path) -> None:
    (comparison,) = summarize(run).comparisons
    assert (comparison.difference, comparison.p_holm, comparison.better) == (0.0, 1.0, "")
    assert comparison.wilcoxon_holm == 1.0


def test_text_fits_a_terminal_and_tells_long_names_apart(run: Path) -> None:
    lines = render(summarize(run), "text").splitlines()
    assert max(map(len, lines)) <= 100
    header = next(i for i, line in enumerate(lines) if line.startswith("method"))
    assert lines[header + 1].split("  ")[0] != lines[header + 2].split("  ")[0]


def test_markdown_escapes_names_from_data(run: Path) -> None:
    text = render(summarize(run), "md")
    assert "a \\| b" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    columns = {line.replace("\\|", "").count("|") for line in table[:4]}
    assert len(columns) == 1


def test_json_holds_the_whole_summary(run: Path) -> None:
    summary = summarize(run)
    written = json.loads(render(summary, "json"))
    method = next(each for each in written["methods"] if each["method"] == FIRST)
    assert (method["hd95_px"], method["hd95_images"], method["nsd"]) == (5.0, 2, pytest.approx(0.3))
    columns = {name for each in case_metrics().values() for name in (each.name, each.images_column)}
    for each in written["methods"]:
        for name in columns:
            each.pop(name, None)
    assert written == json.loads(json.dumps(asdict(summary)))


def test_unknown_format_is_refused(run: Path) -> None:
    with pytest.raises(ValueError, match="`form` must be one of text, md, csv, json, got `html`"):
        render(summarize(run), "html")


def test_damaged_line_is_named(run: Path) -> None:
    cell = run / "cells" / "cell0.jsonl"
    lines = cell.read_bytes().splitlines(keepends=True)
    cell.write_bytes(b"".join([*lines[:2], b'{"method": 1}\n', *lines[3:]]))
    with pytest.raises(RunError, match=r"cell0.jsonl line 3 is damaged"):
        summarize(run)


def test_aligned() -> None:
    text = aligned(["name", "n"], [["a", "10"], ["long", "5"]], numbers=True)
    assert text == "name   n\na     10\nlong   5"


def test_shortened_keeps_names_apart() -> None:
    assert shortened(["abc", "x" * 30], 20) == ["abc", "x" * 11 + "…" + "x" * 8]
    alike = ["a" * 20 + "1" + "b" * 20, "a" * 20 + "2" + "b" * 20]
    assert len(set(shortened(alike, 20))) == 2
    assert max(map(len, shortened(alike, 20))) <= 20


def test_boundary_distances_in_mm_have_a_column_where_they_are_known(run: Path, tmp_path: Path) -> None:
    assert "HD95 mm" not in render(summarize(run), "md")
    rows = [
        row(FIRST, "a", "s1", (10, 5, 5, 80), {"hd95_px": 4.0, "hd95_mm": 0.5}),
        row(FIRST, "b", "s2", (10, 5, 5, 80)),
        row(FIRST, "c", "s3", (9, 6, 6, 79), {"hd95_px": 8.0, "hd95_mm": 1.0}),
    ]
    write_run(tmp_path / "mm", {FIRST: rows}, 3)
    summary = summarize(tmp_path / "mm")
    assert summary.methods[0].metrics["hd95_mm"] == MetricMean(0.75, 2)
    for form in ("text", "md"):
        assert "HD95 mm (n)" in render(summary, form) and "0.75 (2)" in render(summary, form)


def test_half_a_run_says_what_it_has(tmp_path: Path) -> None:
    half = (10, 5, 5, 80)
    rows = {
        FIRST: [row(FIRST, name, name, half) for name in "abc"],
        SECOND: [row(SECOND, name, name, half) for name in "bd"],
    }
    write_run(tmp_path / "half", rows, 12)
    summary = summarize(tmp_path / "half")
    assert summary.title.startswith("a | b: 4 of 12 cases scored;")
    assert summary.notes[0].startswith(f"¶ DIFFERENT CASES: {SECOND}.") and "1 case in common" in summary.notes[0]


def test_what_rounds_to_zero_has_no_sign_and_a_real_loss_keeps_its_own() -> None:
    assert interval_text(-0.0004, -0.0116, -0.0001) == "0.000 [-0.012, 0.000]"
    assert interval_text(-0.0006, -0.0004, 0.0004, sign="+") == "-0.001 [0.000, 0.000]"
    assert interval_text(0.5, None, None) == "0.500"
    assert interval_text(None, None, None) == percent(None).text == "-"
    assert percent(-0.0004, low=-0.1, high=0.1).text == "0.0 [-10.0, 10.0]"


def test_a_reader_of_fewer_cases_makes_no_run_smaller() -> None:
    cells = [{"fold": 0, "cases": 6}, {"fold": 1, "cases": 6}, {"fold": 0, "cases": 2}, {"fold": 1, "cases": 1}]
    description = {"cells": cells, "n_folds": 2, "dataset": "a", "split": "two"}
    assert title(description, [{(0, f"case {number}") for number in range(12)}]) == "a: 12 cases scored; two"
