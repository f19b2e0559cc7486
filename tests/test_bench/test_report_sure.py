"""The report's chapter on confidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _reports import row, write_run
from click.testing import CliRunner

from hybridseg.bench import Record, read_run
from hybridseg.bench.records.cells import CellFile, FitRecord
from hybridseg.bench.report.document import Section
from hybridseg.bench.report.facts import RunFacts
from hybridseg.bench.report.sure import how_sure
from hybridseg.cli import main

RIGHT, WRONG, ALARM, NOTHING = (30, 0, 0, 70), (0, 10, 30, 60), (0, 20, 0, 80), (0, 0, 0, 100)


def chapter(root: Path, rows: dict[str, list[Record]]) -> Section:
    return how_sure(RunFacts(write_run(root, rows)))


def test_what_a_confidence_is_worth(tmp_path: Path) -> None:
    answers = [(RIGHT, 0.95)] * 5 + [(WRONG, 0.55)] * 2 + [(NOTHING, 0.95)] * 2 + [(ALARM, 0.55)]
    rows = [row("m", f"c{k}", counts, raw_confidence=sure, confidence=sure) for k, (counts, sure) in enumerate(answers)]
    section = chapter(tmp_path, {"m": rows})
    errors, coverage = section.tables
    # seven right ones are 0.05 off, three wrong ones 0.55
    (line,) = errors.rows
    assert [cell.text for cell in line[:3]] == ["m", "10", "70.0"]
    assert line[3].value == line[4].value == pytest.approx(0.05 * 0.7 + 0.55 * 0.3)
    assert line[5].text == "itself"
    (line,) = coverage.rows
    means = dict(zip(coverage.header[1:], (cell.value for cell in line[1:]), strict=True))
    assert means["F1, 0 % left out"] == 5 / 7
    assert means["F1, 30 % left out"] == 1.0
    assert (means["wrong %"], means["wrong %, 20 % left out"]) == pytest.approx((30.0, 12.5))
    assert "the rest has F1" in section.texts[1].text
    curve, bins = (figure.svg for figure in section.figures)
    assert curve.count('class="dot s0"') == 5  # a point for each share that is left out
    assert curve.count('class="curve"') == 1
    assert (bins.count('class="dot s0"'), bins.count('class="dot s1"')) == (3, 3)  # two bins and a legend


def test_other_folds_calibrate_where_a_method_doesnt(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for k in range(400):
        raw = rng.uniform(0.5, 0.99)
        counts = RIGHT if rng.random() < raw**3 else WRONG
        rows.append(row("m", f"c{k}", counts, raw_confidence=raw))
    cells = [{"method": "m", "fold": fold, "file": f"cell{fold}", "cases": 200} for fold in (0, 1)]
    run = write_run(tmp_path / "two", {"m": rows[:200]}, n_folds=2, cells=cells)
    with CellFile(run / "cells" / "cell1.jsonl") as file:
        file.append(FitRecord(1.0, {}))
        for each in rows[200:]:
            file.append(replace(each, fold=1))
    (line,) = how_sure(RunFacts(run)).tables[0].rows
    assert line[5].text == "other folds"
    assert line[4].value < 0.1 < line[3].value
    (line,) = chapter(tmp_path / "one", {"m": rows}).tables[0].rows
    assert [cell.text for cell in line[4:]] == ["-", "-"]


def test_masks_alone_tell_nothing(tmp_path: Path) -> None:
    section = chapter(tmp_path, {"m": [row("m", "a", RIGHT)]})
    assert not section.tables
    assert "masks alone don't" in section.texts[0].text


def test_rows_of_a_run_tell_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, ["bench", "-m", "otsu-textbook", "--data", "phantoms", "--no-cost", "-o", str(tmp_path / "run")]
    )
    assert done.exit_code == 0, done.output
    _, records = read_run(tmp_path / "run")
    assert all(0 <= record.raw_confidence <= 1 and record.confidence is None for record in records)
    assert "raw_confidence" in (tmp_path / "run" / "cases.csv").read_text().splitlines()[0]
    page = CliRunner().invoke(main, ["report", str(tmp_path / "run"), "--format", "csv", "-o", str(tmp_path / "r.csv")])
    assert page.exit_code == 0, page.output
    assert "error raw" in (tmp_path / "r.csv").read_text()
