"""`hybridseg segment` on DICOM and on several pages: masks, measurements, DICOM SEG, and whose name goes where."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

from dicom_files import INSTANCE, dataset, region, to_bytes  # noqa: E402
from pydicom.uid import UltrasoundMultiFrameImageStorage  # noqa: E402

from hybridseg.cli import main  # noqa: E402
from hybridseg.images import read_image, read_mask  # noqa: E402

METHOD = '''
import numpy as np
from hybridseg import Segmenter


class Dark(Segmenter):
    """Pixels below 50."""

    def _predict_proba(self, image):
        return (image < 50).astype(np.float32)
'''
NOTE = "may have the patient's name in the picture"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(METHOD)
    return tmp_path


def scan(rows: int = 10) -> np.ndarray:
    """A grey 40 x 60 image with a dark patch, 20 columns wide."""
    image = np.full((40, 60), 120, np.uint8)
    image[10 : 10 + rows, 20:40] = 10
    return image


def segment(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["segment", "-m", "mine.py:Dark", *arguments], prog_name="hybridseg")


def names() -> set[str]:
    return {path.name for path in Path().iterdir() if path.is_file()} - {"mine.py"}


def test_mask_and_measurements_in_mm(here: Path) -> None:
    Path("a.dcm").write_bytes(to_bytes(dataset(scan(), SequenceOfUltrasoundRegions=[region(0.03, 0.02)])))
    Image.fromarray(np.full((4, 5), 90, np.uint8)).save("b.png")
    result = segment("a.dcm", "b.png", "--measure", "sizes.csv")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(read_mask("a_mask.png"), scan() < 50)
    assert NOTE in result.stderr and "1 of 2 files" in result.stderr
    with open("sizes.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    # 10 x 20 pixels of 0.3 x 0.2 mm: 3 x 4 mm
    assert rows[0] == {
        "image": "a.dcm", "frame": "", "mask": "a_mask.png", "height": "40", "width": "60",
        "row_mm": "0.3", "column_mm": "0.2", "lesion": "1", "row": "14.5", "column": "29.5", "area_px": "200",
        "long_px": "22.36068", "short_px": "17.888544", "area_mm2": "12.0", "long_mm": "5.0", "short_mm": "4.8",
        "largest_probability": "1.0", "mean_probability": "1.0", "in_scope": "", "image_confidence": "",
        "refused": "False", "confidence": "",
    }  # fmt: skip
    assert (rows[1]["image"], rows[1]["lesion"], rows[1]["area_px"], rows[1]["area_mm2"]) == ("b.png", "0", "0", "")
    assert segment("b.png", "-o", "out", "--measure", "sizes.json").exit_code == 0
    assert json.loads(Path("sizes.json").read_text("utf-8"))[0]["row_mm"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--measure", "sizes.txt"], "`--measure` must end in .csv or .json, got sizes.txt"),
        (["--measure", "missing/sizes.csv"], "there is no folder missing"),
        (["--measure", "old.csv"], "old.csv exists"),
        (["--keep-patient"], "`--keep-patient` needs `--dicom-seg`"),
    ],
)
def test_refused_before_anything_is_written(here: Path, arguments: list[str], message: str) -> None:
    Path("a.dcm").write_bytes(to_bytes(dataset(scan())))
    Path("old.csv").write_text("old")
    result = segment("a.dcm", *arguments)
    assert result.exit_code == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1
    assert names() == {"a.dcm", "old.csv"}


def test_dicom_seg_names_the_image_and_not_the_patient(here: Path) -> None:
    Path("a.dcm").write_bytes(to_bytes(dataset(scan(), BurnedInAnnotation="NO")))
    assert segment("a.dcm", "--dicom-seg").stderr == ""
    made = pydicom.dcmread("a_seg.dcm")
    np.testing.assert_array_equal(made.pixel_array, scan() < 50)
    assert made.SOPClassUID.name == "Segmentation Storage"
    assert made.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == INSTANCE
    data = Path("a_seg.dcm").read_bytes()
    for secret in (b"Doe", b"P0042", b"A123", b"House", b"S77", b"19700101", b"20200102", b"030405", b"Maker"):
        assert secret not in data, secret
    np.testing.assert_array_equal(read_mask("a_seg.dcm"), scan() < 50)
    assert segment("a.dcm", "--dicom-seg", "--keep-patient", "--existing", "overwrite").exit_code == 0
    kept = pydicom.dcmread("a_seg.dcm")
    assert (kept.PatientName, kept.PatientID, kept.StudyDate) == ("Doe^Jane", "P0042", "20200102")
    assert kept.SOPInstanceUID == made.SOPInstanceUID  # the same mask of the same image


def test_dicom_seg_of_an_image_without_what_a_file_has_in_front(here: Path) -> None:
    whole = to_bytes(dataset(scan(), BurnedInAnnotation="NO"))
    meta_bytes = 12 + int.from_bytes(whole[140:144], "little")  # the length of group 2 is its first element
    for name, data in (("whole", whole), ("no_preamble", whole[132:]), ("bare", whole[132 + meta_bytes :])):
        Path(f"{name}.dcm").write_bytes(data)
        assert segment(f"{name}.dcm", "--dicom-seg").stderr == ""
    uids = {pydicom.dcmread(f"{name}_seg.dcm").SOPInstanceUID for name in ("whole", "no_preamble", "bare")}
    assert len(uids) == 1


def test_frames(here: Path) -> None:
    loop = dataset(np.stack([scan(10), scan(20)]), frames=2, SOPClassUID=UltrasoundMultiFrameImageStorage)
    Path("a.dcm").write_bytes(to_bytes(loop))
    result = segment("a.dcm", "--dicom-seg", "--overlay", "--measure", "sizes.json")
    assert result.exit_code == 0, result.output
    written = {f"a_{kind}_{n:04}.{end}" for n in (1, 2) for kind, end in
               (("mask", "png"), ("overlay", "png"))}  # fmt: skip
    assert names() == {"a.dcm", "a_seg.dcm", "sizes.json", *written}
    made = pydicom.dcmread("a_seg.dcm")
    np.testing.assert_array_equal(made.pixel_array, np.stack([scan(10), scan(20)]) < 50)
    for number, rows in ((1, 10), (2, 20)):
        np.testing.assert_array_equal(read_mask(f"a_mask_{number:04}.png"), scan(rows) < 50)
        group = made.PerFrameFunctionalGroupsSequence[number - 1]
        assert group.FrameContentSequence[0].DimensionIndexValues == [1, number]
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPClassUID == UltrasoundMultiFrameImageStorage
        assert source.ReferencedFrameNumber == number
    sizes = json.loads(Path("sizes.json").read_text("utf-8"))
    assert [(row["frame"], row["area_px"]) for row in sizes] == [(1, 200), (2, 400)]
    assert segment(".", "-o", "out", "-q").exit_code == 0  # what was written isn't taken for images
    assert {path.name for path in Path("out").iterdir()} == {"a_mask_0001.png", "a_mask_0002.png"}


def test_a_dicom_seg_of_frames_whose_masks_are_there(here: Path) -> None:
    loop = dataset(np.stack([scan(10), scan(20), scan(5)]), frames=3, SOPClassUID=UltrasoundMultiFrameImageStorage)
    Path("a.dcm").write_bytes(to_bytes(loop))
    assert segment("a.dcm").exit_code == 0
    result = segment("a.dcm", "--dicom-seg", "--existing", "skip")
    assert result.exit_code == 0 and "a_mask" not in result.stdout  # nothing but what was missing is made
    made = pydicom.dcmread("a_seg.dcm")
    np.testing.assert_array_equal(made.pixel_array, np.stack([scan(10), scan(20), scan(5)]) < 50)
    np.testing.assert_array_equal(read_mask("a_seg.dcm", 1), scan(20) < 50)


def test_frames_that_are_there_already(here: Path) -> None:
    pages = [Image.fromarray(scan(10)), Image.fromarray(scan(20))]
    pages[0].save("a.tif", save_all=True, append_images=pages[1:])
    Path("a_mask_0002.png").write_bytes(b"old")
    refused = segment("a.tif")
    assert refused.exit_code == 1 and "a_mask_0002.png exists; give -o DIR" in refused.stderr
    assert segment("a.tif", "--existing", "skip").exit_code == 0
    assert Path("a_mask_0002.png").read_bytes() == b"old"
    np.testing.assert_array_equal(read_mask("a_mask_0001.png"), scan(10) < 50)
    Image.fromarray(scan()).save("a_mask_0002.png")
    refused = segment("a.tif", "a_mask_0002.png", "--existing", "overwrite")
    assert refused.exit_code == 1 and "a_mask_0002.png would be written over an input image" in refused.stderr
    np.testing.assert_array_equal(read_image("a_mask_0002.png"), scan())


def test_no_dicom_seg_of_a_png(here: Path) -> None:
    Image.fromarray(scan()).save("a.png")
    result = segment("a.png", "--dicom-seg")
    assert result.exit_code == 1 and "only a DICOM image can have a DICOM SEG" in result.stderr
    assert names() == {"a.png"}
