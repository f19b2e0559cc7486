"""The site builds without a warning: no broken link, no page outside, no public name without words or page."""

from __future__ import annotations

import importlib
import subprocess
import sys
from configparser import ConfigParser
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


def test_every_package_with_public_names_has_a_page() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    packages = setup["options"]["packages"].split()
    public = {name for name in packages if hasattr(importlib.import_module(name), "__all__")}
    assert public
    missing = {name for name in public if not (DOCS / "reference" / "api" / f"{name}.md").is_file()}
    assert not missing, f"docs/reference/api lacks {', '.join(sorted(missing))}"


@pytest.mark.parametrize("group", ["hybridseg.segmenters"])
def test_every_method_that_ships_is_described(group: str) -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    text = (DOCS / "reference" / "api" / "methods.md").read_text("utf-8")
    for line in setup["options.entry_points"][group].strip().splitlines():
        assert line.partition("=")[2].strip().replace(":", ".") in text, line
