"""Methods that end the process, move it to another folder, or raise what nobody expects: they fail, and say so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from _hostile import files, hybridseg, one_line, write_scan

from hybridseg.bench import read_run
from hybridseg.guests import contained

METHOD = '''
import os
import numpy as np
from hybridseg import Segmenter, Tags


class Stop(BaseException):
    pass


{at_import}


class Bad(Segmenter):
    """Does at some point what no method should."""

    tags = Tags(exportable={exportable}, export_reason="it is a test")

    def _fit(self, images, masks, *, groups, validation, progress):
        {in_fit}
        self.level_ = 50

    def _predict_proba(self, image):
        {in_predict}
        return (image < 50).astype(np.float32)

    def _to_onnx(self):
        {in_export}
'''
ENDINGS = {
    "raise SystemExit(0)": "SystemExit: 0",
    "raise Stop('now')": "Stop: now",
    "os._exit(0)": "SystemExit: os._exit(0)",
}
ENDING = pytest.mark.parametrize(("code", "reason"), ENDINGS.items(), ids=ENDINGS.values())


def write_method(*, at_import="", in_fit="pass", in_predict="pass", in_export="pass") -> None:
    text = METHOD.format(
        at_import=at_import, in_fit=in_fit, in_predict=in_predict, in_export=in_export, exportable=in_export != "pass"
    )
    Path("bad.py").write_text(text)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, which a method could end."""
    command = [sys.executable, "-m", "hybridseg", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_method_that_ends_the_process_has_failed(here: Path) -> None:
    write_method(in_predict="os._exit(0)")
    write_scan(here / "a.png")
    done = run("segment", "-m", "bad.py:Bad", "a.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "a.png: RuntimeError: it raised SystemExit: os._exit(0)\n"
    done = run("bench", "--data", "phantoms[n=2]", "--folds", "2", "-m", "bad.py:Bad", "--no-cost", "-o", "run")
    assert done.returncode == 1 and "2 predictions failed" in done.stderr
    assert [row.error for row in read_run("run")[1]] == ["RuntimeError: it raised SystemExit: os._exit(0)"] * 2


@ENDING
@pytest.mark.parametrize("verb", ["segment", "fit", "export", "info"])
def test_so_has_one_whose_import_ends_it(here: Path, verb: str, code: str, reason: str) -> None:
    write_method(at_import=code)
    write_scan(here / "a.png")
    arguments = {
        "segment": ("segment", "-m", "bad.py:Bad", "a.png"),
        "fit": ("fit", "bad.py:Bad", "--data", "phantoms[n=2]", "-o", "m.hybridseg"),
        "export": ("export", "bad.py:Bad", "-o", "m.onnx"),
        "info": ("info", "bad.py:Bad"),
    }
    assert f"bad.py failed to load: RuntimeError: it raised {reason}" in one_line(hybridseg(*arguments[verb]))
    assert files(here) == {"a.png", "bad.py", "mine.py"}


@ENDING
def test_a_prediction_is_a_failed_row_whatever_it_raises(here: Path, code: str, reason: str) -> None:
    write_method(in_predict=code)
    result = hybridseg("bench", "--data", "phantoms[n=2]", "--folds", "2", "-m", "bad.py:Bad", "--no-cost", "-o", "run")
    assert result.exit_code == 1
    assert [row.error for row in read_run("run")[1]] == [f"RuntimeError: it raised {reason}"] * 2


@ENDING
def test_so_is_a_fit(here: Path, code: str, reason: str) -> None:
    write_method(in_fit=code)
    result = hybridseg("bench", "--data", "phantoms[n=2]", "--folds", "2", "-m", "bad.py:Bad", "--no-cost", "-o", "run")
    assert result.exit_code == 1
    assert [row.error for row in read_run("run")[1]] == [f"fit: RuntimeError: it raised {reason}"] * 2
    message = one_line(hybridseg("fit", "bad.py:Bad", "--data", "phantoms[n=2]", "-o", "m.hybridseg"))
    assert message == f"hybridseg: it raised {reason}\n"
    assert not (here / "m.hybridseg").exists()


@ENDING
def test_an_export_that_ends_the_process_writes_nothing(here: Path, code: str, reason: str) -> None:
    pytest.importorskip("spox")
    write_method(in_export=code)
    assert f"it raised {reason}" in one_line(hybridseg("export", "bad.py:Bad", "-o", "m.onnx"))
    assert not (here / "m.onnx").exists()


def test_a_method_that_changes_the_working_folder_is_brought_back(here: Path) -> None:
    (here / "elsewhere").mkdir()
    leaves = f"os.chdir({str(here / 'elsewhere')!r})"
    write_method(at_import=leaves, in_fit=leaves, in_predict=leaves)
    for name in "ab":
        write_scan(here / f"{name}.png")
    result = hybridseg("segment", "-m", "bad.py:Bad", "a.png", "b.png", "-o", "out")
    assert (result.exit_code, result.stderr) == (0, "")
    assert files(here / "out") == {"a_mask.png", "b_mask.png"}
    result = hybridseg("bench", "--data", "phantoms[n=2]", "--folds", "2", "-m", "bad.py:Bad", "--no-cost", "-o", "run")
    assert result.exit_code == 0, result.output
    assert len(read_run("run")[1]) == 2
    result = hybridseg("fit", "bad.py:Bad", "--data", "phantoms[n=2]", "-o", "m.hybridseg")
    assert result.exit_code == 0, result.output
    assert (here / "m.hybridseg").is_file() and not files(here / "elsewhere")


def test_an_interrupt_stays_one_and_the_real_exit_comes_back(here: Path) -> None:
    before = os._exit
    with pytest.raises(KeyboardInterrupt), contained():
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), contained():
        os.chdir(os.sep)
        raise ZeroDivisionError
    assert os._exit is before and Path.cwd() == here


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_that_a_method_forks_may_end_itself() -> None:
    with contained():
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
