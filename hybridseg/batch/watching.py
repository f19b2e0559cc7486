"""Segmenting what arrives in a folder, for as long as nobody stops it.

The log has a JSON line per file. With it, and with the masks that are there, a watch that was killed goes on where it
was. No file is lost, and none is segmented twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import is_part, remove_parts
from ..registry import create_trained
from .one_file import segment_file
from .outputs import Mask, Output
from .planning import Job, JobPlan, with_spacing
from .segmenting import check_refusal, default_method
from .work import Work

if TYPE_CHECKING:
    from ..segmenter import Segmenter

State = tuple[int, int]
"""A file's bytes and the time of its last change in ns: equal at two looks, it is taken to be whole."""

LOG = "watch.jsonl"


def watch(
    folder: Path,
    output: Path,
    wait: Callable[[], None],
    *,
    method: str = "",
    outputs: Sequence[Output] = (),
    spacing_mm: float | Mapping[Path, float] | None = None,
    refuse_below: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Segment each file below a folder once it no longer changes; yield the log's lines, a file at a time.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders at every look. Hidden files wait until they are renamed.
    output : Path
        Outside ``folder``: masks are called ``<name.ending>_mask.png``, since no later file may claim that name. The
        log is ``watch.jsonl`` there.
    wait : callable
        Called between two looks; what it raises ends the watch.
    method, outputs, spacing_mm, refuse_below
        As in `plan_batch`.

    Raises
    ------
    ValueError
        If ``folder`` isn't one, ``output`` lies in it, the method can't work, or the log is damaged.
    ImportError
        If an output needs a package that isn't installed.
    """
    from ..text import printable

    if not folder.is_dir():
        raise ValueError(f"`--watch` needs a folder, got {printable(folder)}")
    if output.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{printable(output)} lies in the watched folder; give one outside it with -o")
    work = Work(method or default_method(), (Mask(), *outputs), existing="skip", refuse_below=refuse_below)
    for each in work.outputs:
        each.check()
    model = create_trained(work.spec)
    model._check_state()
    check_refusal(model, work)
    output.mkdir(parents=True, exist_ok=True)
    remove_parts(output)
    settled = _read_log(output / LOG)
    before: dict[str, State] = {}
    with open(output / LOG, "ab", buffering=0) as log:
        while True:
            now = dict(_look(folder))
            for name in sorted(now):
                if settled.get(name) == now[name] or before.get(name) != now[name]:
                    continue
                files = {each.name: output / f"{name}{each.suffix}" for each in work.outputs}
                job = Job(folder / name, files)
                if spacing_mm is not None:
                    job = with_spacing(JobPlan([job], [], []), spacing_mm).jobs[0]
                entry = {"image": name, "bytes": now[name][0], "mtime_ns": now[name][1], **_settle(model, work, job)}
                log.write((json.dumps(entry) + "\n").encode("ascii"))  # one write: whole, or the torn last line
                settled[name] = now[name]
                yield entry
            before = now
            wait()


def _settle(model: Segmenter, work: Work, job: Job) -> dict[str, Any]:
    """Segment a file; return what became of it."""
    from ..images import why_no_image

    moment = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        reason = why_no_image(job.image)
    except OSError as error:
        return {"status": "failed", "reason": error.strerror or str(error), "time": moment}
    if reason:
        return {"status": "passed over", "reason": reason, "time": moment}
    done = segment_file(model, work, 0, job)
    if done.error:
        return {"status": "failed", "reason": done.error, "time": moment}
    # Nothing was written where an earlier watch was killed between the mask and its line here.
    status = "done" if done.lines else "refused" if done.refused else "was there"
    counts = {"refused": len(done.refused), "out_of_scope": len(done.strange)}
    return {"status": status, "frames": len(done.lines), **{key: n for key, n in counts.items() if n}, "time": moment}


def _look(folder: Path) -> Iterator[tuple[str, State]]:
    """Yield every file's name below the folder with its state; those that vanish meanwhile are left out."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(root, name) for name in files if not (name.startswith(".") or is_part(name))):
            try:
                status = path.stat()
            except OSError:
                continue
            yield path.relative_to(folder).as_posix(), (status.st_size, status.st_mtime_ns)


def _read_log(path: Path) -> dict[str, State]:
    """Return the state in which each file was when it was dealt with; a torn last line is cut off."""
    from ..text import printable

    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    settled = {}
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            entry = json.loads(line)
            settled[str(entry["image"])] = (int(entry["bytes"]), int(entry["mtime_ns"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ValueError(f"{printable(path)} line {number} isn't one of a watch") from None
    return settled
