"""Names, links and texts as an attacker or bad luck makes them: one line, a non-zero exit code, no half file."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from _hostile import files, hybridseg, one_line, write_scan
from PIL import Image

from hybridseg import registry
from hybridseg.bench.records.folder import read_run
from hybridseg.data import DataError, load_dataset, read_split
from hybridseg.data.cases import natural_key
from hybridseg.images import ImageError, read_image, read_mask, write_mask
from hybridseg.validation import ModelFormatError

NAMES = [
    "new\nline", "tab\t", "quote's \"", "<b>&amp;", "日本 ünï 🙂", " blank", "-m", "\x1b[31mred", "%s {x}", "$(id)",
    "a;b,c", "a..", "n" * 200, os.fsdecode(b"not utf-8 \xff"),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_segmented_and_shown_in_one_line(here: Path, name: str) -> None:
    (here / "scans" / name).mkdir(parents=True, exist_ok=True)
    write_scan(here / "scans" / name / f"{name}.png")
    result = hybridseg("segment", "-m", "mine.py:Dark", "scans", "-o", "out")
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1 and result.stdout.strip().isprintable()
    assert {path.name for path in (here / "out").rglob("*.png")} == {f"{name}_mask.png"}


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_checked_as_data(here: Path, name: str) -> None:
    (here / "data" / "images").mkdir(parents=True)
    (here / "data" / "masks").mkdir()
    write_scan(here / "data" / "images" / f"{name}.png")
    Image.fromarray(np.full((40, 60), 255, np.uint8)).save(here / "data" / "masks" / f"{name}.png", format="PNG")
    (here / "data" / f"{name}.txt").write_text("other")
    result = hybridseg("data", "check", "data", "--no-pairs")
    assert (result.exit_code, result.stderr) == (0, "")
    assert all(line.isprintable() for line in result.stdout.splitlines())
    (here / "data" / "masks" / f"{name}.png").unlink()
    one_line(hybridseg("bench", "--data", "data", "-m", "mine.py:Dark", "-o", "run", "--no-cost"))


@pytest.mark.parametrize("name", NAMES)
def test_any_name_that_is_scored_is_told_in_one_line(here: Path, name: str) -> None:
    for folder in ("data/images", "data/masks", "found"):
        (here / folder).mkdir(parents=True)
    whole = np.ones((40, 60), bool)
    for case in ("plain", name):
        write_scan(here / "data" / "images" / f"{case}.png")
        write_mask(here / "data" / "masks" / f"{case}.png", whole)
    for found in ("plain", f"another {name}"):
        write_mask(here / "found" / f"{found}.png", whole)
    result = hybridseg("score", "--truth", "data", "--pred", "found")
    assert result.exit_code == 1, result.output
    assert len(result.stderr.splitlines()) == 2  # a mask that belongs to no case, and a case without one
    assert all(line.isprintable() for line in result.output.splitlines())


def test_a_name_that_is_not_utf_8_is_data_like_any_other(here: Path) -> None:
    name = os.fsdecode(b"x\xff")
    for part in ("images", "masks"):
        (here / name / part).mkdir(parents=True)
    for number in range(4):
        write_scan(here / name / "images" / f"{name}{number}.png")
        write_mask(here / name / "masks" / f"{name}{number}.png", np.ones((40, 60), bool))
    for arguments in (
        ("bench", "--data", name, "-m", "mine.py:Dark", "--folds", "2", "-o", "run", "--no-cost"),
        ("bench", "--data", name, "-m", "mine.py:Dark", "--folds", "2", "-o", "run", "--no-cost", "--format", "json"),
        ("report", "run", "-o", "page.html"),
        ("score", "--truth", name, "--pred", f"{name}/masks", "-o", "scored"),
        ("fit", "mine.py:Dark", "--data", name, "-o", "m.hybridseg"),
        ("data", "pairs", name),
    ):
        result = hybridseg(*arguments)
        assert result.exit_code == 0, (arguments, result.output)
    _, records = read_run("run")
    assert {record.case_id for record in records} == {f"{name}{number}" for number in range(4)}
    assert len(records) == 4  # the second run found the rows of the first
    assert "x\\udcff3" in (here / "run" / "cases.csv").read_text("utf-8")
    assert json.loads((here / "run" / "table.json").read_text("utf-8"))
    assert "aren't UTF-8" in one_line(hybridseg("data", "split", name, "--folds", "2", "-o", "split.csv"))


def test_a_name_too_long_for_its_mask_fails_alone(here: Path) -> None:
    (here / "scans").mkdir()
    write_scan(here / "scans" / ("n" * 251 + ".png"))  # with _mask it has more than the 255 bytes of most systems
    write_scan(here / "scans" / "z.png")
    (here / "out").mkdir()
    result = hybridseg("segment", "-m", "mine.py:Dark", "scans", "-o", "out", "-q")
    assert result.exit_code == 1, result.output
    first, last = result.stderr.splitlines()
    assert "can't be written: File name too long" in first and last.endswith("1 of 2 images failed")
    assert files(here / "out") == {"z_mask.png"}


def test_what_does_not_exist_is_named_in_one_line(here: Path) -> None:
    for name in ("no\nsuch\x1b[2J.png", "n" * 300, "a\0b"):
        one_line(hybridseg("segment", "-m", "mine.py:Dark", name))
        one_line(hybridseg("info", f"{name}.onnx"))
        one_line(hybridseg("data", "check", name, "--no-pairs"))
        one_line(hybridseg("data", "check-split", name, "--data", "phantoms"))


def test_digits_without_end_are_sorted() -> None:
    long = ["9" * 6000, "10" + "0" * 5999, "2", "10", "010"]
    assert sorted(long, key=natural_key) == ["2", "010", "10", "9" * 6000, "10" + "0" * 5999]


@pytest.mark.parametrize(
    "text",
    ["../secret.png", "a/../../secret.png", "/etc/passwd", "..\\secret.png", "C:\\secret.png", "\\\\host\\share.png",
     "~/../../secret.png", ".", "", "a\nb/../../x", "n" * 300, "x" * 5000,
     "a/" * 5000],
)  # fmt: skip
def test_a_manifest_reaches_nothing_outside_its_folder(here: Path, text: str) -> None:
    write_scan(here / "secret.png")
    (here / "set").mkdir()
    write_scan(here / "set" / "a.png")
    quoted = '"' + text.replace('"', '""') + '"'
    for row in (f"{quoted},", f"a.png,{quoted}" if text else ",a.png"):
        (here / "set" / "m.csv").write_text(f"image,mask\n{row}\n")
        with pytest.raises(DataError) as caught:
            load_dataset(here / "set" / "m.csv")
        assert str(caught.value).isprintable() and len(str(caught.value)) < 2000


def test_what_counts_of_a_manifest_s_path_is_where_it_leads(here: Path) -> None:
    (here / "set").mkdir()
    write_scan(here / "set" / "a.png")
    (here / "set" / "m.csv").write_text("image,mask\nb/../a.png,\n")
    assert [case.image.shape for case in load_dataset(here / "set" / "m.csv")] == [(40, 60)]


def test_a_mask_replaces_a_link_and_not_what_it_points_to(here: Path) -> None:
    write_scan(here / "a.png")
    (here / "precious").write_text("precious")
    (here / "a_mask.png").symlink_to(here / "precious")
    one_line(hybridseg("segment", "-m", "mine.py:Dark", "a.png"))
    assert hybridseg("segment", "-m", "mine.py:Dark", "a.png", "--existing", "overwrite").exit_code == 0
    assert (here / "precious").read_text() == "precious"
    assert not (here / "a_mask.png").is_symlink() and read_mask(here / "a_mask.png").any()


def test_links_in_circles_and_to_nowhere(here: Path) -> None:
    (here / "scans").mkdir()
    write_scan(here / "scans" / "a.png")
    (here / "scans" / "again").symlink_to(here / "scans")
    (here / "scans" / "gone.png").symlink_to(here / "nowhere")
    (here / "scans" / "self.png").symlink_to(here / "scans" / "self.png")
    (here / "scans" / "device.png").symlink_to("/dev/zero")
    result = hybridseg("segment", "-m", "mine.py:Dark", "scans", "-o", "out", "-q")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == (
        "hybridseg segment: 4 passed over: 1 (is a link to a folder: name it to have it searched), "
        "2 (is a link to nothing), 1 (is not a regular file)\n"
    )
    assert files(here / "out") == {"a_mask.png"}
    assert "a.png" in one_line(hybridseg("data", "split", "scans", "-o", "split.csv"))


def test_messages_about_a_file_s_own_texts_are_one_bearable_line(here: Path) -> None:
    (here / "train.txt").write_text("phantom 1\n" + "x" * 90_000 + "\n")
    (here / "val.txt").write_text("phantom 2\n")
    with pytest.raises(DataError) as caught:
        read_split(here, load_dataset("phantoms[n=2]"))
    assert len(str(caught.value)) < 2000
    corpus = Path(__file__).parents[1] / "corpus" / "model" / "otsu.hybridseg"
    with zipfile.ZipFile(corpus) as archive:
        header = json.loads(archive.read("model.json"))
    header["params"]["rou\ud800nds"] = 1
    with zipfile.ZipFile(here / "m.hybridseg", "w") as archive:
        archive.writestr("model.json", json.dumps(header))
    with pytest.raises(ModelFormatError, match="parameters don't fit") as refused:
        registry.load(here / "m.hybridseg")
    assert str(refused.value).isprintable()


def test_a_damaged_tiff_prints_nothing_of_its_own(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray((Path(__file__).parents[1] / "corpus" / "tiff" / "lzw.tif").read_bytes())
    data[8:24] = b"\xff" * 16  # the codes begin here
    (here / "a.tif").write_bytes(data)
    with pytest.raises(ImageError):
        read_image(here / "a.tif")
    assert capfd.readouterr() == ("", "")
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"
