"""Examples at the end of a verb's help."""

from __future__ import annotations


def examples(*commands: str) -> str:
    """Return the end of a help text: commands without their first word, each on a line of its own."""
    return "\n".join(["\b", "Examples:", *(f"  hybridseg {command}" for command in commands)])
