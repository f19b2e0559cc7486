"""Pipes, devices and huge files in place of the files that a person names: refused in one line, none is waited for."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from _hostile import hybridseg, one_line, write_scan
from _reports import write_small_run

from hybridseg import registry
from hybridseg.bench.records.folder import RunFolder, read_row_mask, read_run
from hybridseg.images import write_mask
from hybridseg.onnx import foreign
from hybridseg.training.checkpoints import TrainingError, read_start

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    """Turn what waits for a pipe, or reads a device, into a failure."""

    def late(*_: object) -> None:
        raise AssertionError("it is still reading")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(200)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(3 * 2**30)  # takes no room on the disk


MAKERS = {"pipe": pipe, "device": device, "huge": huge}
MAKE = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
WHY = {pipe: "not a regular file", device: "not a regular file", huge: "at most"}


@MAKE
@pytest.mark.parametrize("name", ["x.onnx", "x.hybridseg", "./x"])
def test_a_model_is_a_regular_file_of_bounded_size(here: Path, make: Callable[[Path], None], name: str) -> None:
    make(here / name)
    write_scan(here / "a.png")
    for arguments in (
        ("segment", "-m", name, "a.png"),
        ("info", name),
        ("export", name, "-o", "out.onnx"),
        ("bench", "-m", name),
    ):
        assert WHY[make] in one_line(hybridseg(*arguments)), arguments
    assert not (here / "a_mask.png").exists() and not (here / "out.onnx").exists()


@MAKE
def test_what_lies_beside_a_model_is_one_too(here: Path, make: Callable[[Path], None]) -> None:
    registry.create("otsu").save(here / "m.hybridseg")
    make(here / "m.hybridseg.json")
    make(here / "net.toml")
    result = hybridseg("export", "m.hybridseg", "-o", "out.onnx")
    if make is huge:
        assert "at most" in one_line(result)
    else:  # as if there were no card
        assert result.exit_code == 0, result.stderr
    with pytest.raises(ValueError, match=WHY[make]):
        foreign.read_description(here / "net.toml")


@MAKE
@pytest.mark.parametrize(
    "arguments",
    [
        ("fit", "otsu", "--data", "x.csv", "-o", "m.hybridseg"),
        ("data", "check", "x.csv"),
        ("bench", "x.toml"),
        ("bench", "--data", "phantoms", "-m", "otsu", "--split", "x.csv"),
        ("bench", "--data", "phantoms", "-m", "otsu", "--split", "x.json"),
        ("data", "check-split", "x.csv", "--data", "phantoms"),
        ("segment", "-m", "otsu", "x.png"),
        ("info", "x.png"),
    ],
    ids=" ".join,
)
def test_so_is_every_other_file_that_a_command_names(
    here: Path, make: Callable[[Path], None], arguments: tuple[str, ...]
) -> None:
    for name in {argument for argument in arguments if argument.startswith("x.")}:
        make(here / name)
    one_line(hybridseg(*arguments), exit_code=1 if arguments[0] == "segment" else 2)


@MAKE
@pytest.mark.parametrize("place", ["run.json", "cells"])
def test_so_are_the_files_of_a_run(here: Path, make: Callable[[Path], None], place: str) -> None:
    run = write_small_run(here / "run")
    path = run / place if place == "run.json" else next((run / place).iterdir())
    path.unlink()
    make(path)
    shown = [hybridseg("info", "run"), hybridseg("report", "run", "-o", "page.html"), hybridseg("recommend", "run")]
    refused = [result for result in shown if result.exit_code]
    assert refused or make is not huge
    for result in refused:
        one_line(result)


def test_masks_beside_a_run_and_those_to_score_are_regular_files(here: Path) -> None:
    (here / "truth").mkdir()
    for number in range(2):
        write_scan(here / "truth" / f"{number}.png")
        write_mask(here / "truth" / f"{number}_mask.png", np.ones((40, 60), bool))
    (here / "pred").mkdir()
    shutil.copy(here / "truth" / "0_mask.png", here / "pred" / "0.png")
    pipe(here / "pred" / "1.png")
    assert "is not a regular file" in one_line(hybridseg("score", "--truth", "truth", "--pred", "pred", "-o", "run"))


def test_a_mask_of_a_run_and_a_checkpoint_are_regular_files(run: Path) -> None:
    folder, row = RunFolder(run), read_run(run)[1][0]
    mask = folder.mask("stem", row.case_id)
    mask.parent.mkdir(parents=True)
    pipe(mask)
    assert read_row_mask(folder, "stem", row) is None
    with pytest.raises(TrainingError, match="not a regular file"):
        read_start(mask)
