"""Some hundred mutated inputs a format; `benchmarks/fuzz.py` runs ten thousand."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import fuzz  # noqa: E402

COUNTS = {"run": 60, "model": 60, "manifest": 60, "dicom": 100}


def short_run(names: list[str], count: int, tmp_path: Path) -> None:
    if "dicom" in names or "mask" in names:
        pytest.importorskip("pydicom")
    command = [sys.executable, str(BENCHMARKS / "fuzz.py"), "--count", str(count), "--failures", str(tmp_path / "kept")]
    for name in names:
        command += ["--format", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("name", sorted(fuzz.TARGETS))
def test_no_mutated_input_breaks_a_reader(tmp_path: Path, name: str) -> None:
    short_run([name], COUNTS.get(name, 150), tmp_path)


def test_inputs_depend_on_their_number_alone() -> None:
    data = [b"some bytes", b"others"]
    first, again = (fuzz.mutate(data[0], data, random.Random("0 png 7")) for _ in range(2))
    assert first == again != data[0]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("def reader(folder, name): raise KeyError(name)", "KeyError"),
        ("def reader(folder, name): (folder / 'stray').write_bytes(b'')", "open of"),
        ("def reader(folder, name): open('/etc/hostname').close()", "open of '/etc/hostname'"),
        ("def reader(folder, name): raise ImageError('two\\nlines')", "not one line"),
        ("def reader(folder, name):\n    while True: pass", "took more than"),
        ("def reader(folder, name): import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
    ],
)
def test_a_broken_reader_is_caught(tmp_path: Path, broken: str, reason: str) -> None:
    code = (
        "import sys; from pathlib import Path; import fuzz; from hybridseg.images import ImageError\n"
        f"fuzz.HANG_SECONDS = 0.3; fuzz.CORPUS = Path({str(fuzz.CORPUS)!r})\n{broken}\n"
        "fuzz.Fuzzer._warm_up = lambda self: None\n"
        "fuzz.TARGETS['bmp'] = reader\n"
        f"print(fuzz.fuzz('bmp', 2, 0, Path({str(tmp_path / 'kept')!r}))['failed'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=BENCHMARKS
    )
    assert done.stdout == "2\n", done.stderr
    assert reason in done.stderr
