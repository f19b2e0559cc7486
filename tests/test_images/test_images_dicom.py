"""DICOM: which grey comes out, what distance its pixels have, and what is refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pydicom = pytest.importorskip("pydicom")

from dicom_files import dataset, packed, region, to_bytes  # noqa: E402
from pydicom import uid  # noqa: E402
from pydicom.data import get_testdata_file  # noqa: E402

from hybridseg import Segmenter  # noqa: E402
from hybridseg.bench.plan import Cell, Method  # noqa: E402
from hybridseg.bench.records.cells import json_line, parse_lines  # noqa: E402
from hybridseg.bench.run.cell import predict_case  # noqa: E402
from hybridseg.data import FileCase  # noqa: E402
from hybridseg.images import (  # noqa: E402
    ImageError,
    decode,
    dicom,
    find_facts,
    read_facts,
    read_image,
    read_mask,
)

GREY = np.array([[0, 10, 20], [100, 200, 255]], dtype=np.uint8)


def grey(array: np.ndarray, photometric: str = "MONOCHROME2", frame: int | None = None, **options: Any) -> Any:
    return decode(to_bytes(dataset(array, photometric, **options)), "x", frame).to_grey().tolist()


def test_monochrome(tmp_path: Path) -> None:
    assert grey(GREY) == GREY.tolist()
    assert grey(GREY, "MONOCHROME1") == (255 - GREY).tolist()
    (tmp_path / "without ending").write_bytes(to_bytes(dataset(GREY)))
    np.testing.assert_array_equal(read_image(tmp_path / "without ending"), GREY)


def test_colour_has_itu_weights() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [77, 77, 77]]], dtype=np.uint8)
    assert grey(colours, "RGB") == [[76, 150, 29, 77]]
    planes = np.moveaxis(colours, -1, 0).copy()
    image = dataset(colours, "RGB", PlanarConfiguration=1, PixelData=planes.tobytes())
    assert decode(to_bytes(image), "x").to_grey().tolist() == [[76, 150, 29, 77]]
    # Y is the grey; chroma of 128 is none
    assert grey(np.array([[[10, 128, 128], [200, 128, 128]]], dtype=np.uint8), "YBR_FULL") == [[10, 200]]


def test_deep_grey_without_a_window_is_the_upper_byte_of_the_declared_range() -> None:
    assert grey(np.array([[0, 0x7FF, 0xFFF]], dtype=np.uint16), stored=12) == [[0, 0x7F, 0xFF]]
    assert grey(np.array([[0, 0x7FF, 0xFFF]], dtype=np.uint16), "MONOCHROME1", stored=12) == [[255, 128, 0]]
    assert grey(np.array([[-32768, 0, 32767]], dtype=np.int16), signed=True) == [[0, 128, 255]]
    assert grey(np.array([[0, 3, 15]], dtype=np.uint8), stored=4) == [[0, 51, 255]]


@pytest.mark.parametrize(
    ("function", "centre", "width", "values", "expected"),
    [
        # C.11.2.1.2.1: black up to c - 0.5 - (w - 1) / 2, white above c - 0.5 + (w - 1) / 2
        ("LINEAR", 128, 256, [0, 77, 255], [0, 77, 255]),
        ("LINEAR", 100, 11, [94, 99, 100, 105], [0, 115, 140, 255]),  # (x - 99.5) / 10 + 0.5 = -.05, .45, .55, 1.05
        ("LINEAR", 100, 1, [99, 100], [0, 255]),
        ("LINEAR_EXACT", 100, 10, [95, 99, 105], [0, 102, 255]),  # (x - 100) / 10 + 0.5 = 0, .4, 1
        ("SIGMOID", 100, 40, [100, 110, 90], [128, 186, 69]),  # 1 / (1 + e^-1) = .731, .269
    ],
)
def test_windows(*, function: str, centre: float, width: float, values: list[int], expected: list[int]) -> None:
    array = np.array([values], dtype=np.uint8)
    options: dict[str, Any] = {"WindowCenter": centre, "WindowWidth": width, "VOILUTFunction": function}
    assert grey(array, **options) == [expected]
    assert grey(array, "MONOCHROME1", **options) == [[255 - value for value in expected]]


def test_rescale_comes_before_the_window_and_the_first_window_counts() -> None:
    # 2 x - 100: 0 -> -100, 100 -> 100, 178 -> 256; (v - 127.5) / 255 + 0.5
    array = np.array([[0, 100, 178]], dtype=np.uint16)
    options = {"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": [128, 5], "WindowWidth": [256, 9]}
    assert grey(array, **options) == [[0, 100, 255]]


def test_voi_table() -> None:
    item = pydicom.Dataset()
    item.LUTDescriptor = [3, 0, 8]
    item.add_new("LUTData", "US", [255, 51, 0])
    assert grey(np.array([[0, 1, 2, 9]], dtype=np.uint8), VOILUTSequence=[item]) == [[255, 51, 0, 0]]


def test_palette() -> None:
    image = dataset(np.array([[0, 1]], dtype=np.uint8), "PALETTE COLOR")
    for name in ("Red", "Green", "Blue"):
        setattr(image, f"{name}PaletteColorLookupTableDescriptor", [2, 0, 16])
        setattr(image, f"{name}PaletteColorLookupTableData", struct.pack("<2H", 0x1200, 0xFF00))
    assert decode(to_bytes(image), "x").to_grey().tolist() == [[0x12, 0xFF]]


def test_frames(tmp_path: Path) -> None:
    data = to_bytes(dataset(np.stack([GREY, 255 - GREY]), frames=2))
    assert find_facts(data, "x").frames == 2
    assert decode(data, "x", 1).to_grey().tolist() == (255 - GREY).tolist()
    with pytest.raises(ImageError, match="x: holds 2 pages or frames, expected one"):
        decode(data, "x")
    with pytest.raises(ImageError, match="x: has no frame 2: it holds 2, counted from 0"):
        decode(data, "x", 2)


def test_file_of_many_frames_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = to_bytes(dataset(np.stack([GREY, 255 - GREY]), frames=2))
    parsed, read = [], dicom.read_dataset
    monkeypatch.setattr(dicom, "read_dataset", lambda *given, **how: parsed.append(1) or read(*given, **how))
    frames = [decode(data, "x", frame).to_grey().tolist() for frame in (0, 1, 0)]
    assert frames == [GREY.tolist(), (255 - GREY).tolist(), GREY.tolist()]
    assert len(parsed) == 1


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
def test_file_without_its_front(tmp_path: Path, syntax: str) -> None:
    image = dataset(GREY)
    image.file_meta.TransferSyntaxUID = syntax
    for write in (with_meta, without_meta):
        data = write(image)
        assert data[128:132] != b"DICM"
        (tmp_path / "a.dcm").write_bytes(data)
        assert read_image(tmp_path / "a.dcm").tolist() == GREY.tolist()
        assert read_facts(tmp_path / "a.dcm").burnt_in_text
        for length in (140, 300, len(data) - 3):
            with pytest.raises(ImageError):
                decode(data[:length], "x")


def with_meta(image: Any) -> bytes:
    return to_bytes(image)[132:]


def without_meta(image: Any) -> bytes:
    stream = io.BytesIO()
    implicit = image.file_meta.TransferSyntaxUID == uid.ImplicitVRLittleEndian
    pydicom.dcmwrite(stream, image.copy(), implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    data = stream.getvalue()
    return data[data.index(b"\x08\0\x05\0") if b"\x08\0\x05\0" in data else data.index(b"\x08\0\x16\0") :]


def test_compressed() -> None:
    rle = dataset(np.stack([GREY, 255 - GREY]), frames=2)
    rle.compress(uid.RLELossless)
    assert decode(to_bytes(rle), "x", 1).to_grey().tolist() == (255 - GREY).tolist()
    flat = np.full((16, 24), 100, np.uint8)
    for file_format, syntax in (("JPEG", uid.JPEGBaseline8Bit), ("JPEG2000", uid.JPEG2000Lossless)):
        stream = io.BytesIO()
        options = {"no_jp2": True} if file_format == "JPEG2000" else {}
        Image.fromarray(flat).save(stream, format=file_format, **options)
        data = to_bytes(packed(dataset(flat), syntax, [stream.getvalue()]))
        np.testing.assert_array_equal(decode(data, "x").to_grey(), flat)


@pytest.mark.parametrize(
    ("name", "shape", "frames"),
    [("examples_palette.dcm", (350, 800), 1), ("examples_ybr_color.dcm", (240, 320), 30),
     ("SC_rgb_rle_2frame.dcm", (100, 100), 2), ("MR_small_RLE.dcm", (64, 64), 1),
     ("ExplVR_BigEnd.dcm", (60, 80), 1)],
)  # fmt: skip
def test_scanners_files(name: str, shape: tuple[int, int], frames: int) -> None:
    """Files of real machines that pydicom brings along, against its own arrays where those are 8-bit colour."""
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"this pydicom doesn't bring {name}")
    assert read_facts(path).frames == frames
    image = read_image(path, frame=frames - 1)
    assert image.shape == shape
    raw = pydicom.dcmread(path)
    if raw.PhotometricInterpretation == "RGB":
        array = raw.pixel_array if frames == 1 else raw.pixel_array[frames - 1]
        np.testing.assert_array_equal(image, np.asarray(Image.fromarray(array).convert("L")))


def test_masks() -> None:
    one_bit = dataset(np.zeros((1, 8), np.uint8), BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=b"\x05\0")
    assert decode(to_bytes(one_bit), "x").to_mask().tolist() == [[True, False, True] + 5 * [False]]
    for values in ([0, 255], [0, 1]):
        assert decode(to_bytes(dataset(np.array([values], np.uint8))), "x").to_mask().tolist() == [[False, True]]
    assert decode(to_bytes(dataset(np.array([[0, 2]], np.uint16))), "x").to_mask().tolist() == [[False, True]]


def spacing(**tags: Any) -> Any:
    return find_facts(to_bytes(dataset(GREY, **tags)), "x").spacing_mm


def test_spacing() -> None:
    assert spacing() is None
    assert spacing(PixelSpacing=[0.2, 0.1]) == (0.2, 0.1)
    one, same, other = region(0.008, 0.005), region(-0.008, 0.005), region(0.016, 0.005)
    assert spacing(SequenceOfUltrasoundRegions=[one], PixelSpacing=[9, 9]) == (0.08, 0.05)  # cm -> mm
    assert spacing(SequenceOfUltrasoundRegions=[one, same]) == (0.08, 0.05)
    assert spacing(SequenceOfUltrasoundRegions=[one, other]) is None  # two scales in one picture
    doppler = region(1, 1, RegionSpatialFormat=3, PhysicalUnitsXDirection=4)  # x is seconds
    assert spacing(SequenceOfUltrasoundRegions=[doppler, one]) == (0.08, 0.05)
    assert spacing(SequenceOfUltrasoundRegions=[doppler]) is None
    for wrong in ([0, 0], [-1, 1], [1e9, 1], [0.2], [0.2, 0.1, 0.3]):
        assert spacing(PixelSpacing=wrong) is None


@pytest.mark.parametrize("axis", ["X", "Y"])
def test_a_region_that_lacks_its_scale(axis: str) -> None:
    lacking = region(0.008, 0.005)
    delattr(lacking, f"PhysicalDelta{axis}")
    assert spacing(SequenceOfUltrasoundRegions=[lacking]) is None
    assert spacing(SequenceOfUltrasoundRegions=[region(0.008, 0.005), lacking], PixelSpacing=[9, 9]) is None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [({}, True), ({"BurnedInAnnotation": "NO"}, False), ({"BurnedInAnnotation": "YES", "Modality": "MR"}, True),
     ({"Modality": "MR"}, False)],
)  # fmt: skip
def test_burnt_in_text(tags: dict[str, Any], expected: bool) -> None:
    assert find_facts(to_bytes(dataset(GREY, **tags)), "x").burnt_in_text is expected


def test_a_case_knows_its_spacing(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(to_bytes(dataset(GREY, PixelSpacing=[0.2, 0.1])))
    Image.fromarray(GREY).save(tmp_path / "a.png")
    assert FileCase("a", "a", "", tmp_path / "a.dcm", ()).spacing_mm == (0.2, 0.1)
    assert FileCase("a", "a", "", tmp_path / "a.png", ()).spacing_mm is None


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"Rows": 0}, "has no pixels"),
        ({"Rows": 60_000, "Columns": 60_000}, "has 60000 x 60000 pixels, at most"),
        ({"Rows": 3}, "can't be decoded: The number of bytes of pixel data is less than expected"),
        ({"NumberOfFrames": 1_000_000}, "holds 1000000 pages or frames, at most 10000"),
        ({"NumberOfFrames": -3}, "says that it holds -3 frames"),
        ({"BitsAllocated": 32, "BitsStored": 32}, "has 32 bits stored in 32, at most 16 are read"),
        ({"BitsStored": 9}, "has 9 bits stored in 8"),
        ({"WindowCenter": 3, "WindowWidth": 0}, "has a window that means nothing"),
        ({"WindowCenter": 3, "WindowWidth": 2, "VOILUTFunction": "CUBIC"}, "has a window of a kind that isn't known"),
        ({"PhotometricInterpretation": "HSV"}, "has colours of a kind that isn't read .HSV."),
    ],
)
def test_refused_in_one_line(tags: dict[str, Any], reason: str) -> None:
    with pytest.raises(ImageError, match=f"^x: ({reason})") as caught:
        decode(to_bytes(dataset(GREY, **tags)), "x", 0)
    assert "\n" not in str(caught.value)


def test_what_holds_no_picture() -> None:
    image = dataset(GREY)
    del image.PixelData
    with pytest.raises(ImageError, match="x: is DICOM, but holds no picture in integers"):
        decode(to_bytes(image), "x")
    del image.Rows
    with pytest.raises(ImageError, match=r"x: is DICOM, but holds no picture$"):
        decode(to_bytes(image), "x")


def test_bombs_are_refused_before_they_unpack() -> None:
    image = dataset(GREY)
    image.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    with pytest.raises(ImageError, match=r"transfer syntax that isn't read \(1\.2\.840\.10008\.1\.2\.1\.99\)"):
        decode(to_bytes(image), "x")
    # a JPEG of another size than the header's
    stream = io.BytesIO()
    Image.fromarray(np.zeros((64, 3000), np.uint8)).save(stream, format="JPEG")
    data = to_bytes(packed(dataset(GREY), uid.JPEGBaseline8Bit, [stream.getvalue()]))
    with pytest.raises(ImageError, match="holds a frame of 64 x 3000, its header says 2 x 3"):
        decode(data, "x")
    # an RLE frame that repeats zeros without end
    bomb = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 2**22
    with pytest.raises(ImageError, match="has an RLE frame of 8388672 bytes, at most 8388608"):
        decode(to_bytes(packed(dataset(GREY), uid.RLELossless, [bomb])), "x")


def test_no_truncated_file_passes() -> None:
    data = to_bytes(dataset(GREY, PixelSpacing=[1, 1]))
    for length in range(132, len(data), 7):
        with pytest.raises(ImageError):
            decode(data[:length], "x")


def test_without_pydicom_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(to_bytes(dataset(GREY)))
    code = (
        "import sys; sys.modules['pydicom'] = None\n"
        "from hybridseg.images import ImageError, read_image\n"
        "try: read_image(sys.argv[1])\n"
        "except ImageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.dcm"], capture_output=True, text=True, check=True)
    assert done.stdout.endswith('a.dcm: is DICOM, which needs pydicom: pip install "hybridseg[dicom]"\n')


def test_a_folder_of_dicom_images_with_png_masks(tmp_path: Path) -> None:
    from hybridseg.data import load_dataset

    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "images" / "a.dcm").write_bytes(to_bytes(dataset(GREY)))
    Image.fromarray(np.where(GREY > 50, 255, 0).astype(np.uint8)).save(tmp_path / "masks" / "a.png")
    image, mask = load_dataset(tmp_path)[0].read()
    np.testing.assert_array_equal(image, GREY)
    np.testing.assert_array_equal(mask, GREY > 50)
    assert read_mask(tmp_path / "masks" / "a.png").sum() == 3


class Dark(Segmenter):
    """Pixels below 50."""

    def _predict_proba(self, image: np.ndarray) -> np.ndarray:
        return (image < 50).astype(np.float32)


def test_hd95_in_mm_reaches_the_rows(tmp_path: Path) -> None:
    shown = np.full((40, 40), 200, np.uint8)
    shown[10:20, 10:20] = 0
    (tmp_path / "a.dcm").write_bytes(to_bytes(dataset(shown, PixelSpacing=[0.5, 0.25])))
    Image.fromarray(shown).save(tmp_path / "a.png")
    truth = np.zeros((40, 40), bool)
    truth[10:20, 10:24] = True  # four columns wider: 10 of its 44 outline pixels lie 4 px, or 1 mm, off
    cell = Cell(Method("dark", "0", "", {}, False), 0, "0", (), ("a",))
    for name, expected in (("a.dcm", 1.0), ("a.png", None)):
        row = predict_case(Dark(), cell, FileCase("a", "a", "", tmp_path / name, ()), shown, truth)
        assert (row.metrics["hd95_px"], row.metrics["hd95_mm"], row.error) == (4.0, expected, "")
        assert parse_lines(b'{"seconds": 1, "operating_point": {}}\n' + json_line(row), tmp_path)[1] == [row]
