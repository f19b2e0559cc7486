"""Running a plan into a folder, in one process or several. A run that was killed at any moment goes on where it was."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...data import CaseReader
from ...files import write_atomically
from ...former import former_keyword
from ...processes.cluster import ClusterWorkers
from ...processes.local import LocalWorkers, Outcome, Workers
from ...processes.machine import cpu_model, describe_machine, now, usable_cores
from ...processes.retrying import run_units
from ...processes.shards import shard_of
from ...text import Progress
from ..method import create_method, learns
from ..plan import Cell, Plan
from ..records.cells import (
    CellFile,
    FitRecord,
    Record,
    RunError,
    count_rows,
    drop_failed,
    has_failed,
    records_csv,
)
from ..records.folder import (
    RunFolder,
    check_plan,
    describe_plan,
    read_description,
    read_run,
    write_json,
)
from .cell import failure, run_cell

_POLL_SECONDS = 0.2


@former_keyword("jobs", "processes")
def run_plan(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    processes: int = 1,
    cluster: str = "",
    shard: tuple[int, int] | None = None,
    retry: bool = False,
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[Record]:
    """Run the cells of a plan that a folder lacks, and return all rows in the plan's order.

    A killed run loses at most the case in flight: the same plan into the same folder goes on from there. Each
    row is on disk before the next case starts; fitted models are kept, so that nothing is fitted twice.

    Parameters
    ----------
    plan : Plan
    out : path
        A new or empty folder, or one of this very plan.
    processes : int
        Cells worked on at once, each in a process; 1 works in this process.
    cluster : str
        Address or scheduler file of a Dask cluster to work on instead; its workers must see ``out`` and the data under
        the same names.
    shard : (int, int), optional
        k and n: only every n-th cell, from the k-th, for job arrays; `merge_runs` joins the folders.
    retry : bool
        Do failed rows again, and fits that failed.
    command : sequence of str
        The command line, for the record.
    progress : callable, optional

    Raises
    ------
    RunError
        If the folder is another plan's, holds something else, or is in use.
    """
    if processes < 1:
        raise ValueError(f"`processes` must be at least 1, got {processes}")
    folder = RunFolder(Path(out))
    check_plan(folder, plan)
    reader = CaseReader()
    if not cluster:  # whose workers have packages and files of their own
        mine = cells_of_shard(plan, shard)
        left = [c for c in mine if _is_left(folder, c) or (retry and has_failed(folder.cell(c.file_stem)))]
        _check_fittable(folder, plan, left)
        _read_all(plan, left, reader, progress)
    for path in (folder.root, folder.root / "cells", folder.root / "models", folder.root / "costs"):
        path.mkdir(parents=True, exist_ok=True)
    with folder.locked():
        check_plan(folder, plan)
        folder.remove_parts()
        mine = cells_of_shard(plan, shard)
        for cell in mine if retry else ():
            drop_failed(folder.cell(cell.file_stem))
        left = [cell for cell in mine if _is_left(folder, cell)]
        description = read_description(folder) if folder.description.exists() else describe_plan(plan)
        if left:
            tell = _Teller(progress, _count(folder, mine), sum(len(cell.test) for cell in mine))
            _run_session(
                folder, plan, left, description, reader, tell, processes=processes, cluster=cluster, command=command
            )
        write_json(folder.description, description)
        places = [(cell.method.name, cell.fold, case_id) for cell in plan.cells for case_id in cell.test]
        order = {place: number for number, place in enumerate(places)}
        # What was tried again stands at the end of its cell.
        records = read_run(folder.root)[1]
        records.sort(key=lambda row: order.get((row.method, row.fold, row.case_id), len(order)))
        write_atomically(folder.root / "cases.csv", records_csv(records).encode())
    return records


def _run_session(
    folder: RunFolder,
    plan: Plan,
    left: list[Cell],
    description: dict[str, Any],
    reader: CaseReader,
    tell: _Teller,
    *,
    processes: int,
    cluster: str,
    command: Sequence[str],
) -> None:
    """Run cells, here or in other processes; the description has a new session with its beginning and end."""
    broken_off = any(each.get("end") == "" for each in description["sessions"][-1:])
    session: dict[str, Any] = {
        "command": list(command),
        "jobs": processes,
        **({"cluster": cluster} if cluster else {}),
        "start": now(),
        "end": "",
        **describe_machine(),
    }
    description["sessions"].append(session)
    write_json(folder.description, description)
    if processes == 1 and not cluster and not broken_off:
        for cell in left:
            run_cell(folder, plan, cell, reader, tell.for_cell(count_rows(folder.cell(cell.file_stem))))
    else:  # what ended the last session may have been a method that takes its process with it

        def note(name: str, text: str) -> None:
            if name == "deaths" or text not in session.get(name, ()):
                session.setdefault(name, []).append(text)
                write_json(folder.description, description)

        context = folder, replace(plan, methods=(), cells=())
        workers: Workers = (
            ClusterWorkers(_work, context, cluster) if cluster
            else LocalWorkers(_work, context, processes, usable_cores())
        )  # fmt: skip
        _run_with(workers, folder, plan, left, tell, note)
    session["end"] = now()


def cells_of_shard(plan: Plan, shard: tuple[int, int] | None) -> list[Cell]:
    """Return a shard's cells, dealt out method by method: each shard has its share of the slow ones."""
    if shard is None:
        return list(plan.cells)
    return shard_of([cell for method in plan.methods for cell in plan.cells if cell.method == method], shard)


def _is_left(folder: RunFolder, cell: Cell) -> bool:
    return count_rows(folder.cell(cell.file_stem)) < len(cell.test)


def _check_fittable(folder: RunFolder, plan: Plan, cells: Sequence[Cell]) -> None:
    """Raise `RunError` if a method that is to be fitted here lacks a package."""
    unfitted = [cell for cell in cells if not folder.model(cell.file_stem).is_file()]
    for cell in {cell.method.key: cell for cell in unfitted if cell.method.is_fitted_here}.values():
        model = create_method(plan.factory, cell.spec, plan.seed, as_given=False)
        if learns(model):
            try:
                model._check_fittable()
            except ImportError as error:
                raise RunError(f"method `{cell.method.name}`: {error}") from None


def _read_all(plan: Plan, cells: Sequence[Cell], reader: CaseReader, progress: Progress | None) -> None:
    """Read every case that cells need, so that an unreadable file ends the run before it starts, not hours later."""
    cases = plan.dataset.select([case_id for cell in cells for case_id in (*cell.train, *cell.test)])
    for done, case in enumerate(cases, 1):
        reader.read(case)
        if progress is not None:
            progress(done, len(cases), "reading")


class _Teller:
    """Turns a cell's count into the run's."""

    def __init__(self, progress: Progress | None, done: int, total: int) -> None:
        self.progress, self.done, self.total = progress, done, total

    def for_cell(self, already: int) -> Callable[[int, str], None]:
        before = self.done - already

        def tell(rows: int, text: str) -> None:
            self.done = before + rows
            self.say(text)

        return tell

    def say(self, text: str) -> None:
        if self.progress is not None:
            self.progress(self.done, self.total, text)


# ---- several processes --------------------------------------------------------------------------
def _run_with(
    workers: Workers, folder: RunFolder, plan: Plan, cells: list[Cell], tell: _Teller, note: Callable[[str, str], None]
) -> None:
    """Run cells in other processes. One that dies is tried again at the end, alone; its case has failed if it dies too.

    ``note(name, text)`` hears of ``deaths`` and of the ``worker_cpus``.
    """
    places: Counter[tuple[str, int]] = Counter()
    already = tell.done - _count(folder, cells)

    def again(outcome: Outcome, alone: bool) -> list[Cell]:
        place = _place(folder, outcome.unit)
        places[place] += 1
        note("deaths", f"{outcome.unit.file_stem}, after {max(0, place[1])} cases: {outcome.died}")
        if alone and places[place] > 1:
            _record_death(folder, plan, outcome.unit, outcome.died)
        return [outcome.unit]

    for outcome, left in run_units(workers, cells, again, _POLL_SECONDS):
        tell.done = already + _count(folder, cells)
        tell.say(f"{left} of {len(cells)} cells left")
        if outcome is not None and outcome.error:
            raise RunError(outcome.error)
        if outcome is not None and not outcome.died:
            note("worker_cpus", outcome.result)


def _work(context: tuple[RunFolder, Plan], cell: Cell) -> str:
    """Run one cell and return the processor; what goes wrong beside the method is raised as a ValueError or OSError."""
    folder, plan = context
    run_cell(folder, plan, cell, CaseReader(), lambda rows, text: None)
    return cpu_model()


def _count(folder: RunFolder, cells: Sequence[Cell]) -> int:
    return sum(count_rows(folder.cell(cell.file_stem)) for cell in cells)


def _place(folder: RunFolder, cell: Cell) -> tuple[str, int]:
    """Return where a cell stands; -1 before ``fit`` is done."""
    path = folder.cell(cell.file_stem)
    fitted = path.is_file() and path.stat().st_size > 0
    return cell.file_stem, count_rows(path) if fitted else -1


def _record_death(folder: RunFolder, plan: Plan, cell: Cell, how: str) -> None:
    """Write down that a cell's process died twice at one place: in ``fit``, or at its next case."""
    with CellFile(folder.cell(cell.file_stem)) as file:
        if file.fit is None:
            file.append(FitRecord(None, {}, error=f"fit: its process died twice ({how})"))
            return
        done = {record.case_id for record in file.records}
        case_id = next(case.case_id for case in plan.dataset.select(cell.test) if case.case_id not in done)
        case = plan.dataset.select([case_id])[0]
        file.append(failure(cell, case, case.mask, f"its process died twice ({how})"))
