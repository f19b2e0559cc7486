"""What the harness promises about other processes: none is left behind, and none inherits another's memory."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hybridseg.bench.run.cost import measure_cost
from hybridseg.processes.local import LocalWorkers, Outcome

METHODS = '''
import time

import numpy as np
from hybridseg import Segmenter


class Slow(Segmenter):
    """Nothing, slowly."""

    def __init__(self, *, seconds=0.2):
        self.seconds = seconds

    def _predict_proba(self, image):
        time.sleep(self.seconds)
        return np.zeros(image.shape, np.float32)
'''


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.glob("cells/*.jsonl")}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cases.csv").open() as stream:
        return [{key: value for key, value in row.items() if key != "predict_ms"} for row in csv.DictReader(stream)]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_workers_end_with_a_killed_parent_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(METHODS)
    command = [sys.executable, "-m", "hybridseg", "bench", "--data", "phantoms[n=10]", "--folds", "2", "--no-cost"]
    command += ["-j", "2", "-m", f"{tmp_path / 'mine.py'}:Slow", "-o", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while sum(sizes(tmp_path / "run").values()) < 800 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.0)  # five cases' time
    left = sizes(tmp_path / "run")
    time.sleep(1.0)
    assert sizes(tmp_path / "run") == left, "a worker goes on without its parent"
    assert not (tmp_path / "run" / "cases.csv").exists(), "the kill came too late to show anything"
    subprocess.run(command, check=True, capture_output=True)
    assert len({row["case_id"] for row in rows(tmp_path / "run")}) == len(rows(tmp_path / "run")) == 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's own peak")
def test_peak_memory_is_the_method_s_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(METHODS)
    ballast = np.ones(400 * 2**20, np.uint8)  # ru_maxrss of a child would start from this
    cost = measure_cost(
        "hybridseg.registry:create", f"{tmp_path / 'mine.py'}:Slow[seconds=0.0]", [np.full((40, 50), 9, np.uint8)]
    )
    assert ballast.nbytes / 2**20 == 400
    assert 10 < cost["peak_mib"] < 300


def test_method_that_fails_has_a_reason_in_place_of_its_cost(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(METHODS)
    spec = f"{tmp_path / 'mine.py'}:Slow[seconds=-1]"
    cost = measure_cost("hybridseg.registry:create", spec, [np.full((40, 50), 9, np.uint8)])
    assert cost == {"threads": 1, "error": "ValueError: sleep length must be non-negative"}


SHADOW = "open('ran', 'w').close(); raise ImportError('the working folder is imported from')"


def own_square(context: int, unit: int) -> int:
    return context * unit


def test_no_process_imports_what_lies_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (data, elsewhere):
        folder.mkdir()
    for name in ("json", "numpy", "runpy", "scipy", "signal", "sklearn"):
        (data / f"{name}.py").write_text(SHADOW)
    (data / "mine.py").write_text(METHODS)
    (elsewhere / "my_factory.py").write_text("from hybridseg.registry import create")
    monkeypatch.chdir(data)
    monkeypatch.syspath_prepend(elsewhere)  # what this process can import, the measured one can
    cost = measure_cost("my_factory:create", "mine.py:Slow[seconds=0.0]", [np.full((40, 50), 9, np.uint8)])
    assert cost["error"] == ""
    with LocalWorkers(own_square, 10, 1, cores=1) as workers:
        workers.put(2)
        assert workers.take() == Outcome(2, 20)
    assert not (data / "ran").exists()


def test_every_python_that_is_started_is_told_so() -> None:
    for path in (Path(__file__).resolve().parents[2] / "hybridseg").rglob("*.py"):
        assert 'sys.executable, "-m"' not in path.read_text("utf-8"), f"{path} lacks -P"
