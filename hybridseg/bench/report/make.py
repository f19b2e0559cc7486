"""From a run folder to a report, in the format asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from .accuracy import ceilings, distributions, leaderboard, ranks, verdicts
from .across import across, second_source
from .agreement import agreement
from .breakdown import failures, lesion_free, parts
from .checklists import checklists
from .document import Document, Picture
from .facts import RunFacts
from .latex import latex
from .overlays import Gallery, disagreements, examples
from .page import page
from .paths import without_paths
from .plain import as_csv, as_json, markdown
from .price import price
from .protocol import protocol
from .seeds import seeds
from .sure import how_sure

_WRITERS: dict[str, Callable[[Document], str]] = {
    "html": page,
    "md": markdown,
    "csv": as_csv,
    "latex-document": latex,
    "json": as_json,
}
FORMATS = tuple(_WRITERS)


def make_report(
    run: str | os.PathLike[str], *, data: str | os.PathLike[str] | Sequence[str] = (), pictures: bool = True
) -> Document:
    """Return the report of a run folder, whole or half done.

    Parameters
    ----------
    run : path
    data : path or name, or sequence of them, optional
        The run's data, several as ``name=DIR``; those that the run recorded if not given. Without them there are no
        pictures.
    pictures : bool
        False leaves out the chapters that show cases.

    Raises
    ------
    RunError
        If it is no run folder, a damaged one, one without rows, or ``data`` are others than the run's.
    DataError, ImageError
        If ``data`` is given and can't be read.
    """
    facts = RunFacts(run)
    sections = [leaderboard(facts)]
    if facts.description.get("sources"):
        sections += [across(facts), second_source(facts)]
    sections += [verdicts(facts), ranks(facts), seeds(facts)]
    if facts.readers:
        sections.append(ceilings(facts))
    sections += [price(facts), distributions(facts), parts(facts), lesion_free(facts), how_sure(facts)]
    drawn: tuple[Picture, ...] = ()
    naming = False
    if not pictures:
        sections.append(agreement(facts))
    else:
        gallery = Gallery(facts, [os.fspath(data)] if isinstance(data, str | os.PathLike) else data)
        sections += [agreement(facts, gallery), examples(facts, gallery), disagreements(facts, gallery)]
        drawn, naming = tuple(gallery.pictures), gallery.naming
    sections += [failures(facts), protocol(facts), checklists(facts)]
    document = Document(facts.title, facts.summary.title, tuple(sections), drawn, naming)
    return without_paths(document, facts.description)


def render_report(document: Document, form: str) -> str:
    """Return a report in one of `FORMATS`.

    Raises
    ------
    ValueError
        If ``form`` is another.
    """
    if form not in _WRITERS:
        raise ValueError(f"`form` must be one of {', '.join(FORMATS)}, got `{form}`")
    return _WRITERS[form](document)
