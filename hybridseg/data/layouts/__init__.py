"""Layouts of data sets, each as its authors ship it: one small description a file, and the code that reads them all.

A new layout is a module here with ``LAYOUT = Layout(...)`` and its name in `BUILT_IN`. A package offers its own
through the entry-point group ``hybridseg.layouts``, which names such an object.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata

from ..cases import DataError
from .layout import FoldFile, Layout, Table

__all__ = ["BUILT_IN", "GROUP", "FoldFile", "Layout", "Table", "known_layouts"]

BUILT_IN = ("breast", "bus_bra", "bus_uclm", "busi", "stu", "udiat")
GROUP = "hybridseg.layouts"


@functools.cache
def known_layouts() -> tuple[Layout, ...]:
    """Return every layout: those that ship, then those of installed packages.

    Raises
    ------
    DataError
        If an installed package's entry point can't be loaded or isn't a `Layout`, or two layouts have one name.
    """
    layouts = [importlib.import_module(f".{name}", __name__).LAYOUT for name in BUILT_IN]
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            layout = entry.load()
        except Exception as error:  # whatever an outsider's module raises
            raise DataError(f"layout `{entry.name}` ({entry.value}) can't be loaded: {error}") from error
        if not isinstance(layout, Layout):
            raise DataError(f"layout `{entry.name}` ({entry.value}) must be a Layout, got {type(layout).__name__}")
        layouts.append(layout)
    names = [layout.name for layout in layouts]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"two layouts are called `{twice[0]}`")
    return tuple(layouts)
