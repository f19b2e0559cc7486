"""The chapter on how the numbers were made: in a paragraph, then every detail."""

from __future__ import annotations

import shlex
from typing import Any

from ...text import printable
from ...version import __version__
from ..records.cells import FitRecord
from ..verdicts.notes import only_folds
from .document import Entry, ReportTable, Section, Text
from .facts import RunFacts


def protocol(facts: RunFacts) -> Section:
    """Return split, groups, policies, post-processing, machine, versions, hashes and the commands."""
    texts = [Text(_paragraph(facts))]
    made_with = str(facts.description["plan"].get("hybridseg", "unknown"))
    if made_with != __version__:
        texts.append(Text(f"The run was made with hybridseg {made_with}, this report with {__version__}.", "warning"))
    sessions = facts.description["sessions"]
    if len({str(session.get("versions")) for session in sessions if "versions" in session}) > 1:
        mixed = "The run's sessions used different versions of packages; those of the last are listed."
        texts.append(Text(mixed, "warning"))
    commands = dict.fromkeys(shlex.join(map(str, session.get("command", []))) for session in sessions)
    texts += [Text(command, "code") for command in commands if command]
    return Section("How it was made", "protocol", tuple(texts), (), (_methods(facts), _details(facts)))


def _paragraph(facts: RunFacts) -> str:
    description = facts.description
    scenes = len(set(facts.groups.values()))
    folds = only_folds(description)
    some = f" ({folds})" if folds else ""
    cpus = " and ".join(facts.cpus) or "an unknown processor"
    return (
        f"Data: {facts.title}, {description['cases']} cases, {len(facts.groups)} of them scored, of "
        f"{scenes} scenes. Split: {description['split']}. Folds: {description['n_folds']}{some}. Scenes as told by: "
        f"{description.get('groups_from', 'nobody')}. Intervals and tests draw whole scenes. Empty masks: "
        f"{description['empty_masks']} Masks are scored at the image's own size, after each method's own threshold "
        f"and post-processing (listed below). The rows were made on {cpus}{_threads(facts)}."
    )


def _threads(facts: RunFacts) -> str:
    counts = sorted({method.threads for method in facts.methods if method.threads is not None})
    if not counts:
        return ". Times were not measured apart"
    threads = f"{' or '.join(map(str, counts))} thread{'s' if counts[-1] > 1 else ''}"
    return f". Times were measured in processes of their own with {threads}"


def _methods(facts: RunFacts) -> ReportTable:
    rows = []
    for method in facts.description["methods"]:
        parameters = ", ".join(f"{name}={value!r}" for name, value in method.get("params", {}).items())
        fits = facts.fits.get(method["spec"], [])
        rows.append((
            Entry(method["spec"]),
            Entry(str(method.get("class", ""))),
            Entry(parameters or "none"),
            Entry("as given" if method["as_given"] else "on each fold's training part"),
            Entry(post_processing(fits)),
            Entry(method["key"][:16]),
        ))  # fmt: skip
    header = ("method", "class", "parameters", "fitted", "threshold and post-processing", "hash")
    return ReportTable("Methods.", header, tuple(rows))


def post_processing(fits: list[FitRecord]) -> str:
    """Return in words what is done between probability and mask, over all folds."""
    points = [fit.operating_point for fit in fits if fit.operating_point]
    if not points:
        return "unknown"
    words = []
    for name in dict.fromkeys(name for point in points for name in point):
        values = list(dict.fromkeys(_value(point[name]) for point in points if name in point))
        if values not in (["False"], ["0"]):
            readable = name.replace("_", " ")
            words.append(readable if values == ["True"] else f"{readable} {' / '.join(values)}")
    return "; ".join(words) or "none"


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _details(facts: RunFacts) -> ReportTable:
    description = facts.description
    plan = description["plan"]
    last: dict[str, Any] = next((each for each in reversed(description["sessions"]) if "versions" in each), {})
    versions = dict(last.get("versions", {}))
    starts = [str(session["start"]) for session in description["sessions"] if session.get("start")]
    pairs = [
        ("run folder", printable(facts.folder.root.resolve().name)),
        ("data", facts.title),
        ("made", f"{starts[0]} to {starts[-1]}" if len(starts) > 1 else "".join(starts)),
        ("hash of the data", plan.get("data", "")),
        ("hash of the split", plan.get("split", "")),
        ("seed", plan.get("seed", "")),
        ("processor", " and ".join(facts.cpus)),
        ("system", last.get("system", "")),
        ("cores to use", last.get("usable_cores", "")),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("report", f"hybridseg {__version__}"),
    ]
    rows = tuple((Entry(name), Entry(str(value) or "-")) for name, value in pairs)
    return ReportTable("Details.", ("what", "value"), rows)
