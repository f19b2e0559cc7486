"""Titles and footnotes of a run's tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...metrics import LESION_OVERLAP, case_metrics
from ...text import counted
from ..records.costs import busy_note, run_cpus, time_note, timed_on
from ..records.folder import groups_known
from .origin import NOT_KNOWN_NOTE, OTHER_CASES, READER_NOTE, SEEN, in_words, with_synthetic

if TYPE_CHECKING:
    from ..records.cells import FitRecord, Record
    from .methods import MethodSummary

MIN_SCENES = 50
"""With fewer, an interval by bootstrap covers less than it says (T. Hesterberg 2015,
doi 10.1080/00031305.2015.1089789: percentile intervals are too narrow in small samples)."""

Cases = frozenset[tuple[int, str]]
"""What a method has rows for: fold and case."""


def how_predicted(description: dict[str, Any]) -> str:
    """Return which models predict which of several data sets.

    >>> how_predicted({"sources": {"a": "A", "b": "B"}, "fold_names": ["a", "b"]})
    'Each set is predicted by models that learned from the other sets only.'
    """
    if set(description["fold_names"]) <= set(description["sources"]):
        return "Each set is predicted by models that learned from the other sets only."
    return (
        "A set that teaches is predicted fold by fold. No model learned from the fold that it predicts. Any other set "
        "is predicted by a model that learned from all cases that teach."
    )


def _several(description: dict[str, Any]) -> str:
    return (
        f"Several data sets: each is in a column of its own. {how_predicted(description)} worst: the set with the "
        "lowest IoU. False alarm: a mask on a lesion-free image (how many there are). Differences are over all sets "
        f"together: larger ones weigh more.{_not_tested(description)}"
    )


def _not_tested(description: dict[str, Any]) -> str:
    """Return which data sets no fold of the run tests, with the folds that would, or nothing.

    >>> _not_tested({"sources": {"a": "", "b": ""}, "fold_names": ["0", "1", "all"], "cells": [{"fold": 0}],
    ...     "trainings": {"a": {"a/1": 0, "a/2": 1, "b/1": 2}}})
    ' NOT TESTED: b. Its cases are in fold 2, which was not run.'
    """
    run = {cell["fold"] for cell in description["cells"]}
    folds_of: dict[str, set[int]] = {}
    for fold_of in description.get("trainings", {}).values():
        for case_id, fold in fold_of.items():
            folds_of.setdefault(case_id.partition("/")[0], set()).add(fold)
    left = {name: sorted(folds) for name, folds in folds_of.items() if not folds & run}
    return "".join(
        f" NOT TESTED: {name}. Its cases are in fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}, which "
        f"{'were' if len(folds) > 1 else 'was'} not run."
        for name, folds in left.items()
    )


def only_folds(description: dict[str, Any]) -> str:
    """Return the folds that a run has, in words, or nothing if it has all.

    >>> only_folds({"n_folds": 6, "cells": [{"fold": 5}, {"fold": 0}]})
    'only folds 0, 5'
    """
    folds = sorted({cell["fold"] for cell in description["cells"]})
    if len(folds) == description["n_folds"]:
        return ""
    return f"only fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}"


def title(description: dict[str, Any], cases: Iterable[Cases]) -> str:
    """Return the title: data, split, and how many cases are scored by now."""
    every = set[tuple[int, str]]().union(*cases)
    scored = len(every)
    some = only_folds(description)
    part = f", {some}" if some else ""
    by_size = sorted(description["cells"], key=lambda cell: cell["cases"])  # a second reader may have read fewer
    expected = sum({cell["fold"]: cell["cases"] for cell in by_size}.values())
    if description.get("sources"):
        expected = len(set[str]().union(*description["trainings"].values()))
    of = "" if scored == expected else f" of {expected}"
    dataset = with_synthetic(description["dataset"], (case_id for _, case_id in every))
    return f"{dataset}: {scored}{of} cases scored; {description['split']}{part}"


def notes(
    description: dict[str, Any], methods: Sequence[MethodSummary], cases: Sequence[Cases], empty: float | None
) -> tuple[str, ...]:
    """Return the footnotes of the leaderboard; ``empty`` as `hybridseg.bench.summarize` takes it."""
    first = methods[0]
    found = [
        *_different_cases(methods, cases),
        f"{counted(first.lesion_images, 'lesion image')} of {counted(first.scenes, 'scene')}, "
        f"{counted(first.lesion_free_images, 'lesion-free image')}. IoU and F1 are means over lesion images, with a "
        "95 % interval by bootstrap over scenes. scene: copies of a scene share one vote. pooled: over all pixels.",
        f"Empty masks: {description['empty_masks']}{_in_all_images(empty)}",
        _on_metrics(first),
    ]
    if description.get("sources"):
        found.append(_several(description))
    groups_from = description.get("groups_from", "")
    known = groups_known(description)
    if groups_from and known:
        found[0] += f" Scenes as told by: {groups_from}."
    if not known:
        found.append(
            "NOBODY LOOKED FOR COPIES: they may be on both sides of a fold, and make intervals too narrow "
            f"({groups_from})."
        )
    places = timed_on(((method.method, asdict(method)) for method in methods), run_cpus(description))
    if places:
        found.append(
            "Time per image, peak memory and start: measured in a process of its own, from decoded pixels to mask. "
            if any(method.threads is not None for method in methods)
            else "Time per image: of the run itself. Memory was not measured. "
        )
        found[-1] += time_note(places)
    exported = [method.method for method in methods if method.exported and not method.cost_error]
    if exported:
        found.append(f"Time, start, memory and size of {', '.join(exported)}: of the ONNX file exported from it.")
    found += busy_note((method.method, asdict(method)) for method in methods)
    found += _origin_notes(methods)
    for method in methods:
        if method.cases < method.expected:
            found.append(f"INCOMPLETE: {method.method} has {method.cases} of {method.expected} rows.")
        if method.never_ran:
            found.append(f"{method.method}: ALL {method.failed} PREDICTIONS FAILED. It isn't ranked, in no comparison.")
        elif method.failed:
            found.append(f"{method.method}: {counted(method.failed, 'prediction')} failed, scored as the worst mask.")
        if method.cost_error:
            found.append(f"{method.method}: cost not measured: {method.cost_error}")
    return tuple(found)


def _different_cases(methods: Sequence[MethodSummary], cases: Sequence[Cases]) -> Iterator[str]:
    """Yield a warning if some methods were scored on other cases than most."""
    others = [method.method for method in methods if method.other_cases]
    if others:
        yield (
            f"{OTHER_CASES} DIFFERENT CASES: {', '.join(others)}. Not scored on the cases of most lines, so not "
            f"ranked: means don't compare. {counted(len(frozenset.intersection(*cases)), 'case')} in common. "
            "Differences between two methods are on the cases that both have."
        )


def scenes_note(scenes: Mapping[str, int]) -> tuple[str, ...]:
    """Return a warning if intervals rest on few scenes or patients. ``scenes``: their number by test set or method."""
    few = {name: count for name, count in scenes.items() if 0 < count < MIN_SCENES}
    if not few:
        return ()
    counts = set(scenes.values())
    said = str(counts.pop()) if len(counts) == 1 else ", ".join(f"{name} {count}" for name, count in few.items())
    return (f"FEW SCENES: {said}. Below {MIN_SCENES} scenes or patients an interval is too narrow: take it as rough.",)


def scenes_of(methods: Sequence[MethodSummary]) -> dict[str, int]:
    """Return the number of scenes with a lesion of each test set, or of each method on the one there is."""
    sets: dict[str, int] = {}
    for method in methods:
        for each in method.sets:
            sets[each.tested_on] = max(each.scenes, sets.get(each.tested_on, 0))
    return sets or {method.method: method.scenes for method in methods}


def lesion_note(methods: Sequence[MethodSummary]) -> tuple[str, ...]:
    """Return the footnote on counts of lesions, if there are any."""
    if all(method.lesions is None for method in methods):
        return ()
    return (
        "Lesions: connected regions of the truth, over all images. A lesion is found if one predicted region has an "
        f"IoU above {LESION_OVERLAP:g} with it. A predicted region that finds none is false. lesion F1: 2 found / "
        "(lesions + predicted regions).",
    )


def _origin_notes(methods: Sequence[MethodSummary]) -> Iterator[str]:
    """Yield what is known of models that the run didn't train: whether they learned from its images."""
    if any(method.is_reader for method in methods):
        yield READER_NOTE
    if any(method.seen is None and not method.is_reader for method in methods):
        yield NOT_KNOWN_NOTE
    for method in methods:
        if method.seen:
            words = in_words(method.seen, method.cases)
            yield f"{SEEN} {method.method}: {words}. It isn't ranked, and is in no comparison."
        elif method.as_given and method.seen is not None:
            yield f"{method.method}: trained elsewhere, on none of these {method.cases} images."


def choosing_notes(description: dict[str, Any], fits: Mapping[str, Sequence[FitRecord]]) -> tuple[str, ...]:
    """Return what each fold of a searched method chose, and a warning where one method has several lines."""
    found = []
    for method, records in fits.items():
        searches = [fit.search for fit in records if fit.search]
        if searches:
            chosen = [f"fold {each['fold']}: {each['chosen'].partition('[')[2][:-1]}" for each in searches]
            found.append(
                f"{method}: chosen inside each training part, by mean IoU in grouped inner folds: {'; '.join(chosen)}. "
                "Its fit time holds the search."
            )
    variants: dict[str, set[str]] = {}
    for entry in description["methods"]:
        spec = entry["spec"].removesuffix(f" on {entry.get('trained_on')}")
        variants.setdefault(spec.partition("[")[0], set()).add(spec)
    several = [name for name, specs in variants.items() if len(specs) > 1]
    if several:
        found.append(
            f"Several lines of {', '.join(several)}: choosing among them by this table is choosing on the test folds. "
            f'-m "{several[0]}[PARAMETER=1|2]" chooses inside each training part.'
        )
    return tuple(found)


def ignored_note(records: Iterable[Record]) -> tuple[str, ...]:
    """Return how many pixels the ground truth leaves open, if it does."""
    ignored = {record.case_id: record.ignored for record in records if record.ignored}
    if not ignored:
        return ()
    return (f"{sum(ignored.values())} pixels of {len(ignored)} images are ignored, as their masks say: in no count.",)


def _on_metrics(method: MethodSummary) -> str:
    """Return the footnote on the columns of metrics."""
    said = [each.note for each in case_metrics().values() if each.note and method.metrics[each.name].images]
    return " ".join([*said, "missed: no predicted pixel in the lesion."])


def _in_all_images(empty: float | None) -> str:
    if empty is None:
        return ""
    return f" In means over all images an empty prediction on a lesion-free image scores {empty:g}, any other 0."
