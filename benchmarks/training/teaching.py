"""What more training, the mean of several trainings and a student of theirs are worth, on all five folds.

    python benchmarks/training/cross_fit.py --data Dataset_BUSI_with_GT runs/seed-0 -o runs/one
    python benchmarks/training/cross_fit.py --data Dataset_BUSI_with_GT runs/seed-0 runs/seed-1 -o runs/unet
    python benchmarks/training/teaching.py "one training=runs/one" "mean of two=runs/unet" \\
        -o benchmarks/results/teaching.md

Each line is a folder with train_unet.py's or cross_fit.py's counts of all folds or some; each is compared with the
first on the images that both have. Counts are copied beside the page, into ``counts/``.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import click
from train_unet import read_scores

from hybridseg.metrics import Counts, f1, image_mean, iou, paired_difference
from hybridseg.metrics.summary import scene_mean
from hybridseg.text import interval_text, markdown_table

FOLDS = 5


@click.command()
@click.argument("lines", nargs=-1, required=True, metavar="NAME=FOLDER...")
@click.option("--note", default="", help="What the page should say besides, such as how each line was trained.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(lines: tuple[str, ...], note: str, output: Path) -> None:
    """Compare, and write the page."""
    rows: list[list[str]] = []
    reference: dict[str, float] = {}
    for line in lines:
        name, _, folder = line.rpartition("=")
        folds, cases = read_counts(Path(folder), output.parent / "counts", re.sub(r"\W+", "-", name))
        lesions = [(case_id, group, counts) for case_id, group, counts in cases if counts.tp + counts.fn]
        free = [counts for *_, counts in cases if not counts.tp + counts.fn]
        groups = [group for _, group, _ in lesions]
        ious, f1s = [iou(each) for *_, each in lesions], [f1(each) for *_, each in lesions]
        against = ""
        if reference:
            both = [k for k, (case_id, *_) in enumerate(lesions) if case_id in reference]
            pairs = [(ious[k], reference[lesions[k][0]]) for k in both]
            found = paired_difference(*zip(*pairs, strict=True), [groups[k] for k in both])
            apart = found.difference
            against = f"{interval_text(apart.value, apart.low, apart.high, sign='+')}, p = {found.p_value:.3f}"
        reference = reference or {case_id: score for (case_id, *_), score in zip(lesions, ious, strict=True)}
        mean, scenes = image_mean(ious, groups), scene_mean(ious, groups)
        rows.append([
            name, ", ".join(map(str, folds)), f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]",
            f"{image_mean(f1s, groups).value:.3f}", f"{scenes.value:.3f}", f"{scene_mean(f1s, groups).value:.3f}",
            against, f"{sum(each.tp + each.fp == 0 for *_, each in lesions)} of {len(lesions)}",
            f"{sum(each.fp > 0 for each in free)} of {len(free)}",
        ])  # fmt: skip
    header = [
        "", "folds", "IoU [95 %]", "F1", "IoU, scenes", "F1, scenes", "IoU against the first",
        "lesions without a mask", "lesion-free images with one",
    ]  # fmt: skip
    output.write_text("\n".join([
        "# What more training and teaching are worth", "",
        "Published folds, each predicted by trainings that hadn't seen it. Intervals: 95 %, bootstrap over "
        "scenes. p: sign flips of scenes, of each line alone. Operating points by cross_fit.py.", "",
        *([note, ""] if note else []),
        *markdown_table(header, rows), "",
        f"`python benchmarks/training/teaching.py {' '.join(repr(line) for line in lines)}"
        f"{' --note ...' if note else ''} -o {output}`",
    ]) + "\n")  # fmt: skip
    print(output.read_text())


def read_counts(folder: Path, kept: Path, name: str) -> tuple[list[int], list[tuple[str, str, Counts]]]:
    """Return the folds that are there, and id, group and counts of their cases; keep the files."""
    kept.mkdir(exist_ok=True)
    folds = [fold for fold in range(FOLDS) if (folder / f"fold{fold}.csv").exists()]
    cases = []
    for fold in folds:
        shutil.copyfile(folder / f"fold{fold}.csv", kept / f"{name}-fold{fold}.csv")
        cases += read_scores(folder / f"fold{fold}.csv")
    return folds, cases


if __name__ == "__main__":
    main()
