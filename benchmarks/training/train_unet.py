"""Train the U-Net on one or several hospitals: one published fold of each held out, or all for a model that ships.

    python benchmarks/training/train_unet.py --data Dataset_BUSI_with_GT --data BUSBRA --fold 0 -o runs/unet \\
        --set "unet[epochs=26,images_per_group=1,validation_share=0.05]"
    hybridseg export runs/unet/fold0.hybridseg -o runs/unet/fold0.onnx
    python benchmarks/training/train_unet.py --data Dataset_BUSI_with_GT --data BUSBRA --fold 0 -o runs/tiny \\
        --teacher runs/unet/fold0.onnx --set "unet[encoder=efficientnet-lite0-short,images_per_group=1]"

BUSI has the published grouped split, other data the five folds that their authors publish. Fold k of all of them is
held out together. Without ``--fold`` the training has all development images. BUS-UCLM is for testing: it is refused.

Writes the model and, for a held-out fold, one row of pixel counts and a mask (below ``masks/``) per test case. Killed,
it goes on from its last checkpoint when started again.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from sklearn.metrics import roc_auc_score

from hybridseg.confidence import Calibration, raw_confidence
from hybridseg.data import Case, Dataset, load_dataset
from hybridseg.data.scenes import choose_split
from hybridseg.data.splits import Split
from hybridseg.images import find_scan, write_mask
from hybridseg.metrics import Counts, count_pixels, f1, iou
from hybridseg.registry import parse_spec
from hybridseg.training.cases import hold_out
from hybridseg.training.checkpoints import CHECKPOINT
from hybridseg.unet.segmenter import UNetSegmenter

TEACHERS = ("BUSI", "BUS-BRA")


@click.command()
@click.option("--data", "folders", required=True, multiple=True, help="BUSI or BUS-BRA as published; may be repeated.")
@click.option("--fold", type=click.IntRange(0, 4), help="Hold this published fold out; without it, train on all five.")
@click.option(
    "--whole",
    is_flag=True,
    help="With --from: the earlier training held `--fold` out, and this one learns from it, too. For a model that "
    "ships. The groups held out for validation stay the same.",
)
@click.option("--set", "settings", default="unet", help="For example `unet[epochs=30,size=224]`.")
@click.option("--teacher", "teachers", multiple=True, help="Exported model to learn from besides; may be repeated.")
@click.option(
    "--again",
    multiple=True,
    type=click.Choice(TEACHERS),
    help="An epoch shows each lesion image of this set twice, changed in two ways; may be repeated.",
)
@click.option(
    "--from",
    "earlier",
    type=click.Path(exists=True, path_type=Path),
    help="Output folder of an earlier training of the same images, whose weights this one starts from.",
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(
    *,
    folders: tuple[str, ...],
    fold: int | None,
    whole: bool,
    settings: str,
    teachers: tuple[str, ...],
    again: tuple[str, ...],
    earlier: Path | None,
    output: Path,
) -> None:
    """Train, save, and score what was held out."""
    if whole and (fold is None or earlier is None):
        raise click.UsageError("--whole needs --fold, which the earlier training held out, and --from, where that is")
    without_fold = training_cases(folders, fold)
    train = training_cases(folders, None) if whole else without_fold
    before, name = (f"fold{fold}" if fold is not None else "all"), ("all" if whole or fold is None else f"fold{fold}")
    output.mkdir(parents=True, exist_ok=True)
    start_from = str(earlier / f"{before}.checkpoint" / CHECKPOINT) if earlier is not None else None
    model = UNetSegmenter(
        checkpoint_dir=str(output / f"{name}.checkpoint"),
        teacher=list(teachers) or None,
        start_from=start_from,
        **parse_spec(settings)[1],
    )
    start = time.monotonic()

    def progress(done: int, total: int, text: str) -> None:
        if done % 25 == 0 or done == total:
            left = (time.monotonic() - start) / done * (total - done)
            print(f"{done}/{total} {text} ({left / 60:.0f} min left at most)", file=sys.stderr, flush=True)

    images, masks = zip(*(case.read() for _, case in train), strict=True)
    groups = group_names(train)
    first = {(source, case.case_id) for source, case in without_fold}  # `--whole` adds others
    places = [k for k, (source, case) in enumerate(train) if (source, case.case_id) in first]
    held_out = np.zeros(len(train), bool)
    held_out[places] = held_out_cases(model, *([each[k] for k in places] for each in (train, images, masks)))
    taught = [(k, groups[k]) for k in np.flatnonzero(~held_out)]
    taught += [(k, f"{group}, again") for k, group in taught if train[k][0] in again and masks[k].any()]
    kept = np.flatnonzero(held_out)
    model.fit(
        [images[k] for k, _ in taught],
        [masks[k] for k, _ in taught],
        groups=[group for _, group in taught],
        validation=([images[k] for k in kept], [masks[k] for k in kept]),
        progress=progress,
    )
    model.save(output / f"{name}.hybridseg")
    print(f"{name}: {time.monotonic() - start:.0f} s, {model.current_operating_point}")
    if name != "all":
        for folder in folders:
            dataset = load_dataset(folder)
            cases = list(dataset.select(published_split(dataset).folds[fold].test))
            predicted = [model.predict(case.read()[0]) for case in cases]
            write_scores(cases, predicted, output / f"{dataset.layout}-{name}.csv", output / "masks" / dataset.layout)


def training_cases(folders: tuple[str, ...], fold: int | None) -> list[tuple[str, Case]]:
    """Return the cases that may teach, each with its set's layout, without a published fold of every set."""
    train: list[tuple[str, Case]] = []
    for folder in folders:
        dataset = load_dataset(folder)
        if dataset.layout not in TEACHERS:
            raise click.BadParameter(f"{folder}: must be one of {', '.join(TEACHERS)}, which may teach")
        split = published_split(dataset)
        ids = split.folds[fold].train if fold is not None else split.case_ids
        train += [(dataset.layout, case) for case in dataset.select(ids)]
    return train


def group_names(train: list[tuple[str, Case]]) -> list[str]:
    """Return the group of each case; sets share none."""
    return [f"{source}/{case.group}" for source, case in train]


def held_out_cases(
    model: UNetSegmenter, train: list[tuple[str, Case]], images: Sequence[np.ndarray], masks: Sequence[np.ndarray]
) -> np.ndarray:
    """Return which cases a training holds out for validation, whole groups: bool (n,). All seeds share them."""
    has_lesion = np.array([mask[find_scan(image)].any() for image, mask in zip(images, masks, strict=True)])
    return hold_out(has_lesion, group_names(train), model.validation_share, random_state=0)


def published_split(dataset: Dataset) -> Split:
    """Return the five published folds of BUSI or of data whose authors publish five."""
    return choose_split(dataset)[1]


def write_scores(
    test: list[Case],
    predicted: Sequence[np.ndarray],
    path: Path,
    masks: Path,
    maps: Sequence[np.ndarray] = (),
    calibrations: Sequence[Calibration | None] = (),
) -> None:
    """Write counts, masks and, with ``maps``, confidences per case, and print the means over lesion cases.

    With ``maps``, print how well the highest probability parts lesion images from lesion-free ones, too.
    """
    masks.mkdir(parents=True, exist_ok=True)
    rows = []
    for case, mask in zip(test, predicted, strict=True):
        write_mask(masks / f"{case.case_id}.png", mask)
        rows.append((case, count_pixels(case.read()[1], mask)))
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        columns = ["raw_confidence", "confidence"] if len(maps) else []
        writer.writerow(["case_id", "group", "label", "tp", "fp", "fn", "tn", *columns])
        for k, (case, c) in enumerate(rows):
            sure = confidences(predicted[k], maps[k], calibrations[k]) if columns else ()
            writer.writerow([case.case_id, case.group, case.label, c.tp, c.fp, c.fn, c.tn, *sure])
    lesion = [c for case, c in rows if c.tp + c.fn]
    free = [c for case, c in rows if not c.tp + c.fn]
    print(
        f"{len(lesion)} lesion images: IoU {np.mean([iou(c) for c in lesion]):.3f}, "
        f"F1 {np.mean([f1(c) for c in lesion]):.3f}, without a mask {np.mean([c.tp + c.fp == 0 for c in lesion]):.1%}; "
        f"{len(free)} lesion-free: with a mask {np.mean([c.fp > 0 for c in free]):.1%}"
    )
    if len(maps) and lesion and free:
        area = roc_auc_score([c.tp + c.fn > 0 for _, c in rows], [p.max() for p in maps])
        print(f"the highest probability parts these two: area under the curve {area:.3f}")


def confidences(mask: np.ndarray, probability: np.ndarray, calibration: Calibration | None) -> tuple[str, str]:
    """Return raw and calibrated confidence in a mask as a table's texts; the second is empty without calibration."""
    calibrated = "" if calibration is None else f"{calibration.of_image(mask, probability):.6f}"
    return f"{raw_confidence(mask, probability):.6f}", calibrated


def read_scores(path: Path) -> list[tuple[str, str, Counts]]:
    """Return id, group and counts of every case that `write_scores` wrote."""
    with path.open() as stream:
        return [
            (row["case_id"], row["group"], Counts(*(int(row[key]) for key in ("tp", "fp", "fn", "tn"))))
            for row in csv.DictReader(stream)
        ]


if __name__ == "__main__":
    main()
