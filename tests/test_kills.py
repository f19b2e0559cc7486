"""kill -9 before some writes of every verb that writes: the same command again ends as an unbroken run does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[1] / "benchmarks" / "robustness" / "kill_points.py"


@pytest.mark.skipif(sys.platform == "win32", reason="kills forks")
def test_a_kill_before_a_write_costs_nothing() -> None:
    done = subprocess.run([sys.executable, PROGRAM, "--most", "3"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verbs = {line.split()[1].strip("`") for line in done.stdout.splitlines()[2:]}
    assert verbs == {"bench", "data", "export", "fit", "merge", "report", "score", "segment"}
