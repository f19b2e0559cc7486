"""The command line's process and the outside: streams that may be closed, and signals that end it."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

import click

from ..guests import end_process


def take_over() -> None:
    """Prepare this process, which runs the command line and nothing else."""
    _open_streams()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)


def _open_streams() -> None:
    """Open those of stdin, stdout and stderr that are closed. Else prints would land in the next file that is opened.

    Reading such a stdin and writing such a stdout fail. What is said on such a stderr is lost.
    """
    for name, usage, mode in (("stdin", os.O_WRONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, usage)
            os.set_inheritable(opened, True)
            setattr(sys, name, os.fdopen(opened, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may hold what the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")


_SAID = {signal.SIGINT: "hybridseg: interrupted", signal.SIGTERM: "hybridseg: terminated"}


def _stop(number: int, frame: FrameType | None) -> None:
    """Have everything clean up behind itself; a second signal doesn't wait for it."""
    signal.signal(number, _stop_now)
    raise KeyboardInterrupt(number)


def _stop_now(number: int, frame: FrameType | None) -> None:
    """End as a killed process does, which loses nothing; but with an exit code."""
    with contextlib.suppress(OSError):
        os.write(2, f"{_SAID[signal.Signals(number)]}\n".encode())
    end_process(128 + number)


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """Turn a signal, or a reader that has left, into an exit code, quietly."""
    try:
        yield
    except KeyboardInterrupt as stop:
        number = signal.Signals(stop.args[0] if stop.args else signal.SIGINT)
        if signal.getsignal(number) is _stop_now:
            signal.signal(number, signal.SIG_IGN)  # Python puts the default back before it ends
        say(_SAID[number])
        raise click.exceptions.Exit(128 + number) from None
    except BrokenPipeError:
        raise click.exceptions.Exit(141) from None


def give_up_streams() -> None:
    """Throw away what stdout or stderr won't take: Python would complain once more, and change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(text: str) -> None:
    """Say something on stderr; where that is full or left by its reader, the exit code has to do."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)
