"""What a table may say: no paths of a machine, "synthetic" where phantoms were scored, nobody better than a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from _reports import row
from _runs import write_rows
from click.testing import CliRunner

from hybridseg.bench import Record, RunError, summarize
from hybridseg.bench.report import FORMATS, make_report, render_report
from hybridseg.bench.tables.compare import render_comparison
from hybridseg.bench.tables.run import FORMATS as TABLES
from hybridseg.bench.tables.run import render
from hybridseg.bench.verdicts.compare import compare_runs
from hybridseg.bench.verdicts.recommend import Budget, recommend_method
from hybridseg.cli import main

HALF, GOOD, NOTHING = (10, 5, 5, 80), (14, 0, 1, 85), (0, 0, 15, 85)
COST: dict[str, Any] = {"warm_ms_median": 5.0, "saved_bytes": 10**6}


def rows_of(method: str, counts: tuple[int, int, int, int], case: str = "case {}", **more: Any) -> list[Record]:
    return [row(method, case.format(number), counts, group=str(number), **more) for number in range(8)]


def test_paths_of_the_machine_do_not_stand_in_a_report(tmp_path: Path) -> None:
    home = "/home/someone/secret place"
    near, far = "/home/someone/a/net.onnx", "/home/someone/b/net.onnx"
    rows = {
        near: rows_of(near, GOOD), far: rows_of(far, HALF),
        "dark": rows_of("dark", NOTHING, error=f"FileNotFoundError: '{home}/w.bin'"),
    }  # fmt: skip
    methods = [
        {"spec": spec, "class": "m:M", "params": {"path": f"{home}/own.onnx"}, "as_given": False, "key": f"key cell{i}"}
        for i, spec in enumerate(rows)
    ]
    root = write_rows(
        tmp_path / "run", rows, methods=methods, costs=dict.fromkeys(rows, COST),
        sources={"A": f"{home}/BUSI"}, fold_names=["0"], trainings={},
        sessions=[{"cpu": "A", "command": ["hybridseg", "bench", "--data", f"A={home}/BUSI", "-o/home/someone/out",
                                           "-m", near, "-m", "C:\\Users\\someone\\m.onnx", "-m", "mine/own.py:Own"]}],
    )  # fmt: skip
    document = make_report(root)
    for form in FORMATS:
        text = render_report(document, form).replace("\\_", "_")
        assert "someone" not in text and "secret" not in text, form
    markdown = render_report(document, "md")
    for name in (
        "a/net.onnx", "b/net.onnx", "w.bin", "own.onnx", "A=BUSI", "-oout", "mine/own.py:Own",
        "not where the run found them (BUSI: no such",
    ):  # fmt: skip
        assert name in markdown.replace("\\", ""), name


def test_phantoms_are_called_synthetic_wherever_their_numbers_stand(tmp_path: Path) -> None:
    rows = {"good": rows_of("good", GOOD, "phantom ({})"), "half": rows_of("half", HALF, "phantom ({})")}
    root = write_rows(tmp_path / "run", rows, costs=dict.fromkeys(rows, COST))
    said = [render(summarize(root), form) for form in TABLES]
    said += [render_report(make_report(root), form) for form in FORMATS]
    said += [render_comparison(compare_runs(root, root, every=True), form) for form in ("text", "md", "json")]
    arguments = ["recommend", str(root)]
    said += [CliRunner().invoke(main, [*arguments, *more]).stdout for more in ([], ["--format", "json"])]
    said.append(CliRunner().invoke(main, ["bench", "-m", "otsu", "--dry-run"]).stdout)
    for text in said:
        assert "synthetic" in text.lower(), text
    assert "SYNTHETIC: every case is a phantom. Their numbers say nothing about patients." in said[0]


def test_phantoms_among_others_are_counted(tmp_path: Path) -> None:
    mixed = [*rows_of("m", GOOD, "A/phantom ({})"), *rows_of("m", GOOD, "B/case {}")]
    summary = summarize(write_rows(tmp_path / "run", {"m": mixed}, dataset="A + B"))
    assert summary.title.startswith("A + B (8 of 16 synthetic): 16 cases scored")
    assert summary.notes[0].startswith("SYNTHETIC: 8 of 16 cases are phantoms.")
    assert summary.methods[0].synthetic == 8
    real = summarize(write_rows(tmp_path / "real", {"m": rows_of("m", GOOD)}))
    assert "synthetic" not in render(real, "text").lower()


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    rows = {
        "good": rows_of("good", GOOD), "half": rows_of("half", HALF),
        "gone": rows_of("gone", NOTHING, error="ImportError: no"),
    }  # fmt: skip
    return write_rows(tmp_path / "run", rows, costs=dict.fromkeys(rows, COST))


def test_nobody_is_better_than_a_method_that_crashed_everywhere(crashed: Path) -> None:
    summary = summarize(crashed)
    assert [(each.first, each.second) for each in summary.comparisons] == [("good", "half")]
    assert summary.methods[-1].method == "gone" and not summary.methods[-1].is_ranked
    assert any("gone: ALL 8 PREDICTIONS FAILED" in note for note in summary.notes)
    report = json.loads(render_report(make_report(crashed), "json"))
    board = next(each for each in report["sections"] if each["slug"] == "leaderboard")
    assert board["texts"][0].endswith("It is better than half.")
    assert any("ALL 8 PREDICTIONS FAILED" in text for text in board["texts"])
    ranks = next(each for each in report["sections"] if each["slug"] == "ranks")
    assert len(ranks["tables"][0]["rows"]) == 2


def test_a_crash_is_in_no_comparison_of_runs(crashed: Path) -> None:
    found = compare_runs(crashed, crashed, every=True)
    assert "gone" not in {name for pair in found.pairs for name in (pair.method_a, pair.method_b)}
    assert "Left out of A: gone, all 8 predictions failed." in found.notes


def test_a_crash_is_not_recommended_and_corrects_no_p(crashed: Path, tmp_path: Path) -> None:
    found = recommend_method(crashed, Budget())
    assert "Left out, all 8 predictions failed: gone." in found.notes
    assert not any("Holm-corrected for all" in note for note in found.notes)  # one pair is left
    alone = write_rows(tmp_path / "alone", {"gone": rows_of("gone", NOTHING, error="no")}, costs={"gone": COST})
    with pytest.raises(RunError, match="was trained on images that it is scored on, or failed on all"):
        recommend_method(alone, Budget())


def test_each_interval_says_its_scenes_and_few_are_warned_of(tmp_path: Path) -> None:
    few = write_rows(tmp_path / "few", {"good": rows_of("good", GOOD), "half": rows_of("half", HALF)},
                     costs={"good": COST, "half": COST})  # fmt: skip
    warning = "FEW SCENES: 8. Below 50 scenes or patients an interval is too narrow: take it as rough."
    summary = summarize(few)
    assert warning in summary.notes and warning in recommend_method(few, Budget()).notes
    assert any(note.startswith("FEW SCENES: 8.") for note in compare_runs(few, few).notes)
    rows = [row("a", f"A/{i}", GOOD, group=str(i), tested_on="A") for i in range(60)]
    rows += [row("a", f"B/{i}", GOOD, group=f"b{i}", tested_on="B") for i in range(7)]
    sets = {"sources": {"A": "A", "B": "B"}, "fold_names": ["0"], "trainings": {"": {each.case_id: 0 for each in rows}}}
    crossed = summarize(write_rows(tmp_path / "sets", {"a": rows}, **sets))
    assert any(note.startswith("FEW SCENES: B 7.") for note in crossed.notes)
    assert [(each.images, each.scenes) for each in summary.comparisons] == [(8, 8)]
    report = json.loads(render_report(make_report(few), "json"))
    tables = {each["slug"]: each["tables"] for each in report["sections"]}
    for table in (tables["leaderboard"][0], tables["better"][0]):
        assert table["rows"][0][table["header"].index("scenes")] == 8
    assert " 8/8 " in render_comparison(compare_runs(few, few), "text")
    many = [row("m", str(number), GOOD, group=str(number // 2)) for number in range(100)]  # 50 scenes of two copies
    assert not any("FEW SCENES" in note for note in summarize(write_rows(tmp_path / "many", {"m": many})).notes)
