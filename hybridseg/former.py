"""Names of earlier versions: they work, with a warning that says what to write instead."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any


def former(name: str, instead: str, value: Callable[[Any], Any]) -> Any:
    """Return a property for an attribute ``name`` of an earlier version; ``value`` finds it in an instance."""

    def read(instance: Any) -> Any:
        deprecated(name, instead)
        return value(instance)

    return property(read)


def deprecated(name: str, instead: str) -> None:
    """Warn whoever uses a name of an earlier version."""
    warnings.warn(f"`{name}` is deprecated, write `{instead}`", DeprecationWarning, stacklevel=3)
