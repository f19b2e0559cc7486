"""Running a plan into a folder, in one process or several; killed at any moment, it goes on where it was."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from ..images import shown
from ..validation import write_atomically
from .cell import NSD_TOLERANCE_PX, CaseReader, Progress, failure, run_cell
from .machine import describe_machine, usable_cores
from .plan import Cell, Plan
from .records import (
    FORMAT_VERSION,
    CellFile,
    FitRecord,
    Record,
    RunError,
    RunFolder,
    count_rows,
    read_description,
    read_run,
    records_csv,
    write_json,
)

EMPTY_MASK_POLICY = (
    "IoU and F1 are means over images with a lesion, where an empty prediction scores 0; lesion-free images "
    "are left out of them and counted on their own: any predicted pixel is a false positive. A failed "
    "prediction counts as the worst mask: empty where there is a lesion, full where there is none."
)
_POLL_SECONDS = 0.2
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_plan(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    jobs: int = 1,
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[Record]:
    """Run what is left of a plan into a folder and return all its rows, in the plan's order.

    A killed run loses at most the case in flight: the same plan into the same folder goes on from there. Each
    row is on disk before the next case starts; fitted models are kept, so that nothing is fitted twice.

    Parameters
    ----------
    plan : Plan
    out : path
        A new or empty folder, or one of this very plan.
    jobs : int
        Cells worked on at once, each in its own process; 1 works in this process.
    command : sequence of str
        The command line, for the record.
    progress : callable, optional

    Raises
    ------
    RunError
        If the folder is another plan's, holds something else, or is in use.
    """
    if jobs < 1:
        raise ValueError(f"`jobs` must be at least 1, got {jobs}")
    folder = RunFolder(Path(out))
    _check_plan(folder, plan)
    for path in (folder.root, folder.root / "cells", folder.root / "models", folder.root / "costs"):
        path.mkdir(parents=True, exist_ok=True)
    with folder.locked():
        left = [cell for cell in plan.cells if count_rows(folder.cell(cell.file_stem)) < len(cell.test)]
        description = read_description(folder) if folder.description.exists() else describe_plan(plan)
        if left:
            session = {
                "command": list(command),
                "jobs": jobs,
                "start": _now(),
                "end": "",
                **describe_machine(),
            }
            description["sessions"].append(session)
            write_json(folder.description, description)
            done = sum(count_rows(folder.cell(cell.file_stem)) for cell in plan.cells)
            tell = _Teller(progress, done, plan.total_cases)
            if jobs == 1:
                reader = CaseReader()
                for cell in left:
                    run_cell(folder, plan, cell, reader, tell.for_cell(count_rows(folder.cell(cell.file_stem))))
            else:
                _run_in_processes(folder, plan, left, jobs, tell)
            session["end"] = _now()
        write_json(folder.description, description)
        records = read_run(folder.root)[1]
        write_atomically(folder.root / "cases.csv", records_csv(records).encode())
    return records


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


def check_folder(folder: RunFolder) -> bool:
    """Return whether a folder holds a run by now; raise `RunError` if it holds something else."""
    if not folder.root.exists():
        return False
    if not folder.root.is_dir():
        raise RunError(f"{shown(folder.root)} is a file, expected a run folder")
    if folder.description.exists():
        return True
    strangers = sorted(path.name for path in folder.root.iterdir() if path.name not in _OURS)
    if strangers:
        raise RunError(f"{shown(folder.root)} holds other files ({shown(strangers[0])}), expected a run folder")
    return False


def _check_plan(folder: RunFolder, plan: Plan) -> None:
    if not check_folder(folder):
        return
    there, here = read_description(folder).get("plan", {}), plan.identity()
    for name, value in here.items():
        if there.get(name) != value:
            how = _differ(there.get(name), value)
            raise RunError(f"{shown(folder.root)} belongs to another plan ({name}: {how}); give another folder")


_OURS = (".lock", "cells", "models", "masks", "costs")


def _differ(there: Any, here: Any) -> str:
    if isinstance(there, dict) and isinstance(here, dict):
        if set(there) == set(here):
            changed = sorted(name for name in here if there[name] != here[name])
            return f"source code, parameters or file of {', '.join(changed)} changed"
        there, here = ", ".join(there), ", ".join(here)
    text = [str(value)[:60] for value in (there, here)]
    return f"there {text[0]}, now {text[1]}"


def describe_plan(plan: Plan) -> dict[str, Any]:
    """Return what ``run.json`` says of a plan before anything is run."""
    return {
        "format_version": FORMAT_VERSION,
        "plan": plan.identity(),
        "dataset": plan.dataset.name,
        "source": plan.dataset.source,
        "cases": len(plan.dataset),
        "groups_from": plan.dataset.groups_from,
        "split": plan.split_name,
        "n_folds": plan.n_folds,
        "empty_masks": EMPTY_MASK_POLICY,
        "nsd_tolerance_px": NSD_TOLERANCE_PX,
        "methods": [
            {
                "spec": method.spec,
                "class": method.class_name,
                "params": method.params,
                "as_given": method.as_given,
                "key": method.key,
            }
            for method in plan.methods
        ],
        "cells": [
            {"method": cell.method.spec, "fold": cell.fold, "file": cell.file_stem, "cases": len(cell.test)}
            for cell in plan.cells
        ],
        "sessions": [],
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


# ---- several processes --------------------------------------------------------------------------
def _run_in_processes(folder: RunFolder, plan: Plan, cells: list[Cell], jobs: int, tell: _Teller) -> None:
    """Run each cell in a process of its own; one that dies is started again, and then its case has failed."""
    context = multiprocessing.get_context("spawn")
    waiting = list(cells)
    running: dict[SpawnProcess, tuple[Cell, connection.Connection]] = {}
    deaths: Counter[tuple[str, int]] = Counter()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                cell = waiting.pop(0)
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(folder, plan, cell, sender), name=cell.file_stem)
                with _threads_per_process(max(1, usable_cores() // jobs)):
                    process.start()
                sender.close()
                running[process] = (cell, receiver)
            connection.wait([process.sentinel for process in running], timeout=_POLL_SECONDS)
            for process in [process for process in running if process.exitcode is not None]:
                cell, receiver = running.pop(process)
                error = _received(receiver)
                if error:
                    raise RunError(error)
                if process.exitcode:
                    deaths[_place(folder, cell)] += 1
                    if deaths[_place(folder, cell)] > 1:
                        _record_death(folder, plan, cell, process.exitcode or 0)
                    waiting.insert(0, cell)
            tell.done = sum(count_rows(folder.cell(cell.file_stem)) for cell in plan.cells)
            tell.say(", ".join(f"{cell.method.spec}, fold {cell.fold}" for cell, _ in running.values()))
    finally:
        for process in running:
            process.terminate()
            process.join()


def _received(receiver: connection.Connection) -> str:
    try:
        return str(receiver.recv())
    except EOFError:  # it ended without a word: done, or dead
        return ""
    finally:
        receiver.close()


def _work(folder: RunFolder, plan: Plan, cell: Cell, sender: connection.Connection) -> None:
    """Run one cell in a process of its own; what goes wrong beside the method is sent to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        run_cell(folder, plan, cell, CaseReader(), lambda rows, text: None)
    except (ValueError, OSError) as error:
        sender.send(str(error))


def _die_with_parent() -> None:
    """End this process when the parent is killed, so that nobody writes into a folder that looks free."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _place(folder: RunFolder, cell: Cell) -> tuple[str, int]:
    """Return where a cell stands; -1 before ``fit`` is done."""
    path = folder.cell(cell.file_stem)
    fitted = path.is_file() and path.stat().st_size > 0
    return cell.file_stem, count_rows(path) if fitted else -1


def _record_death(folder: RunFolder, plan: Plan, cell: Cell, exit_code: int) -> None:
    """Write down that a cell's process died twice at one place: in ``fit``, or at its next case."""
    how = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
    with CellFile(folder.cell(cell.file_stem)) as file:
        if file.fit is None:
            file.append(FitRecord(None, {}, error=f"fit: its process died twice ({how})"))
            return
        done = {record.case_id for record in file.records}
        case_id = next(case.case_id for case in plan.dataset.select(cell.test) if case.case_id not in done)
        case = plan.dataset.select([case_id])[0]
        file.append(failure(cell, case, case.mask, f"its process died twice ({how})"))


@contextlib.contextmanager
def _threads_per_process(threads: int) -> Iterator[None]:
    """Share the cores between processes: numerical libraries read these variables when they start."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update({name: os.environ.get(name, str(threads)) for name in _THREAD_VARIABLES})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
