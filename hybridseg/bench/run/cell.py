"""One cell: fit on the fold's training cases, predict its test cases, score; every row is on disk at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...confidence import raw_confidence
from ...data import Case, CaseReader, Dataset
from ...data.fingerprints import has_seen
from ...guests import contained, show_traceback
from ...metrics import LesionCounts, count_lesions, count_pixels, score_metrics
from ...segmenter import Segmenter
from ...validation import check_mask
from ..method import create_method, learns
from ..plan import Cell, Plan
from ..records.cells import CellFile, FitRecord, Record
from ..records.folder import RunFolder, encode_mask, write_row_mask
from .search import search


def run_cell(folder: RunFolder, plan: Plan, cell: Cell, reader: CaseReader, tell: Callable[[int, str], None]) -> None:
    """Finish a cell, calling ``tell(rows_done, text)`` as it goes.

    Whatever the method raises becomes rows with a reason; what the data raise ends the run.
    """
    with CellFile(folder.cell(cell.file_stem)) as file:
        done = {record.case_id for record in file.records}
        left = [case_id for case_id in cell.test if case_id not in done]
        if not left:
            return
        name = f"{cell.method.name}, fold {plan.crossing.fold_names[cell.fold]}"

        def say(text: str) -> None:
            tell(len(done), f"{name}: {text}")

        model, error = _fitted_model(folder, plan, cell, file, reader=reader, say=say)
        learned = None if cell.method.is_fitted_here or model is None else model.fingerprints
        warm = False

        def keep(case_id: str, mask: NDArray[np.bool_]) -> None:
            write_row_mask(folder, cell.file_stem, case_id, encode_mask(mask))

        for case in plan.dataset.select(left):
            image, mask_true = reader.read(case)
            if model is None:
                row = failure(cell, case, mask_true, error)
            else:
                row = predict_case(model, cell, case, image, mask_true, warm_up=not warm, keep=keep)
                warm = True
            file.append(row if learned is None else replace(row, seen=has_seen(image, learned)))
            done.add(case.case_id)
            tell(len(done), name)


def predict_case(
    model: Segmenter,
    cell: Cell,
    case: Case,
    image: NDArray[np.uint8],
    mask_true: NDArray[np.bool_],
    *,
    warm_up: bool = False,
    keep: Callable[[str, NDArray[np.bool_]], None] | None = None,
) -> Record:
    """Return the row of one case; only ``predict`` is timed, after one untimed call if ``warm_up``.

    ``keep(case_id, mask)`` is given the predicted mask, if there is one.
    """
    try:
        with contained():
            if warm_up:
                model.predict(image.copy())
            given = image.copy()  # a method that writes into its input mustn't change what it is scored on
            start = time.perf_counter()
            mask_pred, probability = model.predict_both(given)
            predict_ms = (time.perf_counter() - start) * 1e3
        mask_pred = check_mask(mask_pred, mask_true.shape, "the mask of predict")
        raw = round(raw_confidence(mask_pred, probability), 6)
        calibrated = None if model.calibration is None else round(model.calibration.of_image(mask_pred, probability), 6)
    except Exception as error:  # whatever a method does wrong is its result, with the reason
        return failure(cell, case, mask_true, reason(error))
    if keep is not None:
        keep(case.case_id, mask_pred)
    row = score_case(cell, case, mask_true, mask_pred, predict_ms=round(predict_ms, 3))
    return replace(row, raw_confidence=raw, confidence=calibrated)


def score_case(
    cell: Cell,
    case: Case,
    mask_true: NDArray[np.bool_],
    mask_pred: NDArray[np.bool_],
    *,
    predict_ms: float | None = None,
) -> Record:
    """Return the row of one case from its mask, (H, W) bool like the truth; what the case ignores doesn't count."""
    ignored = case.ignored
    if ignored is not None:
        mask_pred = mask_pred & ~ignored
    counts = count_pixels(mask_true, mask_pred)
    n_ignored = 0 if ignored is None else int(ignored.sum())
    return _record(
        cell, case, mask_true, (counts.tp, counts.fp, counts.fn, counts.tn - n_ignored), ignored=n_ignored,
        predict_ms=predict_ms, lesions=count_lesions(mask_true, mask_pred),
        metrics=score_metrics(mask_true, mask_pred, case.spacing_mm),
    )  # fmt: skip


def failure(cell: Cell, case: Case, mask_true: NDArray[np.bool_], error: str) -> Record:
    """Return the row of a case without a prediction: the worst mask there is (see `Record`)."""
    lesion, ignored = int(mask_true.sum()), case.ignored
    n_ignored = 0 if ignored is None else int(ignored.sum())
    rest = mask_true.size - lesion - n_ignored
    wrong = rest if lesion == 0 else 0
    nothing = count_lesions(mask_true, np.zeros_like(mask_true))
    return _record(
        cell, case, mask_true, (0, wrong, lesion, rest - wrong), error=error, ignored=n_ignored,
        lesions=replace(nothing, false=int(wrong > 0)), metrics=score_metrics(mask_true, None),
    )  # fmt: skip


def _record(
    cell: Cell,
    case: Case,
    mask_true: NDArray[np.bool_],
    counts: tuple[int, int, int, int],
    *,
    lesions: LesionCounts,
    metrics: dict[str, float | None],
    predict_ms: float | None = None,
    error: str = "",
    ignored: int = 0,
) -> Record:
    height, width = mask_true.shape
    tp, fp, fn, tn = counts
    return Record(
        method=cell.method.name,
        fold=cell.fold,
        case_id=case.case_id,
        group=case.group,
        label=case.label,
        height=height,
        width=width,
        tp=tp,
        fp=fp,
        fn=fn,
        tn=tn,
        metrics=metrics,
        predict_ms=predict_ms,
        error=error,
        ignored=ignored,
        lesions_found=lesions.found,
        lesions_missed=lesions.missed,
        false_regions=lesions.false,
        facts=case.facts,
        trained_on=cell.trained_on,
        tested_on=case.source,
    )


def reason(error: BaseException) -> str:
    """Return an exception as one line, and show its traceback if that is asked for."""
    show_traceback(error)
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _fitted_model(
    folder: RunFolder,
    plan: Plan,
    cell: Cell,
    file: CellFile,
    *,
    reader: CaseReader,
    say: Callable[[str], None],
) -> tuple[Segmenter | None, str]:
    """Return the cell's model, loaded if an earlier session fitted it, or None and why there is none."""
    if file.fit is not None and file.fit.error:
        return None, file.fit.error
    path = folder.model(cell.file_stem)
    model = create_method(plan.factory, cell.spec, plan.seed, as_given=not cell.method.is_fitted_here)
    seconds, unsaved, found = None, "", dict[str, Any]()
    if cell.method.is_fitted_here and (learns(model) or cell.method.is_searched):
        if file.fit is not None and path.is_file():
            try:
                with contained():
                    return type(model).load(path), ""
            except Exception as error:
                return None, f"load: {reason(error)}"
        say("reading")
        cases = plan.dataset.select(cell.train)
        for case in cases:  # what can't be read ends the run, not the method; what fits into memory isn't timed
            reader.read(case)
        try:
            with contained():
                start = time.perf_counter()
                if cell.method.is_searched:
                    found = search(plan, cell, cases, reader, say)
                    model = create_method(plan.factory, found["chosen"], plan.seed, as_given=False)
                _fit(model, cases, reader, say)
                seconds = round(time.perf_counter() - start, 3)
        except Exception as error:  # as in predict_case
            file.append(FitRecord(None, {}, error=f"fit: {reason(error)}"))
            return None, f"fit: {reason(error)}"
        unsaved = _save(model, path)
    if file.fit is None:
        file.append(FitRecord(seconds, asdict(model.current_operating_point), unsaved, search=found))
    return model, ""


def _fit(model: Segmenter, cases: Dataset, reader: CaseReader, say: Callable[[str], None]) -> None:
    say("fitting")
    model.fit(
        reader.images(cases),
        reader.masks(cases),
        groups=cases.groups,
        progress=lambda done, total, text: say(f"fitting {done}/{total} {text}".rstrip()),
    )


def _save(model: Segmenter, path: Path) -> str:
    """Save a fitted model under its name when it is whole; return why it can't be saved, if it can't."""
    part = path.absolute().with_name(f".{path.name}.part")
    try:
        with contained():
            model.save(part)
        os.replace(part, path)
    except OSError:  # a full disk's, which no method can help
        raise
    except Exception as error:  # as in predict_case; it costs a new fit when resumed
        return reason(error)
    finally:
        part.unlink(missing_ok=True)
    return ""
