"""Watching a folder: files that are still written, kills, and what is no image."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from hybridseg.batch.watching import LOG, watch
from hybridseg.cli import main
from hybridseg.images import read_mask, write_image


class Enough(Exception):
    """Ends a watch."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in/deep").mkdir(parents=True)


def scan(name: str) -> Path:
    image = np.full((40, 50), 200, np.uint8)
    image[10:20, 10:30] = 20
    write_image(Path("in", name), image)
    return Path("in", name)


def looks(*between: Callable[[], object]) -> list[dict[str, Any]]:
    """Watch until nothing is left to happen between two looks; return the entries."""
    steps = iter(between)

    def wait() -> None:
        step = next(steps, None)
        if step is None:
            raise Enough
        step()

    entries = []
    with pytest.raises(Enough):
        for entry in watch(Path("in"), Path("out"), wait, method="otsu"):
            entries.append(entry)
    return entries


def nothing() -> None:
    pass


def outcomes(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(entry["image"], entry["status"]) for entry in entries]


def test_a_file_waits_until_it_no_longer_changes() -> None:
    whole = scan("a.png").read_bytes()
    path = Path("in/a.png")
    path.write_bytes(whole[:100])
    assert looks(lambda: path.write_bytes(whole[:200]), lambda: path.write_bytes(whole)) == []
    assert outcomes(looks(nothing)) == [("a.png", "done")]
    assert read_mask("out/a.png_mask.png")[12:18, 12:28].all()


def test_every_file_has_one_line_and_twins_have_a_mask_each() -> None:
    for name in ("a.png", "a.bmp.png", "deep/a.png"):
        scan(name)
    Path("in/notes.txt").write_text("text")
    Path("in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Path("in/.half.png").write_bytes(b"x")
    entries = looks(nothing, nothing, nothing)
    assert outcomes(entries) == [
        ("a.bmp.png", "done"), ("a.png", "done"), ("broken.png", "failed"), ("deep/a.png", "done"),
        ("notes.txt", "passed over"),
    ]  # fmt: skip
    assert [json.loads(line) for line in Path("out", LOG).read_text("utf-8").splitlines()] == entries
    assert looks(nothing, nothing) == []  # nothing is done twice
    os.utime("in/broken.png", ns=(1, 1))
    assert outcomes(looks(nothing)) == [("broken.png", "failed")]  # changed, it is tried again


def test_a_watch_that_was_killed_goes_on() -> None:
    for number in range(4):
        scan(f"{number}.png")
    killed = watch(Path("in"), Path("out"), nothing, method="otsu")
    assert [next(killed)["image"] for _ in range(2)] == ["0.png", "1.png"]
    killed.close()
    lines = Path("out", LOG).read_bytes().splitlines(keepends=True)
    Path("out", LOG).write_bytes(lines[0] + lines[1][:20])  # killed within the second line
    made = Path("out/1.png_mask.png").stat().st_mtime_ns
    assert outcomes(looks(nothing)) == [("1.png", "was there"), ("2.png", "done"), ("3.png", "done")]
    assert Path("out/1.png_mask.png").stat().st_mtime_ns == made
    logged = [json.loads(line)["image"] for line in Path("out", LOG).read_text("utf-8").splitlines()]
    assert logged == ["0.png", "1.png", "2.png", "3.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in", "--watch"], "`--watch` needs a folder to write to: -o DIR"),
        (["in", "--watch", "-o", "in/masks"], "lies in the watched folder"),
        (["in/a.png", "--watch", "-o", "out"], "`--watch` needs a folder, got in/a.png"),
        (["in", "in", "--watch", "-o", "out"], "`--watch` takes one folder"),
        (["in", "--watch", "-o", "out", "--measure", "t.csv"], "`--watch` takes one folder"),
        (["in", "--watch", "-o", "old"], "line 1 isn't one of a watch"),
    ],
)
def test_refused_in_one_line(arguments: list[str], message: str) -> None:
    scan("a.png")
    Path("old").mkdir()
    Path("old", LOG).write_text("{}\n")
    result = CliRunner().invoke(main, ["segment", "-m", "otsu", *arguments])
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert message in result.stderr
