"""Files to segment and what comes of each: here, in other processes of this machine, or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..files import remove_parts
from ..guests import contained, show_traceback
from ..registry import create_trained
from ..zoo.cards import shipped
from .formats import OUR_OUTPUT
from .lesions import check_target, rows_of, write_rows
from .outputs import FileOutput, Frame, FrameOutput, Mask, Output
from .planning import Job, Plan, choose_jobs, file_key, plan_jobs, with_spacing
from .work import Done, Work

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..processes.local import Outcome, Workers
    from ..segmenter import Segmenter

MAX_UNIT = 256
"""Files at most in one unit of a cluster: enough that the scheduler sees few, little enough to do again."""


Kind = TypeVar("Kind", bound=Output)

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
            masks.append(frame.mask)
            one.mask.parent.mkdir(parents=True, exist_ok=True)
            if len(masks) == facts.frames:  # before the last mask: where that is, all the rest is
                for whole in _wanted(one, work.per_file, work):
                    whole.write(one.files[whole.name], data, masks, work.spec)
            wanted = _wanted(one, work.per_frame, work)
            for output in reversed(wanted):
                output.write(one.files[output.name], frame)
            if wanted:
                found = f"lesion {100 * frame.mask.mean():.1f} %" if frame.mask.any() else "no lesion found"
                done.lines.append(f"{name}: {found} -> {printable(one.mask)}")
            if work.measuring:
                done.rows += rows_of(one.image, None if index is None else place + 1, one.mask, frame)
    except Exception as error:  # one bad file, whatever is bad about it, doesn't stop the others
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
    return Frame(job.image.name, work.spec, image, mask, probability, spacing_mm)


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


@dataclass(frozen=True)
class Batch:
    """What is to be segmented, planned: nothing is written before `run`.

    Attributes
    ----------
    plan : Plan
        Everything that was named or found.
    jobs : list of Job
        What is left to do of it.
    work : Work
    folder : Path or None
        Below which outputs go; beside their images if None.
    table : Path or None
        Where the measures of the lesions go.
    """

    plan: Plan
    jobs: list[Job]
    work: Work
    folder: Path | None
    table: Path | None

    def run(self, processes: int = 1, cluster: str = "") -> Iterator[Done]:
        """Segment the files, in no special order, and write the table at the end.

        Parameters
        ----------
        processes : int
            At work at once; 1 is this one.
        cluster : str
            Address or scheduler file of a Dask cluster to work on instead.

        Raises
        ------
        PermissionError
            If nothing can be written below ``folder``.
        ValueError
            If the method can't work: one that has to be trained, or a parameter out of its range.
        """
        self._prepare_folders()
        model = create_trained(self.work.spec)
        model._check_state()  # a parameter out of its range is one line, not one per image
        rows: dict[int, list[dict[str, Any]]] = {}
        for done in self._outcomes(model, processes, cluster):
            rows[done.number] = done.rows
            yield done
        if self.table is not None:
            write_rows(self.table, [row for number in sorted(rows) for row in rows[number]])

    def _prepare_folders(self) -> None:
        if self.folder is not None:
            there = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
            if not os.access(there, os.W_OK):
                raise PermissionError(f"{there}: no permission to write there")
        for folder in {target.parent for job in self.jobs for target in job.targets if target.parent.is_dir()}:
            remove_parts(folder)  # old ones: another process may be at work on the same folder

    def _outcomes(self, model: Segmenter, processes: int, cluster: str) -> Iterator[Done]:
        count = min(processes, len(self.jobs))
        if not cluster and count <= 1:
            return segment_here(model, self.work, self.jobs)
        from ..processes.cluster import ClusterWorkers
        from ..processes.local import LocalWorkers
        from ..processes.machine import usable_cores

        if cluster:
            return segment_with(ClusterWorkers(segment_unit, self.work, cluster), self.jobs, in_units=True)
        workers = LocalWorkers(segment_unit, self.work, count, usable_cores())
        return segment_with(workers, self.jobs, in_units=False)


def default_method() -> str:
    """Return the method that segments where none is named: the model that ships, else one that learns nothing."""
    return "unet" if shipped("unet") else "otsu"


def plan_batch(
    inputs: Sequence[str],
    folder: Path | None = None,
    *,
    method: str = "",
    outputs: Sequence[Output] = (),
    existing: str = "error",
    table: Path | None = None,
    shard: str = "",
    spacing_mm: float | Mapping[Path, float] | None = None,
) -> Batch:
    """Return what ``hybridseg segment`` would do, ready to run.

    Parameters
    ----------
    inputs : sequence of str
        Images, and folders to search with their subfolders.
    folder : Path, optional
        Write below this folder; beside the images if not given.
    method : str
        Method or model file; `default_method` if empty.
    outputs : sequence of Output
        What to write beside each mask.
    existing : {"error", "overwrite", "skip"}
        What to do about files that are there already.
    table : Path, optional
        Also write a row for each lesion, as .csv or .json.
    shard : str
        ``K/N``: only every N-th image, from the K-th.
    spacing_mm : float or mapping of Path to float, optional
        Size of a (square) pixel of files that don't tell it: of all, or by image as
        `hybridseg.data.manifest.read_spacings` returns it.

    Raises
    ------
    ImageError
        If an input isn't there, or a folder holds no image.
    ImportError
        If an output needs a package that isn't installed.
    ValueError
        If a file would be written over an image or over a file that must stay.
    """
    wanted = (Mask(), *outputs)
    for output in wanted:
        if not isinstance(output, FrameOutput | FileOutput):
            raise TypeError(f"`outputs` must be of FrameOutput or FileOutput, got {type(output).__name__}")
        output.check()
    if table is not None:
        table = check_target(table, existing, shard)
    plan = plan_jobs(inputs, folder, wanted)
    if spacing_mm is not None:
        plan = with_spacing(plan, spacing_mm)
    jobs = choose_jobs(plan.jobs, existing, shard, measuring=table is not None)
    named = (file_key(job.image) for job in plan.jobs)
    sources = frozenset(path for path in named if OUR_OUTPUT.search(path))
    work = Work(method or default_method(), wanted, existing, measuring=table is not None, sources=sources)
    return Batch(plan, jobs, work, folder, table)
