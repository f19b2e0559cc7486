"""Choose operating points on many held-out cases instead of the few that one training holds out for itself.

    for k in 0 1 2 3 4; do python benchmarks/train_unet.py --data Dataset_BUSI_with_GT --fold $k -o runs/unet; done
    python benchmarks/cross_fit.py --data Dataset_BUSI_with_GT runs/unet

A training holds out eight lesion-free images, too few to place the presence decision. So a fold's operating point is
chosen on the cases of the other four folds, each predicted by the model that hadn't trained on it. No case of the fold
is looked at for it; the models that predicted the others have trained on it, though, as in any cross-validation.
Writes each fold's model, masks and counts anew. Of several folders the probabilities are averaged, which shows what
several trainings together would do: masks and counts go to ``-o``, models stay as they are. Folds that aren't there are
left out.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from train_unet import write_scores

from hybridseg.data import Dataset, load_dataset
from hybridseg.data.splits import busi_split
from hybridseg.postprocess import OperatingPoint, apply_operating_point
from hybridseg.unet.operating import choose_operating_point
from hybridseg.unet.segmenter import UNetSegmenter

Maps = tuple[list[np.ndarray], list[np.ndarray]]
"""Truths and probabilities, one of each per case."""


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, help="BUSI, as unzipped.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to write; needed with several folders.")
@click.option(
    "--ship", type=click.Path(exists=True, path_type=Path),
    help="A model that the same recipe trained on all folds: it gets the operating point of all five folds' cases.",
)  # fmt: skip
def main(folders: tuple[Path, ...], data: str, output: Path | None, ship: Path | None) -> None:
    """Choose, score and write."""
    if len(folders) > 1 and output is None:
        raise click.UsageError("several folders: give -o")
    target = output or folders[0]
    target.mkdir(parents=True, exist_ok=True)
    dataset = load_dataset(data)
    parts, models, maps = {}, {}, {}
    for k, fold in enumerate(busi_split().folds):
        paths = [folder / f"fold{k}.hybridseg" for folder in folders]
        if all(path.exists() for path in paths):
            parts[k], models[k] = dataset.select(fold.test), [UNetSegmenter.load(path) for path in paths]
            maps[k] = predict(models[k], parts[k])
    for k, part in parts.items():
        point = choose([each for j, each in maps.items() if j != k])
        if output is None:
            (model,) = models[k]
            model.operating_point_ = point
            model.save(target / f"fold{k}.hybridseg")
        print(f"fold {k}: {point}", flush=True)
        masks = [apply_operating_point(probability, point) for probability in maps[k][1]]
        write_scores(part, masks, target / f"fold{k}.csv", target / "masks")
    if ship is not None:
        model = UNetSegmenter.load(ship)
        model.operating_point_ = choose(list(maps.values()))
        model.save(ship)
        print(f"{ship}: {model.operating_point_}")


def predict(models: list[UNetSegmenter], part: Dataset) -> Maps:
    """Return truths and mean probabilities of cases."""
    pixels = [case.read() for case in part]
    means = [np.mean([model.predict_proba(image) for model in models], axis=0) for image, _ in pixels]
    return [mask for _, mask in pixels], means


def choose(maps: list[Maps]) -> OperatingPoint:
    """Return the operating point of all these cases."""
    truths, probabilities = ([each for part in parts for each in part] for parts in zip(*maps, strict=True))
    return choose_operating_point(truths, probabilities)


if __name__ == "__main__":
    main()
