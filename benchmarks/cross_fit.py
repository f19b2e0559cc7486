"""Choose operating points on many held-out cases instead of the few that one training holds out for itself.

    for k in 0 1 2 3 4; do python benchmarks/train_unet.py --data Dataset_BUSI_with_GT --fold $k -o runs/first; done
    python benchmarks/cross_fit.py --data Dataset_BUSI_with_GT runs/first -o runs/unet

A training holds out eight lesion-free images, too few to place the presence decision. So a fold's operating point is
chosen on the cases of the other four folds, each predicted by the model that hadn't trained on it. No case of the fold
is looked at for it; the models that predicted the others have trained on it, though, as in any cross-validation.
Writes each fold's model with that point, its masks and its counts to ``-o``. Several folders, of trainings with other
seeds, become one model a fold, which gives the mean of their probabilities. Folds that aren't there are left out.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from train_unet import write_scores

from hybridseg.data import Dataset, load_dataset
from hybridseg.data.splits import busi_split
from hybridseg.postprocess import OperatingPoint, apply_operating_point
from hybridseg.training.operating import choose_operating_point
from hybridseg.unet.segmenter import UNetSegmenter

Maps = tuple[list[np.ndarray], list[np.ndarray]]
"""Truths and probabilities, one of each per case."""


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, help="BUSI, as unzipped.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@click.option(
    "--ship", is_flag=True,
    help="The folders' all.hybridseg, which the same recipe trained on all folds, gets the point of all folds' cases.",
)  # fmt: skip
def main(folders: tuple[Path, ...], data: str, output: Path, ship: bool) -> None:
    """Choose, score and write."""
    output.mkdir(parents=True, exist_ok=True)
    dataset = load_dataset(data)
    parts, models, maps = {}, {}, {}
    for k, fold in enumerate(busi_split().folds):
        if all((folder / f"fold{k}.hybridseg").exists() for folder in folders):
            parts[k], models[k] = dataset.select(fold.test), load(folders, f"fold{k}")
            maps[k] = predict(models[k], parts[k])
    needed = len(busi_split().folds) if ship else 2
    if len(parts) < needed:
        raise click.UsageError(f"models of at least {needed} folds are needed, found {len(parts)}")
    for k, part in parts.items():
        point = choose([each for j, each in maps.items() if j != k])
        save(models[k], point, output / f"fold{k}.hybridseg")
        masks = [apply_operating_point(probability, point) for probability in maps[k][1]]
        write_scores(part, masks, output / f"fold{k}.csv", output / "masks")
    if ship:
        save(load(folders, "all"), choose(list(maps.values())), output / "all.hybridseg")


def load(folders: tuple[Path, ...], name: str) -> UNetSegmenter:
    """Return the folders' model of this name, or the mean of their models."""
    models = [UNetSegmenter.load(folder / f"{name}.hybridseg") for folder in folders]
    return UNetSegmenter.mean_of(models) if len(models) > 1 else models[0]


def save(model: UNetSegmenter, point: OperatingPoint, path: Path) -> None:
    """Write a model with this operating point."""
    model.operating_point_ = point
    model.save(path)
    print(f"{path.name}: {point}", flush=True)


def predict(model: UNetSegmenter, part: Dataset) -> Maps:
    """Return truths and probabilities of cases."""
    pixels = [case.read() for case in part]
    return [mask for _, mask in pixels], [model.predict_proba(image) for image, _ in pixels]


def choose(maps: list[Maps]) -> OperatingPoint:
    """Return the operating point of all these cases."""
    truths, probabilities = ([each for part in parts for each in part] for parts in zip(*maps, strict=True))
    return choose_operating_point(truths, probabilities)


if __name__ == "__main__":
    main()
