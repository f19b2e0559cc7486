"""Segmenting files from Python does what the command does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hybridseg import read_image
from hybridseg.batch import DicomSeg, Output, Overlay, plan_batch
from hybridseg.batch.formats import KINDS, OUR_OUTPUT
from hybridseg.images import read_mask, write_image
from hybridseg.registry import create


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(2):
        image = np.full((40, 50), 200, np.uint8)
        image[10:25, 15:30] = 20 + number
        write_image(tmp_path / "in" / f"scan{number}.png", image)
    return tmp_path


def test_a_folder_is_segmented_as_by_the_command(folder: Path) -> None:
    masks, table = folder / "masks", folder / "sizes.csv"
    batch = plan_batch([str(folder / "in")], masks, method="otsu", outputs=[Overlay()], table=table)
    assert not masks.exists()
    assert [done.error for done in batch.run()] == ["", ""]
    names = [f"scan{number}_{kind}.png" for number in range(2) for kind in ("mask", "overlay")]
    assert sorted(path.name for path in masks.iterdir()) == names
    image = folder / "in" / "scan0.png"
    np.testing.assert_array_equal(read_mask(masks / "scan0_mask.png"), create("otsu").predict(read_image(image)))
    assert len(table.read_text().splitlines()) == 3


def test_an_output_without_its_package_is_refused_before_anything_is_done(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr("hybridseg.batch.outputs.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'output `seg` needs highdicom: pip install "hybridseg\[dicom\]"'):
        plan_batch([str(folder / "in")], method="otsu", outputs=[DicomSeg()])


def test_every_output_is_known_by_its_name() -> None:
    for kind in KINDS:
        stem, _, ending = kind.suffix.partition(".")
        assert OUR_OUTPUT.search(f"scan{stem}.{ending}") and OUR_OUTPUT.search(f"scan{stem}_0002.{ending}")
    assert not OUR_OUTPUT.search("scan_seg.png")


def test_an_output_that_says_neither_frame_nor_file_is_refused(folder: Path) -> None:
    with pytest.raises(TypeError, match="`outputs` must be of FrameOutput or FileOutput, got Output"):
        plan_batch([str(folder / "in")], method="otsu", outputs=[Output()])
