"""Train the U-Net on BUSI: one published fold held out, or all development images for the model that ships.

    python benchmarks/train_unet.py --data Dataset_BUSI_with_GT --fold 0 -o runs/first \\
        --set "unet[epochs=48,patience=48]"
    python benchmarks/train_unet.py --data Dataset_BUSI_with_GT --fold 0 -o runs/seed-0 --from runs/first \\
        --set "unet[size=256,epochs=24,patience=24,learning_rate=0.0005]"
    python benchmarks/train_unet.py --data Dataset_BUSI_with_GT --fold 0 -o runs/tiny \\
        --teacher runs/seed-0/fold0.onnx --teacher runs/seed-1/fold0.onnx \\
        --set "unet[encoder=efficientnet-lite0-short]"

Two stages make half of `unet`: at 192 pixels, then, from there, half as many epochs at 256. The same with
``random_state=1`` in both makes the other half, and cross_fit.py the mean of them; `hybridseg export` makes a teacher's
file. Without ``--fold`` they train what ships.

Writes the model and, for a held-out fold, one row of pixel counts and a mask (below ``masks/``) per test case; after
five folds `hybridseg score --truth Dataset_BUSI_with_GT --pred runs/unet/masks --name unet -o RUN` makes them a line of
a run. Killed, it goes on from its last checkpoint when started again. On two cores an epoch takes twenty seconds at
192 pixels and half a minute at 256.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path

import click
import numpy as np

from hybridseg.data import Dataset, load_dataset
from hybridseg.data.splits import busi_split
from hybridseg.images import write_mask
from hybridseg.metrics import Counts, count_pixels, f1, iou
from hybridseg.registry import parse_spec
from hybridseg.training.loop import CHECKPOINT
from hybridseg.unet.segmenter import UNetSegmenter


@click.command()
@click.option("--data", required=True, help="BUSI, as unzipped.")
@click.option("--fold", type=click.IntRange(0, 4), help="Hold this published fold out; without it, train on all five.")
@click.option("--set", "settings", default="unet", help="For example `unet[epochs=30,size=224]`.")
@click.option("--teacher", "teachers", multiple=True, help="Exported model to learn from besides; may be repeated.")
@click.option("--from", "earlier", type=click.Path(exists=True, path_type=Path),
              help="Output folder of an earlier training of the same images, whose weights this one starts from.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(
    *, data: str, fold: int | None, settings: str, teachers: tuple[str, ...], earlier: Path | None, output: Path
) -> None:
    """Train, save, and score what was held out."""
    split = busi_split()
    dataset = load_dataset(data)
    train_ids = split.folds[fold].train if fold is not None else split.case_ids
    train = dataset.select(train_ids)
    name = f"fold{fold}" if fold is not None else "all"
    output.mkdir(parents=True, exist_ok=True)
    start_from = str(earlier / f"{name}.checkpoint" / CHECKPOINT) if earlier is not None else None
    model = UNetSegmenter(
        checkpoint_dir=str(output / f"{name}.checkpoint"), teacher=list(teachers) or None, start_from=start_from,
        **parse_spec(settings)[1],
    )
    start = time.monotonic()

    def progress(done: int, total: int, text: str) -> None:
        if done % 25 == 0 or done == total:
            left = (time.monotonic() - start) / done * (total - done)
            print(f"{done}/{total} {text} ({left / 60:.0f} min left at most)", file=sys.stderr, flush=True)

    pixels = [case.read() for case in train]
    model.fit([p[0] for p in pixels], [p[1] for p in pixels], groups=train.groups, progress=progress)
    model.save(output / f"{name}.hybridseg")
    print(f"{name}: {time.monotonic() - start:.0f} s, {model.current_operating_point}")
    if fold is not None:
        test = dataset.select(split.folds[fold].test)
        predicted = [model.predict(case.read()[0]) for case in test]
        write_scores(test, predicted, output / f"{name}.csv", output / "masks")


def write_scores(test: Dataset, predicted: list[np.ndarray], path: Path, masks: Path) -> None:
    """Write counts and masks per case and print the means over lesion cases."""
    masks.mkdir(exist_ok=True)
    rows = []
    for case, mask in zip(test, predicted, strict=True):
        write_mask(masks / f"{case.case_id}.png", mask)
        rows.append((case, count_pixels(case.read()[1], mask)))
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["case_id", "group", "label", "tp", "fp", "fn", "tn"])
        writer.writerows(
            [case.case_id, case.group, case.label, c.tp, c.fp, c.fn, c.tn] for case, c in rows
        )
    lesion = [c for case, c in rows if c.tp + c.fn]
    free = [c for case, c in rows if not c.tp + c.fn]
    print(
        f"{len(lesion)} lesion images: IoU {np.mean([iou(c) for c in lesion]):.3f}, "
        f"F1 {np.mean([f1(c) for c in lesion]):.3f}, without a mask {np.mean([c.tp + c.fp == 0 for c in lesion]):.1%}; "
        f"{len(free)} lesion-free: with a mask {np.mean([c.fp > 0 for c in free]):.1%}"
    )


def read_scores(path: Path) -> list[tuple[str, str, Counts]]:
    """Return id, group and counts of every case that `write_scores` wrote."""
    with path.open() as stream:
        return [
            (row["case_id"], row["group"], Counts(*(int(row[key]) for key in ("tp", "fp", "fn", "tn"))))
            for row in csv.DictReader(stream)
        ]


if __name__ == "__main__":
    main()
