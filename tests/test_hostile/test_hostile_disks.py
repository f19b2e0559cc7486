"""Disks that are full or read-only: one line, a non-zero exit code, no half file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from _hostile import files, hybridseg, one_line, write_scan
from PIL import Image

from hybridseg.bench.records.folder import read_run
from hybridseg.files import write_atomically

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
    write_scan(here / "a.png")
    with open("/dev/full", "w") as full, open(here / "a.png", "rb") as image:
        done = subprocess.run(
            [sys.executable, "-m", "hybridseg", *arguments],
            stdin=image, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and "No space left on device" in done.stderr


def test_what_is_no_regular_file_is_not_replaced(here: Path) -> None:
    os.mkfifo("pipe")
    with pytest.raises(FileExistsError, match="is no regular file"):
        write_atomically("pipe", b"x")
    assert Path("pipe").is_fifo()


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
    write_scan(here / "a.png")
    assert "out" in one_line(hybridseg("segment", "-m", "mine.py:Dark", "a.png", "-o", "out"))
    assert "out" in one_line(hybridseg("data", "split", "phantoms", "-o", "out/split.csv"))
    one_line(hybridseg("bench", "--data", "phantoms[n=4]", "-m", "mine.py:Dark", "-o", "out/run"))
    assert not files(here / "out")
