"""What stands over and under the leaderboard of a run, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..metrics import HD95_DEFINITION
from .costs import busy_note, run_cpus, time_note, timed_on

if TYPE_CHECKING:
    from .summary import MethodSummary

Cases = set[tuple[int, str]]
"""What a method has rows for: fold and case."""


def title_of(description: dict[str, Any], cases: Iterable[Cases]) -> str:
    """Return what was scored, on how many cases that have rows by now."""
    folds = sorted({cell["fold"] for cell in description["cells"]})
    part = "" if len(folds) == description["n_folds"] else f", only fold {', '.join(map(str, folds))}"
    expected = sum({cell["fold"]: cell["cases"] for cell in description["cells"]}.values())
    scored = len(set[tuple[int, str]]().union(*cases))
    of = "" if scored == expected else f" of {expected}"
    return f"{description['dataset']}: {scored}{of} cases scored; {description['split']}{part}"


def notes_of(description: dict[str, Any], methods: list[MethodSummary], cases: list[Cases]) -> tuple[str, ...]:
    """Return what has to stand under the leaderboard, so that nobody reads more into it than it says."""
    first = methods[0]
    notes = [
        f"{first.lesion_images} lesion images of {first.scenes} scenes, {first.lesion_free_images} "
        "lesion-free images. IoU, F1: mean over lesion images with a 95 % interval by bootstrap over scenes; "
        "scene: copies of a scene share one vote; pooled: over all pixels.",
        f"Empty masks: {description['empty_masks']}",
        f"HD95: {HD95_DEFINITION}; mean over the n images where neither mask is empty. NSD at "
        f"{description['nsd_tolerance_px']:g} px, 0 for an empty prediction. missed: no predicted pixel in "
        "the lesion.",
    ]
    places = timed_on(((method.method, asdict(method)) for method in methods), run_cpus(description))
    if places:
        notes.append(
            "Time per image, peak memory and start: measured in a process of its own, decoded pixels to mask; "
            if any(method.threads is not None for method in methods)
            else "Time per image: of the run itself; memory was not measured; "
        )
        notes[-1] += time_note(places)
    notes += busy_note((method.method, asdict(method)) for method in methods)
    if any(method.as_given for method in methods):
        notes.append("† a trained model or masks from elsewhere, scored as given: may have seen these very images.")
    if any(each != cases[0] for each in cases):
        shared = len(set.intersection(*cases))
        notes.append(
            f"INCOMPLETE: methods were scored on different cases ({shared} in common): their means don't compare; "
            "differences between two methods are on the cases that both have."
        )
    for method in methods:
        if method.cases < method.expected:
            notes.append(f"INCOMPLETE: {method.method} has {method.cases} of {method.expected} rows.")
        if method.failed:
            notes.append(f"{method.method}: {method.failed} predictions failed, scored as the worst mask.")
        if method.cost_error:
            notes.append(f"{method.method}: cost not measured: {method.cost_error}")
    return tuple(notes)
