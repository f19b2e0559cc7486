"""The public graph pieces, and the example that CONTRIBUTING.md makes of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spox")

from hybridseg import OnnxSegmenter
from hybridseg.onnx import pieces

CONTRIBUTING = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"


def test_every_piece_says_what_it_is() -> None:
    assert sorted(pieces.__all__) == pieces.__all__
    for name in pieces.__all__:
        assert getattr(pieces, name).__doc__, name


def test_the_example_exports_and_agrees(tmp_path: Path) -> None:
    (code,) = (
        block for block in re.findall(r"```python\n(.*?)```", CONTRIBUTING.read_text("utf-8"), re.S)
        if "def _to_onnx" in block
    )  # fmt: skip
    names: dict = {}
    exec(code, names)
    model = names["DarkBlobsSegmenter"](sigma=2.0)
    report = model.to_onnx(tmp_path / "x.onnx")
    assert report.passed
    image = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    np.testing.assert_array_equal(OnnxSegmenter.load(tmp_path / "x.onnx").predict(image), model.predict(image))
