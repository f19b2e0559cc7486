"""What each part of the U-Net's training is worth: one line per variant, on a held-out fold, against the reference.

    python benchmarks/training/train_unet.py --data Dataset_BUSI_with_GT --fold 0 -o runs/first
    python benchmarks/training/train_unet.py --data Dataset_BUSI_with_GT --fold 0 -o runs/scratch \\
        --set "unet[pretrained=False]"
    python benchmarks/training/ablations.py --data Dataset_BUSI_with_GT --fold 0 --reference runs/first \\
        --variant "encoder from scratch=runs/scratch" -o benchmarks/results/ablations.md

Without flip averaging and without weight averaging are made from the reference and its checkpoint. Every variant gets
its operating point as `fit` chooses it: on the validation groups inside the training part. So the reference's numbers
differ from those that cross_fit.py's operating point gives the same training.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from hybridseg.data import CaseReader, load_dataset
from hybridseg.data.splits import busi_split
from hybridseg.metrics import count_pixels, f1, image_mean, iou, paired_difference
from hybridseg.text import interval_text
from hybridseg.training.cases import hold_out
from hybridseg.unet.segmenter import UNetSegmenter


def without_weight_averaging(model: UNetSegmenter, checkpoint: Path) -> UNetSegmenter:
    """Return the model with the weights of its last step."""
    from hybridseg.training.convert import convert_weights

    network = model._build(model.size)
    with np.load(checkpoint, allow_pickle=False) as stored:
        assert json.loads(stored["header"].tobytes())["epoch"] == model.epochs, "the training isn't at its end"
        network.set_weights([stored[name] for name in sorted(stored.files) if name.startswith("weight_")])
    changed = UNetSegmenter(**model.get_params(deep=False))
    changed.network_ = np.frombuffer(convert_weights(model, network), np.uint8)
    return changed


@click.command()
@click.option("--data", required=True, help="BUSI, as unzipped.")
@click.option("--fold", required=True, type=click.IntRange(0, 4))
@click.option("--reference", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--variant", "variants", multiple=True, metavar="NAME=FOLDER", help="Another training of that fold.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(data: str, fold: int, reference: Path, variants: tuple[str, ...], output: Path) -> None:
    """Score every variant and write the table."""
    name = f"fold{fold}.hybridseg"
    base = UNetSegmenter.load(reference / name)
    models = {"reference": base}
    models["without flip averaging"] = UNetSegmenter.load(reference / name).set_params(flip_averaging=False)
    raw = reference / f"fold{fold}.checkpoint" / "checkpoint.npz"
    models["without weight averaging"] = without_weight_averaging(base, raw)
    for text in variants:
        title, _, folder = text.rpartition("=")
        models[title] = UNetSegmenter.load(Path(folder) / name)

    part, dataset, reader = busi_split().folds[fold], load_dataset(data), CaseReader()
    train, test = dataset.select(part.train), dataset.select(part.test)
    inside = hold_out(np.array([mask.any() for mask in reader.masks(train)]), train.groups, 0.1, 0)
    validation = [reader.read(case) for case, out in zip(train, inside, strict=True) if out]
    lesions = [case for case in test if reader.read(case)[1].any()]
    free = [case for case in test if not reader.read(case)[1].any()]
    groups = [case.group for case in lesions]

    scores, rows = {}, []
    for title, model in models.items():
        model.operating_point_ = model._tune([image for image, _ in validation], [mask for _, mask in validation])
        counts = [count_pixels(mask, model.predict(image)) for image, mask in map(reader.read, lesions)]
        false = sum(bool(model.predict(reader.read(case)[0]).any()) for case in free)
        scores[title] = [iou(each) for each in counts]
        mean, mean_f1 = image_mean(scores[title], groups), image_mean([f1(each) for each in counts], groups)
        apart = paired_difference(scores[title], scores["reference"], groups).difference
        against = "" if title == "reference" else interval_text(apart.value, apart.low, apart.high, sign="+")
        rows.append(
            f"| {title} | {mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}] | {mean_f1.value:.3f} | {against} | "
            f"{sum(each.tp + each.fp == 0 for each in counts)} | {false} |"
        )
        print(rows[-1], flush=True)
    options = " ".join(f'--variant "{text.rpartition("=")[0]}=..."' for text in variants)
    output.write_text("\n".join([
        "# What each part of the U-Net's training is worth", "",
        f"Fold {fold} of the published split, held out: {len(lesions)} lesion images of {len(set(groups))} scenes, "
        f"{len(free)} lesion-free. Reference: `{base!r}`. Intervals: 95 %, bootstrap over scenes. They come from one "
        "training each, so they leave out the chance of the seed. Operating points are those that `fit` chooses, so "
        "the reference has other numbers where cross_fit.py chose.", "",
        "| variant | IoU | F1 | IoU against the reference | lesion images without a mask | lesion-free with one |",
        "|---|---|---:|---|---:|---:|", *rows, "",
        f"`python benchmarks/training/ablations.py --data Dataset_BUSI_with_GT --fold {fold} --reference {reference} "
        f"{options} -o {output}`",
    ]) + "\n")  # fmt: skip


if __name__ == "__main__":
    main()
