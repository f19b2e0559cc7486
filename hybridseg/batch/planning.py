"""Which files to segment, and what to write for each of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeVar

from ..files import is_part
from .formats import OUR_OUTPUT
from .outputs import FrameOutput, Mask, Output

Unit = TypeVar("Unit")


@dataclass(frozen=True)
class Job:
    """An image, the file to write for each output by the output's name, and the pixel's size where that is given."""

    image: Path
    files: Mapping[str, Path]
    spacing_mm: float | None = None

    @property
    def mask(self) -> Path:
        """The file of the mask."""
        return self.files[Mask.name]

    @property
    def targets(self) -> list[Path]:
        """What is written."""
        return list(self.files.values())

    @property
    def is_done(self) -> bool:
        """Whether everything that would be written is there."""
        return all(os.path.exists(target) for target in self.targets)

    def for_frame(self, frame: int, frames: int, outputs: Sequence[Output]) -> Job:
        """Return the job for one frame, from 0, of a file of several: its files' names end in its number, from 1."""
        if frames == 1:
            return self
        files = dict(self.files)
        for each in outputs:
            if isinstance(each, FrameOutput):
                path = files[each.name]
                kind, dot, ending = each.suffix.partition(".")
                name = path.name.removesuffix(each.suffix)
                files[each.name] = path.with_name(f"{name}{kind}_{frame + 1:04}{dot}{ending}")
        return replace(self, files=files)


@dataclass(frozen=True)
class PassedOver:
    """A file or folder that was found and isn't segmented, and why; ``failed`` if that is nobody's wish."""

    path: Path
    reason: str
    failed: bool = False


@dataclass(frozen=True)
class JobPlan:
    """The jobs, and the fate of every other file that was named or found.

    Attributes
    ----------
    jobs : list of Job
        No two of them write to one file.
    passed_over : list of PassedOver
    renamed : list of str
        A line for each job whose files would have had the names of another's.
    """

    jobs: list[Job]
    passed_over: list[PassedOver]
    renamed: list[str]


def plan_jobs(inputs: Sequence[str], output: Path | None, outputs: Sequence[Output] = (Mask(),)) -> JobPlan:
    """Return which files to write for which image, and which files are passed over.

    A file that is named is always segmented. In a folder a file is an image if its content or its name says so.

    Raises
    ------
    ImageError
        If an input isn't there, or a folder holds no image.
    ValueError
        If a mask would be written over an input.
    """
    from ..images import SUFFIXES
    from ..text import printable

    if output is not None and (output.suffix.lower() in SUFFIXES or output.is_file()):
        raise ValueError(f"`-o` must be a folder, got {printable(output)}")
    found, others, ours = _find_images(inputs, output)
    jobs, renamed = _name_files(found, outputs)
    others += _strangers(ours, jobs)
    sources = {file_key(job.image) for job in jobs}
    for job in jobs:
        for target in job.targets:
            if file_key(target) in sources:
                raise ValueError(
                    f"{printable(target)} would be written over an input image; give another folder with -o"
                )
    return JobPlan(jobs, sorted(others, key=lambda other: other.path), renamed)


def _name_files(found: list[tuple[Path, Path]], outputs: Sequence[Output]) -> tuple[list[Job], list[str]]:
    """Return a job for each image and its folder; names that an earlier image has give way."""
    from ..text import printable

    def job_of(image: Path, folder: Path, name: str) -> Job:
        return Job(image, {each.name: folder / f"{name}{each.suffix}" for each in outputs})

    jobs = [job_of(image, folder, _stem(image)) for image, folder in found]
    owners: dict[str, int] = {}
    for number, job in enumerate(jobs):
        owners.setdefault(file_key(job.mask), number)
    renamed = []
    for number, (image, folder) in enumerate(found):
        first = jobs[number]
        if owners[file_key(first.mask)] == number:
            continue
        numbered = (f"{image.name}_{count}" for count in itertools.count(2))
        free = (job_of(image, folder, name) for name in itertools.chain([image.name], numbered))
        job = next(job for job in free if owners.setdefault(file_key(job.mask), number) == number)
        jobs[number] = job
        names = (printable(path) for path in (image, first.mask, job.mask))
        renamed.append("{}: {} is another image's, this one has {}".format(*names))
    return jobs, renamed


def _stem(image: Path) -> str:
    """Return a name less its ending, if that is an image's: ``1.2.840.10008`` ends in none."""
    from ..images import SUFFIXES

    return next((image.name[: -len(end)] for end in SUFFIXES if image.name.lower().endswith(end)), image.name)


def choose_jobs(jobs: list[Job], existing: str, shard: str, *, measuring: bool = False) -> list[Job]:
    """Return the jobs of this shard that are left to do; `ValueError` if a file is there that mustn't be.

    With ``measuring`` masks that are skipped are left to do too: they are measured.
    """
    from ..text import printable

    jobs = share(jobs, shard)
    if existing == "skip" and not measuring:
        return [job for job in jobs if not job.is_done]
    if existing == "error":
        for job in jobs:
            for target in job.targets:
                if os.path.exists(target):  # False, too, for a name longer than the system takes
                    raise ValueError(f"{printable(target)} exists; give -o DIR, or --existing overwrite or skip")
    return jobs


def with_spacing(plan: JobPlan, spacing_mm: float | Mapping[Path, float]) -> JobPlan:
    """Return a plan whose jobs know the size of their pixels in mm: that of all, or each its own by its image.

    Raises
    ------
    ValueError
        If a size isn't above 0.
    """
    from ..validation import check_spacing

    if not isinstance(spacing_mm, Mapping):
        check_spacing((spacing_mm, spacing_mm))
        return replace(plan, jobs=[replace(job, spacing_mm=spacing_mm) for job in plan.jobs])
    sizes = {file_key(path): size for path, size in spacing_mm.items()}
    for size in sizes.values():
        check_spacing((size, size))
    return replace(plan, jobs=[replace(job, spacing_mm=sizes.get(file_key(job.image))) for job in plan.jobs])


def share(units: list[Unit], shard: str) -> list[Unit]:
    """Return a shard's part of a list, K/N; all of it without a shard."""
    if not shard:
        return units
    from ..processes.shards import parse_shard, shard_of

    return shard_of(units, parse_shard(shard))


def _find_images(
    inputs: Sequence[str], output: Path | None
) -> tuple[list[tuple[Path, Path]], list[PassedOver], list[Path]]:
    """Return each image with the folder of its outputs, the files that are no image, and those called like an
    output."""
    from ..images import ImageError
    from ..text import printable

    found: dict[str, tuple[Path, Path]] = {}
    passed_over: list[PassedOver] = []
    outputs: list[Path] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            images, others, ours = _search(path)
            if not images:
                first = f", such as {printable(others[0].path)}: {others[0].reason}" if others else ""
                raise ImageError(f"{printable(path)}: holds no image; passed over: {len(others) + len(ours)}{first}")
            passed_over += others
            outputs += ours
        elif path.exists():
            images = [path]
        else:
            raise ImageError(f"{printable(path)}: no such file or folder")
        for image in images:
            below = image.parent.relative_to(path) if path.is_dir() else Path()
            folder = image.parent if output is None else output / below
            earlier, _ = found.setdefault(_name_key(image), (image, folder))
            if os.path.abspath(earlier) != os.path.abspath(image):
                passed_over.append(PassedOver(image, "is named twice, by two ways"))
    return list(found.values()), passed_over, outputs


def _search(root: Path) -> tuple[list[Path], list[PassedOver], list[Path]]:
    """Return the images below a folder, the files that are none, and those called like an output."""
    images: list[Path] = []
    others: list[PassedOver] = []
    outputs: list[Path] = []

    def refused(error: OSError) -> None:
        others.append(PassedOver(Path(error.filename), f"can't be searched: {error.strerror}", failed=True))

    for name, folders, files in os.walk(root, onerror=refused):
        kept = []
        for path in (Path(name, folder) for folder in folders):
            if path.is_symlink():
                others.append(PassedOver(path, "is a link to a folder: name it to have it searched"))
            elif path.name.startswith("."):
                others.append(PassedOver(path, "is hidden"))
            else:
                kept.append(path.name)
        folders[:] = kept
        for path in (Path(name, file) for file in files if not is_part(file)):
            if OUR_OUTPUT.search(path.name):
                outputs.append(path)
            elif reason := _why_passed_over(path):
                others.append(PassedOver(path, reason))
            else:
                images.append(path)
    return sorted(images), others, outputs


def _strangers(outputs: list[Path], jobs: list[Job]) -> list[PassedOver]:
    """Return files called like an output that are neither beside their image nor where this run writes."""
    if not outputs:
        return []
    known = set()
    for job in jobs:
        known |= {_name_key(job.image), _name_key(job.image.with_name(_stem(job.image))), _name_key(_owner(job.mask))}
    reason = "has the name of an output, and its image isn't there"
    return [PassedOver(path, reason) for path in outputs if _name_key(_owner(path)) not in known]


def _owner(output: Path) -> Path:
    """Return an output's name without the ending that `OUR_OUTPUT` adds."""
    return output.with_name(OUR_OUTPUT.sub("", output.name) or output.name)


def _why_passed_over(path: Path) -> str:
    """Return why a file that was found isn't segmented; nothing for an image, and for what reading will refuse."""
    from ..images import why_no_image

    if path.name.startswith("."):
        return "is hidden"
    try:
        if not path.exists():
            return "is a link to nothing"
        return why_no_image(path) if path.is_file() else "is not a regular file"
    except OSError:
        return ""


def file_key(path: Path) -> str:
    """Return what two paths have in common exactly if they are one file, there or yet to be written."""
    return _folded(os.path.realpath(path))


def _name_key(path: Path) -> str:
    """Return what two paths have in common exactly if they are one name: two links to one file are two."""
    return _folded(os.path.join(os.path.realpath(path.parent), path.name))


def _folded(path: str) -> str:
    return path.casefold() if _ignores_case(os.path.dirname(path)) else path


@cache
def _ignores_case(folder: str) -> bool:
    """Whether ``Scan`` and ``scan`` are one name there, as on most disks of Windows and macOS; on Linux, two."""
    for existing in (Path(folder), *Path(folder).parents):
        swapped = existing.name.swapcase()
        if swapped != existing.name and os.path.exists(existing):
            other = existing.with_name(swapped)
            return os.path.exists(other) and os.path.samefile(existing, other)
    return False
