"""Describe, load and run damaged ONNX files: each must end in a mask or in one line that says what is wrong.

    python benchmarks/fuzz/fuzz_onnx.py model.onnx... --count 10000 -o benchmarks/results/fuzz_onnx.md

A mutant that ends otherwise is kept in the folder ``fuzz-failures``. Mutants run in child processes, so that one that
crashes, hangs or takes too much memory is named and the others go on.
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import random
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

BATCH = 250
SECONDS_PER_BATCH = 300
MEMORY_BYTES = 2**31
FAILURES = Path("fuzz-failures")


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Return a copy with one to four wounds: bits flipped, bytes set, parts cut out, doubled or moved."""
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(damaged) + 1)
        length = min(rng.choice((1, 1, 2, 4, 16, 200)), len(damaged) - at)
        kind = rng.randrange(6)
        if kind == 0 and length:
            damaged[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            values = (0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256))
            damaged[at : at + length] = bytes(rng.choice(values) for _ in range(length))
        elif kind == 2:
            del damaged[at : at + length]
        elif kind == 3:
            damaged[at:at] = damaged[at : at + length]
        elif kind == 4:
            there = rng.randrange(len(damaged) + 1)
            damaged[there:there] = damaged[at : at + length]
        elif kind == 5 and rng.random() < 0.2:
            del damaged[at:]
        if not damaged:
            break
    return bytes(damaged)


def mutants(seeds: Sequence[Path], count: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """Yield (number, damaged file), always the same for one ``seed``."""
    contents = [path.read_bytes() for path in seeds]
    for number in range(count):
        rng = random.Random(f"{seed}-{number}")
        yield number, mutate(rng.choice(contents), rng)


def attempt(data: bytes, path: Path) -> str:
    """Return how a file ends: ``ran``, ``refused``, or ``unexpected`` and why; it is described besides."""
    import numpy as np

    from hybridseg import OnnxSegmenter
    from hybridseg.onnx import describe

    path.write_bytes(data)
    try:
        describe(path)
    except ValueError as error:
        if "\n" in str(error) or str(path) not in str(error):
            return f"unexpected: describe: {error}"
    except Exception as error:  # the point of this program
        return f"unexpected: describe: {type(error).__name__}: {error}"
    image = np.random.default_rng(0).integers(0, 256, (17, 23), dtype=np.uint8)
    try:
        mask = OnnxSegmenter.load(path).predict(image)
    except (ValueError, RuntimeError) as error:  # what callers and the command line expect
        return "refused" if "\n" not in str(error) else f"unexpected: several lines: {error}"
    except Exception as error:  # the point of this program
        return f"unexpected: {type(error).__name__}: {error}"
    return "ran" if mask.shape == image.shape else f"unexpected: a mask of {mask.shape}"


def run_batch(batch: list[tuple[int, bytes]], path: Path, queue: Any) -> None:
    """Try files in this process, which may take `MEMORY_BYTES` more than it has now."""
    attempt(batch[0][1], path)  # imports
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for number, data in batch:
        queue.put((number, attempt(data, path)[:150]))


def fuzz(seeds: Sequence[Path], count: int, seed: int, folder: Path) -> dict[str, int]:
    """Return how many of ``count`` mutants ran, were refused, or ended otherwise; print and keep the last kind."""
    context = multiprocessing.get_context("spawn")
    counts: collections.Counter[str] = collections.Counter(ran=0, refused=0, unexpected=0)
    waiting = dict(mutants(seeds, count, seed))
    while waiting:
        batch = list(waiting.items())[:BATCH]
        queue = context.SimpleQueue()
        process = context.Process(target=run_batch, args=(batch, folder / "mutant.onnx", queue))
        process.start()
        process.join(SECONDS_PER_BATCH)
        if process.is_alive():
            process.kill()
            process.join()
        ends = []
        while not queue.empty():
            ends.append(queue.get())
        if len(ends) < len(batch):
            number = batch[len(ends)][0]
            ends.append((number, f"unexpected: the process ended with {process.exitcode}"))
        for number, end in ends:
            data = waiting.pop(number)
            counts[end.partition(":")[0]] += 1
            if end.startswith("unexpected"):
                print(f"mutant {number}: {end}", file=sys.stderr)
                FAILURES.mkdir(exist_ok=True)
                (FAILURES / f"{seed}-{number}.onnx").write_bytes(data)
    return dict(counts)


def main() -> None:
    """Fuzz from the files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, help="write a page of results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = fuzz(options.seeds, options.count, options.seed, Path(folder))
    print(", ".join(f"{count} {end}" for end, count in counts.items()))
    if options.output is not None:
        options.output.write_text(_page(options, counts), "utf-8")
    sys.exit(1 if counts["unexpected"] else 0)


def _page(options: argparse.Namespace, counts: dict[str, int]) -> str:
    from hybridseg.processes.machine import describe_machine

    names = " ".join(path.name for path in options.seeds)
    return "\n".join([
        "# Damaged ONNX files", "",
        f"`python benchmarks/fuzz/fuzz_onnx.py {names} --count {options.count} --seed {options.seed}`, on an "
        f"{describe_machine()['cpu']}", "",
        "| " + " | ".join(counts) + " |", "|" + "---:|" * len(counts),
        "| " + " | ".join(map(str, counts.values())) + " |", "",
        "Each file is one of those named with one to four wounds. *Ran*: it gave a mask. *Refused*: a documented error "
        "of one line. *Unexpected* would be any other exception, a crash, "
        f"more than {MEMORY_BYTES // 2**20} MiB, or {BATCH} files taking more than {SECONDS_PER_BATCH} s.", "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
