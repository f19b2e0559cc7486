"""Columns of a table over several data sets: a score for each test set, the worst, and images without a lesion."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from ...text import interval_text
from ..verdicts.methods import MethodSummary, SetScores
from ..verdicts.origin import SEEN

MethodColumn = tuple[str, Callable[[MethodSummary], str]]
"""A heading, and its entry for a method."""


def set_tables(methods: Sequence[MethodSummary]) -> tuple[tuple[MethodColumn, ...], ...]:
    """Return the columns of three tables: IoU with the worst set, F1, and lesions missed or seen where there is none.

    Parameters
    ----------
    methods : sequence of MethodSummary
        With `MethodSummary.sets`.
    """
    sets: dict[str, SetScores] = {}
    for method in methods:
        for each in method.sets:
            if each.tested_on not in sets or each.lesion_images > sets[each.tested_on].lesion_images:
                sets[each.tested_on] = each
    lesion = [name for name, each in sets.items() if each.lesion_images]
    free = {name: each.lesion_free_images for name, each in sets.items() if each.lesion_free_images}
    return (
        (*(_column(f"{name} IoU [95 % CI]", name, _iou) for name in lesion), ("worst", _worst)),
        tuple(_column(f"{name} F1 [95 % CI]", name, _f1) for name in lesion),
        (
            *(_column(f"{name} scenes", name, lambda each: str(each.scenes)) for name in lesion),
            *(_column(f"{name} missed %", name, lambda each: _percent(each.missed)) for name in lesion),
            *(_column(f"{name} false alarm % ({count})", name, _false_positives) for name, count in free.items()),
        ),
    )


def _column(title: str, name: str, text: Callable[[SetScores], str]) -> MethodColumn:
    return title, functools.partial(_cell, name=name, text=text)


def _cell(method: MethodSummary, name: str, text: Callable[[SetScores], str]) -> str:
    found = [each for each in method.sets if each.tested_on == name]
    return text(found[0]) if found else "-"


def _iou(each: SetScores) -> str:
    return interval_text(each.iou, each.iou_low, each.iou_high) + _taught(each)


def _f1(each: SetScores) -> str:
    return interval_text(each.f1, each.f1_low, each.f1_high) + _taught(each)


def _taught(each: SetScores) -> str:
    return f" {SEEN}" if each.seen else ""


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _false_positives(each: SetScores) -> str:
    return _percent(each.false_positive_rate)


def _worst(method: MethodSummary) -> str:
    worst = method.worst_set
    return "-" if worst is None else f"{worst.tested_on} {worst.iou:.3f}"
