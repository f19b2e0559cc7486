"""Files, names and disks as an attacker or bad luck makes them: one line, a non-zero exit code, no half file."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from hybridseg import modelfile, registry
from hybridseg.bench.records import CellFile, FitRecord, Record, RunError, RunFolder, read_run, write_json
from hybridseg.cli import main
from hybridseg.data import DataError, load_dataset, read_split
from hybridseg.data import manifest as manifests
from hybridseg.data.cases import natural_key
from hybridseg.images import ImageError, read_image, read_mask, write_mask
from hybridseg.modelfile import read_model_file
from hybridseg.segmenter import ModelFormatError
from hybridseg.validation import write_atomically

METHOD = '''
import numpy as np
from hybridseg import Segmenter


class Dark(Segmenter):
    """Pixels below 50."""

    def _predict_proba(self, image):
        return (image < 50).astype(np.float32)
'''
NAMES = [
    "new\nline", "tab\t", "quote's \"", "<b>&amp;", "日本 ünï 🙂", " blank", "-m", "\x1b[31mred", "%s {x}", "$(id)",
    "a;b,c", "a..", "n" * 200, os.fsdecode(b"not utf-8 \xff"),
]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(METHOD)
    return tmp_path


def scan(path: Path) -> None:
    image = np.full((40, 60), 120, np.uint8)
    image[10:20, 20:40] = 10
    Image.fromarray(image).save(path, format="PNG")


def hybridseg(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="hybridseg")


def one_line(result: Result, exit_code: int = 2) -> str:
    assert result.exit_code == exit_code, result.output
    assert len(result.stderr.splitlines()) == 1 and result.stderr.strip().isprintable(), result.stderr
    return result.stderr


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


# ---- names ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_segmented_and_shown_in_one_line(here: Path, name: str) -> None:
    (here / "scans" / name).mkdir(parents=True, exist_ok=True)
    scan(here / "scans" / name / f"{name}.png")
    result = hybridseg("segment", "-m", "mine.py:Dark", "scans", "-o", "out")
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1 and result.stdout.strip().isprintable()
    assert {path.name for path in (here / "out").rglob("*.png")} == {f"{name}_mask.png"}


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_checked_as_data(here: Path, name: str) -> None:
    (here / "data" / "images").mkdir(parents=True)
    (here / "data" / "masks").mkdir()
    scan(here / "data" / "images" / f"{name}.png")
    Image.fromarray(np.full((40, 60), 255, np.uint8)).save(here / "data" / "masks" / f"{name}.png", format="PNG")
    (here / "data" / f"{name}.txt").write_text("other")
    result = hybridseg("data", "check", "data", "--no-pairs")
    assert (result.exit_code, result.stderr) == (0, "")
    assert all(line.isprintable() for line in result.stdout.splitlines())
    (here / "data" / "masks" / f"{name}.png").unlink()
    one_line(hybridseg("bench", "--data", "data", "-m", "mine.py:Dark", "-o", "run", "--no-cost"))


def test_a_name_that_is_not_utf_8_is_data_like_any_other(here: Path) -> None:
    name = os.fsdecode(b"x\xff")
    for part in ("images", "masks"):
        (here / name / part).mkdir(parents=True)
    for number in range(4):
        scan(here / name / "images" / f"{name}{number}.png")
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
    scan(here / "scans" / ("n" * 251 + ".png"))  # with _mask it has more than the 255 bytes of most systems
    scan(here / "scans" / "z.png")
    (here / "out").mkdir()
    result = hybridseg("segment", "-m", "mine.py:Dark", "scans", "-o", "out", "-q")
    assert result.exit_code == 1
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


# ---- links and paths -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    ["../secret.png", "a/../../secret.png", "/etc/passwd", "..\\secret.png", "C:\\secret.png", "\\\\host\\share.png",
     "~/../../secret.png", ".", "", "a\nb/../../x", "n" * 300, "x" * 5000,
     "a/" * 5000],
)  # fmt: skip
def test_a_manifest_reaches_nothing_outside_its_folder(here: Path, text: str) -> None:
    scan(here / "secret.png")
    (here / "set").mkdir()
    scan(here / "set" / "a.png")
    quoted = '"' + text.replace('"', '""') + '"'
    for row in (f"{quoted},", f"a.png,{quoted}" if text else ",a.png"):
        (here / "set" / "m.csv").write_text(f"image,mask\n{row}\n")
        with pytest.raises(DataError) as caught:
            load_dataset(here / "set" / "m.csv")
        assert str(caught.value).isprintable() and len(str(caught.value)) < 2000


def test_what_counts_of_a_manifest_s_path_is_where_it_leads(here: Path) -> None:
    (here / "set").mkdir()
    scan(here / "set" / "a.png")
    (here / "set" / "m.csv").write_text("image,mask\nb/../a.png,\n")
    assert [case.image.shape for case in load_dataset(here / "set" / "m.csv")] == [(40, 60)]


def test_a_mask_replaces_a_link_and_not_what_it_points_to(here: Path) -> None:
    scan(here / "a.png")
    (here / "precious").write_text("precious")
    (here / "a_mask.png").symlink_to(here / "precious")
    one_line(hybridseg("segment", "-m", "mine.py:Dark", "a.png"))
    assert hybridseg("segment", "-m", "mine.py:Dark", "a.png", "--existing", "overwrite").exit_code == 0
    assert (here / "precious").read_text() == "precious"
    assert not (here / "a_mask.png").is_symlink() and read_mask(here / "a_mask.png").any()


def test_links_in_circles_and_to_nowhere(here: Path) -> None:
    (here / "scans").mkdir()
    scan(here / "scans" / "a.png")
    (here / "scans" / "again").symlink_to(here / "scans")
    (here / "scans" / "gone.png").symlink_to(here / "nowhere")
    (here / "scans" / "self.png").symlink_to(here / "scans" / "self.png")
    (here / "scans" / "device.png").symlink_to("/dev/zero")
    result = hybridseg("segment", "-m", "mine.py:Dark", "scans", "-o", "out", "-q")
    assert (result.exit_code, result.output) == (0, "")
    assert files(here / "out") == {"a_mask.png"}
    assert "a.png" in one_line(hybridseg("data", "split", "scans", "-o", "split.csv"))


def test_a_run_folder_names_no_file_outside(here: Path) -> None:
    (here / "run" / "cells").mkdir(parents=True)
    (here / "secret.jsonl").write_text("{}\n")
    for name in ("../../secret", "/etc/passwd", "a\0b", "", ".hidden"):
        write_json(here / "run" / "run.json", description(file=name))
        with pytest.raises(RunError, match="isn't the name of a file of a run"):
            read_run(here / "run")


def test_messages_about_a_file_s_own_texts_are_one_bearable_line(here: Path) -> None:
    (here / "train.txt").write_text("phantom 1\n" + "x" * 90_000 + "\n")
    (here / "val.txt").write_text("phantom 2\n")
    with pytest.raises(DataError) as caught:
        read_split(here, load_dataset("phantoms[n=2]"))
    assert len(str(caught.value)) < 2000
    corpus = Path(__file__).parent / "corpus" / "model" / "otsu.hybridseg"
    with zipfile.ZipFile(corpus) as archive:
        header = json.loads(archive.read("model.json"))
    header["params"]["rou\ud800nds"] = 1
    with zipfile.ZipFile(here / "m.hybridseg", "w") as archive:
        archive.writestr("model.json", json.dumps(header))
    with pytest.raises(ModelFormatError, match="parameters don't fit") as refused:
        registry.load(here / "m.hybridseg")
    assert str(refused.value).isprintable()


def test_a_damaged_tiff_prints_nothing_of_its_own(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray((Path(__file__).parent / "corpus" / "tiff" / "lzw.tif").read_bytes())
    data[8:24] = b"\xff" * 16  # the codes begin here
    (here / "a.tif").write_bytes(data)
    with pytest.raises(ImageError):
        read_image(here / "a.tif")
    assert capfd.readouterr() == ("", "")
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"


# ---- bombs ---------------------------------------------------------------------------------------
def test_text_bombs_are_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset("phantoms[n=2]")
    (here / "splits_final.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="is not JSON"):
        read_split(here, dataset)
    with (here / "large.csv").open("wb") as stream:
        stream.truncate(manifests.MAX_TEXT_BYTES + 1)
    with pytest.raises(DataError, match="is larger than 32000000 bytes"):
        load_dataset(here / "large.csv")
    monkeypatch.setattr(manifests, "MAX_ROWS", 3)
    (here / "rows.csv").write_text("image,mask\n" + "a.png,\n" * 4)
    with pytest.raises(DataError, match="has more than 3 rows"):
        load_dataset(here / "rows.csv")


@pytest.mark.parametrize("member", ["model.json", "weights_.npy"])
def test_model_bombs_are_refused(here: Path, member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelfile, "MAX_HEADER_BYTES", 2**22)
    monkeypatch.setattr(modelfile, "MAX_MODEL_BYTES", 2**23)
    with zipfile.ZipFile(here / "m.hybridseg", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, bytes(2**20 * (5 if member == "model.json" else 9)))
    assert (here / "m.hybridseg").stat().st_size < 10**6
    with pytest.raises(ModelFormatError, match="more than"):
        read_model_file(here / "m.hybridseg")


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("bomb", ["model.json", "weights_.npy"])
def test_a_member_that_lies_about_its_size_is_not_unpacked(here: Path, bomb: str, kind: int) -> None:
    header = {"format": "hybridseg-model", "format_version": 1, "class": "m:C", "params": {}, "state": {}}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        archive.writestr(bomb, bytes(2**24))
        if bomb != "model.json":
            archive.writestr("model.json", json.dumps(header), zipfile.ZIP_DEFLATED)
    data = bytearray(stream.getvalue())
    stated = (200).to_bytes(4, "little")
    entry = data.index(b"PK\1\2")
    data[22:26] = data[entry + 24 : entry + 28] = stated
    Path("m.hybridseg").write_bytes(data)
    assert zipfile.ZipFile("m.hybridseg").getinfo(bomb).file_size == 200
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError, match=r"compressed in a way|Bad CRC"):
            read_model_file("m.hybridseg")
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_member_shorter_than_stated_is_refused(here: Path) -> None:
    with zipfile.ZipFile("m.hybridseg", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", "{}")
    data = bytearray(Path("m.hybridseg").read_bytes())
    entry = data.index(b"PK\1\2")
    data[22] = data[entry + 24] = 3
    Path("m.hybridseg").write_bytes(data)
    with pytest.raises(ModelFormatError, match="doesn't have the 3 bytes that are stated"):
        read_model_file("m.hybridseg")


def test_a_forest_in_circles_is_refused(here: Path) -> None:
    corpus = Path(__file__).parent / "corpus" / "model" / "forest.hybridseg"
    with zipfile.ZipFile(corpus) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    left = np.load(io.BytesIO(members["tree_left_.npy"]))
    for node, child in ((1, 0), (0, len(left)), (0, -1)):  # back to the root: a path without end; and outside
        changed = left.copy()
        changed[node] = child
        stream = io.BytesIO()
        np.save(stream, changed)
        with zipfile.ZipFile(here / "m.hybridseg", "w") as archive:
            for name, content in {**members, "tree_left_.npy": stream.getvalue()}.items():
                archive.writestr(name, content)
        with pytest.raises(ModelFormatError, match="`tree_left_` points outside the forest"):
            registry.load(here / "m.hybridseg")


def test_png_text_bomb(here: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    scan(here / "a.png")
    data = (here / "a.png").read_bytes()
    bomb = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(2**26)))
    (here / "a.png").write_bytes(data[:33] + bomb + data[33:])
    result = hybridseg("segment", "-m", "mine.py:Dark", "a.png")
    assert result.exit_code == 1 and "can't be decoded" in result.stderr
    assert files(here) == {"a.png", "mine.py"}


# ---- run folders that lie ------------------------------------------------------------------------
def description(**cell: Any) -> dict[str, Any]:
    method = {"spec": "m", "class": "c:C", "params": {}, "as_given": False, "key": "k"}
    return {
        "format_version": 1, "plan": {"data": "d", "split": "s"}, "dataset": "d", "cases": 1, "groups_from": "g",
        "split": "s", "n_folds": 1, "empty_masks": "e", "nsd_tolerance_px": 3.0, "methods": [method],
        "cells": [{"method": "m", "fold": 0, "file": "c", "cases": 1, **cell}], "sessions": [],
    }  # fmt: skip


ROW = Record("m", 0, "a", "a", "", 2, 2, 1, 1, 1, 1, None, 0.5, 1.0)


def test_rows_are_believed_only_if_they_can_be_true(here: Path) -> None:
    (here / "run" / "cells").mkdir(parents=True)
    write_json(here / "run" / "run.json", description())
    path = here / "run" / "cells" / "c.jsonl"
    with CellFile(path) as file:
        file.append(FitRecord(None, {}))
        file.append(ROW)
    assert read_run(here / "run")[1] == [ROW]
    good = path.read_text("utf-8")
    for old, new, reason in [
        ('"tp": 1', '"tp": 2', "counts don't add up"),
        ('"tp": 1', '"tp": -1', "`tp` can't be -1"),
        ('"tp": 1', '"tp": "1"', "`tp` can't be '1'"),
        ('"tp": 1', '"tp": true', "`tp` can't be True"),
        ('"tp": 1', '"tp": 1e9999', "`tp` can't be inf"),
        ('"nsd": 0.5', '"nsd": NaN', "NaN is no number"),
        ('"nsd": 0.5', '"nsd": ' + "[" * 99_999, "nested too deeply"),
        ('"nsd": 0.5, ', "", "it lacks `nsd`"),
        ('"nsd": 0.5', '"nsd": 0.5, "more\\n": 1', "`more\\\\n` isn't known"),
        ('"method": "m"', '"method": 3', "`method` can't be 3"),
    ]:
        assert old in good
        path.write_text(good.replace(old, new, 1), "utf-8")
        with pytest.raises(RunError, match=r"c\.jsonl line 2 is damaged") as caught:
            read_run(here / "run")
        assert reason.replace("\\\\", "\\") in str(caught.value) and str(caught.value).isprintable()
        one_line(hybridseg("info", "run"))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"format_version": 1}', '{"format_version": NaN}',
                                  "[" * 99_999, '{"format_version": {}}', "\ufeff{}"])  # fmt: skip
def test_descriptions_that_are_none(here: Path, text: str) -> None:
    (here / "run").mkdir()
    (here / "run" / "run.json").write_text(text, "utf-8")
    one_line(hybridseg("info", "run"))
    for name in ("methods", "cells", "plan", "cases"):
        lacking = description()
        del lacking[name]
        (here / "run" / "run.json").write_text(json.dumps(lacking))
        assert f"it lacks `{name}`" in one_line(hybridseg("info", "run"))


# ---- disks ---------------------------------------------------------------------------------------
LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing on fails instead, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv = ["hybridseg", *sys.argv[2:]]
from hybridseg.cli import main
main(prog_name="hybridseg")
"""


def with_disk_of(size: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    # coverage, too, would write its data to that disk
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS_")}
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), *arguments],
        capture_output=True, text=True, check=False, env=unmeasured,
    )  # fmt: skip


def test_a_full_disk_leaves_no_half_mask(here: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 200)).astype(np.uint8)
    Image.fromarray(image).save(here / "a.png")
    done = with_disk_of(500, "segment", "-m", "mine.py:Dark", "a.png")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines()[0].endswith("a_mask.png: can't be written: File too large")
    assert len(done.stderr.splitlines()) == 1
    assert files(here) - {"mine.py"} == {"a.png"} | {name for name in files(here) if "__pycache__" in name}


def test_a_run_goes_on_after_a_full_disk(here: Path) -> None:
    arguments = ("bench", "-m", "mine.py:Dark", "--data", "phantoms[n=60]", "-o", "run", "--no-cost")
    done = with_disk_of(3400, *arguments)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "run" in done.stderr and "Traceback" not in done.stderr
    assert hybridseg(*arguments).exit_code == 0
    assert len(read_run(here / "run")[1]) == 60
    assert not [name for name in files(here / "run") if name.endswith(".part")]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["methods"], ["info", "otsu"], ["segment", "-m", "otsu", "-"]])
def test_full_stdout_is_an_error_and_no_traceback(here: Path, arguments: list[str]) -> None:
    scan(here / "a.png")
    with open("/dev/full", "w") as full, open(here / "a.png", "rb") as image:
        done = subprocess.run(
            [sys.executable, "-m", "hybridseg", *arguments],
            stdin=image, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and "No space left on device" in done.stderr


def test_what_is_there_stays_when_writing_fails(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically("a", b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, fail)
            with pytest.raises(OSError, match="No space left"):
                write_atomically("a", b"new")
        assert Path("a").read_bytes() == b"old"
        assert files(here) == {"a", "mine.py"}


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder(here: Path) -> None:
    (here / "out").mkdir(mode=0o500)
    scan(here / "a.png")
    assert "out" in one_line(hybridseg("segment", "-m", "mine.py:Dark", "a.png", "-o", "out"))
    assert "out" in one_line(hybridseg("data", "split", "phantoms", "-o", "out/split.csv"))
    one_line(hybridseg("bench", "--data", "phantoms[n=4]", "-m", "mine.py:Dark", "-o", "out/run"))
    assert not files(here / "out")


def test_a_run_folder_of_rows_too_large(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridseg.bench import sound

    (here / "run" / "cells").mkdir(parents=True)
    write_json(here / "run" / "run.json", description())
    with CellFile(RunFolder(here / "run").cell("c")) as file:
        file.append(FitRecord(None, {}))
    size = (here / "run" / "run.json").stat().st_size
    monkeypatch.setattr(sound, "MAX_FILE_BYTES", size - 1)
    assert "bytes, at most" in one_line(hybridseg("info", "run"))
