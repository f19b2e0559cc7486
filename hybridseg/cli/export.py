"""``hybridseg export``: a method or a model as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..registry import create_trained
from ..zoo.cards import origin
from ._examples import examples
from ._targets import overwrite_option, prepare_target

if TYPE_CHECKING:
    from ..data import Dataset
    from ..onnx.quantise import Weights
    from ..segmenter import Segmenter

CALIBRATION_IMAGES = 64
FOLDS = 5


@click.command(
    epilog=examples(
        "export forest.hybridseg -o forest.onnx",
        "export unet -o unet.onnx",
        "export net.onnx -o ours.onnx",
    )
)
@click.argument("method", metavar="METHOD|MODEL")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.onnx",
    help="The file to write.",
)  # fmt: skip
@overwrite_option
@click.option(
    "--weights", type=click.Choice(["fp32", "fp16", "int8-stored", "int4-stored"]), default="fp32", show_default=True,
    help="How weights are stored. With fp16: in half precision. With int8-stored: kernels in 8 bits, other large "
    "weights in half precision. With int4-stored: kernels in 4 bits, for networks trained so. All are computed in "
    "single precision, and need --data or --validation.",
)  # fmt: skip
@click.option("--int8", is_flag=True, help="8-bit convolutions, calibrated on training images. Needs --data.")
@click.option(
    "--data", metavar="DIR",
    help="Data to calibrate a smaller file on. Without --validation its first fold also measures the file. A published "
    "test part isn't read.",
)  # fmt: skip
@click.option(
    "--validation", metavar="DIR", help="Cases that the model was not fitted on, to measure a smaller file on."
)
@click.option(
    "--max-mb", type=click.FloatRange(min=0, min_open=True),
    help="Most that the file may be. It is a reason to keep an INT8 file that isn't faster.",
)  # fmt: skip
def export(
    method: str,
    output: Path,
    overwrite: bool,
    weights: str,
    int8: bool,
    data: str | None,
    validation: str | None,
    max_mb: float | None,
) -> None:
    """Write a method or a saved model as one ONNX file: raw grey image in, mask and probability out.

    The file is run and compared with the method before it gets its name. If they disagree, it is not kept. What the
    card beside a model says of data, split, licence and scores goes into the file.

    A smaller file is measured against the full one: size, time, and F1 on cases that the model was not fitted on. It
    is refused if F1 falls by more than 0.005.
    """
    from ..text import printable

    if output.suffix.lower() != ".onnx":
        raise click.UsageError(f"-o must end in .onnx, got {printable(output)}")
    prepare_target(output, overwrite)
    if int8 and weights != "fp32":
        raise click.UsageError(f"--int8 and --weights {weights} exclude each other")
    kind: Any = "int8" if int8 else weights
    smaller = kind != "fp32"
    if smaller and data is None and (int8 or validation is None):
        needed = "--data DIR" if int8 else "--data DIR or --validation DIR"
        raise click.UsageError(f"a smaller file is measured before it is kept: give {needed}")
    if not smaller and (data is not None or validation is not None or max_mb is not None):
        raise click.UsageError("--data, --validation and --max-mb are for --int8 and --weights other than fp32")
    model = create_trained(method)
    entries = origin(method, model)
    if not smaller:
        report = model.to_onnx(output, **entries)
    else:
        report = _smaller(model, output, entries, data, validation, kind, max_mb)
    click.echo(f"{printable(output)}: {output.stat().st_size / 1e6:.2f} MB; {report}")


def _smaller(
    model: Segmenter,
    output: Path,
    entries: dict[str, str],
    data: str | None,
    validation: str | None,
    weights: Weights,
    max_mb: float | None,
) -> Any:
    """Export with smaller weights, measured on ``validation``, else on the first fold's scenes of ``data``."""
    from ..data import busi_split, grouped_folds, load_dataset
    from ..onnx.quantise import export_smaller

    published = set(busi_split().case_ids)
    known = {**entries, **getattr(model, "metadata", {})}
    # `fit` looks for scenes, which are part of a data set's hash, so its contents alone are compared, too.
    trained_on = {known.get("training_data_sha256"), known.get("training_contents_sha256")}

    def read(source: str, *, measure: bool) -> Dataset:
        """Return a data set without a published test part; refuse one that the model has seen, to measure on."""
        dataset = load_dataset(source)
        part = dataset.select(busi_split().case_ids) if published <= {case.case_id for case in dataset} else dataset
        hashes = {found for each in (dataset, part) for found in (each.content_hash(), each.contents_hash())}
        if measure and trained_on & hashes:
            raise ValueError(
                f"the model was fitted on {source}, as its card says: give --validation DIR with cases it hasn't seen"
            )
        return part

    calibration = []
    if data is not None:
        training = read(data, measure=validation is None)
        if validation is None:
            ids, scenes = {case.case_id for case in training}, len(set(training.groups))
            if scenes < FOLDS:
                raise ValueError(f"{data} must have at least {FOLDS} scenes, got {scenes}; or give --validation DIR")
            fold = (busi_split() if published <= ids else grouped_folds(training, FOLDS)).folds[0]
            training, measured = training.select(fold.train), training.select(fold.test)
        step = -(-len(training) // CALIBRATION_IMAGES)
        calibration = [case.read()[0] for case in training[::step]] if weights == "int8" else []
    if validation is not None:
        measured = read(validation, measure=True)
    images, masks = zip(*(case.read() for case in measured), strict=True)
    return export_smaller(
        model,
        output,
        weights,
        images=images,
        masks=masks,
        calibration=calibration,
        max_bytes=None if max_mb is None else int(max_mb * 1e6),
        metadata=entries,
    )
