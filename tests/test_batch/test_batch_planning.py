"""Every file that is named or found is segmented, or fails, or is passed over with its reason."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _hostile import files, hybridseg
from dicom_files import dataset, to_bytes
from PIL import Image

from hybridseg.batch.planning import plan_jobs
from hybridseg.images import read_image, read_mask

METHOD = """
import numpy as np
from hybridseg import Segmenter


class Dark(Segmenter):
    def _predict_proba(self, image):
        return (image < 50).astype(np.float32)
"""
SCAN = np.full((20, 30), 120, np.uint8)
SCAN[5:10, 10:20] = 10
REPORT, DIRECTORY = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.1.3.10"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(METHOD)
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(file_format: str) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(SCAN).save(path, format=file_format, lossless=True)  # WebP's option


def dicom(front: int = 0, **tags: str) -> Callable[[Path], int]:
    data = to_bytes(dataset(SCAN, **tags))[front:]
    return lambda path: path.write_bytes(data)


def write_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path.relative_to(Path.cwd())))


KINDS: list[tuple[str, Callable[[Path], object], str]] = [
    ("{}.png", picture("PNG"), "mask"),
    ("1.2.840.{}", dicom(), "mask"),  # as an archive exports: no ending, and a number that looks like one
    ("IM{}", dicom(front=132), "mask"),  # without the 128 bytes and DICM
    ("{}.webp", picture("WEBP"), "mask"),
    ("{}.bin", picture("TIFF"), "mask"),
    ("photo{}", picture("JPEG"), "mask"),
    ("bitmap{}", picture("BMP"), "mask"),
    ("link{}.png", lambda path: path.symlink_to(path.parent / "0.png"), "mask"),
    ("same{}.png", lambda path: os.link(path.parent / "0.png", path), "mask"),
    ("volume{}.nii.gz", lambda path: path.write_bytes(b"\x1f\x8b"), "failed"),  # a name that says that it is one
    ("other{}.gz", lambda path: path.write_bytes(b"\x1f\x8b"), "is no image of a kind that is read"),
    ("{}.jpg", picture("JPEG"), "mask"),  # the name of another image's mask
    ("broken{}.png", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "failed"),
    ("words{}.png", lambda path: path.write_text("words"), "failed"),
    ("empty{}.dcm", lambda path: path.touch(), "failed"),
    ("{}.txt", lambda path: path.write_text("BMI of the patient: 21"), "is no image of a kind that is read"),
    ("nothing{}", lambda path: path.touch(), "is no image of a kind that is read"),
    ("report{}.dcm", dicom(SOPClassUID=REPORT), "is a DICOM report"),
    ("DICOMDIR{}", dicom(SOPClassUID=DIRECTORY), "is a DICOM directory"),
    (".{}.png", picture("PNG"), "is hidden"),
    ("gone{}.png", lambda path: path.symlink_to("nowhere"), "is a link to nothing"),
    ("pipe{}.png", os.mkfifo, "is not a regular file"),
    ("socket{}", write_socket, "is not a regular file"),
    ("stray{}_mask.png", picture("PNG"), "has the name of an output, and its image isn't there"),
]  # fmt: skip


def test_each_of_500_mixed_files_is_accounted_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fates: Counter[str] = Counter()
    deep = here / "in"
    for number in range(23):
        deep = deep / f"d{number}" if number % 5 == 4 else deep
        deep.mkdir(exist_ok=True)
        Image.fromarray(SCAN).save(deep / "0.png")
        fates["mask"] += not (number and number % 5 != 4)
        for name, write, fate in KINDS:
            write(deep / name.format(number + 1))
            fates[fate] += 1
    (here / "in" / "locked").mkdir()
    (here / "in" / "around").symlink_to(here / "in")
    fates["can't be searched: Permission denied"] += 1
    fates["is a link to a folder: name it to have it searched"] += 1
    assert fates.total() > 500
    scandir = os.scandir

    def refusing(path: str) -> object:
        if os.path.basename(path) == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    result = hybridseg("segment", "-m", "mine.py:Dark", "in", "-o", "out")
    assert result.exit_code == 1
    assert len([line for line in result.stdout.splitlines() if ": lesion 8.3 % -> " in line]) == fates.pop("mask")
    assert f"hybridseg segment: {fates.pop('failed')} of " in result.stderr
    passed = [line for line in result.stderr.splitlines() if ": passed over: " in line]
    summary = ", ".join(f"{count} ({reason})" for reason, count in sorted(fates.items()))
    assert Counter(line.split(": passed over: ")[1] for line in passed) == fates
    assert f"hybridseg segment: {fates.total()} passed over: {summary}\n" in result.stderr
    assert len(files(here / "out")) == result.stdout.count(" -> ")


def test_two_links_to_one_file_are_two_images(here: Path) -> None:
    picture("PNG")(here / "blob")
    for name in ("case1.png", "case2.png"):
        (here / "in" / name).symlink_to(here / "blob")
    assert hybridseg("segment", "-m", "mine.py:Dark", "in").exit_code == 0
    for name in ("case1_mask.png", "case2_mask.png"):
        assert np.array_equal(read_mask(here / "in" / name), SCAN < 50)


def test_a_file_that_is_named_by_two_ways_is_done_once_and_told(here: Path) -> None:
    picture("PNG")(here / "in" / "a.png")
    (here / "other").symlink_to("in")
    result = hybridseg("segment", "-m", "mine.py:Dark", "in", "other/a.png", "./in/a.png")
    assert result.exit_code == 0 and result.stdout.count("lesion") == 1
    assert "other/a.png: passed over: is named twice, by two ways" in result.stderr


def test_the_second_of_two_images_with_one_name_has_a_mask_of_its_own(here: Path) -> None:
    for name in ("x/a.png", "x/a.tif", "x/a.tif.png", "y/a.png", "z/a.png"):
        (here / name).parent.mkdir(exist_ok=True)
        picture("PNG")(here / name)
    command = ("segment", "-m", "mine.py:Dark", "x", "y", "z", "-o", "out", "--overlay")
    result = hybridseg(*command)
    assert result.exit_code == 0
    masks = {line.split(": ")[0]: line.split(" -> ")[1] for line in result.stdout.splitlines()}
    assert masks == {
        "x/a.png": "out/a_mask.png",
        "x/a.tif.png": "out/a.tif_mask.png",
        "x/a.tif": "out/a.tif_2_mask.png",  # its own name is another's, too
        "y/a.png": "out/a.png_mask.png",
        "z/a.png": "out/a.png_2_mask.png",
    }
    assert "y/a.png: out/a_mask.png is another image's, this one has out/a.png_mask.png\n" in result.stderr
    assert len(files(here / "out")) == 10
    again = hybridseg(*command)
    assert (again.exit_code, again.stdout) == (2, "") and "out/a_mask.png exists" in again.stderr
    assert hybridseg(*command, "--existing", "skip").stdout.startswith("nothing to do")


def test_strict_makes_an_error_of_what_is_passed_over(here: Path) -> None:
    picture("PNG")(here / "in" / "a.png")
    (here / "in" / "notes.txt").write_text("words")
    command = ("segment", "-m", "mine.py:Dark", "in", "-o", "in/masks")
    result = hybridseg(*command)
    assert (result.exit_code, result.stderr.splitlines()) == (0, [
        "hybridseg segment: in/notes.txt: passed over: is no image of a kind that is read",
        "hybridseg segment: 1 passed over: 1 (is no image of a kind that is read)",
    ])  # fmt: skip
    assert hybridseg(*command, "--existing", "skip", "--strict").exit_code == 1
    (here / "in" / "notes.txt").unlink()
    again = hybridseg(*command, "--existing", "skip", "--strict")
    assert (again.exit_code, again.stderr) == (0, "")  # the masks in the folder are this run's


def test_shards_share_what_is_passed_over(here: Path) -> None:
    for number in range(4):
        picture("PNG")(here / "in" / f"{number}.png")
        (here / "in" / f"{number}.txt").write_text("words")
    reasons = [hybridseg("segment", "-m", "mine.py:Dark", "in", "--shard", f"{k}/3").stderr for k in (1, 2, 3)]
    assert sorted(line.split(":")[1].strip() for text in reasons for line in text.splitlines()[:-1]) == [
        f"in/{number}.txt" for number in range(4)
    ]


def test_a_folder_without_an_image_says_what_it_holds(here: Path) -> None:
    (here / "in" / "notes.txt").write_text("words")
    result = hybridseg("segment", "-m", "mine.py:Dark", "in")
    assert result.exit_code == 2
    assert result.stderr == (
        "hybridseg: in: holds no image; passed over: 1, such as in/notes.txt: is no image of a kind that is read\n"
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_content_decides_whatever_the_name(here: Path, kind: str) -> None:
    picture(kind)(here / "in" / "scan.of.monday")
    assert [job.mask.name for job in plan_jobs(("in",), None).jobs] == ["scan.of.monday_mask.png"]
    assert np.array_equal(read_image(here / "in" / "scan.of.monday") < 50, SCAN < 50)
