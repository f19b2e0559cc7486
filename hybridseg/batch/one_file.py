"""Segment the frames of one file, and write the outputs of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from ..guests import contained, show_traceback
from .lesions import rows_of
from .outputs import Frame, Output
from .planning import Job, file_key
from .work import Done, Work

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..segmenter import Segmenter

Kind = TypeVar("Kind", bound=Output)


def segment_file(model: Segmenter, work: Work, number: int, job: Job) -> Done:
    """Segment every frame of a file. A bad file is an error in the result, not an exception."""
    from ..images import find_facts, read_bytes
    from ..text import printable

    name = printable(job.image)
    done = Done(number)
    try:
        data = read_bytes(job.image)
        facts = find_facts(data, name)
        done.may_name_patient = facts.burnt_in_text
        spacing_mm = facts.spacing_mm or (None if job.spacing_mm is None else (job.spacing_mm, job.spacing_mm))
        masks: list[NDArray[np.bool_]] = []
        for place in range(facts.frames):
            one = job.for_frame(place, facts.frames, work.outputs)
            index = None if facts.frames == 1 else place
            # Whether the only frame of a file may be written was known before it was read.
            if (index is not None or work.existing == "skip") and _stays(one, work) and not work.measuring:
                continue
            frame = _segment_frame(model, one, data, index, spacing_mm, work)
            title = name if index is None else f"{name} frame {place + 1}"
            if frame.in_scope is False:
                done.strange.append(f"{title}: doesn't look like the images that {printable(work.spec)} learned from")
            reason = _why_refused(frame, work)
            if reason:
                done.refused.append(f"{title}: refused: {reason}")
                _clear(one, work)
            else:
                masks.append(frame.mask)
                done.lines += _write(one, frame, data, masks, facts.frames, work)
            if work.measuring:
                done.rows += rows_of(
                    one.image, None if index is None else place + 1, one.mask, frame, refused=bool(reason)
                )
    except Exception as error:  # one bad file, whatever is bad about it, doesn't stop the others
        message = " ".join(str(error).split()) or type(error).__name__
        done.error = message if name in message else f"{name}: {message}"
    return done


def _why_refused(frame: Frame, work: Work) -> str:
    """Return why a mask isn't sure enough to be written; "" if it is, as is one that was read."""
    if work.refuse_below is None:
        return ""
    if frame.in_scope is False:  # confidence was measured on images in scope
        return "out of scope"
    if frame.confidence is not None and frame.confidence < work.refuse_below:
        return f"confidence {frame.confidence:.2f} is below {work.refuse_below:g}"
    return ""


def _clear(job: Job, work: Work) -> None:
    """Remove what would be overwritten: an older mask mustn't stand for one that is refused."""
    if work.existing == "overwrite":
        for target in job.targets:
            target.unlink(missing_ok=True)


def _write(job: Job, frame: Frame, data: bytes, masks: list[NDArray[np.bool_]], frames: int, work: Work) -> list[str]:
    """Write the outputs of a frame, and of its file once ``masks`` holds all ``frames``; return a line if there are
    any."""
    from ..text import printable

    job.mask.parent.mkdir(parents=True, exist_ok=True)
    if len(masks) == frames:  # before the last mask: where that is, all the rest is
        for whole in _wanted(job, work.per_file, work):
            whole.write(job.files[whole.name], data, masks, work.spec)
    wanted = _wanted(job, work.per_frame, work)
    for output in reversed(wanted):
        output.write(job.files[output.name], frame)
    found = f"lesion {100 * frame.mask.mean():.1f} %" if frame.mask.any() else "no lesion found"
    sure = "" if frame.confidence is None else f", confidence {frame.confidence:.2f}"
    if frame.in_scope is False:  # it was measured on images in scope
        sure = ", out of scope"
    return [f"{printable(job.image)}: {found}{sure} -> {printable(job.mask)}"] if wanted else []


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
    model: Segmenter, job: Job, data: bytes, index: int | None, spacing_mm: tuple[float, float] | None, work: Work
) -> Frame:
    """Return image and mask of one frame, from 0; None for the only one. A mask that is there and stays is read."""
    from ..images import decode_image, read_mask
    from ..text import printable

    image = decode_image(data, printable(job.image), index)
    if not work.measuring and not any(output.predicted for output in _wanted(job, work.per_frame, work)):
        return Frame(job.image.name, work.spec, image, read_mask(job.mask), None, spacing_mm)
    mask, probability = _predict(model, image)
    kept = work.existing == "skip" and os.path.exists(job.mask)
    mask = read_mask(job.mask) if kept else mask
    return Frame(
        job.image.name, work.spec, image, mask, probability, spacing_mm, model.calibration, model.is_in_scope(image)
    )


def _predict(model: Segmenter, image: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return mask and probability. What a method raises is told with its type, since a KeyError's text is a key."""
    try:
        with contained():
            return model.predict_both(image)
    except Exception as error:
        show_traceback(error)
        if type(error).__module__.startswith("hybridseg."):
            raise
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _wanted(job: Job, outputs: Sequence[Kind], work: Work) -> list[Kind]:
    """Return the outputs whose file is to be written."""
    keeps = work.existing == "skip"
    return [output for output in outputs if not (keeps and os.path.exists(job.files[output.name]))]
