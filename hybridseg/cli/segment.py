"""``hybridseg segment``: images in, masks out. An ONNX model needs numpy, Pillow and onnxruntime only."""

from __future__ import annotations

import io
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..batch.formats import FORMATS
from ..batch.outputs import DicomSeg, Output, Overlay, Probability
from ..batch.planning import JobPlan, choose_jobs, share
from ..batch.segmenting import Batch, default_method, plan_batch
from ..batch.work import Done
from ..guests import contained
from ..registry import create_trained
from ._examples import examples
from ._limits import limit_options
from ._progress import progress_line

if TYPE_CHECKING:
    from ..segmenter import Segmenter


@click.command(
    epilog=examples(
        "segment scan.png --overlay",
        "segment folder/ -o masks/ --measure sizes.csv",
        "segment scan.dcm --dicom-seg -o seg/",
        "segment inbox/ -o masks/ --watch",
    )
)
@click.argument("inputs", nargs=-1, required=True, metavar="IMAGE|FOLDER|-...")
@click.option("-m", "--method", "spec", metavar="METHOD|MODEL", help="Method or model file [default: unet, else otsu].")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Write below this folder.")
@click.option("--overlay", is_flag=True, help="Also write <name>_overlay.png: the image with the lesion outlined.")
@click.option(
    "--existing",
    type=click.Choice(["error", "overwrite", "skip"]),
    default="error",
    show_default=True,
    help="What to do about files that are there already.",
)
@click.option(
    "--measure",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a row for each lesion, as .csv or .json: number, centre, area, diameters, probabilities. Lengths "
    "are in mm, too, where the image or --spacing tells the scale. A row also tells whether the image is in scope, and "
    "the confidence in image and lesion, where the method's is calibrated. With --existing skip the table is made "
    "anew. The method then runs for its probabilities, and masks that are there are measured as they are. A shard has "
    "a table of its own: FILE.csv is called FILE_K_of_N.csv.",
)
@click.option("--probability", is_flag=True, help="Also write <name>_probability.png in 16 bits, where 65535 is 1.")
@click.option(
    "--format", "formats", multiple=True, type=click.Choice([kind.name for kind in FORMATS]),
    help="Also write the mask, its lesions' outlines or the probabilities as other tools read them. Repeatable.",
)  # fmt: skip
@click.option(
    "--spacing", default="", metavar="MM|FILE",
    help="Size of a pixel, if the image doesn't tell it: a number, or a CSV file with columns image and spacing_mm.",
)  # fmt: skip
@click.option(
    "--refuse-below", type=click.FloatRange(0, 1), metavar="X",
    help="Write nothing of an image that is out of scope, or whose confidence is below X. That is the chance that its "
    "mask is right, measured on images that the method hadn't seen. Refused images are named on stderr, and have a row "
    "in --measure.",
)  # fmt: skip
@click.option("--dicom-seg", is_flag=True, help="Also write <name>_seg.dcm, a DICOM SEG without patient fields.")
@click.option("--keep-patient", is_flag=True, help="Copy patient and study fields into the DICOM SEG.")
@click.option(
    "-j", "--jobs", "processes", default=1, show_default=True, type=click.IntRange(1), help="Processes at work at once."
)
@click.option(
    "--cluster",
    default="",
    metavar="ADDRESS|FILE",
    help="Work on a running Dask cluster, which sees the same files: tcp://host:port or its scheduler file.",
)
@click.option(
    "--watch", "watching", is_flag=True,
    help="Go on with what arrives in the folder, until stopped. Masks are called <name.ending>_mask.png below -o, and "
    "watch.jsonl there has a line per file. Started again, it goes on where it was. One watch to an output folder.",
)  # fmt: skip
@click.option(
    "--every", default=2.0, show_default=True, metavar="SECONDS", type=click.FloatRange(0.1, 3600),
    help="How often --watch looks. A file is taken once it is the same at two looks.",
)  # fmt: skip
@click.option(
    "--strict", is_flag=True, help="Exit code 1, too, if files in a folder were passed over, or masks refused."
)
@click.option("--shard", default="", metavar="K/N", help="Only every N-th image, from the K-th.")
@limit_options
@click.option("-q", "--quiet", is_flag=True, help="Print no line per image.")
def segment(
    *,
    inputs: tuple[str, ...],
    spec: str | None,
    output: Path | None,
    overlay: bool,
    existing: str,
    measure: Path | None,
    probability: bool,
    formats: tuple[str, ...],
    spacing: str,
    refuse_below: float | None,
    dicom_seg: bool,
    keep_patient: bool,
    processes: int,
    cluster: str,
    watching: bool,
    every: float,
    strict: bool,
    shard: str,
    quiet: bool,
) -> None:
    """Write a lesion mask for each image: <name>_mask.png, 255 where there is lesion.

    Masks go beside their images, or below -o. A folder is searched with its subfolders, which -o mirrors. A file is an
    image if its content says so, whatever its name. Files that are passed over are listed on stderr. The *_mask.png,
    *_overlay.png and the like of images that are there aren't listed.

    If two images would give their masks one name, the second mask is called <name.ending>_mask.png. Pages of a TIFF and
    frames of a DICOM file have a mask each, <name>_mask_0001.png. They share one DICOM SEG. `-` reads one image from
    stdin and writes its mask to stdout. One bad file doesn't stop the others, but the exit code is then 1.

    For research. Not a medical device: not for diagnosis.
    """
    if "-" in inputs:
        beside = (
            *(output, overlay, existing != "error", measure, probability, formats, spacing),
            *(refuse_below is not None, dicom_seg, keep_patient),
            *(processes > 1, cluster, strict, shard, watching),
        )
        if inputs != ("-",) or any(beside):
            raise click.UsageError("`-` stands alone: one image from stdin, its mask to stdout, no option but -m")
        _pipe(create_trained(spec or default_method()))
        return
    if keep_patient and not dicom_seg:
        raise click.UsageError("`--keep-patient` needs `--dicom-seg`: no other file has patient fields")
    chosen = ((overlay, Overlay()), (probability, Probability()), (dicom_seg, DicomSeg(keep_patient)))
    outputs: list[Output] = [each for wanted, each in chosen if wanted]
    outputs += [kind() for kind in FORMATS if kind.name in formats]
    if watching:
        if len(inputs) != 1 or existing != "error" or measure or processes > 1 or cluster or strict or shard:
            raise click.UsageError(
                "`--watch` takes one folder, and no --existing, --measure, -j, --cluster, --strict or --shard"
            )
        if output is None:
            raise click.UsageError("`--watch` needs a folder to write to: -o DIR")
        _watch(
            Path(inputs[0]), output, every, quiet=quiet, method=spec or "", outputs=outputs, spacing=spacing,
            refuse_below=refuse_below,
        )  # fmt: skip
        return
    batch = plan_batch(
        inputs, output, method=spec or "", outputs=outputs, existing=existing, table=measure, shard=shard,
        spacing_mm=_spacing(spacing), refuse_below=refuse_below,
    )  # fmt: skip
    unwanted = _tell_plan(batch.plan, shard, strict=strict, quiet=quiet)
    if not batch.jobs:
        why = "every mask is there already"
        if not choose_jobs(batch.plan.jobs, "overwrite", shard):
            why = f"shard {shard} of {len(batch.plan.jobs)} images is empty"
        click.echo(f"nothing to do: {why}")
        raise click.exceptions.Exit(bool(unwanted))
    failures, refused = _tell(batch, batch.run(processes, cluster), quiet=quiet)
    if failures and len(batch.jobs) > 1:
        click.echo(f"hybridseg segment: {failures} of {len(batch.jobs)} images failed", err=True)
    if failures or unwanted or (strict and refused):
        raise click.exceptions.Exit(1)


def _watch(
    folder: Path,
    output: Path,
    every: float,
    *,
    quiet: bool,
    method: str,
    outputs: list[Output],
    spacing: str,
    refuse_below: float | None,
) -> None:
    from ..batch.watching import watch

    entries = watch(
        folder, output, lambda: time.sleep(every), method=method, outputs=outputs, spacing_mm=_spacing(spacing),
        refuse_below=refuse_below,
    )  # fmt: skip
    for entry in entries:
        if not quiet:
            click.echo(json.dumps(entry))


def _spacing(text: str) -> float | dict[Path, float] | None:
    """Return what ``--spacing`` says; None if nothing."""
    if not text:
        return None
    try:
        size = float(text)
    except ValueError:
        from ..data.manifest import read_spacings

        if not Path(text).exists() and not text.lower().endswith(".csv"):
            raise click.UsageError(f"`--spacing` must be a number of mm or a CSV file, got {text}") from None
        return read_spacings(text)
    if not 0 < size < float("inf"):
        raise click.UsageError(f"`--spacing` must be a positive number of mm, got {text}")
    return size


def _tell_plan(plan: JobPlan, shard: str, *, strict: bool, quiet: bool) -> int:
    """Print which files are passed over and which outputs give way to others; return how many are failures."""
    from ..text import printable

    passed_over = share(plan.passed_over, shard)
    for line in share(plan.renamed, shard):
        click.echo(f"hybridseg segment: {line}", err=True)
    for other in () if quiet else passed_over:
        click.echo(f"hybridseg segment: {printable(other.path)}: passed over: {other.reason}", err=True)
    reasons = Counter(other.reason for other in passed_over)
    if reasons:
        counts = ", ".join(f"{count} ({reason})" for reason, count in sorted(reasons.items()))
        click.echo(f"hybridseg segment: {len(passed_over)} passed over: {counts}", err=True)
    return sum(strict or other.failed for other in passed_over)


def _tell(batch: Batch, outcomes: Iterator[Done], *, quiet: bool) -> tuple[int, int]:
    """Print what comes of each file; return how many failed, and how many masks were refused."""
    total = len(batch.jobs)
    if batch.table is not None and batch.model.calibration is None:
        click.echo("hybridseg segment: the method has no calibration: the table tells no confidence", err=True)
    failures, named, refused, strange = 0, 0, 0, 0
    with progress_line("segment") as progress:
        for count, done in enumerate(outcomes, 1):
            for line in () if quiet else done.lines:
                click.echo(line)
            for line in () if quiet else (*done.strange, *done.refused):
                click.echo(f"hybridseg segment: {line}", err=True)
            if done.error or done.note:
                click.echo(done.error or f"hybridseg segment: {done.note}", err=True)
            failures += bool(done.error)
            named += done.may_name_patient
            refused += len(done.refused)
            strange += len(done.strange)
            if progress is not None:
                progress(count, total, "")
    if strange:
        click.echo(
            f"hybridseg segment: {strange} out of scope: they don't look like what the method learned from, so "
            "nothing is known of their masks",
            err=True,
        )
    if refused:
        click.echo(f"hybridseg segment: {refused} refused, unsure or out of scope: not written", err=True)
    if named:
        click.echo(
            f"hybridseg segment: {named} of {total} files may have the patient's name in the picture (DICOM whose "
            "BurnedInAnnotation isn't NO). Masks can't show it. Overlays do.",
            err=True,
        )
    return failures, refused


def _pipe(model: Segmenter) -> None:
    import numpy as np
    from PIL import Image

    from ..images import MAX_FILE_BYTES, ImageError, decode_image

    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(f"stdin: more than {MAX_FILE_BYTES} bytes")
    image = decode_image(data, "stdin")
    with contained():
        mask = model.predict(image)
    stream = io.BytesIO()
    Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(stream, format="PNG")
    sys.stdout.buffer.write(stream.getvalue())
    sys.stdout.buffer.flush()
