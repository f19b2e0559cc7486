"""Mutated files into every reader: no exception but the documented ones, no hang, no memory, no file elsewhere.

    python benchmarks/fuzz.py --count 10000 -o benchmarks/results/fuzz.md
    python benchmarks/fuzz.py --format dicom --seed 7 --only 1234     # one input again

The corpus is ``tests/corpus``; ``--make-corpus`` writes it anew. Each format runs in a process of its own, so that
memory is its own. An input that fails is kept in ``fuzz-failures``.
"""

from __future__ import annotations

import argparse
import faulthandler
import functools
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).resolve().parents[1] / "tests" / "corpus"
HANG_SECONDS = 10
MAX_RSS_MIB = 2048
WORDS = [
    b"..", b"/", b"\\", b"\0", b"\n", b"\r", b'"', b"'", b",", b";", b"[", b"]", b"{", b"}", b"NaN", b"Infinity", b"-1",
    b"1e999", b"null", b"true", b"0", b"9" * 40, b"9" * 5000, b"[" * 3000, b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    b"../../../../etc/passwd", b"/etc/passwd", b"C:\\a", b"%s%n", b"<b>", b"=1+1", b"a" * 300, b"\x1b[2J",
]  # fmt: skip
NUMBERS = [b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f",
           b"\0\0\0\x80", b"\xff\xff", b"\0\1", b"\1\0", b"\xfe\xff\xff\xff"]  # fmt: skip


class HangError(BaseException):
    """An input took longer than `HANG_SECONDS`."""


# ---- mutations -----------------------------------------------------------------------------------
def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return the bytes changed in one to eight places."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        at = rng.randrange(len(changed) + 1)
        length = rng.choice((1, 1, 2, 4, 8, 32, 200))
        kind = rng.randrange(10)
        if kind == 0 and changed:
            changed[at % len(changed)] ^= 1 << rng.randrange(8)
        elif kind == 1 and changed:
            changed[at % len(changed)] = rng.randrange(256)
        elif kind == 2:
            changed[at : at + length] = rng.randbytes(length)
        elif kind == 3:
            del changed[at : at + length]
        elif kind == 4:
            changed[at:at] = changed[at : at + length] * rng.choice((1, 2, 50))
        elif kind == 5:
            number = rng.choice(NUMBERS)
            changed[at : at + len(number)] = number
        elif kind == 6:
            word = rng.choice(WORDS)
            changed[at : at + rng.choice((0, len(word)))] = word
        elif kind == 7:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            changed[at : at + length] = other[start : start + rng.choice((length, len(other)))]
        elif kind == 8:
            del changed[at:]
        else:
            start = rng.randrange(len(changed) + 1)
            changed[at : at + length] = changed[start : start + length]
    return bytes(changed)


def mutate_inside(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return the bytes changed behind what would give a change away: a PNG's checksums, a zip's members."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        chosen = rng.choice(sorted(members))
        members[chosen] = mutate(members[chosen], list(members.values()), rng)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return stream.getvalue()
    if data.startswith(b"\x89PNG"):
        chunks, at = [], 8
        while at + 12 <= len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
            at += 12 + length
        chosen = rng.randrange(len(chunks))
        kind, body = chunks[chosen]
        if kind == b"IDAT":
            chunks[chosen] = (kind, zlib.compress(mutate(zlib.decompress(body), [body], rng)))
        else:
            chunks[chosen] = (kind, mutate(body, others, rng))
        return data[:8] + b"".join(
            len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
            for kind, body in chunks
        )
    return mutate(data, others, rng)


# ---- targets: each takes the folder that holds the mutated file, and writes below out/ only -------
def read_any_image(folder: Path, name: str, *, as_mask: bool) -> None:
    """Read facts, the first frames and, if asked for, masks; write what came of it."""
    import numpy as np

    from hybridseg.images import MAX_PIXELS, read_facts, read_image, read_mask, write_image, write_mask

    facts = read_facts(folder / name)
    for frame in range(min(facts.frames, 3)):
        chosen = frame if facts.frames > 1 else None
        if as_mask:
            mask = read_mask(folder / name, chosen)
            assert mask.dtype == np.bool_ and mask.ndim == 2
            if mask.size < 10_000:
                write_mask(folder / "out" / "mask.png", mask)
        else:
            image = read_image(folder / name, chosen)
            assert image.dtype == np.uint8 and image.ndim == 2 and 0 < image.size <= MAX_PIXELS
            if image.size < 10_000:
                write_image(folder / "out" / "image.png", image)


def read_a_manifest(folder: Path, name: str) -> None:
    from hybridseg.data import load_dataset, write_split
    from hybridseg.data.splits import grouped_folds

    dataset = load_dataset(folder / name)
    for case in dataset[:2]:
        case.read()
        case.content_hash()
    write_split(grouped_folds(dataset, 2), folder / "out" / "split.csv")


def read_a_split(folder: Path, name: str) -> None:
    from hybridseg.data import check_split, load_dataset, read_split

    dataset = load_dataset("phantoms[n=4]")
    try:
        read_split(folder / name, dataset)
    except ValueError as error:
        check_message(error)
    check_split(read_split(folder / name, dataset, skip_unknown=True), dataset)


def read_a_run(folder: Path, name: str) -> None:
    from hybridseg.bench.summary import summarize
    from hybridseg.bench.tables import render

    summary = summarize(folder)
    for form in ("text", "md", "csv", "json"):
        render(summary, form)


def read_a_suite(folder: Path, name: str) -> None:
    from hybridseg.cli._suite import read_suite
    from hybridseg.cli.bench import bench

    read_suite(str(folder / name), bench)


def read_a_model(folder: Path, name: str) -> None:
    import numpy as np

    import hybridseg
    from hybridseg.segmenter import NotFittedError

    model = hybridseg.load(folder / name)
    image = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    try:
        mask = model.predict(image)
    except NotFittedError:
        return
    assert mask.dtype == np.bool_ and mask.shape == image.shape
    model.save(folder / "out" / "again.hybridseg")


def documented(name: str) -> tuple[type[BaseException], ...]:
    """Return what a format's readers may raise."""
    from hybridseg.bench.records import RunError
    from hybridseg.data import DataError
    from hybridseg.images import ImageError
    from hybridseg.registry import MethodLoadError
    from hybridseg.segmenter import ModelFormatError

    return {
        "manifest": (DataError, ImageError),
        "split": (DataError,),
        "run": (RunError,),
        "suite": (ValueError,),
        "model": (ModelFormatError, MethodLoadError),
    }.get(name, (ImageError,))


IMAGES = ("png", "jpeg", "tiff", "bmp", "dicom")
TARGETS: dict[str, Any] = {
    **{name: lambda folder, file: read_any_image(folder, file, as_mask=False) for name in IMAGES},
    "mask": lambda folder, file: read_any_image(folder, file, as_mask=True),
    "manifest": read_a_manifest,
    "split": read_a_split,
    "run": read_a_run,
    "suite": read_a_suite,
    "model": read_a_model,
}


def check_message(error: BaseException) -> None:
    """Fail unless an error is one printable line of bearable length."""
    text = str(error)
    assert text.isprintable() and 0 < len(text) < 6000, f"not one line: {text[:300]!r}"


# ---- one format ----------------------------------------------------------------------------------
class Fuzzer:
    """A format's target, the folder that it reads in, and what is changed there."""

    def __init__(self, name: str, seed: int, top: Path) -> None:
        self.name, self.seed = name, seed
        self.box = top.resolve() / "box"
        shutil.copytree(CORPUS / name, self.box)
        (self.box / "out").mkdir()
        self.paths = sorted(path for path in self.box.rglob("*") if path.is_file() and not _is_beside(path))
        self.contents = [path.read_bytes() for path in self.paths]
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
        for method in hybridseg.available() if self.name == "model" else ():
            hybridseg.registry.find_class(method)

    def _read(self, path: Path) -> None:
        TARGETS[self.name](self.box, str(path.relative_to(self.box)))

    def change(self, number: int) -> tuple[Path, bytes]:
        """Return which file the input of this number stands for, and its bytes."""
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
            with self.guard:
                self._read(path)
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
    signal.signal(signal.SIGPROF, _hang)
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
                _keep(failures / f"{name}-{seed}-{number}{path.suffix}", data, problem)
            ends[end] += 1
        faulthandler.cancel_dump_traceback_later()
        files = len(fuzzer.paths)
    seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if peak > MAX_RSS_MIB:
        ends["failed"] += 1
        print(f"{name}: {peak:.0f} MiB, more than {MAX_RSS_MIB}", file=sys.stderr)
    return {
        "format": name, "files": files, "inputs": sum(ends.values()), "read": ends["read"],
        "refused": ends["refused"], "failed": ends["failed"], "seconds": round(seconds, 1),
        "slowest_s": round(slowest, 2), "peak_mib": round(peak),
    }  # fmt: skip


def _keep(path: Path, data: bytes, problem: str) -> None:
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
        self._readable = (self.box, str(CORPUS.parents[1]), sys.prefix, sys.base_prefix, "/usr", "/lib", "/proc/self")
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
    """Whether a file of the corpus is there for another to refer to, and isn't mutated itself."""
    return "beside" in path.parts or path.parent.name in ("images", "masks")


def _message_problem(error: BaseException) -> str:
    try:
        check_message(error)
    except AssertionError as problem:
        return str(problem)
    return ""


def _hang(*_: object) -> None:
    raise HangError


# ---- all formats ---------------------------------------------------------------------------------
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
    from hybridseg.bench.machine import describe_machine

    machine = describe_machine()
    return "\n".join([
        "# Mutated inputs", "",
        f"`python benchmarks/fuzz.py --count {asked.count} --seed {asked.seed}`, one process a format; "
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
