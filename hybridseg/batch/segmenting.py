"""Files to segment and what comes of each: here, in other processes of this machine, or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import remove_parts
from ..registry import create_trained
from ..zoo.cards import shipped
from .formats import OUR_OUTPUT
from .lesions import check_target, write_rows
from .one_file import segment_file
from .outputs import FileOutput, FrameOutput, Mask, Output
from .planning import Job, JobPlan, choose_jobs, file_key, plan_jobs, with_spacing
from .work import Done, Work

if TYPE_CHECKING:
    from ..processes.local import Outcome, Workers
    from ..segmenter import Segmenter

MAX_UNIT = 256
"""Files at most in one unit of a cluster: enough that the scheduler sees few, little enough to do again."""

Unit = list[tuple[int, Job]]
"""Files with their number in the run."""


def segment_here(model: Segmenter, work: Work, jobs: list[Job]) -> Iterator[Done]:
    """Segment files one after the other."""
    for number, job in enumerate(jobs):
        yield segment_file(model, work, number, job)


def segment_with(workers: Workers, jobs: list[Job], *, in_units: bool) -> Iterator[Done]:
    """Segment files in other processes, in no special order.

    ``in_units`` sends many files at once. Files that a process had in hand when it died are tried again at the end,
    one at a time. A file whose process dies again has failed.

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


@dataclass(frozen=True)
class Batch:
    """A planned segmentation of many files. Nothing is written before `run`.

    Attributes
    ----------
    plan : JobPlan
        Everything that was named or found.
    jobs : list of Job
        What is left to do of it.
    work : Work
    folder : Path or None
        Below which outputs go; beside their images if None.
    table : Path or None
        Where the measures of the lesions go.
    """

    plan: JobPlan
    jobs: list[Job]
    work: Work
    folder: Path | None
    table: Path | None

    @cached_property
    def model(self) -> Segmenter:
        """The method, in this process."""
        return create_trained(self.work.spec)

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
            If the method can't work: one that has to be trained, a parameter out of its range, or no calibration where
            masks are to be refused.
        """
        self._prepare_folders()
        self.model._check_state()  # a parameter out of its range is one line, not one per image
        check_refusal(self.model, self.work)
        rows: dict[int, list[dict[str, Any]]] = {}
        for done in self._outcomes(processes, cluster):
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

    def _outcomes(self, processes: int, cluster: str) -> Iterator[Done]:
        count = min(processes, len(self.jobs))
        if not cluster and count <= 1:
            return segment_here(self.model, self.work, self.jobs)
        from ..processes.cluster import ClusterWorkers
        from ..processes.local import LocalWorkers
        from ..processes.machine import usable_cores

        if cluster:
            return segment_with(ClusterWorkers(segment_unit, self.work, cluster), self.jobs, in_units=True)
        workers = LocalWorkers(segment_unit, self.work, count, usable_cores())
        return segment_with(workers, self.jobs, in_units=False)


def check_refusal(model: Segmenter, work: Work) -> None:
    """Raise ValueError if masks are to be refused by a confidence that the method doesn't tell."""
    from ..text import printable

    if work.refuse_below is not None and model.calibration is None:
        raise ValueError(f"{printable(work.spec)} has no calibration: no mask of it can be refused for its confidence")


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
    refuse_below: float | None = None,
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
    refuse_below : float, optional
        Write nothing of an image whose confidence is below this, in [0, 1], or which is out of scope.

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
    spec = method or default_method()
    work = Work(spec, wanted, existing, table is not None, sources, refuse_below)
    return Batch(plan, jobs, work, folder, table)
