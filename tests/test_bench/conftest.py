"""Fixtures of the tests of the harness."""

from __future__ import annotations

from pathlib import Path

import pytest
from _methods import METHODS


@pytest.fixture
def methods(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(METHODS)
    return path
