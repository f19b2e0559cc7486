"""Names of earlier versions: they work, with a warning that says what to write instead."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")


def former(name: str, instead: str, value: Callable[[Any], Any]) -> Any:
    """Return a property for an attribute ``name`` of an earlier version; ``value`` finds it in an instance."""

    def read(instance: Any) -> Any:
        deprecated(name, instead)
        return value(instance)

    return property(read)


def former_keyword(name: str, instead: str) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Return a decorator of a function whose argument ``instead`` was called ``name`` in an earlier version."""

    def decorate(function: Callable[P, Result]) -> Callable[P, Result]:
        @functools.wraps(function)
        def call(*args: P.args, **given: P.kwargs) -> Result:
            if name in given:
                deprecated(name, instead)
                given[instead] = given.pop(name)
            return function(*args, **given)

        return call

    return decorate


def deprecated(name: str, instead: str) -> None:
    """Warn whoever uses a name of an earlier version."""
    warnings.warn(f"`{name}` is deprecated, write `{instead}`", DeprecationWarning, stacklevel=3)
