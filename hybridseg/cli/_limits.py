"""Options for what a model may take. They set the environment, which every process of the command has."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from ..limits import DEFAULTS, MAX_MEMORY_MB, MAX_SECONDS


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--max-seconds`` and ``--max-memory-mb`` to a command that runs models."""
    seconds, memory = DEFAULTS[MAX_SECONDS], DEFAULTS[MAX_MEMORY_MB]
    for add in (
        click.option(
            "--max-memory-mb", type=click.IntRange(1), metavar="MB", expose_value=False, callback=_set(MAX_MEMORY_MB),
            help=f"Refuse a network, ONNX model or image that needs more memory [default: {memory}].",
        ),
        click.option(
            "--max-seconds", type=click.IntRange(1), metavar="N", expose_value=False, callback=_set(MAX_SECONDS),
            help="Stop a network or ONNX model that takes longer to open or for one image, and a file that takes "
            f"longer to read [default: {seconds}].",
        ),
    ):  # fmt: skip
        command = add(command)
    return command


def _set(variable: str) -> Callable[[click.Context, click.Parameter, int | None], None]:
    def callback(ctx: click.Context, parameter: click.Parameter, value: int | None) -> None:
        if value is not None:
            os.environ[variable] = str(value)

    return callback
