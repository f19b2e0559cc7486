"""Pictures of a report: they fit their rows, and what isn't shown is said."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _reports import HOSTILE, command, row, section, words
from click.testing import CliRunner

from hybridseg.bench import make_plan, read_run, run_plan
from hybridseg.bench.records.folder import RunFolder, encode_mask, read_row_mask, write_row_mask
from hybridseg.bench.report import make_report, render_report
from hybridseg.bench.report.overlays import BUDGET_BYTES, outline_path
from hybridseg.bench.run.score import score_masks
from hybridseg.cli import main
from hybridseg.data import grouped_folds, load_dataset
from hybridseg.images import write_mask


def test_outline_of_a_square_by_hand() -> None:
    mask = np.zeros((6, 6), bool)
    mask[2:4, 1:5] = True  # rows 2 and 3, columns 1 to 4: from (1, 2) to (5, 4) in pixels' corners, cut at the corners
    points = np.array([[float(n) for n in p.split()] for p in re.split("[MLZ]+", outline_path(mask, 2.0)) if p])
    assert points.min(axis=0).tolist() == [2.0, 4.0]
    assert points.max(axis=0).tolist() == [10.0, 8.0]
    assert outline_path(np.zeros((6, 6), bool), 2.0) == ""
    assert outline_path(np.ones((1, 1), bool), 1.0).startswith("M")


def test_a_mask_comes_back_only_if_it_is_its_rows(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    mask = np.zeros((10, 10), bool)
    mask[2:5, 3:8] = True
    fitting = row("m", "a/../b\n<c>", (10, 5, 5, 80))
    assert read_row_mask(folder, "cell", fitting) is None
    write_row_mask(folder, "cell", fitting.case_id, encode_mask(mask))
    path = folder.mask("cell", fitting.case_id)
    assert path.parent == tmp_path / "masks" / "cell" and re.fullmatch("[0-9a-f]+.png", path.name)
    assert (read_row_mask(folder, "cell", fitting) == mask).all()
    assert read_row_mask(folder, "cell", row("m", fitting.case_id, (10, 6, 5, 79))) is None
    assert read_row_mask(folder, "cell", replace(fitting, height=20, width=5)) is None
    path.write_bytes(path.read_bytes()[:30])
    assert read_row_mask(folder, "cell", fitting) is None
    path.write_bytes(b"not a picture")
    assert read_row_mask(folder, "cell", fitting) is None


def test_a_run_keeps_the_masks_that_it_scores(tmp_path: Path) -> None:
    data = load_dataset("phantoms[n=4,seed=0]")
    plan = make_plan(data, grouped_folds(data, 2), ["otsu"], "hybridseg.registry:create", split_name="two")
    run_plan(plan, tmp_path / "run")
    description, records = read_run(tmp_path / "run")
    assert description["source"] == "phantoms[n=4,seed=0]"
    stems = {cell["fold"]: cell["file"] for cell in description["cells"]}
    for record in records:
        mask = read_row_mask(RunFolder(tmp_path / "run"), stems[record.fold], record)
        truth = next(case for case in data if case.case_id == record.case_id).mask
        assert int((mask & truth).sum()) == record.tp
    page = render_report(make_report(tmp_path / "run"), "html")
    assert page.count('class="panel"') >= 3


def test_pictures_are_shown_once_and_outlines_each_time(pictured: Path) -> None:
    document = make_report(pictured)
    assert len(document.pictures) == len(HOSTILE)  # every lesion, and the false alarm
    panels = [panel for row in section(document, "disagreement").panels for panel in row.panels]
    assert len(panels) == 2 * len(section(document, "disagreement").panels) > 0
    page = render_report(document, "html")
    assert page.count("data:image/jpeg;base64,") == len(document.pictures)
    assert len(set(re.findall(r'<use href="#(case\d+)"', page))) == len(document.pictures)


@pytest.mark.parametrize("answer", ["NO", "YES"])
def test_pictures_that_may_name_a_patient_are_said(tmp_path: Path, answer: str) -> None:
    files = pytest.importorskip("dicom_files")
    truth, pred = tmp_path / "data", tmp_path / "pred"
    mask = np.eye(20, dtype=bool)
    for folder in (truth, pred):
        folder.mkdir()
        write_mask(folder / "a_mask.png", mask)
    grey = np.full(mask.shape, 90, np.uint8)
    (truth / "a.dcm").write_bytes(files.to_bytes(files.dataset(grey, BurnedInAnnotation=answer)))
    score_masks(load_dataset(truth), pred, tmp_path / "run")
    result = CliRunner().invoke(main, ["report", str(tmp_path / "run")])
    page = (tmp_path / "run" / "report.html").read_text()
    assert "data:image/jpeg" in page, result.output
    for text in (page, result.stderr):
        assert ("may have the patient" in text) == (answer == "YES")


def test_small_budget_says_so(pictured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BUDGET_BYTES < 8e6
    monkeypatch.setattr("hybridseg.bench.report.overlays.BUDGET_BYTES", 2000)
    document = make_report(pictured)
    assert 0 < len(document.pictures) < len(HOSTILE)
    assert "left out to keep this file small" in words(document, "examples")


def test_without_data_or_masks_the_report_says_why(pictured: Path, run: Path, tmp_path: Path) -> None:
    assert "doesn't say where its images are" in words(make_report(run), "examples")
    images = sorted((tmp_path / "data").rglob("*.png"))
    shutil.copytree(tmp_path / "data", tmp_path / "moved")
    shutil.rmtree(tmp_path / "data")
    assert images and "not where the run found them" in words(make_report(pictured), "examples")
    assert make_report(pictured, data=tmp_path / "moved").pictures
    shutil.rmtree(pictured / "masks")
    document = make_report(pictured, data=tmp_path / "moved")
    assert "kept no masks" in words(document, "examples") and "kept no masks" in words(document, "disagreement")
    assert not document.pictures


def test_images_that_changed_are_not_shown(pictured: Path, tmp_path: Path) -> None:
    changed = tmp_path / "data" / "benign" / f"{HOSTILE[0]}_mask.png"
    write_mask(changed, np.ones((40, 50), bool))
    document = make_report(pictured)
    assert len(document.pictures) == len(HOSTILE) - 1
    assert "pictures are missing" in words(document, "examples")


def test_no_pictures_means_none(pictured: Path) -> None:
    result = command(pictured, "--no-pictures")
    assert result.exit_code == 0, result.output
    assert "data:image" not in (pictured / "report.html").read_text()
