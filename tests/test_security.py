"""What SECURITY.md promises about the whole code: no network, no pickle, nothing that runs text as code."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hybridseg
from hybridseg.data import load_dataset
from hybridseg.images import write_image

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*(ROOT / "hybridseg").rglob("*.py"), *(ROOT / "baselines").rglob("*.py")])
NETWORK = {
    "asyncio", "ftplib", "http", "httpx", "huggingface_hub", "pooch", "requests", "smtplib", "socket", "socketserver",
    "ssl", "urllib", "urllib3", "webbrowser", "xmlrpc",
}  # fmt: skip
RUNS_CODE = {"cloudpickle", "dill", "marshal", "pickle", "shelve"}
FORBIDDEN = {
    "allow_pickle=True", "shell=True", "eval", "exec", "compile", "os.system", "joblib.load", "torch.load"
}  # fmt: skip
MAY_UNPICKLE = {"hybridseg/unet/imagenet.py"}
"""One restricted unpickler, see its module."""

WATCHED = """
import sys

EVENTS = {
    "socket.connect", "socket.getaddrinfo", "socket.bind", "pickle.find_class", "os.system", "subprocess.Popen"
}

def watch(event, arguments):
    if event in EVENTS:
        sys.stderr.write(f"WATCHED {event} {arguments}\\n")

from hybridseg.cli import main
import onnxruntime, PIL.PngImagePlugin  # what they do on import is theirs; what follows is ours
sys.addaudithook(watch)
main(sys.argv[1:])
"""


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
    return names


def test_no_network_no_pickle_and_no_text_run_as_code() -> None:
    found = []
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        name = str(path.relative_to(ROOT))
        forbidden = NETWORK if name in MAY_UNPICKLE else NETWORK | RUNS_CODE
        found += [f"{name} imports {module}" for module in imported(tree) & forbidden]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                said = {f"{keyword.arg}={ast.unparse(keyword.value)}" for keyword in node.keywords}
                said |= {ast.unparse(node.func)}
                found += [f"{name} line {node.lineno}: {what}" for what in said & FORBIDDEN]
    assert len(FILES) > 90
    assert not found


def test_one_place_imports_onnxruntime_and_opens_sessions() -> None:
    imports, opens = set(), set()
    rooms = [ROOT / room for room in ("hybridseg", "baselines", "benchmarks", "docs", "tests")]
    for path in (path for room in rooms for path in room.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        calls = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        by_name = [call for call in calls if re.match(r"(importlib\.)?(import_module|__import__)\('onnxruntime", call)]
        if "onnxruntime" in imported(tree) or by_name:
            imports.add(path.name)
        if any(re.match(r"[\w.()]*InferenceSession\(", call) for call in calls):
            opens.add(path.name)
    assert imports == {"runtime.py", "quantise.py"}  # onnxruntime.quantization, after runtime.py's import
    assert opens == {"runtime.py", "test_onnx_hidden.py"}  # what onnxruntime does when it is left to itself


def test_the_switch_is_set_whatever_was_set_before() -> None:
    code = "import hybridseg, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    for before in ({}, {"ORT_DISABLE_TELEMETRY": "0"}, {"ORT_DISABLE_TELEMETRY": ""}):
        rest = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
        done = subprocess.run([sys.executable, "-c", code], env={**rest, **before}, capture_output=True, check=True)
        assert done.stdout == b"1\n"


def test_segmenting_with_models_connects_to_nobody_and_unpickles_nothing(tmp_path: Path) -> None:
    case = load_dataset("phantoms[n=1]")[0]
    image, mask = case.read()
    write_image(tmp_path / "scan.png", image)
    hybridseg.create("otsu").to_onnx(tmp_path / "model.onnx")
    hybridseg.create("otsu").fit([image], [mask]).save(tmp_path / "model.hybridseg")
    for model in ("model.onnx", "model.hybridseg"):
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, "segment", "-m", model, "scan.png", "-o", f"out-{model}"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / f"out-{model}" / "scan_mask.png").is_file()


@pytest.mark.parametrize("event", ["socket.connect", "pickle.find_class"])
def test_the_watch_sees(event: str) -> None:
    does = {
        "socket.connect": "import socket; socket.socket().connect_ex(('127.0.0.1', 9))",
        "pickle.find_class": "import pickle; pickle.loads(b'cos\\nsystem\\n.')",
    }
    code = WATCHED.replace("main(sys.argv[1:])", does[event])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"WATCHED {event}" in done.stderr


def test_every_test_that_security_names_is_there() -> None:
    said = (ROOT / "SECURITY.md").read_text("utf-8")
    tests = {path.name: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    everything = "\n".join(tests.values())
    names = set(re.findall(r"`(test_\w+)`", said))
    assert len(names) > 10
    assert [name for name in sorted(names) if f"def {name}(" not in everything] == []
    assert [path for path in re.findall(r"`(tests/[\w/.]+\.py)`", said) if not (ROOT / path).is_file()] == []


def test_every_promise_names_the_test_that_holds_it() -> None:
    said = (ROOT / "SECURITY.md").read_text("utf-8")
    promises = said[said.index("## Not trusted") : said.index("## Not checked")]
    paragraphs = [each for each in re.split(r"\n\n|\n(?=- )", promises) if each.strip() and not each.startswith("#")]
    assert len(paragraphs) > 40
    assert [each for each in paragraphs if not re.search(r"`test_\w+`|`tests/[\w/.]+`", each)] == []
