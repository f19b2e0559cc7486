"""Choose operating points and calibrate confidences on held-out cases, score these, and test at other hospitals.

    python benchmarks/training/train_unet.py --data Dataset_BUSI_with_GT --data BUSBRA --fold 0 -o runs/unet
    python benchmarks/training/cross_fit.py runs/unet --data Dataset_BUSI_with_GT --data BUSBRA --test BUS-UCLM \\
        --ship fold0 -o runs/unet-scores

A training holds out too few lesion-free images to place the presence decision. So the cases of every held-out fold are
dealt into two halves, by patient or scene, and a half's operating point is chosen on all other halves. No case of the
half is looked at for it. Every hospital in ``--data`` has the same weight in that choice. The confidence is calibrated
on the same cases.

``--ship`` names the model that ships (``fold0``, or ``all`` for one trained on all folds). It gets the operating point
and the calibration of all halves, and predicts the data of ``--test``, which neither teach nor choose.

Writes the models with their points, and for each hospital its masks, its counts and the confidence in each. Several
folders, of trainings with other seeds, become one model a fold, which gives the mean of their probabilities. Folds that
aren't there are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from train_unet import published_split, write_scores

from hybridseg.confidence import Calibration
from hybridseg.data import Case, Dataset, load_dataset
from hybridseg.postprocess import OperatingPoint, apply_operating_point
from hybridseg.training.calibration import fit_calibration
from hybridseg.training.operating import choose_operating_point
from hybridseg.unet.segmenter import UNetSegmenter


@dataclass
class Predicted:
    """Cases of one hospital, their truths and probabilities, and the half that each is in: fold, and 0 or 1."""

    source: str
    cases: list[Case]
    truths: list[np.ndarray]
    maps: list[np.ndarray]
    halves: list[tuple[int, int]]


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, multiple=True, help="What the trainings learned from; may be repeated.")
@click.option("--test", "tests", multiple=True, help="Data that neither teach nor choose; may be repeated.")
@click.option("--ship", help="The model that gets the operating point of all held-out cases: fold0 ... fold4, or all.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(
    folders: tuple[Path, ...], data: tuple[str, ...], tests: tuple[str, ...], ship: str | None, output: Path
) -> None:
    """Choose, score and write."""
    output.mkdir(parents=True, exist_ok=True)
    folds = [k for k in range(5) if all((folder / f"fold{k}.hybridseg").exists() for folder in folders)]
    if not folds:
        raise click.UsageError("a model of at least one fold is needed, found none")
    models = {k: load(folders, f"fold{k}") for k in folds}
    held_out = [predict_held_out(load_dataset(folder), models) for folder in data]
    halves = sorted({half for each in held_out for half in each.halves})
    chosen = {half: choose(held_out, [other for other in halves if other != half]) for half in halves}
    for each in held_out:
        masks = [apply_operating_point(p, chosen[half][0]) for p, half in zip(each.maps, each.halves, strict=True)]
        calibrations = [chosen[half][1] for half in each.halves]
        write_scores(
            each.cases, masks, output / f"{each.source}.csv", output / "masks" / each.source, each.maps, calibrations
        )
    for half, (point, calibration) in chosen.items():
        print(f"fold {half[0]}, half {half[1]}: {point}, {calibration}")
    if ship is None:
        return
    shipped = models.get(int(ship.removeprefix("fold"))) if ship != "all" else load(folders, "all")
    if shipped is None:
        raise click.UsageError(f"--ship must be a fold that is there, or all, got {ship}")
    shipped.operating_point_, shipped.calibration_ = choose(held_out, halves)
    shipped.save(output / f"{ship}.hybridseg")
    print(f"{ship}: {shipped.operating_point_}, {shipped.calibration_}")
    for folder in tests:
        dataset = load_dataset(folder)
        masks, maps = zip(*(shipped.predict_both(case.image) for case in dataset), strict=True)
        calibrations = [shipped.calibration_] * len(dataset)
        path = output / f"{dataset.layout}.csv"
        write_scores(list(dataset), masks, path, output / "masks" / dataset.layout, maps, calibrations)


def load(folders: tuple[Path, ...], name: str) -> UNetSegmenter:
    """Return the folders' model of this name, or the mean of their models."""
    models = [UNetSegmenter.load(folder / f"{name}.hybridseg") for folder in folders]
    return UNetSegmenter.mean_of(models) if len(models) > 1 else models[0]


def predict_held_out(dataset: Dataset, models: dict[int, UNetSegmenter]) -> Predicted:
    """Return what the model of each fold says of the cases that it hadn't seen."""
    split = published_split(dataset)
    found = Predicted(dataset.layout, [], [], [], [])
    for k, model in models.items():
        part = dataset.select(split.folds[k].test)
        groups = sorted(set(part.groups))
        half_of = dict(zip(np.random.default_rng(k).permutation(groups), np.arange(len(groups)) % 2, strict=True))
        for case in part:
            image, mask = case.read()
            found.cases.append(case)
            found.truths.append(mask)
            found.maps.append(model.predict_proba(image))
            found.halves.append((k, int(half_of[case.group])))
    return found


def choose(held_out: list[Predicted], halves: list[tuple[int, int]]) -> tuple[OperatingPoint, Calibration | None]:
    """Return operating point and calibration of the cases in these halves; every hospital weighs the same."""
    truths, maps, weights = [], [], []
    for each in held_out:
        inside = [k for k, half in enumerate(each.halves) if half in halves]
        truths += [each.truths[k] for k in inside]
        maps += [each.maps[k] for k in inside]
        weights += [1 / len(inside)] * len(inside)
    point = choose_operating_point(truths, maps, weights)
    return point, fit_calibration(truths, [apply_operating_point(p, point) for p in maps], maps, weights)


if __name__ == "__main__":
    main()
