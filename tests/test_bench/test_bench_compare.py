"""Comparing runs: numbers typed by hand, what is refused, and what is said under the table."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from _runs import write_rows
from click.testing import CliRunner, Result

from hybridseg.bench import Record, RunError
from hybridseg.bench.tables.compare import render_comparison
from hybridseg.bench.verdicts.compare import RunComparison, SharedMeans, compare_runs
from hybridseg.bench.verdicts.pairing import rankings
from hybridseg.cli import main

HALF = (10, 5, 5, 80)  # IoU 10/20, F1 20/30
BETTER = (10, 0, 5, 85)  # the same truth; IoU 10/15, F1 20/25
FREE = (0, 0, 0, 100)
MARKED = (0, 4, 0, 96)


def row(method: str, case: str, counts: tuple[int, int, int, int], **more: Any) -> Record:
    values = {
        "group": case, "label": "", "height": 10, "width": 10, "predict_ms": 8.0,
        "metrics": {"hd95_px": None, "nsd": 0.5}, **more,
    }  # fmt: skip
    pixels = dict(zip(("tp", "fp", "fn", "tn"), counts, strict=True))
    return Record(method=method, fold=0, case_id=case, **pixels, **values)


def cases(method: str, counts: tuple[int, int, int, int], n: int = 8, **more: Any) -> list[Record]:
    return [row(method, f"case {i}", counts, **more) for i in range(n)]


def compare(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)], prog_name="hybridseg")


def test_difference_by_hand(tmp_path: Path) -> None:
    free = [row("otsu", "free 1", FREE), row("otsu", "free 2", FREE)]
    a = write_rows(tmp_path / "a", {"otsu": [*cases("otsu", HALF), *free]})
    b = write_rows(tmp_path / "b", {"otsu": [*cases("otsu", BETTER), row("otsu", "free 1", MARKED), free[1]]})
    (pair,) = compare_runs(a, b).pairs
    assert (pair.cases, pair.scenes) == (8, 8)
    assert pair.mean_a == pytest.approx(1 / 2)
    assert pair.mean_b == pytest.approx(2 / 3)
    assert (pair.difference, pair.low, pair.high) == pytest.approx((1 / 6, 1 / 6, 1 / 6))
    assert pair.p_holm == pytest.approx(2 / 2**8, abs=0.003)  # only all signs alike are as extreme
    assert pair.better == "B"
    assert pair.words.startswith("otsu: B is better than A by 0.167 IoU [0.167, 0.167], p = 0.0")
    assert (pair.false_positives_a, pair.false_positives_b, pair.lesion_free) == (0, 1, 2)
    (as_f1,) = compare_runs(a, b, metric="f1").pairs
    assert as_f1.difference == pytest.approx(20 / 25 - 20 / 30)
    (turned,) = compare_runs(b, a).pairs
    assert (turned.better, turned.difference) == ("A", pytest.approx(-1 / 6))
    assert turned.words.startswith("otsu: A is better than B by 0.167")


def test_equal_runs_show_no_difference(tmp_path: Path) -> None:
    a, b = (write_rows(tmp_path / name, {"otsu": cases("otsu", HALF)}) for name in "ab")
    (pair,) = compare_runs(a, b).pairs
    assert (pair.difference, pair.p_holm, pair.better) == (0.0, 1.0, "")
    assert pair.words.startswith("otsu: no detectable difference between B and A")


def test_copies_of_one_scene_are_one_piece_of_evidence(tmp_path: Path) -> None:
    a = write_rows(tmp_path / "a", {"otsu": cases("otsu", HALF)})
    b = write_rows(tmp_path / "b", {"otsu": cases("otsu", BETTER, group="scene")})  # B knows that they are copies
    (pair,) = compare_runs(a, b).pairs
    assert (pair.scenes, pair.p_holm, pair.better) == (1, 1.0, "")


def test_several_pairs_are_corrected(tmp_path: Path) -> None:
    a = write_rows(tmp_path / "a", {"x": cases("x", HALF), "y": cases("y", HALF)})
    b = write_rows(tmp_path / "b", {"x": cases("x", BETTER), "y": cases("y", BETTER)})
    pairs = compare_runs(a, b).pairs
    assert [pair.method_a for pair in pairs] == ["x", "y"]
    assert pairs[0].p_holm == pytest.approx(2 * 2 / 2**8, abs=0.006)
    every = compare_runs(a, b, every=True)
    assert [(pair.method_a, pair.method_b) for pair in every.pairs] == [("x", "x"), ("x", "y"), ("y", "x"), ("y", "y")]


def test_methods_in_one_run_only_are_listed(tmp_path: Path) -> None:
    a = write_rows(tmp_path / "a", {"x": cases("x", HALF), "old": cases("old", HALF)})
    b = write_rows(tmp_path / "b", {"x": cases("x", HALF), "new": cases("new", HALF)})
    found = compare_runs(a, b)
    assert (found.only_a, found.only_b) == (("old",), ("new",))
    assert [pair.method_a for pair in found.pairs] == ["x"]
    text = render_comparison(found, "text")
    assert "Only in A: old." in text
    assert "Only in B: new." in text


def test_runs_that_share_no_method_are_compared_each_with_each(tmp_path: Path) -> None:
    a = write_rows(tmp_path / "a", {"unet": cases("unet", HALF)})
    b = write_rows(tmp_path / "b", {"second reader": cases("second reader", BETTER)})
    (pair,) = compare_runs(a, b).pairs
    assert pair.words.startswith("second reader (B) is better than unet (A) by 0.167 IoU")


def test_failed_predictions_count_and_are_said(tmp_path: Path) -> None:
    failed = row("x", "case 0", (0, 0, 15, 85), predict_ms=None, error="RuntimeError: no")
    a = write_rows(tmp_path / "a", {"x": [failed, *cases("x", HALF)[1:]]})
    b = write_rows(tmp_path / "b", {"x": cases("x", HALF)})
    found = compare_runs(a, b)
    assert found.pairs[0].mean_a == pytest.approx(7 * 0.5 / 8)
    assert "A: 1 predictions of x failed, scored as the worst mask." in found.notes


def test_cases_of_one_run_only_are_left_out_and_counted(tmp_path: Path) -> None:
    a = write_rows(tmp_path / "a", {"x": cases("x", HALF, 8)})
    b = write_rows(tmp_path / "b", {"x": cases("x", BETTER, 5)}, expected=8)
    found = compare_runs(a, b)
    assert found.pairs[0].cases == 5
    assert "A: 3 of its 8 cases aren't in the other run: left out." in found.notes
    assert "INCOMPLETE: x has 5 of 8 rows in B." in found.notes


def test_other_data_are_refused_in_one_line(tmp_path: Path) -> None:
    a = write_rows(tmp_path / "a", {"x": cases("x", HALF)})
    strangers = write_rows(tmp_path / "strangers", {"x": [row("x", "another", HALF)]})
    outlined = write_rows(tmp_path / "outlined", {"x": cases("x", (10, 5, 6, 79))})
    resized = write_rows(tmp_path / "resized", {"x": cases("x", HALF, height=5, width=20)})
    for other, words in (
        (strangers, "no case in common"),
        (outlined, "`case 0` is 10 x 10 with 15 lesion pixels in A, 10 x 10 with 16 lesion pixels in B"),
        (resized, "5 x 20 with 15 lesion pixels in B"),
    ):
        with pytest.raises(RunError, match="different data"):
            compare_runs(a, other)
        result = compare(a, other)
        assert (result.exit_code, result.stdout) == (2, "")
        assert words in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_bad_folders_are_refused_in_one_line(tmp_path: Path) -> None:
    good = write_rows(tmp_path / "good", {"x": cases("x", HALF)})
    older = write_rows(tmp_path / "older", {"x": cases("x", HALF)}, format_version=0)
    bare = write_rows(tmp_path / "bare", {"x": []}, expected=8)
    half = write_rows(tmp_path / "half", {"x": cases("x", HALF)})
    (half / "run.json").write_text((half / "run.json").read_text()[:100])
    damaged = write_rows(tmp_path / "damaged", {"x": cases("x", HALF)}, costs={"x": {}})
    next((damaged / "costs").iterdir()).write_text("[]")
    (tmp_path / "empty").mkdir()
    for folder, words in (
        (older, "run folder of format 0, this version reads 1"),
        (bare, "bare has no rows yet"),
        (half, "run.json is damaged"),
        (damaged, "is damaged"),
        (tmp_path / "empty", "empty: not a run folder"),
        (tmp_path / "nowhere", "nowhere: not a run folder"),
    ):
        for arguments in ((good, folder), (folder, good)):
            result = compare(*arguments)
            assert (result.exit_code, result.stdout) == (2, ""), folder
            assert words in result.stderr
            assert len(result.stderr.splitlines()) == 1


def test_row_torn_by_a_kill_is_incomplete_and_no_error(tmp_path: Path) -> None:
    a, b = (write_rows(tmp_path / name, {"x": cases("x", HALF)}) for name in "ab")
    cell = b / "cells" / "cell0.jsonl"
    cell.write_bytes(cell.read_bytes()[:-20])
    assert "INCOMPLETE: x has 7 of 8 rows in B." in compare_runs(a, b).notes


@pytest.mark.parametrize(("cost", "words"), [
    ({"cpu": "Chip B"}, "x (A): Chip A, 1 thread; x (B): Chip B, 1 thread"),
    ({"threads": 2}, "x (A): Chip A, 1 thread; x (B): Chip A, 2 threads"),
    (None, "x (B): Chip A, beside the run"),
])  # fmt: skip
def test_times_taken_elsewhere_are_said_not_to_compare(tmp_path: Path, cost: dict[str, Any], words: str) -> None:
    a = write_rows(tmp_path / "a", {"x": cases("x", HALF)}, costs={"x": {}})
    b = write_rows(tmp_path / "b", {"x": cases("x", HALF)}, costs={} if cost is None else {"x": cost})
    assert "Empty masks: as ever" in compare_runs(a, b).notes
    note = compare_runs(a, b).notes[-1]
    assert "TIMES DON'T COMPARE" in note
    assert words in note


def test_times_of_one_place_are_just_said(tmp_path: Path) -> None:
    a, b = (write_rows(tmp_path / name, {"x": cases("x", HALF)}, costs={"x": {}}) for name in "ab")
    found = compare_runs(a, b)
    assert found.notes[-1] == "Times: Chip A, 1 thread."
    assert (found.pairs[0].ms_a, found.pairs[0].ms_b) == (5.0, 5.0)


def test_processors_mixed_within_a_run_are_said_in_its_table(tmp_path: Path) -> None:
    from hybridseg.bench import summarize

    sessions = [{"cpu": "Chip A", "command": []}, {"cpu": "Chip B", "command": []}]
    beside = write_rows(tmp_path / "a", {"x": cases("x", HALF)}, sessions=sessions)
    assert any("Chip A and Chip B MIXED, whose times don't compare" in note for note in summarize(beside).notes)
    apart = write_rows(
        tmp_path / "b", {"x": cases("x", HALF), "y": cases("y", HALF)}, costs={"x": {}, "y": {"cpu": "Chip B"}}
    )
    (note,) = (note for note in summarize(apart).notes if "TIMES DON'T COMPARE" in note)
    assert "x: Chip A, 1 thread; y: Chip B, 1 thread" in note


def test_busy_machine_is_said(tmp_path: Path) -> None:
    from hybridseg.bench import summarize

    rows = {"x": cases("x", HALF), "y": cases("y", HALF)}
    run = write_rows(tmp_path / "a", rows, costs={"x": {"cores_used": 0.41}, "y": {"cores_used": 0.99}})
    (note,) = (note for note in summarize(run).notes if note.startswith("TIMES ARE TOO LONG"))
    assert "x 41 %" in note
    assert "y" not in note.rpartition(":")[2]


@pytest.fixture
def found(tmp_path: Path) -> RunComparison:
    long = "random-forest[n_trees=200,max_depth=12,criterion=entropy|gini]"
    rows = {"x": cases("x", HALF), long: cases(long, HALF)}
    a = write_rows(tmp_path / "a", rows, costs={"x": {}})
    b = write_rows(tmp_path / "b", {"x": cases("x", BETTER), long: cases(long, BETTER)})
    return compare_runs(Path(a), Path(b), every=True)


def test_text_fits_a_terminal(found: RunComparison) -> None:
    text = render_comparison(found, "text")
    assert max(map(len, text.splitlines())) <= 100
    assert "p (Holm)" in text


def test_markdown_escapes_names(found: RunComparison) -> None:
    lines = render_comparison(found, "md").splitlines()
    widths = {line.replace("\\|", "").count("|") for line in lines if line.startswith("|")}
    assert len(widths) == 1
    assert any("entropy\\|gini" in line for line in lines)


def test_csv_and_json_hold_the_numbers(found: RunComparison) -> None:
    table = list(csv.DictReader(io.StringIO(render_comparison(found, "csv"))))
    assert [float(each["difference"]) for each in table] == pytest.approx([1 / 6] * 4)
    data = json.loads(render_comparison(found, "json"))
    assert data["pairs"][0]["better"] in ("B", "")
    assert len(data["notes"]) >= 2
    with pytest.raises(ValueError, match="`form` must be one of"):
        render_comparison(found, "html")


def test_unknown_metric_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"`metric` must be one of {', '.join(rankings())}, got `auc`"):
        compare_runs(tmp_path, tmp_path, metric="auc")


def test_boundary_distances_in_mm_have_columns_where_both_runs_know_them(tmp_path: Path) -> None:
    for name, mm in (("a", 0.5), ("b", 0.25)):
        method = "m[with=parameters,and=more]"
        rows = cases(method, HALF, 7, metrics={"hd95_px": 4.0, "hd95_mm": mm})
        last = row(method, "last", HALF, metrics={"hd95_mm": 3.0 if name == "a" else None})
        write_rows(tmp_path / name, {method: [*rows, last]})
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    assert found.pairs[0].in_mm == {"hd95_mm": SharedMeans(0.5, 0.25, 7)}
    (line,) = csv.DictReader(render_comparison(found, "csv").splitlines())
    assert (line["hd95_mm_a"], line["hd95_mm_b"], line["hd95_mm_images"]) == ("0.5", "0.25", "7")
    assert json.loads(render_comparison(found, "json"))["pairs"][0]["hd95_mm_b"] == 0.25
    for form in ("text", "md"):
        assert "mm A" in render_comparison(found, form) and "0.25" in render_comparison(found, form)
    assert max(map(len, render_comparison(found, "text").splitlines())) <= 100
