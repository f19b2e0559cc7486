"""Shards of a job array: every n-th unit, from the k-th."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


# ---- job arrays ---------------------------------------------------------------------------------
def parse_shard(text: str) -> tuple[int, int]:
    """Return k and n of ``k/n``, k counted from 1.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> parse_shard("2/8")
    (2, 8)
    """
    part, slash, parts = text.partition("/")
    if slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts):
        return int(part), int(parts)
    raise ValueError(f"`shard` must be k/n with k from 1 to n, for example 2/8, got `{text}`")


def shard_of(units: Iterable[Any], shard: tuple[int, int] | None) -> list[Any]:
    """Return every n-th unit, from the k-th; all of them without a shard."""
    k, n = shard or (1, 1)
    return list(units)[k - 1 :: n]
