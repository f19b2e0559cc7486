"""A thousand mutated inputs a format, and all that coverage-guided fuzzing found and kept.

`benchmarks/fuzz/fuzz.py` runs as many as asked for, and `benchmarks/fuzz/fuzz_covered.py` looks for new ones.
"""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz"
sys.path.insert(0, str(SCRIPTS))

import fuzz  # noqa: E402
from fuzz_parts import FORMATS  # noqa: E402


def test_no_mutated_input_breaks_a_reader(tmp_path: Path) -> None:
    """One process for all formats: starting one for each takes longer than the reading."""
    names = set(fuzz.TARGETS)
    if importlib.util.find_spec("pydicom") is None:
        names -= {"dicom", "mask"}
    for package, format_name in (("nibabel", "nifti"), ("onnx", "onnx"), ("spox", "description")):
        if importlib.util.find_spec(package) is None:
            names.discard(format_name)
    formats = [f"--format={name}" for name in sorted(names)]
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "fuzz.py"), "--inside", "--count", "1000", "--failures", "kept", *formats],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert {row[0] for row in rows} == names
    assert all(int(row[2]) == 1000 and int(row[3]) > 0 and int(row[4]) > 0 and row[5] == "0" for row in rows)
    assert not (tmp_path / "kept").exists()


def test_files_are_put_together_as_they_were(tmp_path: Path) -> None:
    """What a mutation doesn't touch stays as it is: else a reader would stop where the writer erred."""
    for path in sorted(fuzz.CORPUS.rglob("*.*")):
        data = path.read_bytes()
        for is_it, split, join in FORMATS:
            if is_it(data):
                parts = split(data)
                assert parts and split(join(data, parts)) == parts, path
                if path.suffix not in (".tif", ".png", ".hybridseg", ".zip"):  # those move, or are packed anew
                    assert join(data, parts) == data, path


def test_a_zip_that_cannot_be_unpacked_is_changed_nevertheless() -> None:
    """Fuzzing led by coverage changes what is damaged, and ends where that raises."""
    damaged = bytearray((fuzz.CORPUS / "model" / "otsu.hybridseg").read_bytes())
    member = damaged.find(b"PK\1\2")
    damaged[member + 10 : member + 12] = bytes(2)  # stored as it is,
    damaged[member + 20 : member + 28] = (2**20).to_bytes(4, "little") * 2  # and longer than the file
    assert fuzz.mutate_inside(bytes(damaged), [b"others"], random.Random(0)) != damaged


def test_inputs_depend_on_their_number_alone() -> None:
    data = [b"some bytes", b"others"]
    first, again = (fuzz.mutate(data[0], data, random.Random("0 png 7")) for _ in range(2))
    assert first == again != data[0]


BROKEN = {
    "def reader(folder, name): raise KeyError(name)": "KeyError",
    "def reader(folder, name): (folder / 'stray').write_bytes(b'')": "open of",
    "def reader(folder, name): open('/etc/hostname').close()": "open of '/etc/hostname'",
    "def reader(folder, name): raise ImageError('two\\nlines')": "not one line",
    "def reader(folder, name):\n    while True: pass": "took more than",
    "def reader(folder, name): import subprocess; subprocess.run(['true'])": "subprocess.Popen",
}


def test_broken_readers_are_caught(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import fuzz; from hybridseg.images import ImageError\n"
        "fuzz.HANG_SECONDS = 0.3; fuzz.Fuzzer._warm_up = lambda self: None\n"
    )
    for number, broken in enumerate(BROKEN):
        kept = str(tmp_path / f"kept{number}")
        code += f"{broken}\nfuzz.TARGETS['bmp'] = reader\nprint(fuzz.fuzz('bmp', 2, 0, Path({kept!r}))['failed'])\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=SCRIPTS)
    assert done.stdout == "2\n" * len(BROKEN), done.stderr
    for number, reason in enumerate(BROKEN.values()):
        said = [line for line in done.stderr.splitlines() if f"kept{number}" in line]
        assert len(said) == 2 and all(reason in line for line in said), said
