"""`benchmarks/accuracy/failures.py` on five counts typed by hand, one of each cause."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "accuracy" / "failures.py"


def test_one_of_each_cause(tmp_path: Path) -> None:
    rows = ["6,4,2,88", "9,30,1,60", "3,1,7,89", "1,9,9,81", "0,0,10,90", "0,5,0,95"]  # the last has no lesion
    cases = tmp_path / "cases.csv"
    cases.write_text("method,tp,fp,fn,tn\n" + "".join(f"m,{row}\n" for row in rows))
    done = subprocess.run([sys.executable, SCRIPT, cases], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == (
        "| m | 5 | 20.0 % (0.50) | 20.0 % (0.23) | 20.0 % (0.27) | 20.0 % (0.05) | 20.0 % (0.00) |"
    )
