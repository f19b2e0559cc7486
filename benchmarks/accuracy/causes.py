"""Why a model loses lesions: every lesion image below an F1 of a half, sorted by what its map says.

    python benchmarks/accuracy/causes.py unet --fold 0 --data Dataset_BUSI_with_GT --data BUSBRA --test BUS-UCLM

``--data`` taught the model, all but a published fold, which is looked at. ``--test`` taught nothing and is looked at
whole. Prints a table for each set, by cause and by the lesion's share of the image, and the names of the images.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import click
import numpy as np

import hybridseg
from hybridseg.data import Case, load_dataset
from hybridseg.data.scenes import choose_split
from hybridseg.metrics import count_pixels, f1
from hybridseg.postprocess import OperatingPoint, apply_operating_point, label_components

LOST = 0.5  # F1 below which a lesion image counts as lost
SMALL, LARGE = 0.02, 0.1  # the lesion's share of the image
CAUSES = {
    "hidden": "an outline with a right pixel, hidden by the presence decision",
    "hidden elsewhere": "an outline beside the lesion, hidden by the presence decision",
    "unsure": "no mask: the lesion's highest probability is below the threshold",
    "elsewhere": "a mask without a right pixel",
    "and elsewhere": "the lesion outlined well (F1 of its own regions at least a half), and other places, too",
    "a part": "less than half of the lesion, and little else",
    "too much": "most of the lesion, and more than as much around it",
    "neither": "a part of the lesion, and other pixels",
}


def cause(truth: np.ndarray, probability: np.ndarray, point: OperatingPoint) -> str:
    """Return why this mask isn't the lesion; all arrays (H, W)."""
    mask = apply_operating_point(probability, point)
    if not mask.any():
        outline = apply_operating_point(probability, replace(point, presence_threshold=0.0))
        if outline.any():
            return "hidden" if (outline & truth).any() else "hidden elsewhere"
        return "unsure"
    if not (mask & truth).any():
        return "elsewhere"
    labels, _ = label_components(mask)
    touching = np.isin(labels, np.setdiff1d(labels[truth], 0))
    if f1(count_pixels(truth, touching)) >= LOST:
        return "and elsewhere"
    counts = count_pixels(truth, mask)
    precise, whole = counts.tp / (counts.tp + counts.fp), counts.tp / (counts.tp + counts.fn)
    if precise >= LOST > whole:
        return "a part"
    return "too much" if whole >= LOST > precise else "neither"


def size_class(truth: np.ndarray) -> str:
    """Return a lesion's class of size."""
    share = truth.mean()
    return "small" if share < SMALL else "large" if share > LARGE else "middle"


@click.command()
@click.argument("name", type=click.Choice(["unet", "unet-tiny"]))
@click.option("--data", "folders", required=True, multiple=True, help="Sets of which one published fold is looked at.")
@click.option("--fold", type=click.IntRange(0, 4), required=True, help="The fold that the model hasn't seen.")
@click.option("--test", "tests", multiple=True, help="Sets that taught nothing.")
def main(*, name: str, folders: tuple[str, ...], fold: int, tests: tuple[str, ...]) -> None:
    """Look and print."""
    model = hybridseg.load(f"{name}.onnx")
    sets: dict[str, list[Case]] = {}
    for folder in folders:
        dataset = load_dataset(folder)
        _, split, _ = choose_split(dataset)
        sets[f"{dataset.layout}, fold {fold}"] = list(dataset.select(split.folds[fold].test))
    for folder in tests:
        dataset = load_dataset(folder)
        sets[dataset.layout] = list(dataset)
    for title, cases in sets.items():
        found: dict[str, list[tuple[str, str]]] = {}
        total: Counter[str] = Counter()
        for case in cases:
            image, truth = case.read()
            if not truth.any():
                continue
            total[size_class(truth)] += 1
            mask, probability = model.predict_both(image)
            if f1(count_pixels(truth, mask)) < LOST:
                why = cause(truth, probability, model.current_operating_point)
                found.setdefault(why, []).append((size_class(truth), case.case_id))
        lost = sum(map(len, found.values()))
        print(f"\n{title}: {lost} of {total.total()} lesion images have an F1 below {LOST:g}.\n")
        print(f"| why | images | small ({total['small']}) | middle ({total['middle']}) | large ({total['large']}) |")
        print("|---|---:|---:|---:|---:|")
        for why in sorted(found, key=lambda each: -len(found[each])):
            sizes = Counter(size for size, _ in found[why])
            cells = " | ".join(str(sizes[size]) for size in ("small", "middle", "large"))
            print(f"| {CAUSES[why]} | {len(found[why])} | {cells} |")
        for why, images in found.items():
            print(f"\n{why}: {', '.join(case_id for _, case_id in images)}")


if __name__ == "__main__":
    main()
