"""Other libraries' numbers on masks typed by hand, where their convention is ours: recorded, not installed.

Written down from MONAI 1.6.1 (torch 2.13.0; computes in float32), medpy 0.5.2 and scikit-learn 1.9.1, so:

    compute_hausdorff_distance(pred, true, include_background=True, percentile=95, spacing=spacing)
    compute_surface_dice(pred, true, [tolerance], include_background=True)
    medpy.metric.binary.hd95(pred, true, voxelspacing=spacing); .jc, .dc, .precision, .recall
    jaccard_score, f1_score, precision_score, recall_score of true.ravel(), pred.ravel()

Where they decide otherwise than we do, there is nothing to record: a mask that is empty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from hybridseg.metrics import count_pixels, f1, hd95, iou, nsd, precision, recall

Box = tuple[int, int, int, int]
SPACING_MM = (0.5, 0.25)


@dataclass(frozen=True)
class Recorded:
    """Two masks of 20 x 24 as boxes (first row, past the last, first column, past the last), and what was answered."""

    true: tuple[Box, ...]
    pred: tuple[Box, ...]
    iou: float
    dice: float
    precision: float
    recall: float
    monai_hd95: float
    monai_hd95_mm: float
    medpy_hd95: float
    medpy_hd95_mm: float
    monai_surface_dice: tuple[float, float, float]  # at 1, 2 and 3 pixels


SHIFTED = Recorded(
    ((4, 14, 5, 15),), ((7, 17, 8, 20),),
    0.28654970760233917, 0.44545454545454544, 0.4083333333333333, 0.49,
    5.113326549530029, 1.6833370923995972, 5.0, 1.6198485402998697,
    (0.15789473056793213, 0.2631579041481018, 0.7105262875556946),
)  # fmt: skip
WITH_A_SPUR = Recorded(
    ((4, 14, 5, 15),), ((4, 14, 5, 15), (8, 9, 15, 24)),
    0.9174311926605505, 0.9569377990430622, 0.9174311926605505, 1.0,
    6.849998474121094, 1.7124996185302734, 5.049999999999997, 1.2624999999999993,
    (0.8999999761581421, 0.9125000238418579, 0.925000011920929),
)  # fmt: skip
ONE_OF_TWO = Recorded(
    ((2, 8, 2, 9), (12, 18, 14, 22)), ((3, 9, 2, 8),),
    0.3125, 0.47619047619047616, 0.8333333333333334, 0.3333333333333333,
    15.771659851074219, 5.385013580322266, 15.54724343480585, 5.304743624133556,
    (0.6212121248245239, 0.6363636255264282, 0.6363636255264282),
)  # fmt: skip
FLOAT32 = 1e-6


def masks(recorded: Recorded) -> tuple[np.ndarray, np.ndarray]:
    found = []
    for boxes in (recorded.true, recorded.pred):
        mask = np.zeros((20, 24), bool)
        for top, bottom, left, right in boxes:
            mask[top:bottom, left:right] = True
        found.append(mask)
    return found[0], found[1]


@pytest.mark.parametrize("recorded", [SHIFTED, WITH_A_SPUR, ONE_OF_TWO])
def test_ratios_are_medpy_s_and_scikit_learn_s(recorded: Recorded) -> None:
    counts = count_pixels(*masks(recorded))
    ours = [ratio(counts) for ratio in (iou, f1, precision, recall)]
    assert ours == pytest.approx([recorded.iou, recorded.dice, recorded.precision, recorded.recall], rel=1e-12)


@pytest.mark.parametrize("recorded", [SHIFTED, WITH_A_SPUR, ONE_OF_TWO])
def test_larger_directed_percentile_is_monai_s(recorded: Recorded) -> None:
    assert hd95(*masks(recorded)) == pytest.approx(recorded.monai_hd95, rel=FLOAT32)
    assert hd95(*masks(recorded), SPACING_MM) == pytest.approx(recorded.monai_hd95_mm, rel=FLOAT32)


@pytest.mark.parametrize("recorded", [SHIFTED, WITH_A_SPUR, ONE_OF_TWO])
def test_joined_percentile_is_medpy_s(recorded: Recorded) -> None:
    assert hd95(*masks(recorded), joined=True) == pytest.approx(recorded.medpy_hd95, rel=1e-12)
    assert hd95(*masks(recorded), SPACING_MM, joined=True) == pytest.approx(recorded.medpy_hd95_mm, rel=1e-12)


@pytest.mark.parametrize("recorded", [SHIFTED, WITH_A_SPUR, ONE_OF_TWO])
def test_surface_dice_is_monai_s(recorded: Recorded) -> None:
    ours = [nsd(*masks(recorded), tolerance) for tolerance in (1.0, 2.0, 3.0)]
    assert ours == pytest.approx(list(recorded.monai_surface_dice), rel=FLOAT32)
