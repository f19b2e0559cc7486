"""A report is given away, so it names files without the folders that they lie in on somebody's machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

Held = TypeVar("Held")
"""A document, or whatever else is made of dataclasses, tuples and texts."""

_START = r"(?:/(?!/)|[A-Za-z]:[\\/])"
_PATH = (
    rf"(?<=['\"`]){_START}[^'\"`\n]+(?=['\"`])"  # in quotes, where it may hold spaces
    rf"|(?:(?<![\w.~/\\<-])|(?<=\s-[a-zA-Z])){_START}[^\s'\"`<>|,;:()]+"  # alone, or behind a short option
)
_DRAWN = ("svg", "pictures", "latex", "markdown")
"""Fields that hold markup and image data, no sentences."""


def hide_paths(texts: Sequence[str], known: Iterable[str] = ()) -> list[str]:
    """Return texts in which each absolute path is its last part, or as many as tell it from the others.

    ``known`` paths are found also where they hold spaces.

    >>> hide_paths(["--data /home/me/BUSI", "/a/net.onnx", "/b/net.onnx", "mine/net.onnx", "and/or"])
    ['--data BUSI', 'a/net.onnx', 'b/net.onnx', 'mine/net.onnx', 'and/or']
    """
    path = re.compile("|".join([*map(re.escape, sorted(known, key=len, reverse=True)), _PATH]))
    short = _shortest({found for text in texts for found in path.findall(text)})
    return [path.sub(lambda found: short[found[0]], text) for text in texts]


def _shortest(paths: Iterable[str]) -> dict[str, str]:
    """Return for each path its shortest end that is no other's."""
    parts = {path: [part for part in re.split(r"[\\/]", path) if part] or [path] for path in paths}

    def end(path: str, count: int) -> str:
        return "/".join(parts[path][-count:])

    found = {}
    for path, own in parts.items():
        others = [other for other in parts if parts[other] != own]
        counts = (n for n in range(1, len(own) + 1) if all(end(other, n) != end(path, n) for other in others))
        found[path] = end(path, next(counts, len(own)))
    return found


def without_paths(document: Held, description: dict[str, Any]) -> Held:
    """Return a report, or a tuple of its parts, whose texts hold no absolute path; drawings have to come without.

    ``description`` is the run's, whose sources are known paths.
    """
    sources = [description.get("source"), *description.get("sources", {}).values()]
    known = [each for each in sources if each and re.match(_START, each)]
    before = list(_texts(document))
    changed = dict(zip(before, hide_paths(before, known), strict=True))
    result: Held = _changed(document, changed)
    return result


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _texts(each)
    elif is_dataclass(value):
        for field in fields(value):
            if field.name not in _DRAWN:
                yield from _texts(getattr(value, field.name))


def _changed(value: Any, texts: dict[str, str]) -> Any:
    if isinstance(value, str):
        return texts[value]
    if isinstance(value, tuple):
        return tuple(_changed(each, texts) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.name not in _DRAWN]
        return replace(value, **{name: _changed(getattr(value, name), texts) for name in names})
    return value
