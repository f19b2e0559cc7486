"""Scoring masks made by anybody: the same rows as a method's, in a run folder of their own or in one that is there."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...data import Dataset, Fold, Matches, Split, match_folds, match_predictions, one_source, read_prediction
from ...data.fingerprints import has_seen
from ...data.predictions import MaskCase
from ...files import write_atomically
from ...images import read_bytes
from ...text import Progress, printable
from ..method import FOLD, TRAIN, Method
from ..plan import Cell, Plan
from ..records.cells import FitRecord, Record, RunError, json_line, records_csv
from ..records.folder import (
    RunFolder,
    check_folder,
    describe_plan,
    encode_mask,
    read_description,
    read_run,
    write_json,
    write_row_mask,
)
from .cell import failure, score_case

NO_PREDICTION = "no prediction"
MASKS = "masks"
"""The class of a method of which only the masks are known."""


@dataclass(frozen=True)
class Scored:
    """The rows of the scored masks, and what matched (see `hybridseg.data.Matches`)."""

    records: tuple[Record, ...]
    matches: Matches


def score_masks(
    truth: Dataset,
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str = "",
    trained_on: str = "",
    is_reader: bool = False,
    learned: NDArray[np.uint8] | None = None,
    unpacked: Path | None = None,
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> Scored:
    """Score the masks in a folder against a dataset's, into a run folder.

    Everything is read and scored before anything is written. A case without a mask is scored as the worst one. The
    same masks scored again under the same name replace their rows.

    Parameters
    ----------
    truth : Dataset
    folder : path
        The masks; see `hybridseg.data.predictions` for how files are matched with cases. With ``{fold}`` in it: one
        folder per fold that the run was asked for, by a model that held that fold out; ``all`` is the model that held
        nothing out.
    out : path
        New or empty, or a finished run over cases of ``truth``, and then the masks join it as a line of their own,
        with that run's folds, scenes and classes.
    name : str
        What the line is called; the masks' folder's name if not given.
    trained_on : str
        Which of the run's trainings made masks per fold; may be left out where there is one.
    is_reader : bool
        The masks are a second reader's: cases without a mask are no misses, but weren't read.
    learned : ndarray of shape (N, 18), uint8, optional
        Fingerprints of the images that whoever made the masks has learned from, where that is known.
    unpacked : Path, optional
        Where the masks are, if ``folder`` is a file of COCO annotations: see `hybridseg.data.coco.write_coco_masks`.
    command : sequence of str
        The command line, for the record.
    progress : callable, optional

    Raises
    ------
    RunError
        If ``out`` is something else, of other data, unfinished, or has a method of this name. Also if masks per fold
        or a second reader's have no run to join, or if ``learned`` is given and the truth has no images.
    DataError, ImageError
        If nothing matches, sizes differ, or a file can't be read. Also if a fold's folder has a mask of a case that
        this fold doesn't test.
    """
    run, source = RunFolder(Path(out)), os.fspath(folder)
    per_fold = FOLD in source
    there = _rows_there(run)
    if there is None and (per_fold or is_reader):
        what = "masks per fold are checked against" if per_fold else "a second reader's masks join"
        raise RunError(f"{what} a run: name its folder, made by `hybridseg bench`")
    if per_fold and not name:
        raise RunError("masks per fold need a name")
    trained_on, fold_of, fold_names = _folds(run, trained_on, per_fold)
    name = name or Path(folder).resolve().name.removesuffix(".json")
    line = Method(name, "", MASKS, {"folder": source}, not per_fold, "", trained_on)
    line = replace(line, is_reader=is_reader)
    if there is not None:
        truth = truth.select([row.case_id for row in there if row.case_id in {case.case_id for case in truth}])
        _refuse_other_data(there, truth, run)
        truth = _grouped_as(run, truth, line.name)
    if not len(truth):
        raise RunError(f"dataset {printable(truth.name)} has no case to score")
    if learned is not None and any(isinstance(case, MaskCase) for case in truth):
        raise RunError(f"{printable(truth.name)} holds masks alone: what taught a model can't be told from them")
    if per_fold:
        truth = truth.select([case.case_id for case in truth if case.case_id in fold_of])
        folders = {
            fold: source.replace(FOLD, fold_names[fold]).replace(TRAIN, trained_on)
            for fold in sorted({fold_of[case.case_id] for case in truth})
        }
        matches = match_folds(truth, folders, fold_of)
    else:
        matches = match_predictions(truth, unpacked or folder)
    if is_reader:
        truth = truth.select(list(matches.files))
    plan = _plan(truth, matches, line, fold_of)
    rows, masks = _score(plan, matches, {row.case_id: row for row in there or ()}, learned, progress)
    _write(run, plan, rows, masks, command)
    return Scored(tuple(row for cell in plan.cells for row in rows[cell.fold]), matches)


def _rows_there(folder: RunFolder) -> list[Record] | None:
    """Return one row per case of the run that the masks shall join, or None where the folder is new."""
    if not check_folder(folder):
        return None
    description, records = read_run(folder.root)
    whole = sum(cell["cases"] for cell in description["cells"])
    if len(records) < whole:
        raise RunError(f"{printable(folder.root)} has {len(records)} of {whole} rows: finish that run first")
    return list({row.case_id: row for row in records}.values())


def _refuse_other_data(there: list[Record], truth: Dataset, folder: RunFolder) -> None:
    missing = len(there) - len(truth)
    if missing:
        raise RunError(
            f"{printable(folder.root)} is a run over other data: "
            f"{missing} of its {len(there)} cases aren't in {truth.name}"
        )


def _grouped_as(folder: RunFolder, truth: Dataset, name: str) -> Dataset:
    """Return the cases with scenes and classes of the run's other lines, if it has any but ``name``.

    A run may know scenes from a search for near-duplicates; two lines of one table must not differ in them.
    """
    _, records = read_run(folder.root)
    others = {row.case_id: row for row in records if row.method != name}
    if not others:
        return truth
    cases = (replace(case, group=others[case.case_id].group, label=others[case.case_id].label) for case in truth)
    return replace(truth, cases=tuple(cases))


def _folds(folder: RunFolder, trained_on: str, per_fold: bool) -> tuple[str, dict[str, int], list[str]]:
    """Return the training that is meant, which of its folds tests which case, and the folds' names.

    Masks per fold are of the folds that the run was asked for.
    """
    if trained_on and not per_fold:
        raise RunError(f"who taught counts for masks per fold alone: write {FOLD} in their folder's name")
    if not folder.description.exists():
        return "", {}, []
    description, records = read_run(folder.root)
    trainings = description.get("trainings", {"": {row.case_id: row.fold for row in records}})
    known = [name for name in trainings if name]
    if per_fold and not trained_on and len(known) == 1:
        trained_on = known[0]
    if trained_on not in trainings or (per_fold and known and not trained_on):
        got = f"got `{printable(trained_on)}`" if trained_on else "got none"
        raise RunError(f"{printable(folder.root)}: trainings are {', '.join(known) or 'of one data set'}, {got}")
    fold_of = trainings[trained_on]
    if per_fold and "folds" in description["plan"]:
        fold_of = {case_id: fold for case_id, fold in fold_of.items() if fold in description["plan"]["folds"]}
    twice = [row.case_id for row in records if not known and fold_of[row.case_id] != row.fold]
    if per_fold and twice:
        raise RunError(f"{printable(folder.root)} tests `{printable(twice[0])}` in two folds")
    return trained_on, fold_of, description.get("fold_names", [str(fold) for fold in range(description["n_folds"])])


def _plan(truth: Dataset, matches: Matches, line: Method, fold_of: Mapping[str, int]) -> Plan:
    """Return the plan of a run of these masks: nothing is fitted, and folds are those of the run that they join."""
    digest = hashlib.sha256(line.name.encode(errors="surrogatepass"))
    for case_id, paths in matches.files.items():
        contents = b"".join(hashlib.sha256(read_bytes(path)).digest() for path in paths)
        digest.update(case_id.encode(errors="surrogatepass") + contents)
    method = replace(line, key=digest.hexdigest())
    data_hash = truth.content_hash()
    tested: dict[int, list[str]] = defaultdict(list)
    for case in truth:
        tested[fold_of.get(case.case_id, 0)].append(case.case_id)
    cells = tuple(
        Cell(
            method, fold, hashlib.sha256(f"{method.key} {data_hash} {fold}".encode()).hexdigest(), (), tuple(ids),
            trained_on=line.trained_on,
        )
        for fold, ids in sorted(tested.items())
    )  # fmt: skip
    nothing_trained = one_source(Split((Fold((), tuple(case.case_id for case in truth)),)))
    how = "no split, masks from elsewhere"
    return Plan(truth, how, "", 0, (method,), cells, data_hash, "", len(cells), nothing_trained)


def _score(
    plan: Plan,
    matches: Matches,
    there: dict[str, Record],
    learned: NDArray[np.uint8] | None,
    progress: Progress | None,
) -> tuple[dict[int, list[Record]], dict[tuple[str, str], bytes]]:
    """Return the rows by fold, and the masks (see `encode_mask`) by cell and case."""
    rows: dict[int, list[Record]] = defaultdict(list)
    masks = {}
    done = 0
    for cell in plan.cells:
        for case in plan.dataset.select(cell.test):
            mask_true = case.mask
            known = there.get(case.case_id)
            if known is not None and not same_truth(known, mask_true.shape, int(mask_true.sum())):
                raise RunError(f"case `{printable(case.case_id)}` has another ground truth in the run than in the data")
            paths = matches.files.get(case.case_id)
            if paths is None:
                row = failure(cell, case, mask_true, NO_PREDICTION)
            else:
                mask_pred = read_prediction(paths, case.case_id, mask_true.shape, matches.reading)
                masks[cell.file_stem, case.case_id] = encode_mask(mask_pred)
                row = score_case(cell, case, mask_true, mask_pred)
            rows[cell.fold].append(row if learned is None else replace(row, seen=has_seen(case.image, learned)))
            done += 1
            if progress is not None:
                progress(done, len(plan.dataset), cell.method.name)
    return rows, masks


def same_truth(row: Record, shape: tuple[int, ...], lesion_px: int) -> bool:
    """Whether a row is of a ground truth of this size with this many lesion pixels."""
    return (row.height, row.width) == tuple(shape) and row.tp + row.fn == lesion_px


def _write(
    folder: RunFolder,
    plan: Plan,
    rows: dict[int, list[Record]],
    masks: dict[tuple[str, str], bytes],
    command: Sequence[str],
) -> None:
    for path in (folder.root, folder.root / "cells"):
        path.mkdir(parents=True, exist_ok=True)
    with folder.locked():
        folder.remove_parts()
        method, fresh = plan.methods[0], describe_plan(plan)
        description = read_description(folder) if folder.description.exists() else {**fresh, "methods": [], "cells": []}
        there = {each["spec"]: each["key"] for each in description["methods"]}
        if there.get(method.name, method.key) != method.key:
            taken = f"has a line called `{printable(method.name)}`: give the masks another --name"
            raise RunError(f"{printable(folder.root)} {taken}")
        if list(there) == [method.name]:  # nobody else's line: what is said of the data is said anew
            description = {**fresh, "sessions": description["sessions"]}
        else:
            if method.name not in there:
                description["methods"] += fresh["methods"]
            others = [cell for cell in description["cells"] if cell["method"] != method.name]
            description["cells"] = others + fresh["cells"]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        description["sessions"].append({"command": list(command), "scored": method.name, "start": now, "end": now})
        for (stem, case_id), png in masks.items():
            write_row_mask(folder, stem, case_id, png)
        for cell in plan.cells:
            lines = [json_line(FitRecord(None, {})), *map(json_line, rows[cell.fold])]
            write_atomically(folder.cell(cell.file_stem), b"".join(lines))
        write_json(folder.description, description)
        known = {cell["file"] for cell in description["cells"]}
        for path in (folder.root / "cells").glob("*.jsonl"):  # of masks scored earlier, maybe by a process killed here
            if path.stem not in known:
                shutil.rmtree(folder.root / "masks" / path.stem, ignore_errors=True)
                path.unlink()
        write_atomically(folder.root / "cases.csv", records_csv(read_run(folder.root)[1]).encode())
