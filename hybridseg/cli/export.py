"""``hybridseg export``: a method or a model as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _models

if TYPE_CHECKING:
    from ..segmenter import Segmenter

CALIBRATION_IMAGES = 64


@click.command()
@click.argument("method", metavar="METHOD|MODEL")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.onnx",
    help="The file to write.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace FILE if it is there.")
@click.option(
    "--weights", type=click.Choice(["fp32", "fp16"]), default="fp32", show_default=True,
    help="fp16: weights stored in half precision, computed in single. Needs --data.",
)  # fmt: skip
@click.option("--int8", is_flag=True, help="8-bit convolutions, calibrated on training images. Needs --data.")
@click.option(
    "--data", metavar="DIR", help="What to calibrate and measure a smaller file on; a published test part isn't read."
)
@click.option(
    "--max-mb", type=click.FloatRange(min=0, min_open=True),
    help="What the file may be at most: a reason to keep INT8 that isn't faster.",
)  # fmt: skip
def export(
    method: str, output: Path, overwrite: bool, weights: str, int8: bool, data: str | None, max_mb: float | None
) -> None:
    """Write a method or a saved model as one ONNX file: raw grey image in, mask and probability out.

    The file is run and compared with the method before it gets its name; one that disagrees is not kept. A smaller one
    is measured against it, size, time and F1 on validation cases, and refused if F1 falls by more than 0.005.
    """
    if output.exists() and not overwrite:
        raise ValueError(f"{output} exists; give --overwrite to replace it")
    if not output.parent.is_dir():
        raise FileNotFoundError(f"{output.parent}: no such folder")
    smaller = int8 or weights == "fp16"
    if int8 and weights == "fp16":
        raise click.UsageError("--int8 and --weights fp16 exclude each other")
    if smaller and data is None:
        raise click.UsageError("a smaller file is measured before it is kept: give --data DIR")
    if not smaller and (data is not None or max_mb is not None):
        raise click.UsageError("--data and --max-mb are for --weights fp16 and --int8")
    model = _models.create_trained(method)
    report = model.to_onnx(output) if data is None else _smaller(model, output, data, int8, max_mb)
    click.echo(f"{output}: {output.stat().st_size / 1e6:.2f} MB; {report}")


def _smaller(model: Segmenter, output: Path, data: str, int8: bool, max_mb: float | None) -> Any:
    """Export with smaller weights; the first fold's scenes are for measuring, the others' for calibration."""
    from ..data import busi_split, grouped_folds, load_dataset
    from ..onnx.quantise import export_smaller

    dataset = load_dataset(data)
    cases = {case.case_id: case for case in dataset}
    published = busi_split()
    split = published if set(published.case_ids) <= set(cases) else grouped_folds(dataset, 5)
    fold = split.folds[0]
    step = -(-len(fold.train) // CALIBRATION_IMAGES)
    calibration = [cases[name].read()[0] for name in fold.train[::step]] if int8 else []
    images, masks = zip(*(cases[name].read() for name in fold.test), strict=True)
    return export_smaller(
        model,
        output,
        "int8" if int8 else "fp16",
        images=images,
        masks=masks,
        calibration=calibration,
        max_bytes=None if max_mb is None else int(max_mb * 1e6),
    )
