"""Fixtures of the tests of data."""

from __future__ import annotations

from pathlib import Path

import pytest
from _folders import put


@pytest.fixture
def busi_like(tmp_path: Path) -> Path:
    root = tmp_path / "Dataset_BUSI_with_GT"
    for number in (1, 2, 10):
        put(root / f"benign/benign ({number}).png", colour=True)
        put(root / f"benign/benign ({number})_mask.png", (0, 0))
    put(root / "benign/benign (10)_mask_1.png", (1, 1))
    put(root / "benign/benign (10)_mask_2.png", (1, 1), (3, 4))
    put(root / "malignant/malignant (1).png")
    put(root / "malignant/malignant (1)_mask.png", (2, 2))
    put(root / "normal/normal (1).png")
    put(root / "normal/normal (1)_mask.png", colour=True)
    return root
