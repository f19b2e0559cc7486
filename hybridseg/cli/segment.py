"""``hybridseg segment``: images in, masks out. An ONNX model needs numpy, Pillow and onnxruntime only."""

from __future__ import annotations

import io
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import _models

if TYPE_CHECKING:
    from ..segmenter import Segmenter

_OUR_OUTPUT = re.compile(r"_(mask|overlay)(_[0-9]+)?$")


@dataclass(frozen=True)
class Job:
    """An image and the files to write for it."""

    image: Path
    mask: Path
    overlay: Path | None


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
    help="What to do about masks and overlays that are there already.",
)
@click.option("-q", "--quiet", is_flag=True, help="No line per image.")
def segment(
    *,
    inputs: tuple[str, ...],
    spec: str | None,
    output: Path | None,
    overlay: bool,
    existing: str,
    quiet: bool,
) -> None:
    """Write a lesion mask for each image: <name>_mask.png, 255 where there is lesion.

    Masks go beside their images, or below -o. A folder is searched with its subfolders, which -o mirrors;
    files called *_mask.png and *_overlay.png in it are left out. `-` reads one image from stdin and writes
    its mask to stdout. One bad file doesn't stop the others; the exit code is then 1.

    For research. Not a medical device: not for diagnosis.
    """
    if "-" in inputs:
        if inputs != ("-",) or output is not None or overlay:
            raise click.UsageError("`-` stands alone: one image from stdin, its mask to stdout")
        _pipe(_model(spec))
        return
    jobs = plan_jobs(inputs, output, overlay=overlay, existing=existing)
    if not jobs:
        click.echo("nothing to do: every mask is there already")
        return
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        if not os.access(output, os.W_OK):
            raise PermissionError(f"{output}: no permission to write there")
    model = _model(spec)
    failures = sum(not _segment_file(model, job, quiet) for job in jobs)
    if failures:
        click.echo(f"hybridseg segment: {failures} of {len(jobs)} images failed", err=True)
        raise click.exceptions.Exit(1)


def plan_jobs(inputs: tuple[str, ...], output: Path | None, *, overlay: bool, existing: str) -> list[Job]:
    """Return what to write for which image; `ValueError` if two files collide."""
    from ..images import SUFFIXES, shown

    if output is not None and (output.suffix.lower() in SUFFIXES or output.is_file()):
        raise ValueError(f"`-o` must be a folder, got {shown(output)}")
    jobs = []
    for image, folder in _find_images(inputs, output):
        mask = folder / f"{image.stem}_mask.png"
        jobs.append(Job(image, mask, folder / f"{image.stem}_overlay.png" if overlay else None))
    sources = {os.path.realpath(job.image) for job in jobs}
    owners: dict[str, Path] = {}
    for job in jobs:
        for target in (job.mask, job.overlay):
            if target is None:
                continue
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
            for target in (job.mask, job.overlay):
                if target is not None and target.exists():
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
                and not _OUR_OUTPUT.search(file.stem)
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
    return job.mask.exists() and (job.overlay is None or job.overlay.exists())


def _model(spec: str | None) -> Segmenter:
    if spec is None:
        spec = "unet" if _models.shipped("unet") else "otsu"
    return _models.create_trained(spec)


def _segment_file(model: Segmenter, job: Job, quiet: bool) -> bool:
    from ..images import overlay, read_image, shown, write_image, write_mask

    try:
        image = read_image(job.image)
        mask = model.predict(image)
        job.mask.parent.mkdir(parents=True, exist_ok=True)
        if job.overlay is not None:
            write_image(job.overlay, overlay(image, mask))
        write_mask(job.mask, mask)
    except Exception as error:  # one bad file, whatever is bad about it, doesn't stop the others
        message = " ".join(str(error).split()) or type(error).__name__
        name = shown(job.image)
        click.echo(message if name in message else f"{name}: {message}", err=True)
        return False
    if not quiet:
        click.echo(f"{shown(job.image)}: lesion {100 * mask.mean():.1f} % -> {shown(job.mask)}")
    return True


def _pipe(model: Segmenter) -> None:
    import numpy as np
    from PIL import Image

    from ..images import MAX_FILE_BYTES, ImageError, decode

    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(f"stdin: more than {MAX_FILE_BYTES} bytes")
    mask = model.predict(decode(data, "stdin").to_grey())
    stream = io.BytesIO()
    Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(stream, format="PNG")
    sys.stdout.buffer.write(stream.getvalue())
    sys.stdout.buffer.flush()
