"""Joining run folders: the shards of one plan, or runs of other methods on the same data and split."""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...files import write_atomically
from ...text import printable
from ..records.cells import Record, RunError, read_cell, records_csv
from ..records.folder import RunFolder, differ, read_description, read_run, write_json
from ..tables.run import write_tables
from ..verdicts.summary import summarize

_KEPT = ("cells", "models", "masks", "costs")


def merge_runs(
    runs: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str], *, command: Sequence[str] = ()
) -> tuple[int, int]:
    """Join runs into a new folder, which appears when it is whole; return the number of its rows, and of those missing.

    The same merge may be made again, as after a kill: it ends with the same folder.

    Runs must agree in version, data, split, seed and folds. Where two have the same cell, the one with more rows is
    taken; rows that both have must be the same but for their times.

    Parameters
    ----------
    runs : sequence of path
        Two or more run folders.
    out : path
        A folder that doesn't exist, or that the same merge of the same rows has made.
    command : sequence of str
        The command line, for the record.

    Raises
    ------
    RunError
        If runs don't belong together, contradict each other, are in use, or ``out`` is there already.
    """
    folders = [RunFolder(Path(run)) for run in runs]
    places = [folder.root.resolve() for folder in folders]
    twice = [folder.root for number, folder in enumerate(folders) if places[number] in places[:number]]
    if twice:
        raise RunError(f"{printable(twice[0])} is named twice")
    if len(folders) < 2:
        raise RunError("merge needs two run folders or more")
    target = Path(out)
    if target.exists() and not RunFolder(target).description.exists():
        raise _there(target)
    merged = _merge_descriptions(folders, [read_description(folder) for folder in folders])
    merged["sessions"].append({"command": list(command), "merged": [str(folder.root) for folder in folders]})
    with ExitStack() as held:
        for folder in folders:
            held.enter_context(folder.locked())
        target.parent.mkdir(parents=True, exist_ok=True)
        # One name for these runs, which nobody else can have locked: a killed merge of them left what is there.
        runs_hash = hashlib.sha256("\0".join(map(os.fspath, places)).encode(errors="surrogatepass")).hexdigest()
        part = target.with_name(f".{target.name}.{runs_hash[:12]}.part")
        shutil.rmtree(part, ignore_errors=True)
        held.callback(shutil.rmtree, part, ignore_errors=True)
        records = _write(part, folders, merged)
        if not target.exists():
            os.replace(part, target)
        elif not _holds(target, part):
            raise _there(target)
    return len(records), sum(cell["cases"] for cell in merged["cells"]) - len(records)


def _there(target: Path) -> RunError:
    return RunError(f"{printable(target)} is there already; give a new folder")


def _write(part: Path, folders: list[RunFolder], merged: dict[str, Any]) -> list[Record]:
    """Write the whole run folder, and return its rows."""
    for name in _KEPT:
        (part / name).mkdir(parents=True)
    for cell in merged["cells"]:
        _copy_cell(folders, RunFolder(part), cell["file"])
    for folder in folders:
        for path in sorted((folder.root / "costs").glob("*.json")):
            _copy(path, part / "costs" / path.name)
    write_json(part / "run.json", merged)
    records = read_run(part)[1]
    write_atomically(part / "cases.csv", records_csv(records).encode())
    write_tables(summarize(part), part)
    return records


def _holds(target: Path, part: Path) -> bool:
    """Whether a folder has every file of another, byte for byte: the same merge made it."""
    files = [path.relative_to(part) for path in part.rglob("*") if path.is_file()]
    return all((target / file).is_file() and filecmp.cmp(target / file, part / file, shallow=False) for file in files)


def _merge_descriptions(folders: list[RunFolder], descriptions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what ``run.json`` of the whole says; refuse what doesn't belong together."""
    merged: dict[str, Any] = json.loads(json.dumps(descriptions[0]))
    for folder, other in zip(folders[1:], descriptions[1:], strict=True):
        for name, value in merged["plan"].items():
            there = other["plan"].get(name)
            if name != "methods" and there != value:
                raise RunError(
                    f"{printable(folder.root)} doesn't belong to {printable(folders[0].root)} "
                    f"({differ(name, there, value)})"
                )
        known = {method["spec"]: method["key"] for method in merged["methods"]}
        for method in other["methods"]:
            if known.get(method["spec"], method["key"]) != method["key"]:
                raise RunError(
                    f"{printable(folder.root)} has another `{printable(method['spec'])}` "
                    f"(source code, parameters or file) than {printable(folders[0].root)}"
                )
        fresh = [method for method in other["methods"] if method["spec"] not in known]
        merged["methods"] += fresh
        merged["plan"]["methods"].update({method["spec"]: method["key"] for method in fresh})
        there = {cell["file"] for cell in merged["cells"]}
        merged["cells"] += [cell for cell in other["cells"] if cell["file"] not in there]
        merged["sessions"] += other["sessions"]
    return merged


def _copy_cell(folders: list[RunFolder], target: RunFolder, stem: str) -> None:
    """Copy the fullest version of a cell with its model and masks."""
    found = [(read_cell(folder.cell(stem))[1], folder) for folder in folders if folder.cell(stem).is_file()]
    if not found:
        return
    rows, fullest = max(found, key=lambda each: len(each[0]))
    for others, folder in found:
        for row, other in zip(map(_untimed, rows), map(_untimed, others), strict=False):
            if row != other:
                raise RunError(
                    f"{printable(folder.root)} and {printable(fullest.root)} contradict each other: "
                    f"{printable(row.method)}, fold {row.fold}, case `{printable(row.case_id)}`"
                )
    _copy(fullest.cell(stem), target.cell(stem))
    _copy(fullest.model(stem), target.model(stem))
    for path in sorted((fullest.root / "masks" / stem).glob("*.png")):
        (target.root / "masks" / stem).mkdir(exist_ok=True)
        _copy(path, target.root / "masks" / stem / path.name)


def _untimed(row: Record) -> Record:
    return replace(row, predict_ms=None)


def _copy(source: Path, target: Path) -> None:
    if source.is_file() and not target.exists():
        shutil.copyfile(source, target)
