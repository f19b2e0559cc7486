"""Our entries in a file's ``metadata_props``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIX = "hybridseg."
"""What the keys of our entries in a file's ``metadata_props`` begin with."""


def set_metadata(model: Any, entries: Mapping[str, str], *, keep: bool) -> None:
    """Set ``hybridseg.*`` entries of a model; with ``keep``, those that it has already stay as they are."""
    existing = {entry.key: entry for entry in model.metadata_props}
    for name, text in entries.items():
        key = PREFIX + name
        if key not in existing:
            model.metadata_props.add(key=key, value=str(text))
        elif not keep:
            existing[key].value = str(text)
