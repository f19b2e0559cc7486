"""How many strangers are out of scope, and how many true scans are taken for strangers.

    python benchmarks/robustness/out_of_scope.py --data Dataset_BUSI_with_GT --data BUSBRA --test BUS-UCLM

The scope is taken from the published folds 1 to 4 of ``--data``, as it is for the models that ship. Fold 0 and
``--test`` had no part in it. Writes ``benchmarks/results/out_of_scope.md``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click
import numpy as np
import strangers

from hybridseg.data import load_dataset
from hybridseg.data.scenes import choose_split
from hybridseg.data.scope import OUTSIDE, is_in_scope
from hybridseg.learned import examine
from hybridseg.metrics import wilson_interval

RESULT = Path(__file__).resolve().parents[1] / "results" / "out_of_scope.md"
EACH = 200
MADE = {
    "pages of text": strangers.text_page, "screens": strangers.screenshot, "charts": strangers.chart,
    "noise": strangers.noise, "blank or a ramp": strangers.blank, "slices of a head, made up": strangers.head,
    "chest films, made up": strangers.chest,
}  # fmt: skip
REAL = {
    "photographs": strangers.PHOTOGRAPHS, "graphics and scanned text": strangers.GRAPHICS,
    "microscopy, retina, CT, MR and the like": strangers.MEDICAL,
}  # fmt: skip


@click.command()
@click.option("--data", "folders", required=True, multiple=True, help="BUSI or BUS-BRA as published; may be repeated.")
@click.option("--test", "tests", multiple=True, help="Scans of other hospitals; may be repeated.")
def main(folders: tuple[str, ...], tests: tuple[str, ...]) -> None:
    """Take the scope, look at scans and strangers, and write the page."""
    learned, scans = [], {}
    for folder in folders:
        dataset = load_dataset(folder)
        _, split, _ = choose_split(dataset)
        learned.append([case.image for case in dataset.select(split.folds[0].train)])
        scans[f"{dataset.layout}, fold 0"] = [case.image for case in dataset.select(split.folds[0].test)]
    for folder in tests:
        dataset = load_dataset(folder)
        scans[f"{dataset.layout}, never looked at"] = [case.image for case in dataset]
    _, scope = examine(learned)
    if scope is None:
        raise click.UsageError("these data are too few images for a scope")

    def row(name: str, images: Iterable[np.ndarray]) -> tuple[str, int, int]:
        outside = [not is_in_scope(image, scope) for image in images]
        return name, sum(outside), len(outside)

    true = [row(name, images) for name, images in scans.items()]
    made = [row(name, (draw(np.random.default_rng(seed)) for seed in range(EACH))) for name, draw in MADE.items()]
    real = [row(name, strangers.real(names)) for name, names in REAL.items()]
    parts = [row(f"{name}, their quarters", strangers.quarters(strangers.real(names))) for name, names in REAL.items()]
    RESULT.write_text(page(true, made, real, parts, sum(map(len, learned))))
    print(RESULT.read_text())


def page(true: list, made: list, real: list, parts: list, learned: int) -> str:
    """Return the page of results."""
    command = f"python benchmarks/robustness/{Path(sys.argv[0]).name} --data Dataset_BUSI_with_GT --data BUSBRA"
    every = [("all strangers but quarters", *np.sum([row[1:] for row in (*made, *real)], axis=0).tolist())]
    tables = [table("true scans", true), table("strangers", [*made, *real, *every, *parts])]
    return "\n".join([
        "# Out of scope", "", f"`{command} --test BUS-UCLM`", "",
        f"The scope is that of {learned} images, the published folds 1 to 4 of BUSI and BUS-BRA, as in the models that "
        f"ship. Its border leaves {100 * OUTSIDE:.0f} % of them outside. Neither fold 0 nor BUS-UCLM had a part in it. "
        "Made-up strangers are **synthetic**. Real ones are files that come with scikit-image, scikit-learn, "
        "matplotlib and pydicom. Quarters of one picture are no independent pictures. Intervals: Wilson, 95 %.",
        "", *tables[0], "", *tables[1], "",
        f"The aim was 95 % of the strangers at {100 * OUTSIDE:.0f} % of true scans. It is missed at a third hospital, "
        "whose scans look different: more of them are called out of scope.",
        "", "What is not measured: ultrasound of other organs, but for one picture, and real X-rays. Expect ultrasound "
        "of other organs to be taken for breast ultrasound.", "",
    ])  # fmt: skip


def table(title: str, rows: list[tuple[str, int, int]]) -> list[str]:
    """Return the lines of a table of counts."""
    lines = [f"| {title} | out of scope | of | % [95 %] |", "|---|---:|---:|---|"]
    for name, outside, count in rows:
        share = wilson_interval(outside, count)
        low, value, high = (100 * each for each in (share.low, share.value, share.high))
        lines.append(f"| {name} | {outside} | {count} | {value:.1f} [{low:.1f}, {high:.1f}] |")
    return lines


if __name__ == "__main__":
    main()
