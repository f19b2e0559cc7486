"""The folder of a run: what lies where in it, its description, and who holds it."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...data import Dataset
from ...data.cases import GROUPS_ALONE
from ...data.layouts import known_layouts
from ...files import is_part, read_regular, remove_parts, write_atomically
from ...former import former_keyword
from ...metrics import NSD_TOLERANCE_PX
from ...text import printable
from ..plan import Plan
from .cells import FitRecord, Record, RunError, json_bytes, lock_file, read_cell
from .schema import MAX_FILE_BYTES, check_description, parse_json

FORMAT_VERSION = 1


@dataclass(frozen=True)
class RunFolder:
    """Paths of the files in a run folder."""

    root: Path

    @property
    def description(self) -> Path:
        """``run.json``: everything that isn't a row."""
        return self.root / "run.json"

    def cell(self, stem: str) -> Path:
        """The rows of a cell."""
        return self.root / "cells" / f"{stem}.jsonl"

    def model(self, stem: str) -> Path:
        """The fitted model of a cell."""
        return self.root / "models" / f"{stem}.hybridseg"

    def mask(self, stem: str, case_id: str) -> Path:
        """The predicted mask of a case in a cell; any text can be a ``case_id``, so its hash is the name."""
        name = hashlib.sha256(case_id.encode(errors="surrogatepass")).hexdigest()[:24]
        return self.root / "masks" / stem / f"{name}.png"

    def cost(self, key: str) -> Path:
        """The cost of a method, measured apart."""
        return self.root / "costs" / f"{key[:24]}.json"

    def remove_parts(self) -> None:
        """Remove what killed processes left half-written; only for who holds the folder."""
        for path in (self.root, *self.root.glob("*/"), *self.root.glob("masks/*/")):
            remove_parts(path, older_than_s=0)
        for path in self.root.glob("models/.*.part"):
            path.unlink()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process, and refuse a second one. The lock of a process that died is gone."""
        path = self.root / ".lock"
        with open(path, "a+b", buffering=0) as stream:
            try:
                lock_file(stream, wait=False)
            except OSError:
                stream.seek(0)
                owner = stream.read(20).decode(errors="replace").strip() or "unknown"
                raise RunError(f"{printable(self.root)} is in use by another run (process {owner})") from None
            stream.truncate(0)
            stream.write(str(os.getpid()).encode())
            yield


@dataclass(frozen=True)
class StoredRun:
    """The content of a run folder, with each cell's file read once.

    Attributes
    ----------
    folder : RunFolder
    description : dict
        ``run.json``.
    records : list of Record
        All rows, in the order of the plan.
    rows : dict of str to list of Record
        The rows of each method of the description, in its order; a method may have none yet.
    fits : dict of str to list of FitRecord
        What came of each method's fits.
    """

    folder: RunFolder
    description: dict[str, Any]
    records: list[Record]
    rows: dict[str, list[Record]]
    fits: dict[str, list[FitRecord]]


def open_run(run: str | os.PathLike[str], *, may_be_empty: bool = False) -> StoredRun:
    """Return the content of a run folder, finished or not.

    Raises
    ------
    RunError
        If ``run`` isn't a run folder, or a damaged one, or has no rows yet and not ``may_be_empty``.
    """
    folder = RunFolder(Path(run))
    description = read_description(folder)
    specs = [method["spec"] for method in description["methods"]]
    stored = StoredRun(folder, description, [], {spec: [] for spec in specs}, {spec: [] for spec in specs})
    for cell in description["cells"]:
        path = folder.cell(cell["file"])
        if path.is_file():
            fit, rows = read_cell(path)
            for row in rows:
                if (row.method, row.fold) != (cell["method"], cell["fold"]):
                    raise RunError(f"{printable(path)} is damaged: it has a row of another method or fold")
            stored.records.extend(rows)
            stored.rows[cell["method"]].extend(rows)
            if fit is not None:
                stored.fits[cell["method"]].append(fit)
    if not stored.records and not may_be_empty:
        raise RunError(f"{printable(folder.root)} has no rows yet")
    return stored


@former_keyword("root", "run")
def read_run(run: str | os.PathLike[str]) -> tuple[dict[str, Any], list[Record]]:
    """Return the description and the rows of a run folder, whole or half done, in the order of its plan.

    Raises
    ------
    RunError
        If ``run`` isn't a run folder, or a damaged one.
    """
    stored = open_run(run, may_be_empty=True)
    return stored.description, stored.records


def read_description(folder: RunFolder) -> dict[str, Any]:
    """Return the content of ``run.json``; raise `RunError` if it isn't there or isn't of this version."""
    try:
        description = parse_json(read_regular(folder.description, MAX_FILE_BYTES))
    except FileNotFoundError:
        raise RunError(f"{printable(folder.root)}: not a run folder (no run.json)") from None
    except ValueError as error:
        raise RunError(f"{printable(folder.description)} is damaged: {error}") from None
    if not isinstance(description, dict) or description.get("format_version") != FORMAT_VERSION:
        version = description.get("format_version") if isinstance(description, dict) else None
        raise RunError(f"{printable(folder.root)}: run folder of format {version}, this version reads {FORMAT_VERSION}")
    try:
        check_description(description)
    except ValueError as error:
        raise RunError(f"{printable(folder.description)} is damaged: {error}") from None
    return description


def groups_known(description: dict[str, Any]) -> bool:
    """Return whether every case has a group that somebody gave or looked for. 0.1.0 wrote it in words only."""
    known: bool = description.get("groups_known", GROUPS_ALONE not in description.get("groups_from", ""))
    return known


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all."""
    write_atomically(path, json_bytes(value, indent=1))


EMPTY_MASK_POLICY = (
    "IoU and F1 are means over images with a lesion, where an empty prediction scores 0. Lesion-free images "
    "are left out of them and counted on their own: any predicted pixel is a false positive. A failed "
    "prediction counts as the worst mask: empty where there is a lesion, full where there is none."
)


def check_folder(folder: RunFolder) -> bool:
    """Return whether a folder holds a run by now; raise `RunError` if it holds something else."""
    if not folder.root.exists():
        return False
    if not folder.root.is_dir():
        raise RunError(f"{printable(folder.root)} is a file, expected a run folder")
    if folder.description.exists():
        return True
    names = (path.name for path in folder.root.iterdir())
    strangers = sorted(name for name in names if name not in _OURS and not is_part(name))
    if strangers:
        raise RunError(f"{printable(folder.root)} holds other files ({printable(strangers[0])}), expected a run folder")
    return False


def check_plan(folder: RunFolder, plan: Plan) -> None:
    """Raise `RunError` if a folder holds the run of another plan, or something else."""
    if not check_folder(folder):
        return
    there, here = read_description(folder).get("plan", {}), plan.identity()
    for name, value in here.items():
        if there.get(name) != value:
            how = differ(name, there.get(name), value)
            raise RunError(f"{printable(folder.root)} belongs to another plan ({how}); give another folder")


_OURS = (".lock", "cells", "models", "masks", "costs")
_HASHED = {"data": "other images or masks", "split": "other folds"}


def differ(name: str, there: Any, here: Any) -> str:
    """Return in words how two values of an entry of a plan's identity differ."""
    if name in _HASHED:
        return _HASHED[name]
    if isinstance(there, dict) and isinstance(here, dict):
        if set(there) == set(here):
            changed = sorted(name for name in here if there[name] != here[name])
            return f"{name}: source code, parameters or file of {', '.join(changed)} changed"
        there, here = ", ".join(there), ", ".join(here)
    text = [str(value)[:60] for value in (there, here)]
    return f"{name}: there {text[0]}, now {text[1]}"


def describe_plan(plan: Plan) -> dict[str, Any]:
    """Return what ``run.json`` says of a plan before anything is run."""
    return {
        "format_version": FORMAT_VERSION,
        "plan": plan.identity(),
        "dataset": plan.dataset.name,
        "source": plan.dataset.source,
        "cases": len(plan.dataset),
        "references": _references(plan.dataset),
        "groups_from": plan.dataset.groups_in_words,
        "groups_known": plan.dataset.ungrouped is None,
        "split": plan.split_name,
        "n_folds": plan.n_folds,
        **(_describe_crossing(plan) if plan.dataset.parts else {}),
        "empty_masks": EMPTY_MASK_POLICY,
        "nsd_tolerance_px": NSD_TOLERANCE_PX,
        "methods": [
            {
                "spec": method.name,
                **({"trained_on": method.trained_on} if method.trained_on else {}),
                **({"reader": True} if method.is_reader else {}),
                "class": method.class_name,
                "params": method.params,
                "as_given": method.as_given,
                "key": method.key,
                "sha256": method.sha256,
                "summary": method.summary,
                "references": list(method.references),
            }
            for method in plan.methods
        ],
        "cells": [
            {"method": cell.method.name, "fold": cell.fold, "file": cell.file_stem, "cases": len(cell.test)}
            for cell in plan.cells
        ],
        "sessions": [],
    }


def _references(dataset: Dataset) -> dict[str, str]:
    """Return whom to cite for each data set, by its short name, or by none where there is one."""
    known = {layout.name: layout.reference for layout in known_layouts()}
    layouts = dataset.layouts or {"": dataset.layout}
    return {name: known[layout] for name, layout in layouts.items() if known.get(layout)}


def _describe_crossing(plan: Plan) -> dict[str, Any]:
    """Return what ``run.json`` says where data sets have short names: these, and which fold tests which case."""
    crossing = plan.crossing
    return {
        "sources": dict(plan.dataset.parts),
        "fold_names": list(crossing.fold_names),
        "trainings": {each.name: each.fold_of for each in (crossing.untrained, *crossing.trainings)},
    }


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask, (H, W) bool, as a PNG of one bit per pixel."""
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, format="PNG")
    return stream.getvalue()


def write_row_mask(folder: RunFolder, stem: str, case_id: str, png: bytes) -> None:
    """Keep what `encode_mask` made as the mask of a case in the cell whose files are called ``stem``."""
    path = folder.mask(stem, case_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, png)


def read_row_mask(folder: RunFolder, stem: str, row: Record) -> NDArray[np.bool_] | None:
    """Return the mask that a row was scored from, (H, W) bool.

    None where there is none, or where the file isn't the row's: another size or another number of pixels.
    """
    try:
        png = read_regular(folder.mask(stem, row.case_id), MAX_FILE_BYTES)
        with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
            if picture.mode != "1" or picture.size != (row.width, row.height):
                return None
            mask = np.asarray(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # whatever Pillow makes of a damaged file
        return None
    uncounted = int(np.count_nonzero(mask)) - row.tp - row.fp
    return mask if 0 <= uncounted <= row.ignored else None
