"""What the confidence of the models that ship is worth at each hospital: reliability, and F1 of the surest images.

    python benchmarks/accuracy/confidence.py

Reads the counts and confidences that ``training/cross_fit.py`` wrote (``benchmarks/results/counts``, by model and
hospital), and writes ``benchmarks/results/confidence.md``. No image had a part in the calibration that it is told by.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hybridseg.metrics import Counts, Estimate, f1
from hybridseg.metrics.calibration import calibration_error, is_right, mean_at_coverage, reliability, surest
from hybridseg.text import interval_text, markdown_table

RESULTS = Path(__file__).resolve().parents[1] / "results"
MODELS = ("unet", "unet-tiny")
HOSPITALS = {"BUSI": "fold 0", "BUS-BRA": "fold 0", "BUS-UCLM": "never trained on"}
LEFT_OUT = (0.0, 0.1, 0.2, 0.3, 0.5)


@dataclass
class Answers:
    """A model's answers at one hospital, an entry an image; F1 is NaN where there is no lesion."""

    groups: list[str]
    raw: np.ndarray
    sure: np.ndarray
    right: np.ndarray
    f1: np.ndarray


def main() -> None:
    """Write the page."""
    found = {
        (model, hospital): read(path)
        for model in MODELS
        for hospital in HOSPITALS
        if has_confidences(path := RESULTS / "counts" / f"{model}-{hospital}.csv")
    }
    errors, coverage, bins = [], [], []
    for (model, hospital), each in found.items():
        name = [model, f"{hospital}, {HOSPITALS[hospital]}"]
        raw, own = (calibration_error(values, each.right, each.groups) for values in (each.raw, each.sure))
        errors.append([*name, str(len(each.raw)), f"{100 * each.right.mean():.1f}", interval(raw), interval(own)])
        means = [mean_at_coverage(each.sure, each.f1, each.groups, 1 - left) for left in LEFT_OUT]
        wrong = [1 - each.right[surest(each.sure, 1 - left)].mean() for left in (0.0, 0.2)]
        coverage.append([*name, *map(interval, means), *(f"{100 * share:.1f}" for share in wrong)])
        bins += [
            [*name, f"{point.low:.1f} to {point.high:.1f}", str(point.answers), f"{point.confidence:.2f}",
             interval(point.right)]
            for point in reliability(each.sure, each.right)
        ]  # fmt: skip
    text = page(errors, coverage, bins)
    (RESULTS / "confidence.md").write_text(text)
    print(text)


def page(errors: list[list[str]], coverage: list[list[str]], bins: list[list[str]]) -> str:
    """Return the page of results."""
    where = ["model", "images of"]
    lefts = [f"F1, {100 * left:.0f} % left out" for left in LEFT_OUT]
    return "\n".join([
        "# What a confidence is worth", "", "`python benchmarks/accuracy/confidence.py`", "",
        "A mask is right if its IoU with the lesions is above a half, or if both are empty. Raw: the mean probability "
        "in the mask, or 1 less the largest where it is empty. On BUSI and BUS-BRA each half of fold 0 is calibrated "
        "on the other half of both. BUS-UCLM had no part in it. Intervals: 95 %, bootstrap over patients or scenes, "
        "Wilson for shares.",
        "", "## Expected calibration error", "",
        *markdown_table([*where, "n", "right %", "raw", "calibrated"], errors),
        "", "## F1 if the least sure images are left to a person", "",
        "Mean over the lesion images that stay. The share that is left out is of all images.", "",
        *markdown_table([*where, *lefts, "wrong %", "wrong %, 20 % left out"], coverage),
        "", "## Reliability", "",
        *markdown_table([*where, "confidence", "n", "mean confidence", "share right"], bins), "",
    ])  # fmt: skip


def has_confidences(path: Path) -> bool:
    """Whether a table of counts is there, with confidences."""
    return path.is_file() and "raw_confidence" in path.read_text().partition("\n")[0].split(",")


def read(path: Path) -> Answers:
    """Return what a table of counts and confidences says."""
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    counts = [Counts(*(int(row[key]) for key in ("tp", "fp", "fn", "tn"))) for row in rows]
    return Answers(
        [row["group"] for row in rows],
        np.array([float(row["raw_confidence"]) for row in rows]),
        np.array([float(row["confidence"]) for row in rows]),
        np.array([is_right(c) for c in counts]),
        np.array([f1(c) if c.tp + c.fn else np.nan for c in counts]),
    )


def interval(estimate: Estimate) -> str:
    """Return a value with its interval."""
    return interval_text(estimate.value, estimate.low, estimate.high)


if __name__ == "__main__":
    main()
