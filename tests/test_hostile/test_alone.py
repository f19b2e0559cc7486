"""Nothing gets out: commands in a network of their own, with an empty home, look nothing up and leave no file there."""

from __future__ import annotations

import configparser
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from _runtimes import missing
from packaging.version import Version

from hybridseg.images import write_image

ALONE = Path(__file__).parents[1].joinpath("_alone.py")
HYBRIDSEG = str(Path(sys.executable).with_name("hybridseg"))
ALLOWED = ("work/", "home/.cache/hybridseg/")
UNSHARE = ["unshare", "--map-root-user", "--net", "--mount"]
IMPORTS = {
    "click", "cv2", "distributed", "highdicom", "joblib", "numpy", "onnx", "PIL", "pydicom", "rich", "scipy", "skimage",
    "sklearn", "spox", "threadpoolctl",
}  # fmt: skip
"""What setup.cfg asks for, as it is imported; segmenting imports onnxruntime, and fitting all of the extra `train`."""
OTHER_NAMES = {
    "scikit_image": "skimage", "scikit_learn": "sklearn", "pillow": "PIL", "opencv_python_headless": "cv2",
}  # fmt: skip


@dataclass
class Report:
    """What a command did: whom it asked for, what it sent to whom, and the files that are there now."""

    code: int
    output: str
    asked: list[str]
    sent: dict[str, int]
    files: set[str]

    def strays(self) -> list[str]:
        """All that shouldn't be: look-ups, connections, files outside of ``work`` and hybridseg's own cache."""
        sent = [f"{name} {count}" for name, count in self.sent.items() if count]
        return self.asked + sent + sorted(name for name in self.files if not name.startswith(ALLOWED))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if sys.platform != "linux":
        pytest.skip("network namespaces are Linux's")
    try:
        allowed = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        missing("there is no unshare (util-linux)")
    if allowed.returncode:
        missing(f"network namespaces aren't permitted: {allowed.stderr.strip()}")
    for name in ("home", "tmp", "work"):
        (tmp_path / name).mkdir()
    return tmp_path


def alone(folder: Path, *command: str, until_asked: bool = False) -> Report:
    """Run a command with ``work`` as its folder, ``home`` and ``tmp`` empty, and no word that this is a test."""
    environment = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "PATH": os.environ["PATH"]}
    request = {"command": command, "environment": environment, "until_asked": until_asked}
    done = subprocess.run(
        [*UNSHARE, sys.executable, str(ALONE)], input=json.dumps(request), cwd=folder / "work", capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    return Report(**json.loads(done.stdout), files=files)


def check_alone(folder: Path, *command: str) -> Report:
    report = alone(folder, *command)
    assert report.code == 0, report.output
    assert report.strays() == []
    return report


def write_scans(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(5):
        write_image(folder / "work" / f"scan{number}.png", rng.integers(0, 256, (1200, 1600), np.uint8))


@pytest.mark.parametrize(
    ("does", "seen"),
    [
        ("socket.getaddrinfo('example.org', 80)", "example.org"),
        ("socket.create_connection(('192.0.2.1', 80))", "IpOutNoRoutes 1"),
        ("socket.create_connection(('2001:db8::1', 80))", "Ip6OutNoRoutes 1"),
        ("socket.create_connection(('127.0.0.1', 80))", "TcpActiveOpens 1"),
        ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))", "UdpOutDatagrams 1"),
        ("open(os.path.expanduser('~/.id'), 'w').close()", "home/.id"),
        ("open(os.path.join(os.environ['TMPDIR'], 'x'), 'w').close()", "tmp/x"),
    ],
)
def test_what_gets_out_is_seen(folder: Path, does: str, seen: str) -> None:
    report = alone(folder, sys.executable, "-c", f"import os, socket\n{does}")
    assert seen in report.strays()


def test_segment_gets_nothing_out(folder: Path) -> None:
    write_scans(folder)
    report = check_alone(folder, HYBRIDSEG, "segment", "-m", "unet", ".", "-o", "out")
    assert {f"work/out/scan{number}_mask.png" for number in range(5)} <= report.files


def test_bench_gets_nothing_out(folder: Path) -> None:
    options = ("--data", "phantoms[n=6]", "--folds", "2", "-m", "unet-tiny.onnx", "-j", "2", "-o", "run")
    assert "work/run/table.csv" in check_alone(folder, HYBRIDSEG, "bench", *options).files


def test_fit_gets_nothing_out(folder: Path) -> None:
    pytest.importorskip("tf2onnx")
    small = "unet[encoder=none,size=32,width=4,epochs=1,pretrained=False]"
    report = check_alone(folder, HYBRIDSEG, "fit", small, "--data", "phantoms[n=6]", "-o", "m.hybridseg")
    assert "work/m.hybridseg" in report.files


def test_no_dependency_gets_anything_out(folder: Path) -> None:
    config = configparser.ConfigParser()
    config.read(ALONE.parents[1] / "setup.cfg")
    asked_for = [config["options"]["install_requires"], *(
        config["options.extras_require"][extra] for extra in ("export", "duplicates", "cluster", "dicom")
    )]  # fmt: skip
    names = {line.partition(">")[0].replace("-", "_") for text in asked_for for line in text.split()}
    assert {OTHER_NAMES.get(name, name) for name in names} - {"onnxruntime"} == IMPORTS
    code = "import hybridseg\n" + "\n".join(f"import {name}" for name in sorted(IMPORTS))
    check_alone(folder, sys.executable, "-c", code)


FIRST_THAT_REPORTS = Version("1.29")
STAYING = """
import sys, threading
from hybridseg.cli import main
main(["segment", "-m", "unet", ".", "-o", "out"], standalone_mode=False)
threading.Event().wait(float(sys.argv[1]))
"""


def test_onnxruntime_left_alone_asks_and_segment_is_silent_for_twice_as_long(folder: Path) -> None:
    if Version(importlib.metadata.version("onnxruntime")) < FIRST_THAT_REPORTS:
        pytest.skip(f"onnxruntime reports from {FIRST_THAT_REPORTS} on")
    start = time.monotonic()
    left_alone = alone(folder, sys.executable, "-c", "import onnxruntime, signal; signal.pause()", until_asked=True)
    seconds = time.monotonic() - start
    assert left_alone.asked[0] == "mobile.events.data.microsoft.com"
    assert "home/.cache/Microsoft/DeveloperTools/.onnxruntime/deviceid" in left_alone.files
    for name in left_alone.files:
        (folder / name).unlink()
    write_scans(folder)
    check_alone(folder, sys.executable, "-c", STAYING, str(2 * seconds))
