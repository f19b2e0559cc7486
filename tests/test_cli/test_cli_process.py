"""What a process gets from outside: streams that are closed, full or left, signals, encodings, folders that vanish."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _hostile import write_scan
from click.testing import CliRunner

from hybridseg.bench.records.folder import read_run
from hybridseg.cli import main

METHODS = '''
import contextlib
import os
import shutil
import time
from pathlib import Path

import numpy as np
from hybridseg import Segmenter


class Noisy(Segmenter):
    """Prints past Python, as C libraries do."""

    def _predict_proba(self, image):
        for stream in (1, 2):
            with contextlib.suppress(OSError):
                os.write(stream, b"noise")
        return (image < 60).astype(np.float32)


class Slow(Segmenter):
    """Takes its time, and says when it begins."""

    def _predict_proba(self, image):
        Path("begun").write_text("now")
        time.sleep(60)
        return (image < 60).astype(np.float32)


class Removing(Segmenter):
    """Has somebody remove the folder that is written to."""

    def _predict_proba(self, image):
        shutil.rmtree("out", ignore_errors=True)
        return (image < 60).astype(np.float32)
'''

VERBS = {
    "segment": ["segment", "-m", "otsu", "a.png", "-o", "out"],
    "pipe": ["segment", "-m", "otsu", "-"],
    "bench": ["bench", "-m", "otsu", "--data", "phantoms[n=2]", "--folds", "2", "--no-cost"],
    "score": ["score", "--truth", "data", "--pred", "data"],
    "report": ["report", "run", "--format", "md"],
    "methods": ["methods"],
    "help": ["--help"],
    "help of a verb": ["segment", "--help"],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(METHODS)
    write_scan(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data``, images and masks, and ``run``, a run folder."""
    folder = tmp_path_factory.mktemp("made")
    for arguments in (["data", "phantoms", "--n", "2", "-o", folder / "data"], [*VERBS["bench"], "-o", folder / "run"]):
        assert CliRunner().invoke(main, [str(each) for each in arguments]).exit_code == 0
    return folder


@pytest.fixture
def with_run(here: Path, made: Path) -> Path:
    for name in ("data", "run"):
        (here / name).symlink_to(made / name)
    return here


def start(*arguments: str, shell: str = "", **options: Any) -> subprocess.Popen[bytes]:
    """Start hybridseg; ``shell`` redirects its streams, such as ``>&-``."""
    command = ["sh", "-c", f'exec "$@" {shell}', "sh", sys.executable, "-m", "hybridseg", *arguments]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **{**pipes, **options})


def run(*arguments: str, shell: str = "", **options: Any) -> tuple[int, str, str]:
    with start(*arguments, shell=shell, **options) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, (out or b"").decode(errors="replace"), err.decode()


@pytest.mark.parametrize("name", VERBS)
def test_closed_stdout_is_one_line(with_run: Path, name: str) -> None:
    code, _, err = run(*VERBS[name], shell="<a.png >&-")
    assert (code, err.splitlines()[-1], "Traceback" in err) == (2, "hybridseg: stdin or stdout is closed", False), err


def test_closed_stdin_is_one_line_where_it_is_read(here: Path) -> None:
    assert run(*VERBS["pipe"], shell="<&-") == (2, "", "hybridseg: stdin or stdout is closed\n")
    assert run(*VERBS["segment"], shell="<&-")[::2] == (0, "")


@pytest.mark.parametrize("shell", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("name", ["segment", "score"])
def test_lost_stderr_costs_nothing_but_what_is_said_there(with_run: Path, name: str, shell: str) -> None:
    if "full" in shell and not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    code, out, _ = run(*VERBS[name], shell=shell)
    assert out
    assert code == (2 if "full" in shell and name == "score" else 0)  # it has something to say there
    assert run("segment", "missing.png", shell=shell) == (2, "", "")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_is_printed_past_python_goes_into_no_file(here: Path, jobs: str) -> None:
    arguments = ["bench", "-m", "mine.py:Noisy", "--data", "phantoms[n=4]", "--folds", "2", "--no-cost", "-j", jobs]
    run(*arguments, "-o", "out", shell="<&- >&- 2>&-")
    assert [row.error for row in read_run("out")[1]] == [""] * 4
    assert not [path for path in here.glob("out/**/*") if path.is_file() and b"noise" in path.read_bytes()]


@pytest.mark.parametrize("name", ["methods", "help", "help of a verb"])
def test_reader_that_leaves_is_no_error(name: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code, _, err = run(*VERBS[name], stdout=writing)
    os.close(writing)
    assert (code, err) == (141, "")


def test_names_that_an_encoding_lacks_are_escaped(here: Path) -> None:
    Path("a.png").rename("\u00e4\u2020.png")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    code, out, _ = run("segment", "-m", "otsu", "\u00e4\u2020.png", "-o", "out", env=environment)
    assert (code, "\\u2020" in out) == (0, True)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let processes started now listen to Ctrl-C, which a job in the background passes on as ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def wait_for(process: subprocess.Popen[bytes], pattern: str) -> None:
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in Path().glob(pattern)):
        assert time.monotonic() < deadline and process.poll() is None, "nothing began"
        time.sleep(0.02)


SEGMENT = ["segment", "-m", "mine.py:Slow", "a.png", "b.png", "-o", "out"]
BENCH = ["bench", "-m", "mine.py:Slow", "--data", "phantoms[n=2]", "--folds", "2", "--no-cost", "-o", "run"]
SAID = {signal.SIGINT: "hybridseg: interrupted\n", signal.SIGTERM: "hybridseg: terminated\n"}


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("arguments", "number", "again_after"),
    [
        (BENCH, signal.SIGINT, None),
        (BENCH, signal.SIGTERM, None),
        ([*SEGMENT, "-j", "2"], signal.SIGINT, 0.0),
        ([*SEGMENT, "-j", "2"], signal.SIGINT, 0.02),
        ([*SEGMENT, "-j", "2"], signal.SIGTERM, 0.02),
    ],
)
def test_signals_end_with_one_line_and_a_code(
    here: Path, arguments: list[str], number: signal.Signals, again_after: float | None
) -> None:
    """As a terminal does, to the whole group; the second one comes while the first is dealt with, or at the end."""
    write_scan(here / "b.png")
    with start(*arguments, start_new_session=True) as process:
        try:
            wait_for(process, "begun")
            os.killpg(process.pid, number)
            if again_after is not None:
                time.sleep(again_after)
                os.killpg(process.pid, number)  # the process is there until it is waited for
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out.decode(), err.decode()) == (128 + number, "", SAID[number])
    assert not list(here.glob("out/**/*.png"))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_folder_that_vanishes_is_an_error_or_made_again(here: Path, jobs: str) -> None:
    write_scan(here / "b.png")
    code, _, err = run("segment", "-m", "mine.py:Removing", "a.png", "b.png", "-o", "out", "-j", jobs)
    assert (code, err, Path("out/b_mask.png").exists()) == (0, "", True)
    arguments = ["-m", "mine.py:Removing", "--data", "phantoms[n=4]", "--folds", "2", "--no-cost", "-o", "out"]
    code, _, err = run("bench", *arguments, "-j", jobs)
    assert (code, len(err.splitlines()), "Traceback" in err) == (2, 1, False), err


@pytest.mark.parametrize("text", ["{", '{"x": 1}', "[]", '{"address": 3}', "\udcff"])
def test_scheduler_file_that_is_none(here: Path, text: str) -> None:
    pytest.importorskip("distributed")
    Path("scheduler.json").write_text(text, errors="surrogateescape")
    result = CliRunner().invoke(main, ["segment", "-m", "otsu", "a.png", "-o", "out", "--cluster", "scheduler.json"])
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "scheduler.json: not a scheduler file" in result.stderr


@pytest.mark.parametrize("address", ["x", "tls://127.0.0.1:1"])
def test_address_that_is_none(here: Path, address: str) -> None:
    pytest.importorskip("distributed")
    result = CliRunner().invoke(main, ["segment", "-m", "otsu", "a.png", "-o", "out", "--cluster", address])
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert f"no Dask scheduler answers at {address}" in result.stderr
