"""From a run folder to a folder with the methods and results of a paper."""

from __future__ import annotations

import os
from pathlib import Path

from ...files import write_atomically
from ...text import printable
from ..report.facts import RunFacts
from ..report.paths import without_paths
from .blocks import cited
from .checklists import checklists
from .figures import draw_figures
from .methods import methods
from .references import Library
from .results import results
from .writers import latex_document, latex_section, markdown


def write_paper(run: str | os.PathLike[str], out: str | os.PathLike[str], *, overwrite: bool = False) -> list[Path]:
    """Write a run's methods and results as a paper has them; return the files.

    ``section.tex`` goes into a paper, ``paper.tex`` compiles around it; ``paper.md`` says the same; then
    ``references.bib``, and ``figures`` as PDF and SVG. What the run doesn't know is a marked gap.

    Parameters
    ----------
    run : path
    out : path
        A folder; made if it isn't there.
    overwrite : bool
        Replace these files where they are there.

    Raises
    ------
    RunError
        If it is no run folder, a damaged one, or one without rows.
    ValueError
        If one of the files is there and ``overwrite`` isn't set.
    ImportError
        If matplotlib isn't installed.
    """
    facts, folder, library = RunFacts(run), Path(out), Library()
    names = ("section.tex", "paper.tex", "paper.md", "references.bib")
    there = [folder / name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise ValueError(f"{printable(there[0])} exists; give --overwrite to replace it")
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    drawn = draw_figures(facts, folder / "figures")
    parts = (*methods(facts, library), *results(facts, drawn), *checklists(facts))
    blocks = without_paths(parts, facts.description)
    keys = cited(blocks)
    references = [(key, library.entries[key]) for key in keys]
    title = f"Segmentation of breast lesions in ultrasound: {facts.title}"
    contents = (
        latex_section(blocks), latex_document(title, references), markdown(title, blocks, references),
        library.bibtex(keys),
    )  # fmt: skip
    for name, content in zip(names, contents, strict=True):
        write_atomically(folder / name, content.encode(errors="backslashreplace"))
    figures = [folder / "figures" / f"{name}{suffix}" for name in drawn for suffix in (".pdf", ".svg")]
    return [*(folder / name for name in names), *figures]
