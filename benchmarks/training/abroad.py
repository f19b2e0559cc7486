"""Leave a hospital out: train at one, and score another, which taught nothing. It chooses changes of the recipe.

    python benchmarks/training/abroad.py train BUSBRA Dataset_BUSI_with_GT -o runs/narrow \\
        --set "unet[size=160,epochs=8,images_per_group=1,flip_averaging=False,validation_share=0.05]"
    python benchmarks/training/abroad.py compare runs/narrow runs/wide

The fold that scores the models that ship is left out at both hospitals. BUS-UCLM is refused: it chooses nothing. Writes
the model and one row of counts per case at each of nine thresholds. ``compare`` prints the mean IoU and F1 over lesion
images at the threshold whose F1 is best, and each folder's difference to the first with a standard error over scenes
or patients.
"""

from __future__ import annotations

import csv
import gzip
import logging
from pathlib import Path

import click
import numpy as np
from train_unet import training_cases

from hybridseg.metrics import Counts, count_pixels, f1, iou
from hybridseg.registry import parse_spec
from hybridseg.unet.segmenter import UNetSegmenter

COUNTS = "counts.csv.gz"
THRESHOLDS = tuple(round(0.1 * k, 1) for k in range(1, 10))


@click.group()
def main() -> None:
    """Train at one hospital and score another, or compare such scores."""


@main.command()
@click.argument("learned")
@click.argument("tested")
@click.option("--leave-out", "fold", type=click.IntRange(0, 4), default=0, help="The published fold left out of both.")
@click.option("--set", "settings", default="unet", help="As of train_unet.py.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def train(learned: str, tested: str, fold: int, settings: str, output: Path) -> None:
    """Train at LEARNED and score TESTED: BUSI and BUS-BRA, or the other way round."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    output.mkdir(parents=True, exist_ok=True)
    cases, examined = ([case for _, case in training_cases((folder,), fold)] for folder in (learned, tested))
    images, masks = zip(*(case.read() for case in cases), strict=True)
    model = UNetSegmenter(checkpoint_dir=str(output / "checkpoint"), **parse_spec(settings)[1])
    model.fit(images, masks, groups=[case.group for case in cases])
    model.save(output / "model.hybridseg")
    with gzip.open(output / COUNTS, "wt", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["case_id", "group", "threshold", "tp", "fp", "fn", "tn"])
        for case in examined:
            image, mask = case.read()
            probability = model.predict_proba(image)
            for threshold in THRESHOLDS:
                c = count_pixels(mask, probability >= threshold)
                writer.writerow([case.case_id, case.group, threshold, c.tp, c.fp, c.fn, c.tn])


@main.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def compare(folders: tuple[Path, ...]) -> None:
    """Print each folder's mean F1 at its best threshold, and its difference to the first one's."""
    first: dict[str, float] = {}
    for folder in folders:
        cases = read_counts(folder / COUNTS)
        groups = {case: group for case, group, _ in cases[THRESHOLDS[0]]}
        scores = {threshold: {case: f1(c) for case, _, c in rows if c.tp + c.fn} for threshold, rows in cases.items()}
        best = max(scores, key=lambda threshold: np.mean(list(scores[threshold].values())))
        first = first or scores[best]
        difference: dict[str, list[float]] = {}
        for case, value in scores[best].items():
            difference.setdefault(groups[case], []).append(value - first[case])
        sums = np.array([sum(values) for values in difference.values()])
        mean = sums.sum() / len(scores[best])
        sizes = np.array([len(values) for values in difference.values()])
        error = np.sqrt(((sums - mean * sizes) ** 2).sum()) / sizes.sum()
        overlap = np.mean([iou(c) for _, _, c in cases[best] if c.tp + c.fn])
        missed = np.mean([c.tp == 0 for _, _, c in cases[best] if c.tp + c.fn])
        free = [c for _, _, c in cases[best] if not c.tp + c.fn]
        outlined = sum(c.fp > 0 for c in free)
        print(
            f"{folder}: IoU {overlap:.3f}, F1 {np.mean(list(scores[best].values())):.3f} at {best} on "
            f"{len(scores[best])} lesion images ({mean:+.3f}, standard error {error:.3f}), {missed:.1%} missed; "
            f"{outlined} of {len(free)} lesion-free images outlined"
        )


def read_counts(path: Path) -> dict[float, list[tuple[str, str, Counts]]]:
    """Return case, group and counts of every row, by threshold."""
    found: dict[float, list[tuple[str, str, Counts]]] = {threshold: [] for threshold in THRESHOLDS}
    with gzip.open(path, "rt") as stream:
        for row in csv.DictReader(stream):
            counts = Counts(*(int(row[key]) for key in ("tp", "fp", "fn", "tn")))
            found[float(row["threshold"])].append((row["case_id"], row["group"], counts))
    return found


if __name__ == "__main__":
    main()
