"""Fuzzing led by coverage, with atheris (``pip install atheris``, Linux): every format of fuzz_targets in turn.

    python benchmarks/fuzz/fuzz_covered.py --minutes 480 --work fuzz-work
    python benchmarks/fuzz/fuzz_covered.py --work fuzz-work --keep -o benchmarks/results/fuzz_covered.md

Inputs that reach something new in the Python of hybridseg, Pillow, pydicom or nibabel are kept below ``--work``,
beside a line of counts for each round; a second call goes on from there. Compiled decoders run, but aren't measured.
Failures are kept as in fuzz.py, whose rules hold. ``--keep`` writes ``tests/corpus/found.zip`` anew: of what was found,
the smallest inputs that still go through every branch of hybridseg. The tests read them again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz import FOUND, HANG_SECONDS, MAX_RSS_MIB, Fuzzer, hang, keep_failure
from fuzz_grammar import mutate_inside
from fuzz_mutations import mutate
from fuzz_targets import TARGETS

PACKAGES = ["hybridseg", "hybridseg_baselines", "PIL", "pydicom", "nibabel"]
MAX_INPUT_BYTES = 2**16
MAX_SAME_FAILURES = 3


def fuzz_inside(name: str, work: Path, seconds: int, seed: int) -> None:
    """Run atheris on a format; this never returns. Byte 0 of an input says which file of the corpus it stands for."""
    import atheris

    signal.signal(signal.SIGPROF, hang)
    top = tempfile.TemporaryDirectory(prefix="hybridseg-fuzz-")
    with atheris.instrument_imports(include=PACKAGES):
        fuzzer = Fuzzer(name, seed, Path(top.name))
    corpus, failures = work / "corpus" / name, work / "failures"
    corpus.mkdir(parents=True, exist_ok=True)
    failures.mkdir(exist_ok=True)
    for path, data in [*zip(fuzzer.paths, fuzzer.contents, strict=True), *fuzzer.found]:
        content = bytes([fuzzer.paths.index(path)]) + data
        (corpus / hashlib.sha1(content).hexdigest()).write_bytes(content)
    seen: dict[str, int] = {}
    end = time.process_time() + seconds

    def read(data: bytes) -> None:
        if time.process_time() > end:
            os.kill(os.getpid(), signal.SIGUSR1)  # libFuzzer ends, with its counts
        path, content = as_input(fuzzer, data)
        _, problem = fuzzer.run(path, content)
        if problem:
            place = "\n".join(problem.strip().splitlines()[-3:-1]) or problem
            seen[place] = seen.get(place, 0) + 1
            if seen[place] <= MAX_SAME_FAILURES:
                digest = hashlib.sha1(data).hexdigest()[:12]
                keep_failure(failures / f"{name}-{digest}{path.suffix}", content, problem)

    def change(data: bytes, most: int, number: int) -> bytes:
        rng = random.Random(number)
        how = rng.randrange(4)
        if how == 0 or len(data) < 2:
            return bytes(atheris.Mutate(data, most))
        changed = (mutate if how == 1 else mutate_inside)(data[1:], fuzzer.contents, rng)
        return (data[:1] + changed)[:most]

    options = [
        f"-seed={seed}", f"-max_len={MAX_INPUT_BYTES}", "-len_control=0",
        f"-rss_limit_mb={MAX_RSS_MIB}", f"-timeout={100 * HANG_SECONDS}", "-print_final_stats=1",
        f"-artifact_prefix={failures}/{name}-ended-",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], read, custom_mutator=change)
    atheris.Fuzz()


def as_input(fuzzer: Fuzzer, data: bytes) -> tuple[Path, bytes]:
    """Return which file an input of libFuzzer stands for, and that file's content."""
    return fuzzer.paths[data[0] % len(fuzzer.paths) if data else 0], data[1:]


def run_round(name: str, work: Path, seconds: int, seed: int) -> dict[str, Any]:
    """Fuzz a format in a process of its own; return counts."""
    before = _cpu_seconds()
    command = [sys.executable, __file__, "--inside", name, "--work", str(work)]
    command += ["--seconds", str(seconds), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    said = done.stderr
    executed = re.findall(r"stat::number_of_executed_units:\s*(\d+)", said)
    reached = re.findall(r"cov: (\d+)", said)
    counts = {
        "format": name, "executions": int(executed[-1]) if executed else 0,
        "edges_first": int(reached[0]) if reached else 0, "edges_last": int(reached[-1]) if reached else 0,
        "cpu_seconds": round(_cpu_seconds() - before, 1), "exit_code": done.returncode,
    }  # fmt: skip
    if done.returncode:
        (work / f"{name}-{seed}.log").write_text(said[-20_000:])
    with (work / "rounds.jsonl").open("a") as stream:
        stream.write(json.dumps(counts) + "\n")
    return counts


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def smallest(name: str, work: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each input that is to be kept, after the name of the file in the corpus that it stands for."""
    import coverage

    reached: set[tuple[str, int, int]] = set()
    with tempfile.TemporaryDirectory(prefix="hybridseg-fuzz-") as top:
        fuzzer = Fuzzer(name, 0, Path(top))
        own = [*zip(fuzzer.paths, fuzzer.contents, strict=True)]
        files = (work / "corpus" / name).glob("*")
        made = sorted({each.read_bytes() for each in files}, key=lambda data: (len(data), data))
        for number, (path, content) in enumerate([*own, *(as_input(fuzzer, data) for data in made)]):
            measured = coverage.Coverage(data_file=None, config_file=False, branch=True, source_pkgs=PACKAGES[:1])
            measured.set_option("run:disable_warnings", ["module-not-measured"])  # imported long ago
            with measured.collect():
                fuzzer.run(path, content)
            lines = measured.get_data()
            arcs = {(file, *arc) for file in lines.measured_files() for arc in lines.arcs(file) or ()}
            if arcs - reached and number >= len(own):
                yield f"{name}/{path.relative_to(fuzzer.box)}", content
            reached |= arcs


def keep_found(work: Path) -> None:
    """Write what is worth keeping into one archive, the same bytes for the same inputs."""
    kept = [each for name in TARGETS if (work / "corpus" / name).is_dir() for each in smallest(name, work)]
    with zipfile.ZipFile(FOUND, "w") as archive:
        for file, content in kept:
            member = zipfile.ZipInfo(f"{file}/{hashlib.sha1(content).hexdigest()[:12]}")
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)


def page(work: Path) -> str:
    """Return a table of all rounds, one line a format."""
    from hybridseg.processes.machine import describe_machine

    rounds = [json.loads(line) for line in (work / "rounds.jsonl").read_text().splitlines()]
    lines, hours = [], sum(each["cpu_seconds"] for each in rounds) / 3600
    for name in TARGETS:
        own = [each for each in rounds if each["format"] == name and each["executions"]]
        if own:
            counts = (sum(each["executions"] for each in own), round(sum(each["cpu_seconds"] for each in own) / 60, 1),
                      own[0]["edges_first"], max(each["edges_last"] for each in own))  # fmt: skip
            lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return "\n".join([
        "# Fuzzing led by coverage", "",
        f"`python benchmarks/fuzz/fuzz_covered.py`, {hours:.1f} CPU-hours in all; {describe_machine()['cpu']}", "",
        "| format | executions | CPU minutes | edges at first | edges at last |",
        "|---|---:|---:|---:|---:|", *lines, "",
        "Edges are those of the Python of hybridseg, Pillow, pydicom and nibabel, once the corpus is read, "
        "and at the end. Compiled decoders run, but aren't measured.", "",
    ])  # fmt: skip


def main() -> None:
    """Fuzz the formats by turns until the time is over, or keep what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, default=Path("fuzz-work"))
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seconds", type=int, default=60, help="of processor time, which a format gets in a round")
    parser.add_argument("--format", action="append", choices=sorted(TARGETS))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("-o", "--output", type=Path, help="write a page of results")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    work = asked.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if asked.inside:
        fuzz_inside(asked.inside, work, asked.seconds, asked.seed)
    if not asked.keep:
        end = time.monotonic() + 60 * asked.minutes
        while time.monotonic() < end:
            for name in asked.format or TARGETS:
                print(json.dumps(run_round(name, work, asked.seconds, int(time.time()))), flush=True)
    else:
        keep_found(work)
    if asked.output:
        asked.output.write_text(page(work), "utf-8")


if __name__ == "__main__":
    main()
