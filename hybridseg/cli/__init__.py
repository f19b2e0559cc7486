"""The command line. Verbs are imported when they are invoked: ``hybridseg --help`` imports click only."""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from ..guests import DEBUG, is_of_a_guest
from ..limits import own_process
from ..version import __version__
from ._process import give_up_streams, say, stopping, take_over

VERBS = {
    "bench": "Score methods on data, fold by fold, and print the table.",
    "merge": "Join run folders: shards, or other methods on the same data.",
    "score": "Score masks made by anybody: another tool's output, a second reader's.",
    "report": "Write a run as a page to read: tables, plots, cases, how it was made.",
    "compare": "Compare two runs, paired by case.",
    "recommend": "Name the most accurate model within a budget of time, size and mistakes.",
    "segment": "Write lesion masks for images. Not for diagnosis.",
    "fit": "Train a method on a data set and save it.",
    "methods": "List the installed methods.",
    "page": "Write a page that segments pictures in a browser, offline. Not for diagnosis.",
    "models": "List the trained models that ship.",
    "info": "Describe a method, a model, an image or a run folder.",
    "export": "Write a method or a model as one ONNX file.",
    "data": "Inspect data sets, find near-duplicates, make and check splits, write phantoms.",
}
"""Each verb lives in the module of its name, as a command of its name."""


class LazyGroup(click.Group):
    """A group that knows its verbs by name, and turns what goes wrong into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order in which a newcomer meets them."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb's module and return its command."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(importlib.import_module(f".{cmd_name}", __name__), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, which knows no name to propose for a verb that isn't imported."""
        if args[0] not in VERBS and not ctx.resilient_parsing:  # shell completion asks, too
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, 1)
            if near:
                raise click.UsageError(f"no such command `{args[0]}`; did you mean `{near[0]}`?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments, and print the help or the version if asked to."""
        with stopping():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; a signal or a reader that has left ends it, quietly."""
        if os.environ.get(DEBUG):
            return super().invoke(ctx)
        with stopping():
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run. Exit codes: 0 done, 1 done with failures, 2 wrong input; 130 and 143 by a signal, 141 nobody reads."""
        if not standalone_mode or os.environ.get(DEBUG):
            return super().main(args, prog_name, complete_var, standalone_mode, **extra)
        if args is None:  # not a test's, in a process of its own
            take_over()
            own_process()
        # Python looks for cycles among all that is imported, again and again and once more at the end: 0.04 s of 0.3.
        gc.set_threshold(50_000)
        atexit.register(gc.freeze)
        warnings.showwarning = _show_warning
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            say(error.format_message())
            code = 2
        except click.ClickException as error:
            context = getattr(error, "ctx", None)
            where = context.command_path if context else "hybridseg"
            code = _fail(f"{where}: {error.format_message()}")
        except click.Abort:  # an interrupt while the arguments were read
            say("hybridseg: interrupted")
            code = 130
        except OSError as error:
            code = _fail(f"hybridseg: {_os_error(error)}")
        except (ValueError, KeyError, ImportError, NotImplementedError, RuntimeError, TypeError) as error:
            text = error.args[0] if isinstance(error, KeyError) and error.args else error
            # Python's own words, not ours: a slip in a plug-in, mostly.
            slip = isinstance(error, TypeError) or (isinstance(error, ImportError) and error.name is not None)
            if is_of_a_guest(error):
                text, slip = f"{type(error).__name__}: {error}", True
            code = _fail(f"hybridseg: {text}{f' ({DEBUG}=1 shows where)' if slip else ''}")
        except MemoryError:
            code = _fail("hybridseg: out of memory")
        give_up_streams()
        sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> int:
    # A name in it may hold anything, also what moves a terminal's cursor.
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(message.split()))
    say(line)
    return 2


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning as one line on stderr."""
    from ..text import printable

    click.echo(f"hybridseg: {printable(' '.join(str(message).split()))}", err=True)


def _os_error(error: OSError) -> str:
    if error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if error.errno == errno.EBADF:
        return "stdin or stdout is closed"
    return str(error)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="hybridseg")
def main() -> None:
    """Find lesions in breast-ultrasound images: segment, train, compare, export.

    `hybridseg COMMAND --help` tells a command's options, with examples.

    For research. Not a medical device: not for diagnosis.
    """
