"""What a run was made on, on systems that tell less than Linux does."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from hybridseg.processes import machine


def test_the_record_names_versions_and_cores_and_no_person() -> None:
    facts = machine.describe_machine()
    assert {"hybridseg", "python", "numpy"} <= set(facts["versions"])
    assert 1 <= facts["usable_cores"] <= facts["cores"]
    assert str(Path.home()) not in repr(facts)


def test_a_package_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PACKAGES", ("numpy", "a-package-that-nobody-has"))
    assert list(machine.describe_machine()["versions"]) == ["hybridseg", "python", "numpy"]


@pytest.mark.parametrize(
    ("cpuinfo", "processor", "architecture", "expected"),
    [
        ("vendor_id : x\nmodel name\t: Some CPU @ 3 GHz\nmodel name\t: Other\n", "p", "m", "Some CPU @ 3 GHz"),
        ("Hardware : board\n", "arm", "aarch64", "arm"),
        (None, "", "arm64", "arm64"),
        (None, "", "", "unknown"),
    ],
)
def test_the_processor_by_what_the_system_tells(
    monkeypatch: pytest.MonkeyPatch, cpuinfo: str | None, processor: str, architecture: str, expected: str
) -> None:
    def read_text(self: Path, *arguments: object) -> str:
        if cpuinfo is None:
            raise FileNotFoundError(self)
        return cpuinfo

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(platform, "processor", lambda: processor)
    monkeypatch.setattr(platform, "machine", lambda: architecture)
    assert machine.cpu_model() == expected


@pytest.mark.parametrize(
    ("allowed", "cores", "usable", "threads"),
    [({0}, 8, 1, (1,)), ({0, 3}, 8, 2, (1, 2)), (set(range(6)), 8, 6, (1, 2, 6)), (None, 4, 4, (1, 2, 4)),
     (None, None, 1, (1,))],
)  # fmt: skip
def test_cores_that_this_process_may_use(
    *,
    monkeypatch: pytest.MonkeyPatch,
    allowed: set[int] | None,
    cores: int | None,
    usable: int,
    threads: tuple[int, ...],
) -> None:
    if allowed is None:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    else:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: allowed, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert (machine.usable_cores(), machine.thread_counts()) == (usable, threads)
