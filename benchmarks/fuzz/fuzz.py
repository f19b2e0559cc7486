"""Mutated files into every reader: no exception but the documented ones, no hang, no memory, no file elsewhere.

    python benchmarks/fuzz/fuzz.py --count 10000 -o benchmarks/results/fuzz.md
    python benchmarks/fuzz/fuzz.py --format dicom --seed 7 --only 1234     # one input again

The corpus is ``tests/corpus``; ``--make-corpus`` writes it anew, but for what fuzz_covered.py found. Each format runs
in a process of its own, so that memory is its own. An input that fails is kept in ``fuzz-failures``.
"""

from __future__ import annotations

import argparse
import faulthandler
import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
from fuzz_grammar import mutate_inside
from fuzz_mutations import mutate
from fuzz_targets import TARGETS, check_message, documented

from hybridseg.bench.run.cost import peak_memory_mib
from hybridseg.data import DataWarning

CORPUS = Path(__file__).resolve().parents[2] / "tests" / "corpus"
FOUND = CORPUS / "found.zip"
"""What fuzz_covered.py found and kept: format, file of the corpus that it stands for, and the start of its hash."""
HANG_SECONDS = 10
MAX_RSS_MIB = 2048


class HangError(BaseException):
    """An input took longer than `HANG_SECONDS`."""


class Fuzzer:
    """A format's target, the folder that it reads in, and what is changed there."""

    def __init__(self, name: str, seed: int, top: Path) -> None:
        self.name, self.seed = name, seed
        self.box = top.resolve() / "box"
        shutil.copytree(CORPUS / name, self.box)
        (self.box / "out").mkdir()
        self.paths = sorted(path for path in self.box.rglob("*") if path.is_file() and not _is_beside(path))
        self.contents = [path.read_bytes() for path in self.paths]
        self.found = list(self._found())
        self.allowed = documented(name)
        self._warm_up()
        self.guard = Guard(self.box)
        self._before = self.guard.listing()

    def _warm_up(self) -> None:
        """Read the corpus as it is: what that imports mustn't count as time, nor be cut off."""
        import hybridseg.registry

        for path in self.paths:
            self._read(path)
        # Which methods are installed doesn't change, and finding out takes longer than all the rest.
        hybridseg.registry.available = functools.cache(hybridseg.registry.available)
        for method in hybridseg.registry.available() if self.name in ("model", "card") else ():
            hybridseg.registry.find_class(method)

    def _found(self) -> Iterator[tuple[Path, bytes]]:
        """Yield the inputs of `FOUND`, each with the file that it stands for."""
        if not FOUND.is_file():
            return
        with zipfile.ZipFile(FOUND) as archive:
            for member in archive.namelist():
                name, _, file = member.rpartition("/")[0].partition("/")
                if name == self.name:
                    yield self.box / file, archive.read(member)

    def _read(self, path: Path) -> None:
        TARGETS[self.name](self.box, str(path.relative_to(self.box)))

    def change(self, number: int) -> tuple[Path, bytes]:
        """Return which file the input of this number stands for, and its bytes: first come those that were found."""
        if number < len(self.found):
            return self.found[number]
        rng = random.Random(f"{self.seed} {self.name} {number}")
        chosen = rng.randrange(len(self.paths))
        how = mutate if rng.random() < 0.5 else mutate_inside
        return self.paths[chosen], how(self.contents[chosen], self.contents, rng)

    def run(self, path: Path, data: bytes) -> tuple[str, str]:
        """Return how reading ended, and what is wrong with that."""
        path.write_bytes(data)
        end, problem = "read", ""
        signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
        try:
            with self.guard, warnings.catch_warnings(record=True, action="always") as warned:
                self._read(path)
            # A slip in the name of a column is told as a warning.
            others = [each for each in warned if not issubclass(each.category, DataWarning)]
            problem = f"warned: {others[0].message}" if others else ""
        except self.allowed as error:
            end, problem = "refused", _message_problem(error)
        except HangError:
            problem = f"took more than {HANG_SECONDS} s"
        except BaseException:
            problem = traceback.format_exc()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            path.write_bytes(self.contents[self.paths.index(path)])
        problem, self.guard.problem = problem or self.guard.problem, ""
        return end, problem

    def strangers(self) -> str:
        """Return which files have appeared where none should, in words."""
        found = sorted(self.guard.listing() - self._before)
        return f"wrote {found[:3]}" if found else ""


def fuzz(name: str, count: int, seed: int, failures: Path, only: int | None = None) -> dict[str, Any]:
    """Run a format's target over mutated inputs; return counts. A failing input is kept below ``failures``."""
    ends: Counter[str] = Counter()
    slowest = 0.0
    signal.signal(signal.SIGPROF, hang)
    with tempfile.TemporaryDirectory(prefix="hybridseg-fuzz-") as top:
        fuzzer = Fuzzer(name, seed, Path(top))
        begin = time.process_time()
        for number in range(count) if only is None else [only]:
            if number % 100 == 0:  # against a hang in C code, which no signal ends
                faulthandler.dump_traceback_later(2000 * HANG_SECONDS, exit=True)
            path, data = fuzzer.change(number)
            start = time.process_time()
            end, problem = fuzzer.run(path, data)
            slowest = max(slowest, time.process_time() - start)
            if number % 500 == 0 or number == count - 1:
                problem = problem or fuzzer.strangers()
            if problem:
                end = "failed"
                keep_failure(failures / f"{name}-{seed}-{number}{path.suffix}", data, problem)
            ends[end] += 1
        faulthandler.cancel_dump_traceback_later()
        files = len(fuzzer.paths)
    seconds = time.process_time() - begin
    peak = peak_memory_mib() or 0.0  # not ru_maxrss, which begins with what the starting process had
    if peak > MAX_RSS_MIB:
        ends["failed"] += 1
        print(f"{name}: {peak:.0f} MiB, more than {MAX_RSS_MIB}", file=sys.stderr)
    return {
        "format": name, "files": files, "inputs": sum(ends.values()), "read": ends["read"],
        "refused": ends["refused"], "failed": ends["failed"], "seconds": round(seconds, 1),
        "slowest_s": round(slowest, 2), "peak_mib": round(peak),
    }  # fmt: skip


def keep_failure(path: Path, data: bytes, problem: str) -> None:
    """Write an input and what is wrong with how it ended, and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.with_name(f"{path.name}.txt").write_text(problem)
    print(f"{path}: {problem.strip().splitlines()[-1][:300]}", file=sys.stderr)


class Guard:
    """Watches what a target opens, makes, moves and starts, through Python's audit events."""

    _WRITES = ("os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.symlink", "os.link", "os.truncate", "os.chmod")
    _NEVER = (
        "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "pickle.find_class",
    )  # fmt: skip

    def __init__(self, box: Path) -> None:
        self.box, self.active, self.problem = str(box), False, ""
        packages = str(Path(numpy.__file__).resolve().parents[1])  # a reader imports what it needs
        self._readable = (self.box, str(CORPUS.parents[1]), packages, sys.prefix, sys.base_prefix,
                          "/usr", "/lib", "/proc/self")  # fmt: skip
        sys.addaudithook(self._heard)

    def __enter__(self) -> None:
        self.active = True

    def __exit__(self, *_: object) -> None:
        self.active = False

    def listing(self) -> set[str]:
        """Return what lies in the box and beside it, but for what a target may write."""
        top = Path(self.box).parent
        return {str(path) for path in top.rglob("*") if not str(path).startswith(f"{self.box}/out/")}

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event in self._NEVER:
            self.problem = f"{event} {arguments!r:.200}"
        elif event in self._WRITES:
            self._check(arguments[0], event, self._writable)
        elif event == "open" and not isinstance(arguments[0], int):
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            self._check(arguments[0], "open", self._writable if writes else self._readable)

    @property
    def _writable(self) -> tuple[str, ...]:
        return (f"{self.box}/out", os.devnull)

    def _check(self, path: Any, event: str, allowed: tuple[str, ...]) -> None:
        if isinstance(path, int):
            return
        real = os.path.realpath(os.fsdecode(path).split("\0")[0])
        if not any(real == each or real.startswith(f"{each}/") for each in allowed):
            self.problem = self.problem or f"{event} of {path!r}"


def _is_beside(path: Path) -> bool:
    """Whether a file of the corpus is there for another to refer to, or for its name, and isn't mutated itself."""
    return "beside" in path.parts or path.parent.name in ("images", "masks") or not path.stat().st_size


def _message_problem(error: BaseException) -> str:
    try:
        check_message(error)
    except AssertionError as problem:
        return str(problem)
    return ""


def hang(*_: object) -> None:
    """End what takes too long, as a handler of SIGPROF."""
    raise HangError


def main() -> int:
    """Run the formats asked for, each in its own process; return 1 if an input failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--format", action="append", choices=sorted(TARGETS))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="run the input of this number alone")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    parser.add_argument("-o", "--output", type=Path, help="write a page of results")
    parser.add_argument("--make-corpus", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.make_corpus:
        from fuzz_corpus import make_corpus

        make_corpus(CORPUS)
        return 0
    if asked.inside:
        rows = [fuzz(name, asked.count, asked.seed, asked.failures.resolve(), asked.only) for name in asked.format]
        print("\n".join("\t".join(map(str, row.values())) for row in rows))
        return int(any(row["failed"] for row in rows))
    lines, bad = [], False
    for name in asked.format or TARGETS:
        command = [sys.executable, __file__, "--inside", "--format", name, *_passed_on(asked)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        bad |= done.returncode != 0
        columns = done.stdout.split("\t") if done.stdout else [name, *["-"] * 4, "DIED", *["-"] * 3]
        lines.append("| " + " | ".join(column.strip() for column in columns) + " |")
        print(lines[-1], flush=True)
    if asked.output is not None:
        asked.output.write_text(_report(lines, asked), "utf-8")
    return int(bad)


def _passed_on(asked: argparse.Namespace) -> list[str]:
    only = [] if asked.only is None else ["--only", str(asked.only)]
    return ["--count", str(asked.count), "--seed", str(asked.seed), "--failures", str(asked.failures), *only]


def _report(lines: list[str], asked: argparse.Namespace) -> str:
    from hybridseg.processes.machine import describe_machine

    machine = describe_machine()
    return "\n".join([
        "# Mutated inputs", "",
        f"`python benchmarks/fuzz/fuzz.py --count {asked.count} --seed {asked.seed}`, one process a format; "
        f"{machine.get('cpu', 'unknown')}. Seconds are of processor time.", "",
        "Each input is a file of `tests/corpus` changed in one to eight places, half of them behind the checksums of "
        "PNG and zip. *Refused*: a documented error class with a message of one printable line. *Failed* would be any "
        f"other exception, more than {HANG_SECONDS} s, more than {MAX_RSS_MIB} MiB resident, a process or a connection "
        "started, a file read outside the input's folder or written outside its output folder (Python's audit events).",
        "",
        "| format | corpus files | inputs | read | refused | failed | seconds | slowest s | peak MiB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *lines, "",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
