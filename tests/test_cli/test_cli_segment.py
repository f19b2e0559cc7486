"""`hybridseg segment`: what it writes, where, and what it refuses before it writes anything."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from hybridseg.batch.planning import plan_jobs
from hybridseg.cli import main
from hybridseg.images import read_image, read_mask, write_image, write_mask

METHODS = '''
import numpy as np
from hybridseg import Segmenter, Tags


class Dark(Segmenter):
    """Pixels below 50."""

    def _predict_proba(self, image):
        return (image < 50).astype(np.float32)


class Untrained(Segmenter):
    """Has to learn first."""

    tags = Tags(requires_fit=True)

    def _predict_proba(self, image):
        raise AssertionError("never reached")
'''


@pytest.fixture
def dark(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(METHODS)
    return f"{tmp_path / 'mine.py'}:Dark"


@pytest.fixture
def image() -> np.ndarray:
    """A grey 40 x 60 image with a dark square of 10 x 20 pixels: a twelfth of it."""
    image = np.full((40, 60), 120, np.uint8)
    image[10:20, 20:40] = 10
    return image


def segment(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["segment", *map(str, arguments)], prog_name="hybridseg")


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_mask_beside_its_image(tmp_path: Path, dark: str, image: np.ndarray) -> None:
    write_image(tmp_path / "scan.png", image)
    result = segment("-m", dark, tmp_path / "scan.png", "--overlay")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'scan.png'}: lesion 8.3 % -> {tmp_path / 'scan_mask.png'}\n"
    assert np.array_equal(read_mask(tmp_path / "scan_mask.png"), image < 50)
    assert read_image(tmp_path / "scan_overlay.png").shape == (40, 60)
    assert np.array_equal(read_image(tmp_path / "scan.png"), image)


def test_folder_is_mirrored_and_its_masks_are_left_out(tmp_path: Path, dark: str, image: np.ndarray) -> None:
    source, out = tmp_path / "scans", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/a.png", "a_mask.png", "deep/b_overlay.png", "deep/.hidden.png"):
        write_image(source / name, image)
    result = segment("-m", dark, source, "-o", out, "--quiet")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == (
        "hybridseg segment: 2 passed over: 1 (has the name of an output, and its image isn't there), 1 (is hidden)\n"
    )
    assert sorted(everything(out)) == ["a_mask.png", "deep/a_mask.png"]


def test_stdin_to_stdout(tmp_path: Path, dark: str, image: np.ndarray) -> None:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG")
    done = subprocess.run(
        [sys.executable, "-m", "hybridseg", "segment", "-m", dark, "-"],
        input=stream.getvalue(), capture_output=True, check=True,
    )  # fmt: skip
    mask = np.asarray(Image.open(io.BytesIO(done.stdout)))
    assert np.array_equal(mask, np.where(image < 50, 255, 0))
    assert done.stderr == b""


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, dark: str, image: np.ndarray) -> None:
    write_image(tmp_path / "good.png", image)
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:-30])
    result = segment("-m", dark, tmp_path / "bad.png", tmp_path / "good.png", "-o", tmp_path / "out")
    assert result.exit_code == 1
    first, last = result.stderr.splitlines()
    assert first.startswith(f"{tmp_path / 'bad.png'}: ")
    assert last == "hybridseg segment: 1 of 2 images failed"
    assert sorted(everything(tmp_path / "out")) == ["good_mask.png"]


@pytest.mark.parametrize(
    ("names", "arguments", "message"),
    [
        (["a.png", "a_mask.png"], ["a.png", "a_mask.png"], "a_mask.png would be written over an input image"),
        (["a.png", "a_mask.png"], ["a.png"], "a_mask.png exists; give -o DIR"),
        (["a.png"], ["a.png", "-o", "masks.png"], "`-o` must be a folder, got masks.png"),
        (["a.png"], ["a.png", "missing.png"], "missing.png: no such file or folder"),
        (["a.png", "notes/readme.txt"], ["a.png", "notes"], "notes: holds no image"),
        (["a.png"], ["a.png", "-"], "`-` stands alone"),
        (["a.png"], ["-", "--shard", "9/9"], "`-` stands alone"),
        (["a.png"], ["-", "--existing", "skip"], "`-` stands alone"),
        (["a.png"], ["a.png", "-m", "nothing-of-this-name"], "unknown method `nothing-of-this-name`; known: "),
        (["a.png"], ["a.png", "-m", "mine.py:Untrained"], "must be trained first"),
        (["a.png"], ["a.png", "-m", "mine.py:Missing"], "mine.py has no `Missing`"),
        (["a.png"], ["a.png", "-m", "missing.onnx"], "missing.onnx: no such file"),
        (["a.png"], ["a.png", "-m", "otsu[colour=3]"], "`colour` is not a parameter of OtsuSegmenter; known: "),
    ],
)
def test_refused_in_one_line_before_anything_is_written(
    *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: np.ndarray,
    names: list[str], arguments: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(METHODS)
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(name) if name.endswith(("png", "jpg")) else Path(name).write_text("")
    before = everything(tmp_path)
    result = segment(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    after = {name: data for name, data in everything(tmp_path).items() if "__pycache__" not in name}
    assert after == before


def test_existing_masks_are_skipped_or_replaced_when_told_so(tmp_path: Path, dark: str, image: np.ndarray) -> None:
    write_image(tmp_path / "a.png", image)
    mask = tmp_path / "a_mask.png"
    mask.write_bytes(b"old")
    assert segment("-m", dark, tmp_path / "a.png", "--existing", "skip").stdout.startswith("nothing to do")
    assert mask.read_bytes() == b"old"
    assert segment("-m", dark, tmp_path / "a.png", "--existing", "overwrite").exit_code == 0
    assert np.array_equal(read_mask(mask), image < 50)


def test_a_mask_that_is_there_is_kept_and_drawn_when_an_overlay_is_asked_for_later(
    tmp_path: Path, dark: str, image: np.ndarray
) -> None:
    write_image(tmp_path / "a.png", image)
    write_mask(tmp_path / "a_mask.png", np.eye(*image.shape, dtype=bool))  # somebody's own
    before = (tmp_path / "a_mask.png").read_bytes()
    result = segment("-m", dark, tmp_path / "a.png", "--existing", "skip", "--overlay")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "a_mask.png").read_bytes() == before
    assert (tmp_path / "a_overlay.png").is_file() and f"lesion {100 / 60:.1f} %" in result.stdout


def test_a_method_that_exits_is_an_error_and_not_the_end(tmp_path: Path, image: np.ndarray) -> None:
    leaving = METHODS.replace("return (image < 50).astype(np.float32)", "raise SystemExit(0)")
    (tmp_path / "leaves.py").write_text(leaving)
    write_image(tmp_path / "a.png", image)
    result = segment("-m", f"{tmp_path / 'leaves.py'}:Dark", tmp_path / "a.png")
    assert result.exit_code == 1 and "a.png: RuntimeError: it raised SystemExit: 0" in result.stderr


def test_what_a_method_raises_has_its_type_and_on_demand_its_traceback(
    tmp_path: Path, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = METHODS.replace("return (image < 50).astype(np.float32)", "return {}['threshold']")
    (tmp_path / "wrong.py").write_text(wrong)
    write_image(tmp_path / "a.png", image)
    command = ("-m", f"{tmp_path / 'wrong.py'}:Dark", tmp_path / "a.png")
    assert "a.png: KeyError: 'threshold'" in segment(*command).stderr
    monkeypatch.setenv("HYBRIDSEG_DEBUG", "1")
    shown = segment(*command)
    assert "Traceback" in shown.stderr and "return {}['threshold']" in shown.stderr


def test_an_image_named_twice_is_done_once(tmp_path: Path, image: np.ndarray) -> None:
    write_image(tmp_path / "a.png", image)
    inputs = (str(tmp_path / "a.png"), str(tmp_path), str(tmp_path / "." / "a.png"))
    jobs = plan_jobs(inputs, None).jobs
    assert [job.mask.name for job in jobs] == ["a_mask.png"]


def test_help_says_what_it_is_not_for() -> None:
    assert "not for diagnosis" in segment("--help").output


def test_one_bad_image_is_one_line_and_leaves_no_folder(tmp_path: Path, dark: str) -> None:
    (tmp_path / "bad.png").write_bytes(b"x")
    result = segment("-m", dark, tmp_path / "bad.png", "-o", tmp_path / "new/deep")
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (1, "", 1)
    assert "bad.png" in result.stderr and not (tmp_path / "new").exists()


def test_a_parameter_out_of_range_is_one_line_whatever_the_number_of_images(tmp_path: Path, image: np.ndarray) -> None:
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, image)
    for arguments in (["segment", tmp_path], ["bench", "--folds", 2]):
        result = CliRunner().invoke(main, [*map(str, arguments), "-m", "otsu[depth=99]"])
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
        assert "`depth` must be an integer in 1..6, got 99" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_terminal_sees_a_line_per_image_and_the_progress(tmp_path: Path, image: np.ndarray) -> None:
    import pty

    write_image(tmp_path / "scan.png", image)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "hybridseg", "segment", "-m", "otsu", "scan.png"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # how a terminal ends
        while piece := os.read(ours, 4096):
            seen += piece
    os.close(ours)
    assert process.wait() == 0
    assert b"scan.png: lesion" in seen and b"segment" in seen


def test_measures_of_a_killed_run_are_whole_when_it_goes_on(dark: str, image: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        write_image(tmp_path / "in" / f"{name}.png", image)
    table = tmp_path / "sizes.csv"
    command = (tmp_path / "in", "-m", dark, "-o", tmp_path / "out", "--measure", table, "--existing", "skip")
    assert segment(*command).exit_code == 0
    whole = table.read_bytes()
    assert whole.count(b"\n") == 4
    table.unlink()
    (tmp_path / "out" / "b_mask.png").unlink()
    result = segment(*command)
    assert result.stdout.count("lesion") == 1  # nothing but what was missing is made
    assert table.read_bytes() == whole
    assert segment(*command).exit_code == 0
    assert table.read_bytes() == whole


def test_image_without_a_mask_has_no_measures(dark: str, image: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "out" / "b_mask.png").mkdir(parents=True)
    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.png", image)
    table = tmp_path / "sizes.csv"
    inputs = (tmp_path / "a.png", tmp_path / "b.png")
    result = segment(*inputs, "-m", dark, "-o", tmp_path / "out", "--measure", table, "--existing", "overwrite")
    assert result.exit_code == 1
    assert [line.split(",")[0] for line in table.read_text().splitlines()[1:]] == [str(tmp_path / "a.png")]


def test_what_killed_processes_left_is_removed_once_it_is_old(dark: str, image: np.ndarray, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", image)
    old, fresh = tmp_path / ".hybridseg-old.part", tmp_path / ".hybridseg-fresh.part"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert segment(tmp_path / "a.png", "-m", dark).exit_code == 0
    assert (old.exists(), fresh.exists()) == (False, True)  # the fresh one may be another process's


@pytest.mark.parametrize("ignores_case", [False, True])
def test_names_that_differ_by_case_alone(
    dark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ignores_case: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "oUT").mkdir()
    (tmp_path / "out").symlink_to("oUT")
    if ignores_case:  # as far as can be seen from its names: the folder has the swapped one too
        (tmp_path / "Out").symlink_to("oUT")
    for name in ("Scan.png", "scan.jpg"):
        write_image(tmp_path / name, np.zeros((4, 5), np.uint8))
    assert segment("-m", dark, "-o", "out", "Scan.png", "scan.jpg").exit_code == 0
    second = "scan.jpg_mask.png" if ignores_case else "scan_mask.png"
    assert sorted(everything(tmp_path / "oUT")) == ["Scan_mask.png", second]
    write_image(tmp_path / "out" / "A_mask.png", np.zeros((4, 5), np.uint8))
    write_image(tmp_path / "a.png", np.zeros((4, 5), np.uint8))
    result = segment("-m", dark, "-o", "out", "a.png", "out/A_mask.png", "--existing", "overwrite")
    assert ("out/a_mask.png would be written over an input image" in result.stderr) == ignores_case
    assert result.exit_code == (2 if ignores_case else 0)
