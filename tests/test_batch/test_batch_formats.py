"""What other tools read of a mask: read back, it is the same mask."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hybridseg.batch.formats import FORMATS, Coco, GeoJson, LabelStudio, Nifti, Nrrd, Yolo
from hybridseg.batch.outputs import Frame
from hybridseg.cli import main
from hybridseg.images import read_facts, read_mask, write_image


@pytest.fixture
def frame() -> Frame:
    """A ring of 12 pixels, two pixels that touch at a corner, and the picture's last pixel."""
    mask = np.zeros((7, 10), bool)
    mask[1:5, 1:5] = True
    mask[2:4, 2:4] = False
    mask[1, 7] = mask[2, 8] = mask[6, 9] = True
    probability = np.where(mask, np.float32(0.75), np.float32(0.25))
    return Frame("scan.png", "otsu", np.zeros(mask.shape, np.uint8), mask, probability, (0.1, 0.2))


def filled(rings: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """The pixels whose centre lies inside an odd number of rings (x, y), by ray casting."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = np.zeros(shape, bool)
    for ring in rings:
        for (x1, y1), (x2, y2) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if y1 != y2:
                inside ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside


def test_geojson_is_the_mask_with_its_hole(frame: Frame, tmp_path: Path) -> None:
    GeoJson().write(tmp_path / "a.geojson", frame)
    features = json.loads((tmp_path / "a.geojson").read_text("utf-8"))["features"]
    assert [each["properties"]["area_px"] for each in features] == [12, 2, 1]
    assert {each["properties"]["score"] for each in features} == {0.75}
    rings = [np.array(ring) for each in features for ring in each["geometry"]["coordinates"]]
    assert len(rings) == 4 and all((ring[0] == ring[-1]).all() for ring in rings)
    np.testing.assert_array_equal(filled([ring[:-1] for ring in rings], frame.mask.shape), frame.mask)


def test_coco_yolo_and_label_studio_agree_on_the_outer_outlines(frame: Frame, tmp_path: Path) -> None:
    for kind in (Coco, Yolo, LabelStudio):
        kind().write(tmp_path / kind.name, frame)
    whole = frame.mask.copy()
    whole[2:4, 2:4] = True  # no holes there
    coco = json.loads((tmp_path / "coco").read_text("utf-8"))
    assert coco["images"] == [{"id": 1, "file_name": "scan.png", "height": 7, "width": 10}]
    assert [each["area"] for each in coco["annotations"]] == [12, 2, 1]
    assert coco["annotations"][0]["bbox"] == [1, 1, 4, 4]
    rings = [np.reshape(each["segmentation"][0], (-1, 2)) for each in coco["annotations"]]
    np.testing.assert_array_equal(filled(rings, whole.shape), whole)
    lines = [line.split() for line in (tmp_path / "yolo").read_text("utf-8").splitlines()]
    assert {line[0] for line in lines} == {"0"}
    shares = [np.reshape(np.array(line[1:], float), (-1, 2)) * (10, 7) for line in lines]
    (task,) = json.loads((tmp_path / LabelStudio.name).read_text("utf-8"))
    (prediction,) = task["predictions"]
    points = [np.array(each["value"]["points"]) * (0.1, 0.07) for each in prediction["result"]]
    for ring, share, point in zip(rings, shares, points, strict=True):
        np.testing.assert_allclose(share, ring, atol=1e-5)
        np.testing.assert_allclose(point, ring, atol=1e-9)


def test_nrrd_holds_columns_rows_and_one_slice(frame: Frame, tmp_path: Path) -> None:
    Nrrd().write(tmp_path / "a.nrrd", frame)
    header, _, pixels = (tmp_path / "a.nrrd").read_bytes().partition(b"\n\n")
    fields = dict(line.split(": ") for line in header.decode("ascii").splitlines()[2:])
    assert (fields["sizes"], fields["space directions"]) == ("10 7 1", "(0.2,0,0) (0,0.1,0) (0,0,1)")
    values = np.frombuffer(gzip.decompress(pixels), np.uint8).reshape(7, 10)
    np.testing.assert_array_equal(values, frame.mask)


def test_nifti_is_read_as_it_was_written(frame: Frame, tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    Nifti().write(tmp_path / "a.nii.gz", frame)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.nii.gz"), frame.mask)
    assert read_facts(tmp_path / "a.nii.gz").spacing_mm == pytest.approx((0.1, 0.2))


def test_every_format_is_written_by_the_command(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    image = np.full((40, 50), 200, np.uint8)
    image[10:20, 10:30] = 20
    write_image(tmp_path / "scan.png", image)
    options = [word for kind in FORMATS for word in ("--format", kind.name)]
    command = ["segment", str(tmp_path), "-m", "otsu", *options]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    expected = {"scan.png", "scan_mask.png", *(f"scan{kind.suffix}" for kind in FORMATS)}
    assert {path.name for path in tmp_path.iterdir()} == expected
    again = CliRunner().invoke(main, [*command, "--existing", "skip"])
    assert again.stdout.startswith("nothing to do") and again.stderr == ""
