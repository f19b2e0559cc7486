"""What the verbs share: exit codes, the progress line, the models that ship, and what refuses before it works."""

from __future__ import annotations

import importlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

import hybridseg
from hybridseg import registry
from hybridseg.cli import VERBS, LazyGroup, main
from hybridseg.cli._progress import progress_line
from hybridseg.images import read_mask, write_image
from hybridseg.metrics import count_pixels
from hybridseg.zoo import cards


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), prog_name="hybridseg")


# ---- exit codes ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("two\n  lines"), 2, "hybridseg: two lines"),
        (KeyError("no case `x`"), 2, "hybridseg: no case `x`"),
        (OSError(28, "No space left on device", "mask.png"), 2, "hybridseg: mask.png: No space left on device"),
        (OSError("the disk is gone"), 2, "hybridseg: the disk is gone"),
        (ImportError("needs onnx: pip install onnx"), 2, "hybridseg: needs onnx: pip install onnx"),
        (NotImplementedError("can't be exported"), 2, "hybridseg: can't be exported"),
        (MemoryError(), 2, "hybridseg: out of memory"),
        (click.Abort(), 130, "hybridseg: interrupted"),
        (KeyboardInterrupt(), 130, "hybridseg: interrupted"),
        (click.ClickException("not so"), 2, "hybridseg: not so"),
        (click.UsageError("not so"), 2, "hybridseg fails: not so"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    @click.command()
    def fails() -> None:
        raise error

    monkeypatch.setattr(LazyGroup, "get_command", lambda self, ctx, name: fails)
    result = run("fails")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"{line}\n")


@pytest.mark.parametrize(("arguments", "names"), [((), VERBS), (("data",), ("check", "split", "pairs"))])
def test_without_a_verb_the_help_is_shown_as_it_is_laid_out(arguments: tuple[str, ...], names: Iterable[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert lines[0] == " ".join(["Usage: hybridseg", *arguments, "[OPTIONS] COMMAND [ARGS]..."])
    assert {line.split()[0] for line in lines if line.startswith("  ")} >= set(names)


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def fails() -> None:
        raise AssertionError("this can't be")

    monkeypatch.setattr(LazyGroup, "get_command", lambda self, ctx, name: fails)
    assert isinstance(run("fails").exception, AssertionError)


def test_called_from_python_errors_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(click.UsageError, match="No such command 'nonsense'"):
        main(["nonsense"], standalone_mode=False)
    monkeypatch.setenv("HYBRIDSEG_DEBUG", "1")
    with pytest.raises(ValueError, match="unknown method `ostu`"):
        main(["info", "ostu"], standalone_mode=False)


# ---- the progress line ---------------------------------------------------------------------------
class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_progress_where_nobody_would_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_line("bench") as progress:
        assert progress is None
    assert sys.stderr.getvalue() == ""


def test_progress_on_a_terminal_takes_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    with progress_line("bench") as progress:
        assert progress is not None
        progress(2, 5, r"otsu[depth=3] on a\[/b] (1).png")
    shown = terminal.getvalue()
    assert "bench" in shown
    assert "2/5" in shown
    assert r"otsu[depth=3] on a\[/b] (1).png" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "phantoms", "--n", "2", "-o", "out"],
        ["fit", "otsu", "--data", "phantoms[n=2]", "-o", "x.hybridseg"],
        ["bench", "--data", "phantoms[n=2]", "--folds", "2", "-m", "otsu", "--no-cost"],
    ],
)
def test_verbs_that_take_time_tell_how_far_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    calls: list[tuple[int, int, str]] = []

    @contextmanager
    def line(what: str) -> Iterator[Callable[[int, int, str], None]]:
        yield lambda done, total, text: calls.append((done, total, text))

    monkeypatch.chdir(tmp_path)
    for verb in ("data", "fit", "bench"):
        module = importlib.import_module(f"hybridseg.cli.{verb}")
        monkeypatch.setattr(module, "progress_line", line)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert calls
    assert all(0 <= done <= total and isinstance(text, str) for done, total, text in calls)
    assert max(done for done, _, _ in calls) == 2


# ---- the models that ship ------------------------------------------------------------------------
@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An exported file, and what the verb said."""
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    result = run("export", "otsu", "-o", path)
    assert result.exit_code == 0, result.output
    return path, result.stdout


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, exported: tuple[Path, str]) -> Path:
    """A working folder with an image, and a package in which ``unet`` ships."""
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    shutil.copy(exported[0], zoo / "unet.onnx")
    hospitals = {"BUSI": {"f1": 0.5}, "BUS-UCLM": {"f1": 0.625}}
    (zoo / "unet.json").write_text(json.dumps({"description": "finds lesions", "hospitals": hospitals}))
    monkeypatch.setattr(cards, "ZOO", zoo)
    monkeypatch.setattr(cards, "SHA256", {})
    monkeypatch.chdir(tmp_path)
    image = np.full((40, 60), 120, np.uint8)
    image[10:20, 20:40] = 10
    write_image("scan.png", image)
    return zoo


def test_export_says_how_well_the_file_agrees(exported: tuple[Path, str]) -> None:
    path, said = exported
    assert said.startswith(f"{path}: {path.stat().st_size / 1e6:.2f} MB; 0 of ")
    assert len(said.splitlines()) == 1


def test_export_replaces_nothing_unless_told(exported: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"old")
    result = run("export", exported[0], "-o", tmp_path / "model.onnx")
    assert (result.exit_code, result.stderr) == (
        2, f"hybridseg: {tmp_path / 'model.onnx'} exists; give --overwrite to replace it\n"
    )  # fmt: skip
    assert (tmp_path / "model.onnx").read_bytes() == b"old"


def test_a_shipped_model_is_the_default_and_goes_by_its_name(zoo: Path) -> None:
    for number, choice in enumerate([[], ["-m", "unet"], ["-m", "unet.onnx"], ["-m", zoo / "unet.onnx"]]):
        result = run("segment", "scan.png", "-o", f"out{number}", *choice)
        assert result.exit_code == 0, result.output
        np.testing.assert_array_equal(read_mask(f"out{number}/scan_mask.png"), read_mask("out0/scan_mask.png"))
    assert type(registry.create_trained("unet")).__name__ == "OnnxSegmenter"
    assert type(registry.create("unet")).__name__ == "UNetSegmenter"  # to be trained: `bench -m unet` fits it
    assert cards.shipped("zoo/unet") is None


def test_python_finds_a_shipped_model_by_its_file_name(zoo: Path) -> None:
    assert hybridseg.load("unet.onnx").path == str(zoo / "unet.onnx")
    assert hybridseg.create("unet.onnx[threads=2]").threads == 2
    result = run("segment", "scan.png", "-m", "unet[threads=2]")
    assert result.exit_code == 0, result.output
    with pytest.raises(FileNotFoundError, match=r"other\.onnx: no such file"):
        hybridseg.load("other.onnx")


def test_a_file_of_that_name_comes_before_the_shipped_model(zoo: Path) -> None:
    Path("unet.onnx").write_text("mine, and broken")
    result = run("segment", "scan.png", "-m", "unet.onnx")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "unet.onnx: not an ONNX file" in result.stderr


def test_without_a_shipped_model_segment_takes_otsu(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (zoo / "unet.onnx").unlink()
    made: list[str] = []
    create = registry.create
    monkeypatch.setattr(registry, "create", lambda spec: made.append(spec) or create(spec))
    assert run("segment", "scan.png").exit_code == 0
    assert made == ["otsu"]


def test_models_and_info_tell_what_ships(zoo: Path) -> None:
    row = run("models").stdout.splitlines()[1].split()
    assert row[:4] == ["unet", "0.500", "-", "0.625"]
    assert row[-2:] == ["finds", "lesions"]
    (zoo / "unet.onnx").rename(zoo / "renamed")
    assert "missing" in run("models").stdout
    (zoo / "renamed").rename(zoo / "unet.onnx")
    output = run("info", "unet.onnx").stdout
    for text in ("input image", "uint8 [", "output mask", "output probability", "operator sets", "ai.onnx", "OtsuSeg"):
        assert text in output, output
    assert '"per_image": {"constant-0": [0, 0.0]' in output  # in full, however long


def test_bench_scores_files_of_models_as_they_are(zoo: Path) -> None:
    run("fit", "otsu", "--data", "phantoms[n=2,seed=1]", "-o", "own.hybridseg")
    files = {"own.hybridseg": Path("own.hybridseg"), "unet.onnx": zoo / "unet.onnx"}
    methods = ("-m", "own.hybridseg", "-m", "unet.onnx")
    result = run("bench", "--data", "phantoms[n=2]", "--folds", 2, "--no-cost", "-o", "run", *methods)
    assert result.exit_code == 0, result.output
    assert all(method["as_given"] for method in json.loads(Path("run/run.json").read_text())["methods"])
    rows = [json.loads(line) for path in Path("run/cells").glob("*.jsonl") for line in path.read_text().splitlines()]
    got = {(row["method"], row["case_id"]): row["tp"] for row in rows if row.get("case_id")}
    assert got == {
        (name, case.case_id): count_pixels(case.mask, hybridseg.load(path).predict(case.image)).tp
        for name, path in files.items()
        for case in hybridseg.load_dataset("phantoms[n=2]")
    }


# ---- what refuses before it works ----------------------------------------------------------------
@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make a folder one that can't be written to, for whoever asks; root may write anywhere."""

    def forbid(folder: Path) -> None:
        access = os.access
        real = folder.resolve()
        monkeypatch.setattr(
            os, "access",
            lambda path, mode: not (mode == os.W_OK and Path(path).resolve() == real) and access(path, mode),
        )  # fmt: skip

    return forbid


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "otsu", "--data", "phantoms[n=2]", "-o", "shut/x.hybridseg"],
        ["segment", "scan.png", "-m", "otsu", "-o", "shut"],
    ],
)
def test_a_folder_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unwritable: Callable[[Path], None], arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image("scan.png", np.full((40, 60), 7, np.uint8))
    Path("shut").mkdir()
    unwritable(tmp_path / "shut")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "hybridseg: shut: no permission to write there\n"
    assert list(Path("shut").iterdir()) == []


def test_a_split_file_has_its_own_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = run("data", "split", "phantoms[n=6]", "--folds", 2, "-o", "split.csv", "--as-read")
    assert made.exit_code == 0, made.output
    arguments = ("bench", "--data", "phantoms[n=6]", "--split", "split.csv", "-m", "otsu", "--no-cost")
    refused = run(*arguments, "--folds", 2)
    assert (refused.exit_code, refused.stderr) == (
        2, "hybridseg: a split file has its own folds: no number of folds with it\n"
    )  # fmt: skip
    assert "file split.csv" in run(*arguments).stdout
