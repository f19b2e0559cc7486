"""Code that isn't hybridseg's: a method's own. It can't silently end this process or leave it in another folder."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator

DEBUG = "HYBRIDSEG_DEBUG"
"""Set it to see tracebacks."""

end_process = os._exit
"""The real ``os._exit``, for whoever means it; see `contained`."""


_MARK = "raised by a method's code, or by what it calls"
_OURS = ("hybridseg", "hybridseg_baselines", "hybridseg_networks")


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Run a method's own code in a ``with`` block, in one thread at a time.

    The working folder is put back afterwards. ``os._exit`` raises SystemExit in the block, but not in a process that
    the method has forked. Compiled code can still end the process.

    Raises
    ------
    RuntimeError
        In place of SystemExit and whatever else ``except Exception`` would let through. An interrupt stays one.
    """
    folder, process, before = os.getcwd(), os.getpid(), os._exit

    def refuse(status: int) -> None:
        if os.getpid() != process:
            end_process(status)
        raise SystemExit(f"os._exit({status})")

    vars(os)["_exit"] = refuse
    try:
        yield
    except KeyboardInterrupt:
        raise
    except Exception as error:
        if _is_raised_elsewhere(error):
            error.add_note(_MARK)
        raise
    except BaseException as error:
        said = " ".join(str(error).split())
        raise RuntimeError(f"it raised {type(error).__name__}{f': {said}' if said else ''}") from error
    finally:
        vars(os)["_exit"] = before
        os.chdir(folder)


def is_of_a_guest(error: BaseException) -> bool:
    """Return whether code that isn't hybridseg's raised this in a `contained` block: its text needs its type."""
    return _MARK in getattr(error, "__notes__", ())


def _is_raised_elsewhere(error: BaseException) -> bool:
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] not in _OURS


def show_traceback(error: BaseException) -> None:
    """Print where an exception comes from that becomes one line elsewhere, if `DEBUG` is set."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
