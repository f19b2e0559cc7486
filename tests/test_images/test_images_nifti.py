"""NIfTI of one 2-D picture: read as written, in a data set too; anything else is one line."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from hybridseg.data import load_dataset
from hybridseg.images import ImageError, read_facts, read_image, read_mask, read_size

nibabel = pytest.importorskip("nibabel")
GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20  # 3 rows, 4 columns


def save(path: Path, rows: np.ndarray, zooms: tuple[float, float] | None = None, unit: str | None = None) -> Path:
    """Write rows x columns as ITK does: columns first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = nibabel.Nifti1Image(rows.T, np.eye(4), dtype=rows.dtype)
    if zooms:
        picture.header.set_zooms(zooms[::-1])
    picture.header.set_xyzt_units(unit)
    nibabel.save(picture, path)
    return path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float64])
def test_a_picture_is_read_as_written(tmp_path: Path, ending: str, kind: type) -> None:
    path = save(tmp_path / f"a{ending}", GREY.astype(kind))
    np.testing.assert_array_equal(read_image(path), GREY)
    assert read_size(path) == (3, 4)


def test_spacing_is_told_where_the_file_gives_a_unit(tmp_path: Path) -> None:
    assert read_facts(save(tmp_path / "a.nii", GREY, (0.1, 0.2), "mm")).spacing_mm == pytest.approx((0.1, 0.2))
    assert read_facts(save(tmp_path / "b.nii", GREY, (0.1, 0.2))).spacing_mm is None
    assert read_facts(save(tmp_path / "c.nii", GREY, (1, 1), "mm")).spacing_mm is None


def test_a_data_set_of_nifti(tmp_path: Path) -> None:
    labels = np.zeros((3, 4), np.int16)
    labels[1, 2] = 1
    save(tmp_path / "imagesTr/case_1_0000.nii.gz", GREY)
    save(tmp_path / "labelsTr/case_1.nii.gz", labels)
    (case,) = load_dataset(tmp_path)
    assert case.case_id == "case_1" and np.argwhere(case.mask).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (np.zeros((3, 4, 5), np.uint8), r"shape \(5, 4, 3\), expected one 2-D picture"),
        (np.full((3, 4), -1, np.int16), "values from -1 to -1, expected 0 to 65535"),
        (np.full((3, 4), 0.5) * np.nan, "floating-point values must lie in"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, rows: np.ndarray, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        read_image(save(tmp_path / "a.nii", rows))


def test_damage_and_bombs_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.nii", GREY)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ImageError, match=r"a\.nii: "):
        read_mask(path)
    monkeypatch.setattr("hybridseg.images.nifti._MAX_BYTES", 1000)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(bytes(2000)))
    with pytest.raises(ImageError, match="larger than 1000 bytes when unpacked"):
        read_image(tmp_path / "b.nii.gz")
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ImageError, match=r'needs nibabel: pip install "hybridseg\[nifti\]"'):
        read_image(path)


def test_a_header_that_is_not_by_the_book_is_not_spoken_of(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """nibabel logs it, and warns of an extension of an odd size: neither is a line of ours."""
    data = bytearray(save(tmp_path / "a.nii", GREY).read_bytes())
    data[252:254] = b"\x3f\0"  # qform_code
    data[348:360] = b"\1\0\0\0" + (9).to_bytes(4, "little") + bytes(4)
    (tmp_path / "a.nii").write_bytes(data)
    assert read_image(tmp_path / "a.nii").shape == GREY.shape
    assert not caplog.records and capfd.readouterr() == ("", "")
