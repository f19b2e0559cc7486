"""``hybridseg segment``: images in, masks out. An ONNX model needs numpy, Pillow and onnxruntime only."""

from __future__ import annotations

import io
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _measure, _models

if TYPE_CHECKING:
    from ..segmenter import Segmenter

_OUR_OUTPUT = re.compile(r"(_(mask|overlay)(_[0-9]+)?\.[^.]+|_seg(_[0-9]+)?\.dcm)$")


@dataclass(frozen=True)
class Job:
    """An image and the files to write for it."""

    image: Path
    mask: Path
    overlay: Path | None = None
    seg: Path | None = None

    @property
    def targets(self) -> list[Path]:
        """What is written."""
        return [target for target in (self.mask, self.overlay, self.seg) if target is not None]

    def for_frame(self, frame: int, frames: int) -> Job:
        """Return the job for one frame, from 0, of a file of several: names end in its number, from 1."""
        if frames == 1:
            return self
        mask, overlay, seg = (
            target and target.with_name(f"{target.stem}_{frame + 1:04}{target.suffix}")
            for target in (self.mask, self.overlay, self.seg)
        )
        return Job(self.image, mask or self.mask, overlay, seg)


@dataclass
class Work:
    """What is wanted of every image, and what came of it beside files."""

    spec: str
    existing: str = "error"
    quiet: bool = False
    keep_patient: bool = False
    measuring: bool = False
    sources: set[str] = field(default_factory=set)
    rows: list[dict[str, Any]] = field(default_factory=list)
    may_name_patient: int = 0


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="IMAGE|FOLDER|-...")
@click.option(
    "-m", "--method", "spec", metavar="METHOD|MODEL", help="Method or model file [default: unet, else otsu]."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Write below this folder."
)
@click.option(
    "--overlay", is_flag=True, help="Also write <name>_overlay.png: the image with the lesion outlined."
)
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
    help="Also write area and diameters of each lesion, as .csv or .json; in mm where DICOM tells the scale.",
)
@click.option("--dicom-seg", is_flag=True, help="Also write <name>_seg.dcm, a DICOM SEG without patient fields.")
@click.option("--keep-patient", is_flag=True, help="Copy patient and study fields into the DICOM SEG.")
@click.option("-q", "--quiet", is_flag=True, help="No line per image.")
def segment(
    *,
    inputs: tuple[str, ...],
    spec: str | None,
    output: Path | None,
    overlay: bool,
    existing: str,
    measure: Path | None,
    dicom_seg: bool,
    keep_patient: bool,
    quiet: bool,
) -> None:
    """Write a lesion mask for each image: <name>_mask.png, 255 where there is lesion.

    Masks go beside their images, or below -o. A folder is searched with its subfolders, which -o mirrors;
    files called *_mask.png, *_overlay.png and *_seg.dcm in it are left out. Pages of a TIFF and frames of a
    DICOM file have a mask each: <name>_mask_0001.png. `-` reads one image from stdin and writes its mask to
    stdout. One bad file doesn't stop the others; the exit code is then 1.

    For research. Not a medical device: not for diagnosis.
    """
    if "-" in inputs:
        if inputs != ("-",) or output is not None or overlay or measure is not None or dicom_seg:
            raise click.UsageError("`-` stands alone: one image from stdin, its mask to stdout")
        _pipe(_model(_spec(spec)))
        return
    if keep_patient and not dicom_seg:
        raise click.UsageError("`--keep-patient` needs `--dicom-seg`: no other file has patient fields")
    if measure is not None:
        _measure.check_target(measure, existing)
    jobs = plan_jobs(inputs, output, overlay=overlay, seg=dicom_seg, existing=existing)
    if not jobs:
        click.echo("nothing to do: every mask is there already")
        return
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        if not os.access(output, os.W_OK):
            raise PermissionError(f"{output}: no permission to write there")
    work = Work(_spec(spec), existing, quiet, keep_patient, measuring=measure is not None)
    work.sources = {os.path.realpath(job.image) for job in jobs}
    model = _model(work.spec)
    failures = sum(not _segment_file(model, job, work) for job in jobs)
    if measure is not None:
        _measure.write_rows(measure, work.rows)
    if work.may_name_patient:
        click.echo(
            f"hybridseg segment: {work.may_name_patient} of {len(jobs)} files are DICOM images that may have the "
            "patient's name in the picture (BurnedInAnnotation isn't NO); masks can't show it, overlays do",
            err=True,
        )
    if failures:
        click.echo(f"hybridseg segment: {failures} of {len(jobs)} images failed", err=True)
        raise click.exceptions.Exit(1)


def plan_jobs(
    inputs: tuple[str, ...], output: Path | None, *, overlay: bool, existing: str, seg: bool = False
) -> list[Job]:
    """Return what to write for which image; `ValueError` if two files collide."""
    from ..images import SUFFIXES, shown

    if output is not None and (output.suffix.lower() in SUFFIXES or output.is_file()):
        raise ValueError(f"`-o` must be a folder, got {shown(output)}")
    jobs = []
    for image, folder in _find_images(inputs, output):
        names = (f"{image.stem}_overlay.png" if overlay else "", f"{image.stem}_seg.dcm" if seg else "")
        jobs.append(Job(image, folder / f"{image.stem}_mask.png", *(folder / name if name else None for name in names)))
    sources = {os.path.realpath(job.image) for job in jobs}
    owners: dict[str, Path] = {}
    for job in jobs:
        for target in job.targets:
            real = os.path.realpath(target)
            if real in sources:
                raise ValueError(
                    f"{shown(target)} would be written over an input image; give another folder with -o"
                )
            if real in owners:
                raise ValueError(
                    f"{shown(owners[real])} and {shown(job.image)} would both be written to {shown(target)}"
                )
            owners[real] = job.image
    if existing == "skip":
        return [job for job in jobs if not _is_done(job)]
    if existing == "error":
        for job in jobs:
            for target in job.targets:
                if os.path.exists(target):  # False, too, for a name longer than the system takes
                    raise ValueError(f"{shown(target)} exists; give -o DIR, or --existing overwrite or skip")
    return jobs


def _find_images(inputs: tuple[str, ...], output: Path | None) -> list[tuple[Path, Path]]:
    """Return each image with the folder that its outputs go to; an image named twice counts once."""
    from ..images import SUFFIXES, ImageError, shown

    found: dict[str, tuple[Path, Path]] = {}
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            images = [
                file
                for file in sorted(path.rglob("*"))
                if file.suffix.lower() in SUFFIXES
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
                and not _OUR_OUTPUT.search(file.name)
                and file.is_file()
            ]
            if not images:
                raise ImageError(f"{shown(path)}: holds no image ({', '.join(SUFFIXES)})")
        elif path.exists():
            images = [path]
        else:
            raise ImageError(f"{shown(path)}: no such file or folder")
        for image in images:
            below = image.parent.relative_to(path) if path.is_dir() else Path()
            folder = image.parent if output is None else output / below
            found.setdefault(os.path.realpath(image), (image, folder))
    return list(found.values())


def _is_done(job: Job) -> bool:
    return all(os.path.exists(target) for target in job.targets)


def _spec(spec: str | None) -> str:
    return spec or ("unet" if _models.shipped("unet") else "otsu")


def _model(spec: str) -> Segmenter:
    return _models.create_trained(spec)


def _segment_file(model: Segmenter, job: Job, work: Work) -> bool:
    from ..images import find_facts, read_bytes, shown

    name = shown(job.image)
    try:
        data = read_bytes(job.image)
        facts = find_facts(data, name)
        work.may_name_patient += facts.burnt_in_text
        for frame in range(facts.frames):
            one = job.for_frame(frame, facts.frames)
            if facts.frames == 1 or not _stays(one, work):
                _segment_frame(model, one, data, None if facts.frames == 1 else frame, facts.spacing_mm, work)
    except Exception as error:  # one bad file, whatever is bad about it, doesn't stop the others
        message = " ".join(str(error).split()) or type(error).__name__
        click.echo(message if name in message else f"{name}: {message}", err=True)
        return False
    return True


def _stays(job: Job, work: Work) -> bool:
    """Return whether a frame's files are there already and are left as they are; known only once it is read."""
    from ..images import shown

    for target in job.targets:
        if os.path.realpath(target) in work.sources:
            raise ValueError(f"{shown(target)} would be written over an input image; give another folder with -o")
        if work.existing == "error" and os.path.exists(target):
            raise ValueError(f"{shown(target)} exists; give -o DIR, or --existing overwrite or skip")
    return work.existing == "skip" and _is_done(job)


def _segment_frame(
    model: Segmenter, job: Job, data: bytes, frame: int | None, spacing_mm: tuple[float, float] | None, work: Work
) -> None:
    from .. import __version__
    from ..images import decode_image, overlay, shown, write_image, write_mask

    image = decode_image(data, shown(job.image), frame)
    mask = model.predict(image)
    if work.measuring:
        work.rows += _measure.rows_of(job.image, None if frame is None else frame + 1, job.mask, mask, spacing_mm)
    job.mask.parent.mkdir(parents=True, exist_ok=True)
    if job.seg is not None:
        from ..images.dicom_seg import write_segmentation

        write_segmentation(
            job.seg, data, mask, frame=frame or 0, method=work.spec, version=__version__, keep_patient=work.keep_patient
        )
    if job.overlay is not None:
        write_image(job.overlay, overlay(image, mask))
    write_mask(job.mask, mask)
    if not work.quiet:
        click.echo(f"{shown(job.image)}: lesion {100 * mask.mean():.1f} % -> {shown(job.mask)}")


def _pipe(model: Segmenter) -> None:
    import numpy as np
    from PIL import Image

    from ..images import MAX_FILE_BYTES, ImageError, decode_image

    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(f"stdin: more than {MAX_FILE_BYTES} bytes")
    mask = model.predict(decode_image(data, "stdin"))
    stream = io.BytesIO()
    Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(stream, format="PNG")
    sys.stdout.buffer.write(stream.getvalue())
    sys.stdout.buffer.flush()
