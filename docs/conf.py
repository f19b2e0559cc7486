"""How Sphinx builds the site. `python -m sphinx -W docs docs/_build` does it, with the gallery's examples run."""

from __future__ import annotations

import importlib
import os
import re
from configparser import ConfigParser
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

from hybridseg.version import __version__

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "published/results/": sorted((ROOT / "benchmarks/results").glob("*.md")),
    "published/benchmarks/": [ROOT / "benchmarks/README.md"],
    "published/cards/": sorted((ROOT / "hybridseg/zoo").glob("*.md")),
    "published/": [ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "RELEASING.md")],
}
"""Pages that live elsewhere in the repository: below docs/ they are made anew by each build."""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")

project = "hybridseg"
author = "the hybridseg authors"
copyright = "the hybridseg authors, Apache-2.0. For research. Not a medical device: not for diagnosis"
release = version = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_click",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples/node_modules", "gallery/*.rst", "fill.py", "**/sg_execution_times.rst"]
smartquotes = False  # `--data` in a help text stays as it is typed
default_role = "code"  # docstrings write `name` as Markdown does
nitpicky = False
suppress_warnings = ["config.cache"]  # the gallery's order is a function, which can't be cached

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": True}
autodoc_typehints = "none"  # numpydoc's type lines also say shape, range and unit
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "hybridseg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
}

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "published/gallery",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": (),  # what is printed, not what a line returns
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "abort_on_example_error": True,
}


def bring_pages(app: Sphinx) -> None:
    """Write below docs/published the pages that live elsewhere, and a page for each package with public names."""
    del app
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    for page, text in {**_packages(setup), "methods": _methods(setup)}.items():
        _write(ROOT / f"docs/published/api/{page}.md", text)
    homes = {source: ROOT / "docs" / folder / source.name for folder, sources in PAGES.items() for source in sources}
    homes[ROOT / "README.md"] = ROOT / "docs" / "index.md"
    for source, page in homes.items():
        if source.name == "README.md" and source.parent == ROOT:
            continue
        text = _LINK.sub(lambda link, of=(source, page): _led(link, *of, homes), source.read_text("utf-8"))
        _write(page, text)


def _write(page: Path, text: str) -> None:
    """Write a page if it has changed, so that Sphinx reads again only those that have."""
    page.parent.mkdir(parents=True, exist_ok=True)
    if not page.is_file() or page.read_text("utf-8") != text:
        page.write_text(text, "utf-8")


def _packages(setup: ConfigParser) -> dict[str, str]:
    """Return a page of each package that promises names; each object stands once, on the first page that has it."""
    pages, seen = {}, {}
    for name in setup["options"]["packages"].split():
        module = importlib.import_module(name)
        here = {public: id(getattr(module, public)) for public in getattr(module, "__all__", ())}
        if here:
            again = {public: seen[key] for public, key in here.items() if key in seen}
            seen |= {key: name for key in here.values() if key not in seen}
            also = "".join(f"\n`{public}` stands in [{first}]({first}.md).\n" for public, first in again.items())
            leave = f"   :exclude-members: {', '.join(again)}\n" if again else ""
            pages[name] = f"# {name}\n{also}\n```{{eval-rst}}\n.. automodule:: {name}\n{leave}```\n"
    return pages


def _methods(setup: ConfigParser) -> str:
    """Return the page of the methods that ship."""
    lines = setup["options.entry_points"]["hybridseg.segmenters"].strip().splitlines()
    methods = [line.partition("=")[2].strip().replace(":", ".") for line in lines]
    methods += ["hybridseg.training.segmenter.NetworkSegmenter", "hybridseg.training.elsewhere.OnnxNetworkSegmenter"]
    classes = "".join(f".. autoclass:: {each}\n" for each in methods)
    return f"""# Methods that ship

Create one by its name: `hybridseg.create("otsu")`. Networks of your own derive from `NetworkSegmenter`, or from
`OnnxNetworkSegmenter`.

```{{eval-rst}}
{classes}```
"""


def _led(link: re.Match[str], source: Path, page: Path, homes: dict[Path, Path]) -> str:
    """Return a link of a page that moves: to a page of the site, or to a file; its words alone for others."""
    mark, words, target, anchor = link.groups()
    file = (source.parent / target).resolve()
    if file.is_dir() and not (file / "README.md").is_file():
        return words
    file = file / "README.md" if file.is_dir() else file
    if file.suffix == ".md" and file.is_file() and file not in homes and not file.is_relative_to(ROOT / "docs"):
        return words
    file = homes.get(file, file)
    if file.suffix != ".md":
        anchor = None
    return f"{mark}[{words}]({os.path.relpath(file, page.parent)}{anchor or ''})"


def refuse_undocumented(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Warn of a public name without a docstring, which ends a strict build."""
    del app, options
    documented = what in ("attribute", "property", "data") or any(line.strip() for line in lines)
    if not documented and not name.rpartition(".")[2].startswith("_"):
        logging.getLogger(__name__).warning("public name without a docstring: %s", name)
    del obj


def leave_out_fields(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out attributes of classes: the class's own table has them."""
    del app, name, skip, options
    return True if what == "class" and not (callable(obj) or hasattr(obj, "__get__")) else None


def escape_help(app: Sphinx, context: Any, lines: list[str]) -> None:
    """Keep the stars in help texts, such as `*_mask.png`, from being taken for emphasis."""
    del app, context
    lines[:] = [line.replace("*", r"\*") for line in lines]


def setup(app: Sphinx) -> None:
    """Tell Sphinx of them."""
    app.connect("builder-inited", bring_pages, priority=1)
    app.connect("autodoc-process-docstring", refuse_undocumented)
    app.connect("autodoc-skip-member", leave_out_fields)
    for part in ("description", "options", "epilog"):
        app.connect(f"sphinx-click-process-{part}", escape_help)
