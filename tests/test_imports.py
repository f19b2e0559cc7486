"""Who may know whom, and what a light import is allowed to cost."""

from __future__ import annotations

import ast
import configparser
import functools
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "hybridseg"
HEAVY = (
    "tensorflow", "keras", "sklearn", "skimage", "scipy", "onnxruntime", "onnx", "spox", "matplotlib", "cv2", "numpy"
)  # fmt: skip

# Everybody may know the ground. Types that only annotations name may come from anywhere.
GROUND = {
    "version", "guests", "limits", "files", "text", "validation", "parameters", "postprocess", "confidence", "former"
}  # fmt: skip
# Room -> rooms that it may import beside the ground.
MAY = {
    **{name: set() for name in GROUND},
    "images": set(),
    "metrics": set(),
    "processes": set(),
    "modelfile": set(),
    "learned": {"data"},  # fingerprints, when `fit` takes them, and not before
    # `to_onnx` asks the onnx room when it is called, and not before.
    "segmenter": {"learned", "modelfile", "onnx"},
    "data": {"images"},
    "onnx": {"segmenter", "data", "images", "metrics"},  # `quantise` measures what it loses
    "conformance": {"segmenter", "data", "metrics"},
    "checks": {"segmenter", "conformance"},
    "training": {"segmenter", "data", "images", "metrics", "onnx"},  # no network by name
    "unet": {"training", "onnx"},
    "zoo": {"onnx", "processes"},
    "registry": {"segmenter", "modelfile", "onnx", "zoo"},
    "bench": {"segmenter", "data", "metrics", "images", "processes"},
    "batch": {"registry", "zoo", "images", "metrics", "processes"},
    "page": {"registry", "zoo"},
    "cli": None,  # everything
    "__main__": {"cli"},
}
PLUGINS = ("hybridseg_baselines", "hybridseg_networks")
LAZILY = {("segmenter", "onnx"), ("learned", "data"), ("registry", "onnx"), ("registry", "segmenter")}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path):
    """Yield (imported room, at module level) of every import of our own in a file."""
    inside = list(path.relative_to(ROOT).with_suffix("").parts)
    package = inside[:-1]
    tree = ast.parse(path.read_text("utf-8"))
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [module] if module.count(".") else [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] in ("hybridseg", *PLUGINS):
                yield name, id(node) in top


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_room_imports_only_whom_it_may(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert here in MAY, f"{here} is a new room: say in MAY whom it may know"
    for name, at_top in imports(path):
        assert not name.startswith(PLUGINS), f"{path.name} imports a plug-in"
        there = room(name)
        allowed = MAY.get(here, set())
        if allowed is None or there in {here, *GROUND}:
            continue
        assert there in allowed, f"{here} imports {name}"
        if (here, there) in LAZILY:
            assert not at_top, f"{here} must import {there} inside the function that needs it"


def test_nobody_imports_the_command_line() -> None:
    for path in FILES:
        here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if here not in ("cli", "__main__"):
            assert all(room(name) != "cli" for name, _ in imports(path)), path


# Methods that an author writes, or extends, and that the rest calls; and names that are Python's own.
HOOKS = {
    "_fit", "_predict_proba", "_to_onnx", "_build", "_initialise", "_state", "_set_state", "_check_state",
    "_check_fittable", "_network_input", "_exit",
}  # fmt: skip


def privates(tree: ast.AST) -> Iterator[str]:
    """Yield the private names that a file takes from a module or from an object that isn't its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls", "super()"):
            yield node.attr


@functools.cache
def defined(here: str) -> set[str]:
    """Return the names of a room's files, functions, methods and classes."""
    files = [path for path in FILES if path.relative_to(PACKAGE).parts[0].removesuffix(".py") == here]
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return names | {path.stem for path in files}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_names_stay_in_their_room(path: Path) -> None:
    known = HOOKS | defined(path.relative_to(PACKAGE).parts[0].removesuffix(".py"))
    taken = {name for name in privates(ast.parse(path.read_text("utf-8"))) if re.match("_[a-z]", name)}
    assert not taken - known


def borrowed(tree: ast.AST) -> Iterator[str]:
    """Yield the private names that a file outside takes from our modules and classes."""
    ours = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hybridseg"):
            ours |= {alias.asname or alias.name for alias in node.names}
            yield from (alias.name for alias in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ours:
            yield node.attr


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "docs"])
def test_tests_benchmarks_and_docs_take_no_private_names(folder: str) -> None:
    taken = {
        (path.name, name)
        for path in (ROOT / folder).rglob("*.py")
        for name in borrowed(ast.parse(path.read_text("utf-8")))
        if re.match("_[a-z]", name) and name not in HOOKS | {"_fields"}  # every named tuple has `_fields`
    }
    assert taken == set()


def test_private_names_are_seen() -> None:
    tree = ast.parse("from hybridseg.a import _b, c\nc._d\nother._e")
    assert set(borrowed(tree)) == {"_b", "c", "_d"}


def test_baselines_use_public_names() -> None:
    import hybridseg

    for path in (ROOT / "baselines").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "hybridseg":
                assert {alias.name for alias in node.names} <= set(hybridseg.__all__), path
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hybridseg."):
                # The graph pieces are public for plug-in authors, and so is the post-processing that they equal.
                assert node.module in ("hybridseg.onnx.pieces", "hybridseg.postprocess"), (path.name, node.module)


@pytest.mark.parametrize(
    "statement",
    [
        "import hybridseg",
        "from hybridseg.cli import main\ntry: main(['--help'], prog_name='hybridseg')\nexcept SystemExit: pass",
        "import hybridseg; hybridseg.available()",
    ],
)
def test_light_things_import_nothing_heavy(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint('LOADED', sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "LOADED []"


def test_entry_points_are_installed_as_written() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    written = {
        (group, *line.replace(" ", "").split("="))
        for group, lines in config["options.entry_points"].items()
        for line in lines.strip().splitlines()
    }
    entries = importlib.metadata.distribution("hybridseg").entry_points
    assert {(entry.group, entry.name, entry.value) for entry in entries} == written, "install again: pip install -e ."
    assert importlib.metadata.version("hybridseg") == config["metadata"]["version"]
