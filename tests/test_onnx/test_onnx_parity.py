"""When a graph agrees with its method: on every image, in masks and in probabilities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridseg.onnx.parity import ImageParity, ParityError, ParityReport


def report(*images: tuple[int, int, float], share: float = 0.0, difference: float = 1e-5) -> ParityReport:
    """A report on images of (pixels, differing pixels, probability difference)."""
    compared = (ImageParity(f"i{k}", *image) for k, image in enumerate(images))
    return ParityReport(tuple(compared), share, difference)


@pytest.mark.parametrize(
    ("images", "limits", "passed"),
    [
        ([(100, 0, 0.0), (1, 0, 1e-5)], {}, True),
        ([(100, 0, 2e-5)], {}, False),  # equal masks, other probabilities
        ([(100, 0, float("nan"))], {}, False),
        ([(10**6, 1, 0.0)], {}, False),  # identical means identical
        ([(10**6, 100, 0.0)], {"share": 1e-4}, True),
        ([(10**6, 101, 0.0)], {"share": 1e-4}, False),
        ([(10**6, 0, 0.0), (20, 1, 0.0)], {"share": 1e-4}, True),  # a share of a pixel is a pixel
        ([(10**6, 0, 0.0), (20, 2, 0.0)], {"share": 1e-4}, False),
        ([(10**6, 0, 0.0), (1, 1, 0.0)], {"share": 1e-4}, False),  # but never all of an image
        ([(200, 0, 0.0)] * 2 + [(200, 1, 0.0)] * 2, {"share": 1e-4}, False),  # nor more than the share of all pixels
    ],
)
def test_what_agrees(images: Any, limits: Any, passed: bool) -> None:
    assert report(*images, **limits).passed is passed


def test_the_report_has_two_numbers_per_image_and_names_the_worst() -> None:
    found = report((100, 2, 0.25), (400, 1, 0.5), share=0.1, difference=0.3)
    written = json.loads(found.to_json())
    assert written["per_image"] == {"i0": [2, 0.25], "i1": [1, 0.5]}
    assert (written["images"], written["pixels"], written["differing_pixels"]) == (2, 500, 3)
    assert written["max_probability_difference"] == 0.5
    assert written["worst_image"] == "i1"  # i0 differs more, within what is allowed
    assert "worst image i1 with 1 of 400 pixels and 0.5" in str(found)


def test_right_masks_with_wrong_probabilities_are_not_kept(tmp_path: Path) -> None:
    pytest.importorskip("spox")
    import spox
    import spox.opset.ai.onnx.v18 as op
    from test_onnx_export import Darkness

    from hybridseg.onnx import assemble
    from hybridseg.onnx.pieces.batch import const
    from hybridseg.onnx.pieces.threshold import apply_operating_point

    class Squashed(Darkness):
        def _to_onnx(self) -> Any:
            def single(image: spox.Var) -> tuple[spox.Var, spox.Var]:
                grey = op.div(op.cast(image, to=np.float32), const(255.0, np.float32))
                probability = op.sub(const(1.0, np.float32), grey)
                wrong = op.mul(probability, const(0.9, np.float32))
                return apply_operating_point(probability, self.current_operating_point), wrong

            return assemble(single)

    with pytest.raises(ParityError, match=r"0 of \d+ pixels differ.*largest probability difference 0\.1 "):
        Squashed().to_onnx(tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
