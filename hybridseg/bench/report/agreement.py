"""The chapter on agreement: how far the measures of predicted lesions are from the truth's, and whose class changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...metrics.measure import measure_lesions
from ..records.cells import Record
from .breakdown import size_thirds
from .document import Entry, Figure, ReportTable, Section, Text, count, number, percent
from .facts import RunFacts
from .figures import bland_altman
from .overlays import Gallery

LIMIT = 1.96
"""Limits of agreement are the mean difference plus and minus so many standard deviations."""
_PLOTTED = 4
_TEXT = (
    "Difference: predicted minus true, over lesion images with a mask. The limits of agreement hold 95 % of the "
    "differences if these are normal (J. Bland and D. Altman 1986, doi 10.1016/S0140-6736(86)90837-8). Copies of a "
    "scene count each. An image without a mask has no difference: it is counted as missing."
)


@dataclass(frozen=True)
class _Measured:
    """True and predicted values (N,) of lesion images, of how many scenes, and how many images had no mask."""

    true: NDArray[np.float64]
    pred: NDArray[np.float64]
    scenes: int
    missing: int


def agreement(facts: RunFacts, gallery: Gallery | None = None) -> Section:
    """Return Bland and Altman's agreement of areas and diameters, and the lesions whose class of size changes.

    Areas come from the rows. Diameters are measured on masks, which takes ``gallery`` with the run's data.
    """
    title, slug = "Agreement of measures", "agreement"
    if not any(facts.scores.values()):
        return Section(title, slug, (Text("No image with a lesion has been scored yet."),))
    spacings = {case_id: facts.known[case_id].get("spacing_mm") for case_id in facts.lesion_shares()}
    in_mm = all(isinstance(each, float) for each in spacings.values())
    unit = "mm" if in_mm else "px"
    scale = {case_id: float(each) if in_mm and isinstance(each, float) else 1.0 for case_id, each in spacings.items()}
    texts = [Text(_TEXT)]
    tables = [_differences(f"Area, {unit}².", {facts.marked[name]: _areas(facts, name, scale) for name in facts.rows})]
    figures: tuple[Figure, ...] = ()
    if gallery is None or gallery.why_none:
        why = gallery.why_none if gallery else "pictures were left out"
        texts.append(Text(f"Diameters are measured on masks: {why}."))
    else:
        true_px: dict[str, float | None] = {}
        long = {name: _diameters(facts, gallery, name, scale, true_px) for name in facts.rows}
        marked = {facts.marked[name]: each for name, each in long.items()}
        tables.append(_differences(f"Longest diameter of the largest region, {unit}.", marked))
        figures = tuple(_plots(facts, long, unit))
        if len(long) > _PLOTTED:
            texts.append(Text(f"Plots: the first {_PLOTTED} methods of the leaderboard."))
    tables.append(_changed_class(facts))
    return Section(title, slug, tuple(texts), figures, tuple(tables))


def true_and_predicted_areas(facts: RunFacts, method: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return areas (N,) of truth and prediction as shares of the image, over lesion images with a mask."""
    kept = _with_mask(_lesion_rows(facts, method))
    sizes = np.array([row.height * row.width for row in kept], np.float64)
    areas = np.array([[row.tp + row.fn, row.tp + row.fp] for row in kept], np.float64).reshape(-1, 2)
    return areas[:, 0] / sizes, areas[:, 1] / sizes


def _lesion_rows(facts: RunFacts, method: str) -> list[Record]:
    return [row for row in facts.rows[method] if row.has_lesion]


def _with_mask(rows: list[Record]) -> list[Record]:
    return [row for row in rows if row.tp + row.fp and not row.error]


def limits_of_agreement(difference: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return lower limit, mean and upper limit of at least two differences (N,)."""
    mean, reach = float(difference.mean()), LIMIT * float(difference.std(ddof=1))
    return mean - reach, mean, mean + reach


def _areas(facts: RunFacts, method: str, scale: Mapping[str, float]) -> _Measured:
    rows = _lesion_rows(facts, method)
    kept = _with_mask(rows)
    square = np.array([scale[row.case_id] ** 2 for row in kept])
    true, pred = (np.array(each, np.float64) * square for each in (
        [row.tp + row.fn for row in kept], [row.tp + row.fp for row in kept],
    ))  # fmt: skip
    return _Measured(true, pred, len({row.group for row in kept}), len(rows) - len(kept))


def _diameters(
    facts: RunFacts, gallery: Gallery, method: str, scale: Mapping[str, float], true_px: dict[str, float | None]
) -> _Measured:
    """Return longest diameters; those of the truth are measured once for all methods, and kept in ``true_px``."""
    rows = _lesion_rows(facts, method)
    found = [(row.group, scale[row.case_id] * true, scale[row.case_id] * pred)
             for row, true, pred in _longest(rows, gallery, true_px)]  # fmt: skip
    true, pred = (np.array([each[index] for each in found], np.float64) for index in (1, 2))
    return _Measured(true, pred, len({group for group, *_ in found}), len(rows) - len(found))


def _longest(
    rows: list[Record], gallery: Gallery, true_px: dict[str, float | None]
) -> Iterator[tuple[Record, float, float]]:
    """Yield rows with the longest diameter, in pixels, of the largest region of truth and prediction."""
    for row in rows:
        if row.case_id not in true_px:
            mask_true = gallery.truth(row)
            true_px[row.case_id] = None if mask_true is None else measure_lesions(mask_true)[0].long_px
        mask_pred, true = gallery.mask(row), true_px[row.case_id]
        if mask_pred is not None and true is not None and mask_pred.any():
            yield row, true, measure_lesions(mask_pred)[0].long_px


def _differences(caption: str, measured: Mapping[str, _Measured]) -> ReportTable:
    rows = []
    for method, each in measured.items():
        if len(each.true) < 2:
            counts = count(len(each.true)), count(each.scenes), count(each.missing)
            rows.append((Entry(method), *counts, *[Entry("-")] * 6))
            continue
        difference = each.pred - each.true
        low, mean, high = limits_of_agreement(difference)
        rows.append((
            Entry(method), count(len(difference)), count(each.scenes), count(each.missing),
            number(float(each.true.mean()), 1), number(mean, 1), number(float(difference.std(ddof=1)), 1),
            number(low, 1), number(high, 1), percent(float(np.mean(np.abs(difference) > each.true / 4))),
        ))  # fmt: skip
    header = (
        "method", "images", "scenes", "missing", "true mean", "mean difference", "SD", "lower limit", "upper limit",
        "off by more than a quarter, %",
    )  # fmt: skip
    return ReportTable(caption, header, tuple(rows))


def _plots(facts: RunFacts, measured: Mapping[str, _Measured], unit: str) -> Iterator[Figure]:
    for method, each in list(measured.items())[:_PLOTTED]:
        if len(each.true) > 1:
            difference = each.pred - each.true
            plot = bland_altman((each.true + each.pred) / 2, difference, limits_of_agreement(difference), unit)
            caption = (
                f"{facts.short[method]}: longest diameter, predicted minus true, against the mean of both. Lines: mean "
                "difference, and the limits of agreement."
            )
            yield Figure(plot, caption)


def _changed_class(facts: RunFacts) -> ReportTable:
    """Return how many lesions the prediction puts into another third by size."""
    sizes, names, bounds = size_thirds(facts.lesion_shares())
    rows = []
    for method in facts.rows:
        lesion = _lesion_rows(facts, method)
        masked = _with_mask(lesion)
        steps = [
            int(np.searchsorted(bounds, (row.tp + row.fp) / (row.height * row.width))) - names.index(sizes[row.case_id])
            for row in masked
        ]
        shares = [sum(step < 0 for step in steps), sum(step > 0 for step in steps), len(lesion) - len(masked)]
        shares.insert(0, sum(step == 0 for step in steps))
        percents = [percent(each / len(lesion) if lesion else None) for each in shares]
        rows.append((Entry(facts.marked[method]), count(len(lesion)), *percents))
    header = ("method", "images", "same class, %", "smaller class, %", "larger class, %", "no mask, %")
    caption = f"Classes of size that change: thirds of the truth ({'; '.join(names)} of the picture)."
    return ReportTable(caption, header, tuple(rows))
