"""The site builds without a warning: no broken link, no page outside, no public name without words or page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx")
ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-D", "plot_gallery=0",
               "-d", str(tmp_path / "trees"), str(DOCS), str(tmp_path / "site")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert (tmp_path / "site" / "searchindex.js").is_file()
    commands = (tmp_path / "site" / "reference" / "command-line.html").read_text("utf-8")
    assert "hybridseg compare OLD_RUN NEW_RUN --metric f1" in commands  # two hyphens, to be copied
