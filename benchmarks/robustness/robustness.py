"""How a method holds up when pictures come otherwise than it knows them: framed, darker, compressed, turned.

    python benchmarks/robustness/robustness.py --data Dataset_BUSI_with_GT -m unet=runs/unet \\
        -m unet-tiny=runs/unet-tiny -m random-forest -m otsu -o benchmarks/results/robustness.md

``NAME=FOLDER`` are models by cross_fit.py, one for each published fold; any other method is fitted on the other four
folds here. Each test image is altered in each way, its mask with it. Counts per case go beside the page.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

import hybridseg
from hybridseg.data import load_dataset
from hybridseg.data.splits import busi_split
from hybridseg.metrics import Counts, count_pixels, image_mean, iou, paired_difference
from hybridseg.text import interval_text, markdown_table

Altered = tuple[np.ndarray, np.ndarray]
Alteration = Callable[[np.ndarray, np.ndarray], Altered]
CAPTIONS = ("FR 30 Hz", "CH 4", "P 100 %", "BREAST L")


def frame(image: np.ndarray, mask: np.ndarray, black: int = 0) -> Altered:
    """Return both in a frame of one grey, on each side a fifth of the longer side wide."""
    width = max(image.shape) // 5
    return np.pad(image, width, constant_values=black), np.pad(mask, width)


def screen(image: np.ndarray, mask: np.ndarray) -> Altered:
    """Return both framed, with captions and a grey bar in the frame, as on a scanner's screen."""
    framed, mask = frame(image, mask)
    width, step = max(image.shape) // 5, max(image.shape) // 40
    picture = Image.fromarray(framed)
    draw = ImageDraw.Draw(picture)
    for line, text in enumerate(CAPTIONS):
        draw.text((step // 2, (2 + line) * 4 * step // 3), text, fill=200, font_size=step)
    below = picture.width // 2 - 5 * step, picture.height - 2 * step
    draw.text(below, "2019-03-04 12:33:07", fill=180, font_size=step)
    draw.rectangle((picture.width - width // 4, 3 * step, picture.width - width // 6, 14 * step), fill=128)
    return np.asarray(picture), mask


def closer(image: np.ndarray, mask: np.ndarray) -> Altered:
    """Return both without half of what lies between the lesion and each edge; a lesion-free image as it is."""
    if not mask.any():
        return image, mask
    box = tuple(
        slice(found.min() // 2, found.max() + 1 + (side - found.max() - 1) // 2)
        for found, side in zip(np.nonzero(mask), image.shape, strict=True)
    )
    return image[box], mask[box]


def grey(change: Callable[[np.ndarray], np.ndarray]) -> Alteration:
    """Return what changes grey levels alone, given as float64 0..255."""
    return lambda image, mask: (np.clip(np.rint(change(image.astype(float))), 0, 255).astype(np.uint8), mask)


def compressed(image: np.ndarray, mask: np.ndarray) -> Altered:
    """Return the image as JPEG of quality 30 gives it back."""
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, "JPEG", quality=30)
    return np.asarray(Image.open(stored)), mask


def smaller(image: np.ndarray, mask: np.ndarray) -> Altered:
    """Return both at a third of their resolution."""
    size = max(1, image.shape[1] // 3), max(1, image.shape[0] // 3)
    small = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(small), np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


ALTERATIONS: dict[str, Alteration] = {
    "as it is": lambda image, mask: (image, mask),
    "in a black frame, a fifth of its longer side wide": frame,
    "in a frame of grey 16, as wide": lambda image, mask: frame(image, mask, 16),
    "in a black frame with captions and a grey bar": screen,
    "half of what surrounds the lesion cut off": closer,
    "gamma 0.6": grey(lambda values: 255 * (values / 255) ** 0.6),
    "gamma 1.6": grey(lambda values: 255 * (values / 255) ** 1.6),
    "half as bright": grey(lambda values: values / 2),
    "40 levels brighter": grey(lambda values: values + 40),
    "JPEG, quality 30": compressed,
    "a third of the resolution": smaller,
    "blurred, 2 pixels": grey(lambda values: ndimage.gaussian_filter(values, 2)),
    "speckle, 0.3": grey(lambda values: values * (1 + 0.3 * np.random.default_rng(0).normal(size=values.shape))),
    "upside down": lambda image, mask: (image[::-1], mask[::-1]),
}


@click.command()
@click.option("--data", required=True, help="BUSI, as unzipped.")
@click.option("-m", "--method", "methods", multiple=True, required=True, metavar="METHOD|NAME=FOLDER")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(data: str, methods: tuple[str, ...], output: Path) -> None:
    """Alter, predict, count, and write the page."""
    dataset = load_dataset(data)
    counts: dict[str, dict[str, dict[str, Counts]]] = {}
    for method in methods:
        name, folder = method.split("=", 1) if re.match(r"[^\[]+=", method) else ("", method)
        found = counts[name or method] = {alteration: {} for alteration in ALTERATIONS}
        for k, fold in enumerate(busi_split().folds):
            if name:
                model = hybridseg.load(Path(folder, f"fold{k}.hybridseg"))
            else:
                part = dataset.select(fold.train)
                images, masks = zip(*(case.read() for case in part), strict=True)
                model = hybridseg.create(method).fit(images, masks, groups=part.groups)
            for case in dataset.select(fold.test):
                pixels = case.read()
                for alteration, change in ALTERATIONS.items():
                    image, mask = (np.ascontiguousarray(each) for each in change(*pixels))
                    found[alteration][case.case_id] = count_pixels(mask, model.predict(image))
            print(f"{method}: fold {k}", flush=True)
    rows = [
        [method, alteration, case_id, c.tp, c.fp, c.fn, c.tn]
        for method, found in counts.items()
        for alteration, cases in found.items()
        for case_id, c in cases.items()
    ]
    with gzip.GzipFile(output.with_name(f"{output.stem}_cases.csv.gz"), "wb", mtime=0) as binary:
        writer = csv.writer(io.TextIOWrapper(binary, "utf-8", newline="", write_through=True), lineterminator="\n")
        writer.writerows([["method", "alteration", "case_id", "tp", "fp", "fn", "tn"], *rows])
    groups = {case.case_id: case.group for case in dataset}
    output.write_text(
        page(
            counts,
            groups,
            f"python benchmarks/robustness/robustness.py --data {data} "
            f"{' '.join(f'-m {shlex.quote(method)}' for method in methods)} -o {output}",
        )
    )
    print(output.read_text())


def page(counts: dict[str, dict[str, dict[str, Counts]]], groups: dict[str, str], command: str) -> str:
    """Return the page: a line for each alteration, two columns for each method."""
    lines = []
    for alteration in ALTERATIONS:
        line = [alteration]
        for found in counts.values():
            plain, cases = found["as it is"], found[alteration]
            lesions = [case_id for case_id, c in plain.items() if c.tp + c.fn]
            free = [c for case_id, c in cases.items() if not plain[case_id].tp + plain[case_id].fn]
            scores, before = ([iou(each[case_id]) for case_id in lesions] for each in (cases, plain))
            among = [groups[case_id] for case_id in lesions]
            text = f"{image_mean(scores, among).value:.3f}"
            if cases is not plain:
                change = paired_difference(scores, before, among).difference
                text += f" ({interval_text(change.value, change.low, change.high, sign='+')})"
            line += [text, f"{100 * np.mean([c.fp > 0 for c in free]):.0f} %"]
        lines.append(line)
    header = ["", *(cell for name in counts for cell in (f"{name}: IoU", "lesion-free, with a mask"))]
    return "\n".join([
        "# When pictures come otherwise", "",
        "The five published folds, each predicted by models that hadn't seen it, altered in one way at a time. IoU "
        "is the mean over lesion images. Its change stands in brackets, with a 95 % interval by bootstrap over scenes. "
        "Beside it stands the share of lesion-free images with a mask. Operating points stay those of unaltered "
        "images.", "",
        *markdown_table(header, lines), "",
        "Pixel counts per case: [robustness_cases.csv.gz](robustness_cases.csv.gz). For research, not for diagnosis.",
        "", f"`{command}`", "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
