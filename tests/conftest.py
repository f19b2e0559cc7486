"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def busi_dir() -> Path:
    """The folder with the real BUSI images; tests that need it are skipped, with the reason, where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "busi"
    folder = Path(os.environ.get("HYBRIDSEG_BUSI", default))
    if not (folder / "benign").is_dir():
        pytest.skip(f"the BUSI images are not at {folder}; set HYBRIDSEG_BUSI to their folder")
    return folder
