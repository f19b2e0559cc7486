"""Leave a hospital out: train at one, and score another, which taught nothing. It chooses changes of the recipe.

    python benchmarks/training/abroad.py train BUSBRA Dataset_BUSI_with_GT -o runs/busbra \\
        --set "unet[size=160,epochs=8,images_per_group=1,flip_averaging=False,validation_share=0.05]"
    python benchmarks/training/abroad.py compare runs/busbra runs/busbra-longer
    python benchmarks/training/abroad.py sizes runs/busbra Dataset_BUSI_with_GT 128 192 -o runs/busbra-two-sizes
    python benchmarks/training/abroad.py home Dataset_BUSI_with_GT --fold 4 -o runs/home \
        --set "unet[size=160,epochs=16,images_per_group=1,validation_share=0.05]"

The fold that scores the models that ship is left out at both hospitals. BUS-UCLM is refused: it chooses nothing. Writes
the model and one row of counts per case at each of nine thresholds, and at nine shares of the image's largest
probability, where a lesion-free image always has a mask. ``compare`` prints the mean IoU and F1 over lesion
images at the threshold whose F1 is best, and each folder's difference to the first with a standard error over scenes
or patients.
"""

from __future__ import annotations

import copy
import csv
import gzip
import logging
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from train_unet import published_split, training_cases, write_scores

from hybridseg.data import Case, load_dataset
from hybridseg.metrics import Counts, count_pixels, f1, iou
from hybridseg.postprocess import OperatingPoint, apply_operating_point
from hybridseg.registry import parse_spec
from hybridseg.training.checkpoints import CHECKPOINT, read_start, set_start
from hybridseg.training.convert import convert_weights
from hybridseg.training.operating import choose_operating_point
from hybridseg.unet.network import build_network
from hybridseg.unet.segmenter import UNetSegmenter

COUNTS = "counts.csv.gz"
POINTS = tuple((round(0.1 * k, 1), relative) for relative in (False, True) for k in range(1, 10))
"""Thresholds, and whether each is a share of the image's largest probability."""


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
    write_counts(model, examined, output / COUNTS)


def write_counts(model: UNetSegmenter, examined: list[Case], path: Path) -> None:
    """Write counts of each case at each threshold, and at each share of its largest probability."""
    with gzip.open(path, "wt", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["case_id", "group", "threshold", "relative", "tp", "fp", "fn", "tn"])
        for case in examined:
            image, mask = case.read()
            probability = model.predict_proba(image)
            for threshold, relative in POINTS:
                point = OperatingPoint(threshold, fill_holes=False, relative=relative)
                c = count_pixels(mask, apply_operating_point(probability, point))
                writer.writerow([case.case_id, case.group, threshold, int(relative), c.tp, c.fp, c.fn, c.tn])


@main.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.argument("tested")
@click.argument("sizes", nargs=-1, required=True, type=int)
@click.option("--leave-out", "fold", type=click.IntRange(0, 4), default=0, help="As of train.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def sizes(folder: Path, tested: str, sizes: tuple[int, ...], fold: int, output: Path) -> None:
    """Score what ``train`` wrote to FOLDER again: the mean of its maps at SIZES, which may name a size twice."""
    output.mkdir(parents=True, exist_ok=True)
    trained = UNetSegmenter.load(folder / "model.hybridseg")
    weights = read_start(folder / "checkpoint" / CHECKPOINT)[0]
    resized = []
    for size in sizes:
        model = copy.copy(trained).set_params(size=size)
        network = build_network(model.encoder, size, model.width)
        set_start(network, weights)
        model.network_ = np.frombuffer(convert_weights(model, network), np.uint8)
        resized.append(model)
    examined = [case for _, case in training_cases((tested,), fold)]
    write_counts(UNetSegmenter.mean_of(resized), examined, output / COUNTS)


@main.command()
@click.argument("learned")
@click.option("--leave-out", "left_out", type=click.IntRange(0, 4), default=0, help="A fold that nothing sees.")
@click.option("--fold", type=click.IntRange(0, 4), required=True, help="The published fold that is scored.")
@click.option("--set", "settings", default="unet", help="As of train_unet.py.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def home(learned: str, left_out: int, fold: int, settings: str, output: Path) -> None:
    """Train at LEARNED without two folds, and score one of them: each half at the point that the other half chooses."""
    output.mkdir(parents=True, exist_ok=True)
    examined = published_part(learned, fold)
    unseen = {case.case_id for case in (*examined, *published_part(learned, left_out))}
    cases = [case for _, case in training_cases((learned,), None) if case.case_id not in unseen]
    images, masks = zip(*(case.read() for case in cases), strict=True)
    model = UNetSegmenter(checkpoint_dir=str(output / "checkpoint"), **parse_spec(settings)[1])
    model.fit(images, masks, groups=[case.group for case in cases])
    model.save(output / "model.hybridseg")
    score_halves(model, examined, output)


def published_part(folder: str, fold: int) -> list[Case]:
    """Return the cases of a published fold."""
    dataset = load_dataset(folder)
    return list(dataset.select(published_split(dataset).folds[fold].test))


def score_halves(model: UNetSegmenter, examined: list[Case], output: Path) -> None:
    """Write counts and masks of the cases, and print F1 with and without the presence decision."""
    images, truths = zip(*(case.read() for case in examined), strict=True)
    maps = [model.predict_proba(image) for image in images]
    groups = sorted({case.group for case in examined})
    half_of = dict(zip(np.random.default_rng(0).permutation(groups), np.arange(len(groups)) % 2, strict=True))
    halves = np.array([half_of[case.group] for case in examined])
    points = []
    for half in (0, 1):
        others = np.flatnonzero(halves != half)
        points.append(choose_operating_point([truths[k] for k in others], [maps[k] for k in others]))
    plain = [replace(point, min_area_fraction=0.0, presence_threshold=0.0) for point in points]
    for name, chosen in (("without the presence decision", plain), ("with it", points)):
        print(name, end=": ")
        masks = [apply_operating_point(p, chosen[half]) for p, half in zip(maps, halves, strict=True)]
        write_scores(examined, masks, output / "counts.csv", output / "masks")


@main.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def compare(folders: tuple[Path, ...]) -> None:
    """Print each folder's mean F1 at its best threshold, and its difference to the first one's."""
    first: dict[str, float] = {}
    for folder in folders:
        cases = read_counts(folder / COUNTS)
        groups = {case: group for case, group, _ in cases[POINTS[0]]}
        scores = {point: {case: f1(c) for case, _, c in rows if c.tp + c.fn} for point, rows in cases.items()}
        best = max(scores, key=lambda point: np.mean(list(scores[point].values())))
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
            f"{folder}: IoU {overlap:.3f}, F1 {np.mean(list(scores[best].values())):.3f} at {best[0]}"
            f"{' of the largest' if best[1] else ''} on "
            f"{len(scores[best])} lesion images ({mean:+.3f}, standard error {error:.3f}), {missed:.1%} missed; "
            f"{outlined} of {len(free)} lesion-free images outlined"
        )


def read_counts(path: Path) -> dict[tuple[float, bool], list[tuple[str, str, Counts]]]:
    """Return case, group and counts of every row, by threshold and whether it is relative."""
    found: dict[tuple[float, bool], list[tuple[str, str, Counts]]] = {point: [] for point in POINTS}
    with gzip.open(path, "rt") as stream:
        for row in csv.DictReader(stream):
            counts = Counts(*(int(row[key]) for key in ("tp", "fp", "fn", "tn")))
            found[float(row["threshold"]), row["relative"] == "1"].append((row["case_id"], row["group"], counts))
    return found


if __name__ == "__main__":
    main()
