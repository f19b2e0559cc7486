"""Suites: a TOML file that gives options of a command, under their own long names."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

_MAX_BYTES = 2**20
_NOT_IN_FILES = ("dry-run", "help")
_ONE_SEED = "a run has one `seed`: run the suite once for each, with --seed and another -o"
_WHY_NOT = {
    "seeds": _ONE_SEED,
    "metrics": "every run has all metrics; `compare` and `recommend` choose one with --metric",
    "metric": "every run has all metrics; `compare` and `recommend` choose one with --metric",
}
"""What isn't an option for a reason that is better than the nearest name."""
_MEANT = {"dataset": "data", "model": "method", "models": "method", "out": "output", "run": "output"}


def take_suite(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Make a suite's values the defaults of the command, so that the command line overrides them."""
    del parameter
    if value is not None:
        ctx.default_map = read_suite(value, ctx.command)


def read_suite(path: str, command: click.Command) -> dict[str, Any]:
    """Return a suite's values by the names of the command's parameters.

    Raises
    ------
    ValueError
        If the file isn't TOML, names an option that isn't there, or gives one a value of another type.
    FileNotFoundError
    """
    from ..files import read_regular

    file = Path(path)
    if not file.is_file():
        hint = "" if file.suffix == ".toml" else " (a method is given with -m)"
        raise FileNotFoundError(f"{path}: no such suite{hint}")
    try:
        written = tomllib.loads(read_regular(file, _MAX_BYTES).decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise ValueError(f"{path}: not TOML: nested too deeply") from None
    options = suite_options(command)
    values: dict[str, Any] = {}
    for key, value in written.items():
        if key not in options:
            raise ValueError(f"{path}: unknown key `{key}`{_hint(key, options)} known: {', '.join(options)}")
        if key == "seed" and isinstance(value, list):
            raise ValueError(f"{path}: `seed` is a list, but {_ONE_SEED}")
        values[str(options[key].name)] = _checked(options[key], value, f"{path}: `{key}`")
    return values


def _hint(key: str, options: Iterable[str]) -> str:
    if key in _WHY_NOT:
        return f": {_WHY_NOT[key]};"
    word = key.lower().replace("_", "-")
    near = _MEANT.get(word) or difflib.get_close_matches(word, options, n=1, cutoff=0.0)[0]
    return f", did you mean `{near}`?"


def suite_options(command: click.Command) -> dict[str, click.Option]:
    """Return a command's options by their long names."""
    found = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            name = max(parameter.opts, key=len).removeprefix("--")
            if name not in _NOT_IN_FILES:
                found[name] = parameter
    return found


def _checked(option: click.Option, value: Any, what: str) -> Any:
    """Return a value of the option's own type; a single one will do where several may stand."""
    if option.multiple:
        values = value if isinstance(value, list) else [value]
        return [_checked_one(option, each, what) for each in values]
    return _checked_one(option, value, what)


def _checked_one(option: click.Option, value: Any, what: str) -> Any:
    kind: type = str
    if option.is_flag:
        kind = bool
    elif isinstance(option.type, click.types.IntParamType):
        kind = int
    if type(value) is not kind:
        words = {str: "text in quotes", int: "an integer", bool: "true or false"}
        raise ValueError(f"{what} must be {words[kind]}, got {value!r}")
    return value
