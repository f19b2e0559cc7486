"""Files to segment and what comes of each: here, in other processes of this machine, or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..batch.planning import Job, file_key
from ..registry import create_trained
from . import _measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..processes.local import Outcome, Workers
    from ..segmenter import Segmenter

MAX_UNIT = 256
"""Files at most in one unit of a cluster: enough that the scheduler sees few, little enough to do again."""


@dataclass(frozen=True)
class Work:
    """What is wanted of every image. ``sources`` are the keys of the inputs that have the name of an output."""

    spec: str
    existing: str = "error"
    keep_patient: bool = False
    measuring: bool = False
    sources: frozenset[str] = frozenset()


@dataclass
class Done:
    """What came of one file, beside what was written; with a ``note`` alone, it comes later."""

    number: int
    lines: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    may_name_patient: bool = False
    error: str = ""
    note: str = ""


Unit = list[tuple[int, Job]]
"""Files with their number in the run."""


def segment_here(model: Segmenter, work: Work, jobs: list[Job]) -> Iterator[Done]:
    """Segment files one after the other."""
    for number, job in enumerate(jobs):
        yield segment_file(model, work, number, job)


def segment_with(workers: Workers, jobs: list[Job], *, in_units: bool) -> Iterator[Done]:
    """Segment files in other processes, in no special order.

    ``in_units`` sends many files at once. What a process that died had in hand is tried again at the end, one file at a
    time; a file whose process dies again has failed.

    Raises
    ------
    ValueError
        If a process can't work at all.
    """
    from ..processes.retrying import run_units
    from ..text import printable

    size = max(1, min(MAX_UNIT, len(jobs) // 64)) if in_units else 1
    numbered = list(enumerate(jobs))
    units: list[Unit] = [numbered[start : start + size] for start in range(0, len(numbered), size)]
    dead: list[Done] = []

    def again(outcome: Outcome, alone: bool) -> list[Unit]:
        number, job = outcome.unit[0]
        if alone:
            dead.append(Done(number, error=f"{printable(job.image)}: its process died twice ({outcome.died})"))
            return []
        others = f" and {len(outcome.unit) - 1} more" if len(outcome.unit) > 1 else ""
        text = f"{printable(job.image)}{others}: a process died ({outcome.died}); tried again"
        dead.append(Done(number, note=text))
        return [[each] for each in outcome.unit]

    for outcome, _ in run_units(workers, units, again):
        assert outcome is not None  # without a limit of time there is always one
        if outcome.error:
            raise ValueError(outcome.error)
        yield from dead
        dead.clear()
        yield from outcome.result or ()


def segment_unit(work: Work, unit: Unit) -> list[Done]:
    """Segment some files in a process that keeps the model."""
    model = _model(work.spec)
    return [segment_file(model, work, number, job) for number, job in unit]


@cache
def _model(spec: str) -> Segmenter:
    return create_trained(spec)


def segment_file(model: Segmenter, work: Work, number: int, job: Job) -> Done:
    """Segment every frame of a file; whatever is bad about it is an error in what is returned."""
    from ..images import find_facts, read_bytes, read_mask
    from ..text import printable

    name = printable(job.image)
    done = Done(number)
    try:
        data = read_bytes(job.image)
        facts = find_facts(data, name)
        done.may_name_patient = facts.burnt_in_text
        for frame in range(facts.frames):
            one = job.for_frame(frame, facts.frames)
            index = None if facts.frames == 1 else frame
            # Whether the only frame of a file may be written was known before it was read.
            if (index is None and work.existing != "skip") or not _stays(one, work):
                mask = _segment_frame(model, one, data, index, work, done)
            elif work.measuring:
                mask = read_mask(one.mask)
            else:
                continue
            if work.measuring:
                number_of_frame = None if index is None else index + 1
                done.rows += _measure.rows_of(one.image, number_of_frame, one.mask, mask, facts.spacing_mm)
    except (Exception, SystemExit) as error:  # one bad file, whatever is bad about it, doesn't stop the others
        message = " ".join(str(error).split()) or type(error).__name__
        done.error = message if name in message else f"{name}: {message}"
    return done


def _stays(job: Job, work: Work) -> bool:
    """Return whether a frame's files are there already and are left as they are; known only once it is read."""
    from ..text import printable

    for target in job.targets:
        if file_key(target) in work.sources:
            raise ValueError(f"{printable(target)} would be written over an input image; give another folder with -o")
        if work.existing == "error" and os.path.exists(target):
            raise ValueError(f"{printable(target)} exists; give -o DIR, or --existing overwrite or skip")
    return work.existing == "skip" and job.is_done


def _segment_frame(
    model: Segmenter, job: Job, data: bytes, frame: int | None, work: Work, done: Done
) -> NDArray[np.bool_]:
    """Write what is wanted of one frame and return its mask; ``frame`` counts from 0, None for the only one."""
    from ..images import decode_image, overlay, read_mask, write_image, write_mask
    from ..text import printable
    from ..version import __version__

    def is_wanted(target: Path) -> bool:
        return work.existing != "skip" or not os.path.exists(target)

    image = decode_image(data, printable(job.image), frame)
    mask = model.predict(image) if is_wanted(job.mask) else read_mask(job.mask)
    job.mask.parent.mkdir(parents=True, exist_ok=True)
    if job.seg is not None and is_wanted(job.seg):
        from ..images.dicom_seg import write_segmentation

        write_segmentation(
            job.seg, data, mask, frame=frame or 0, method=work.spec, version=__version__, keep_patient=work.keep_patient
        )
    if job.overlay is not None and is_wanted(job.overlay):
        write_image(job.overlay, overlay(image, mask))
    if is_wanted(job.mask):
        write_mask(job.mask, mask)
    done.lines.append(f"{printable(job.image)}: lesion {100 * mask.mean():.1f} % -> {printable(job.mask)}")
    return mask
