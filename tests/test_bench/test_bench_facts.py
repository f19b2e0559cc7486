"""What a source knows of a case, and what its masks leave open, in rows, tables and the report."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from hybridseg.bench import read_run
from hybridseg.bench.report.breakdown import parts
from hybridseg.bench.report.facts import RunFacts
from hybridseg.cli import main
from hybridseg.data.facts import fact_title


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two cases of 6 x 10 pixels, scored from masks; the first truth has labels and 255."""
    lines = ["image,mask,label,device,birads,marks"]
    for name, device in (("a", "GE"), ("b", "Toshiba")):
        for folder in ("images", "masks", "pred"):
            (tmp_path / folder).mkdir(exist_ok=True)
        truth = np.zeros((6, 10), np.uint8)
        truth[1] = 1
        if name == "a":
            truth[0, :4] = 255
        Image.fromarray(truth).save(tmp_path / f"masks/{name}.png")
        Image.fromarray(np.zeros((6, 10), np.uint8)).save(tmp_path / f"images/{name}.png")
        predicted = np.zeros((6, 10), bool)
        predicted[:2, :6] = True
        Image.fromarray(predicted).save(tmp_path / f"pred/{name}.png")
        lines.append(f"images/{name}.png,masks/{name}.png,benign,{device},4,{'no' if name == 'a' else 'yes'}")
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    done = CliRunner().invoke(main, [
        "score", "--truth", str(tmp_path / "data.csv"), "--pred", str(tmp_path / "pred"), "-o", str(tmp_path / "run")
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "4 pixels of 1 images are ignored, as their masks say: in no count." in " ".join(done.output.split())
    return tmp_path / "run"


def test_ignored_pixels_are_in_no_count(run: Path) -> None:
    first, second = read_run(run)[1]
    assert (first.tp, first.fp, first.fn, first.tn, first.ignored) == (6, 2, 4, 44, 4)  # 6 x 10 less 4
    assert (second.tp, second.fp, second.fn, second.tn, second.ignored) == (6, 6, 4, 44, 0)


def test_facts_travel_into_rows_csv_and_report(run: Path) -> None:
    assert [row.facts for row in read_run(run)[1]] == [
        {"device": "GE", "birads": "4", "marks": "no"}, {"device": "Toshiba", "birads": "4", "marks": "yes"}
    ]  # fmt: skip
    with open(run / "cases.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["device"], row["birads"], row["ignored"]) for row in rows] == [("GE", "4", "4"), ("Toshiba", "4", "0")]
    section = parts(RunFacts(run))
    assert [table.caption for table in section.tables][1:] == [
        "By device.", "By callipers or captions in the image."
    ]  # fmt: skip
    assert section.tables[1].header == ("method", "GE (n = 1 of 1)", "Toshiba (n = 1 of 1)")
    assert any("No table by BI-RADS: all lesion images have the same, 4." in text.text for text in section.texts)


def test_a_fact_is_written_for_readers() -> None:
    assert fact_title("combined") == "views combined in one image"
    assert fact_title("probe_type") == "probe type"  # a fact of somebody's own layout


def test_a_missing_prediction_counts_no_ignored_pixel(run: Path) -> None:
    (run.parent / "pred/a.png").unlink()
    arguments = ["score", "--truth", str(run.parent / "data.csv"), "--pred", str(run.parent / "pred")]
    assert CliRunner().invoke(main, [*arguments, "-o", str(run.parent / "again")]).exit_code == 1
    first = read_run(run.parent / "again")[1][0]
    assert (first.tp, first.fp, first.fn, first.tn, first.ignored) == (0, 0, 10, 46, 4)
