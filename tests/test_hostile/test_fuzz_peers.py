"""Damaged files to two readers: a slice of `benchmarks/fuzz/fuzz_peers.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz"))

import fuzz_peers

STRICTER = (
    "a part that it may have once is there twice", "not an ONNX file, or something is mixed",
    "not an ONNX file, or a truncated one", "a name or an entry in it isn't UTF-8",
    "operator ", "it has functions", "its weights ", "two weights of a graph", "two inputs of a graph",
    "two outputs of a graph",
)  # fmt: skip
"""What the screen refuses although the standard's checker doesn't: what readers take otherwise, or what may do harm."""


@pytest.mark.parametrize("name", fuzz_peers.IMAGES)
def test_no_damaged_image_is_another_picture_to_opencv(name: str, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    ends, others = fuzz_peers.compare_all(140, 0, name, tmp_path)
    assert ends["differing"] == 0, others
    assert ends["alike"] >= 10 and ends["neither"] >= 10


def test_the_screen_refuses_what_the_checker_refuses_or_says_why(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "w.bin").write_bytes(bytes(4))
    ends, others = fuzz_peers.compare_all(400, 0, "onnx", tmp_path)
    assert ends["alike"] >= 50 and ends["neither"] >= 50
    refused = [why for _, end, why in others if end == "the other alone"]
    assert refused and all(why.startswith(STRICTER) for why in refused), refused
