"""How long scoring takes: hybridseg, MONAI and medpy on the same masks, one thread, side by side.

    OMP_NUM_THREADS=1 python benchmarks/speed/metrics_speed.py -o benchmarks/results/metrics_speed.md

Libraries that aren't installed are left out. Times are processor time of one thread (a machine with other work to do
lengthens only the wall clock), a median per case over repetitions. Every library is asked for what it has of: counts,
IoU, F1, precision, recall, HD95, NSD at 3 px.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridseg.metrics import boundary, count_pixels, f1, iou, precision, recall

Mask = NDArray[np.bool_]
SHAPE = (500, 600)
SHARES = (0.01, 0.038, 0.121, 0.3)
"""Lesion's share of the picture: small, BUSI's median benign and malignant, large."""
PER_SHARE = 5
REPEATS = 7
TOLERANCE_PX = 3.0


def blob(share: float, rng: np.random.Generator, at: tuple[float, float]) -> Mask:
    """Return a wobbly ellipse of about this share of the picture."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] - np.array(at)[:, None, None]
    angle = np.arctan2(rows, columns)
    wobble = sum(rng.normal(0, 0.12 / k) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 10))
    area = share * SHAPE[0] * SHAPE[1] / np.pi
    return rows**2 * 1.3 + columns**2 / 1.3 < area * (1 + wobble)


def pairs() -> dict[float, list[tuple[Mask, Mask]]]:
    """Return truth and prediction, which overlap well but not wholly, by lesion share."""
    rng = np.random.default_rng(0)
    found: dict[float, list[tuple[Mask, Mask]]] = {}
    for share in SHARES:
        for _ in range(PER_SHARE):
            at = (rng.uniform(230, 270), rng.uniform(280, 320))
            shift = rng.normal(0, 40 * share**0.5, 2)
            both = blob(share, rng, at), blob(share * rng.uniform(0.8, 1.25), rng, (at[0] + shift[0], at[1] + shift[1]))
            found.setdefault(share, []).append(both)
    return found


def ours(mask_true: Mask, mask_pred: Mask) -> float:
    counts = count_pixels(mask_true, mask_pred)
    for ratio in (iou, f1, precision, recall):
        ratio(counts)
    return boundary(mask_true, mask_pred, tolerance=TOLERANCE_PX).hd95


def with_medpy() -> Callable[[Mask, Mask], float]:
    from medpy.metric import binary

    def score(mask_true: Mask, mask_pred: Mask) -> float:
        for ratio in (binary.jc, binary.dc, binary.precision, binary.recall):
            ratio(mask_pred, mask_true)
        return float(binary.hd95(mask_pred, mask_true))

    return score


def with_monai() -> Callable[[Mask, Mask], float]:
    import torch
    from monai.metrics import (
        compute_confusion_matrix_metric,
        compute_dice,
        compute_hausdorff_distance,
        compute_iou,
        compute_surface_dice,
        get_confusion_matrix,
    )

    torch.set_num_threads(1)

    def score(mask_true: Mask, mask_pred: Mask) -> float:
        y, y_pred = (torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (mask_true, mask_pred))
        compute_iou(y_pred, y)
        compute_dice(y_pred, y)
        matrix = get_confusion_matrix(y_pred, y)
        for name in ("precision", "recall"):
            compute_confusion_matrix_metric(name, matrix)
        compute_surface_dice(y_pred, y, [TOLERANCE_PX], include_background=True)
        return float(compute_hausdorff_distance(y_pred, y, include_background=True, percentile=95))

    return score


def time_ms(score: Callable[[Mask, Mask], float], cases: list[tuple[Mask, Mask]]) -> float:
    """Return the median over cases of each case's median processor time, in ms."""
    medians = []
    for mask_true, mask_pred in cases:
        samples = []
        for _ in range(REPEATS):
            start = time.process_time()
            score(mask_true, mask_pred)
            samples.append((time.process_time() - start) * 1e3)
        medians.append(statistics.median(samples))
    return statistics.median(medians)


def versions(*names: str) -> str:
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="where to write the table as Markdown")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")  # the peers' own
    libraries: dict[str, tuple[Callable[[Mask, Mask], float], str, str]] = {
        "hybridseg": (ours, "counts, IoU, F1, precision, recall, HD95, NSD", versions("numpy", "scipy"))
    }
    if importlib.util.find_spec("monai"):
        libraries["MONAI"] = (
            with_monai(), "counts, IoU, Dice, precision, recall, HD95, surface Dice", versions("monai", "torch")
        )  # fmt: skip
    if importlib.util.find_spec("medpy"):
        libraries["medpy"] = (with_medpy(), "IoU, Dice, precision, recall, HD95 (joined); no NSD", versions("medpy"))
    cases = pairs()
    every = [case for some in cases.values() for case in some]
    times = {}
    for name, (score, *_) in libraries.items():
        score(*every[0])
        times[name] = [time_ms(score, every), *(time_ms(score, cases[share]) for share in SHARES)]
    header = ["library", "ms a case", *(f"lesion {100 * share:g} %" for share in SHARES), "times hybridseg", "computes"]
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 2) + " --- |"]
    for name, (_, what, _) in libraries.items():
        row = [name, *(f"{ms:.2f}" for ms in times[name]), f"{times[name][0] / times['hybridseg'][0]:.1f}", what]
        lines.append("| " + " | ".join(row) + " |")
    different = {
        name: max(abs(score(*case) - ours(*case)) for case in every)
        for name, (score, *_) in libraries.items() if name != "hybridseg"
    }  # fmt: skip
    text = "\n".join([
        "# Speed of scoring",
        "",
        f"{len(every)} pairs of masks of {SHAPE[0]} x {SHAPE[1]} pixels, made from seed 0. Processor time of one "
        f"thread: median over pairs of the median of {REPEATS} repetitions.",
        "",
        *lines,
        "",
        *(f"Largest difference in HD95 from {name}'s: {value:.3g} px.  " for name, value in different.items()),
        "HD95 is the larger of two directed percentiles in MONAI and hybridseg, that of all distances in medpy.",
        "",
        f"{'; '.join(version for *_, version in libraries.values())}; Python {platform.python_version()}; "
        f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}, torch.set_num_threads(1); {cpu()}.",
        "",
        "Made by `OMP_NUM_THREADS=1 python benchmarks/speed/metrics_speed.py -o benchmarks/results/metrics_speed.md`.",
        "",
    ])  # fmt: skip
    sys.stdout.write(text)
    if arguments.output is not None:
        arguments.output.write_text(text, "utf-8")


def cpu() -> str:
    from hybridseg.processes.machine import cpu_model

    return cpu_model()


if __name__ == "__main__":
    main()
