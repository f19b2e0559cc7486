"""Which files to segment, and what to write for each of them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

OUR_OUTPUT = re.compile(r"(_(mask|overlay)(_[0-9]+)?\.[^.]+|_seg(_[0-9]+)?\.dcm)$")
"""Ends of the names that hybridseg gives to what it writes beside an image."""


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

    @property
    def is_done(self) -> bool:
        """Whether everything that would be written is there."""
        return all(os.path.exists(target) for target in self.targets)

    def for_frame(self, frame: int, frames: int) -> Job:
        """Return the job for one frame, from 0, of a file of several: names end in its number, from 1."""
        if frames == 1:
            return self
        mask, overlay, seg = (
            target and target.with_name(f"{target.stem}_{frame + 1:04}{target.suffix}")
            for target in (self.mask, self.overlay, self.seg)
        )
        return Job(self.image, mask or self.mask, overlay, seg)


def plan_jobs(inputs: tuple[str, ...], output: Path | None, *, overlay: bool, seg: bool = False) -> list[Job]:
    """Return what to write for which image; `ValueError` if two files collide."""
    from ..images import SUFFIXES
    from ..text import printable

    if output is not None and (output.suffix.lower() in SUFFIXES or output.is_file()):
        raise ValueError(f"`-o` must be a folder, got {printable(output)}")
    jobs = []
    for image, folder in _find_images(inputs, output):
        names = (f"{image.stem}_overlay.png" if overlay else "", f"{image.stem}_seg.dcm" if seg else "")
        jobs.append(Job(image, folder / f"{image.stem}_mask.png", *(folder / name if name else None for name in names)))
    sources = {file_key(job.image) for job in jobs}
    owners: dict[str, Path] = {}
    for job in jobs:
        for target in job.targets:
            key = file_key(target)
            if key in sources:
                raise ValueError(
                    f"{printable(target)} would be written over an input image; give another folder with -o"
                )
            if key in owners:
                raise ValueError(
                    f"{printable(owners[key])} and {printable(job.image)} would both be written to {printable(target)}"
                )
            owners[key] = job.image
    return jobs


def choose_jobs(jobs: list[Job], existing: str, shard: str, *, measuring: bool = False) -> list[Job]:
    """Return what is left to do of this shard; `ValueError` if something is there that mustn't be.

    With ``measuring`` masks that are skipped are left to do too: they are measured.
    """
    from ..text import printable

    if shard:
        from ..processes.shards import parse_shard, shard_of

        jobs = shard_of(jobs, parse_shard(shard))
    if existing == "skip" and not measuring:
        return [job for job in jobs if not job.is_done]
    if existing == "error":
        for job in jobs:
            for target in job.targets:
                if os.path.exists(target):  # False, too, for a name longer than the system takes
                    raise ValueError(f"{printable(target)} exists; give -o DIR, or --existing overwrite or skip")
    return jobs


def _find_images(inputs: tuple[str, ...], output: Path | None) -> list[tuple[Path, Path]]:
    """Return each image with the folder that its outputs go to; an image named twice counts once."""
    from ..images import SUFFIXES, ImageError
    from ..text import printable

    found: dict[str, tuple[Path, Path]] = {}
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            images = [
                file
                for file in sorted(path.rglob("*"))
                if file.suffix.lower() in SUFFIXES
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
                and not OUR_OUTPUT.search(file.name)
                and file.is_file()
            ]
            if not images:
                raise ImageError(f"{printable(path)}: holds no image ({', '.join(SUFFIXES)})")
        elif path.exists():
            images = [path]
        else:
            raise ImageError(f"{printable(path)}: no such file or folder")
        for image in images:
            below = image.parent.relative_to(path) if path.is_dir() else Path()
            folder = image.parent if output is None else output / below
            found.setdefault(os.path.realpath(image), (image, folder))
    return list(found.values())


def file_key(path: Path) -> str:
    """Return what two paths have in common exactly if they are one file, there or yet to be written."""
    real = os.path.realpath(path)
    return real.casefold() if _ignores_case(os.path.dirname(real)) else real


@cache
def _ignores_case(folder: str) -> bool:
    """Whether ``Scan`` and ``scan`` are one name there, as on most disks of Windows and macOS; on Linux, two."""
    for existing in (Path(folder), *Path(folder).parents):
        swapped = existing.name.swapcase()
        if swapped != existing.name and os.path.exists(existing):
            other = existing.with_name(swapped)
            return os.path.exists(other) and os.path.samefile(existing, other)
    return False
