"""What MONAI and scikit-learn say of masks that scorers stumble over, recorded for the tests.

    pip install monai==1.6.1 torch==2.13.0 scikit-learn==1.9.1
    python benchmarks/accuracy/record_peers.py      # writes tests/metrics_peers.json

Where a library has no answer, or decides an empty mask otherwise than we do, there is null.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from _adversarial import adversarial_pairs  # noqa: E402

SPACING_MM = (0.5, 0.25)
TOLERANCES_PX = (1.0, 2.0)


def ask_monai(true: Any, pred: Any) -> dict[str, float | None]:
    """Return Dice, HD95 in pixels and mm, and surface Dice, computed in float32."""
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance, compute_iou, compute_surface_dice

    first, second = (torch.tensor(mask[np.newaxis, np.newaxis].astype(np.float32)) for mask in (pred, true))
    common: dict[str, Any] = {"include_background": True}
    answers = {
        "dice": compute_dice(first, second, **common),
        "iou": compute_iou(first, second, **common),
        "hd95": compute_hausdorff_distance(first, second, percentile=95, **common),
        "hd95_mm": compute_hausdorff_distance(first, second, percentile=95, spacing=SPACING_MM, **common),
    }
    for tolerance in TOLERANCES_PX:
        answers[f"surface_dice_{tolerance:g}"] = compute_surface_dice(first, second, [tolerance], **common)
    return {name: _finite(float(answer)) for name, answer in answers.items()}


def ask_scikit_learn(true: Any, pred: Any) -> dict[str, float | None]:
    """Return ratios, with the value of an empty mask that is ours."""
    from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

    scores = {"iou": jaccard_score, "f1": f1_score, "precision": precision_score, "recall": recall_score}
    return {name: float(score(true.ravel(), pred.ravel(), zero_division=1.0)) for name, score in scores.items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def main() -> None:
    """Ask both of all pairs, and write what they say."""
    import monai
    import sklearn
    import torch

    warnings.simplefilter("ignore")  # of empty masks
    recorded = {
        name: {"monai": ask_monai(*pair), "scikit-learn": ask_scikit_learn(*pair)}
        for name, pair in adversarial_pairs().items()
    }
    versions = {"monai": monai.__version__, "torch": torch.__version__, "scikit-learn": sklearn.__version__}
    (TESTS / "metrics_peers.json").write_text(json.dumps({"versions": versions, "pairs": recorded}, indent=1) + "\n")


if __name__ == "__main__":
    main()
