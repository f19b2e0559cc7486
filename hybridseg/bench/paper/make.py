"""From a run folder to a folder with the methods and results of a paper."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...files import write_atomically
from ...text import printable
from ..report.document import Table
from ..report.facts import Facts
from ..report.paths import hide_paths
from .blocks import Block, Heading, Paragraph, cited
from .checklists import checklists
from .figures import draw_figures
from .methods import methods
from .references import Library
from .results import results
from .writers import latex_document, latex_section, markdown


def write_paper(
    run: str | os.PathLike[str], out: str | os.PathLike[str], *, overwrite: bool = False
) -> list[Path]:
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
    facts, folder, library = Facts(run), Path(out), Library()
    names = ("section.tex", "paper.tex", "paper.md", "references.bib")
    there = [folder / name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise ValueError(f"{printable(there[0])} exists; give --overwrite to replace it")
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    drawn = draw_figures(facts, folder / "figures")
    blocks = _without_paths(
        [*methods(facts, library), *results(facts, drawn), *checklists(facts)], facts.description
    )
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


def _without_paths(blocks: list[Block], description: dict[str, Any]) -> list[Block]:
    """Return the blocks without paths of the machine."""
    sources = [description.get("source"), *description.get("sources", {}).values()]
    known = [each for each in sources if each and os.path.isabs(each)]

    def hidden(text: str) -> str:
        return hide_paths([text], known)[0]

    found: list[Block] = []
    for block in blocks:
        if isinstance(block, Heading | Paragraph):
            found.append(replace(block, text=hidden(block.text)))
        elif isinstance(block, Table):
            rows = tuple(tuple(replace(cell, text=hidden(cell.text)) for cell in row) for row in block.rows)
            found.append(replace(block, caption=hidden(block.caption), rows=rows))
        else:  # the main table's names come without
            found.append(block)
    return found
