"""Choose operating points on many held-out cases instead of the few that one training holds out for itself.

    for k in 0 1 2 3 4; do python benchmarks/train_unet.py --data Dataset_BUSI_with_GT --fold $k -o runs/unet; done
    python benchmarks/cross_fit.py --data Dataset_BUSI_with_GT runs/unet

A training holds out eight lesion-free images, too few to place the presence decision. So a fold's operating point is
chosen on the cases of the other four folds, each predicted by the model that hadn't trained on it. No case of the fold
is looked at for it; the models that predicted the others have trained on it, though, as in any cross-validation.
Writes each fold's model, masks and counts anew.
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
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, help="BUSI, as unzipped.")
def main(folder: Path, data: str) -> None:
    """Choose, score and write."""
    split, dataset = busi_split(), load_dataset(data)
    parts = [dataset.select(fold.test) for fold in split.folds]
    models = [UNetSegmenter.load(folder / f"fold{k}.hybridseg") for k in range(len(parts))]
    maps = [predict(model, part) for model, part in zip(models, parts, strict=True)]
    for k, part in enumerate(parts):
        models[k].operating_point_ = point = choose([each for j, each in enumerate(maps) if j != k])
        models[k].save(folder / f"fold{k}.hybridseg")
        print(f"fold {k}: {point}", flush=True)
        masks = [apply_operating_point(probability, point) for probability in maps[k][1]]
        write_scores(part, masks, folder / f"fold{k}.csv", folder / "masks")


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
