"""From which images a method has learned, where the run didn't train it: nobody is ranked on what taught them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...data.phantoms import is_phantom
from ..records.cells import Record
from ..records.folder import StoredRun

NOT_KNOWN = "†"
SEEN = "‡"
READER = "§"
OTHER_CASES = "¶"
READER_NOTE = f"{READER} a second reader: the ceiling, no competitor, on the cases that were read."
NOT_KNOWN_NOTE = (
    f"{NOT_KNOWN} a trained model or masks from elsewhere, scored as given: it is not known whether it learned from "
    "these very images."
)


def count_seen(method: Mapping[str, Any], rows: Sequence[Record]) -> int | None:
    """Return on how many of its rows' images a method of a run's description was trained; None: not known.

    One that is trained on each fold has seen none: folds keep apart what teaches and what examines. One that was
    trained elsewhere, a model per fold, is believed unless its fingerprints say otherwise.
    """
    known = [row.seen for row in rows if row.seen is not None]
    return None if method["as_given"] and not known else sum(known)


def in_words(seen: int, cases: int) -> str:
    """Return the remark beside such a row.

    >>> in_words(60, 60)
    'trained on 60 of these 60 images'
    """
    return f"trained on {seen} of these {cases} images"


def mark(name: str, seen: int | None) -> str:
    """Return a method's name as tables show it."""
    return f"{name} {NOT_KNOWN}" if seen is None else f"{name} {SEEN}" if seen else name


def examined_on_training(run: StoredRun) -> dict[str, str]:
    """Return the methods that a run scores on images that they learned from, each with that in words."""
    found = {}
    for method in run.description["methods"]:
        rows = run.rows[method["spec"]]
        seen = count_seen(method, rows)
        if seen:
            found[method["spec"]] = in_words(seen, len(rows))
    return found


def never_ran(run: StoredRun) -> dict[str, str]:
    """Return the methods that failed on every image, each with that in words. Beating them means nothing."""
    return {
        method: f"all {len(rows)} predictions failed"
        for method, rows in run.rows.items()
        if rows and all(row.error for row in rows)
    }


def with_synthetic(dataset: str, case_ids: Iterable[str]) -> str:
    """Return a data set's name as tables show it, with the share of its cases that are phantoms.

    >>> with_synthetic("A + B", ["A/phantom (1)", "B/1"]), with_synthetic("BUSI", ["benign (1)"])
    ('A + B (1 of 2 synthetic)', 'BUSI')
    """
    phantoms, cases = _count_phantoms(case_ids)
    share = "synthetic" if phantoms == cases else f"{phantoms} of {cases} synthetic"
    return f"{dataset} ({share})" if phantoms else dataset


def synthetic_note(case_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the warning about numbers from phantoms, if there are any."""
    phantoms, cases = _count_phantoms(case_ids)
    share = "every case is a phantom" if phantoms == cases else f"{phantoms} of {cases} cases are phantoms"
    return (f"SYNTHETIC: {share}. Their numbers say nothing about patients.",) if phantoms else ()


def _count_phantoms(case_ids: Iterable[str]) -> tuple[int, int]:
    """Return how many different cases are phantoms, and how many there are."""
    different = set(case_ids)
    return sum(map(is_phantom, different)), len(different)


def readers(run: StoredRun) -> list[str]:
    """Return the second readers of a run, who are the ceiling of its table and compete with nobody."""
    return [each["spec"] for each in run.description["methods"] if each.get("reader")]


def not_known(run: StoredRun) -> set[str]:
    """Return the methods of a run of which nobody knows whether they learned from its images."""
    methods = [each for each in run.description["methods"] if not each.get("reader")]
    return {each["spec"] for each in methods if count_seen(each, run.rows[each["spec"]]) is None}
