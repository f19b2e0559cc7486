"""The shape of the house: no circles of imports, files and functions that fit on two screens, every room packaged."""

from __future__ import annotations

import ast
import collections
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOMES = {
    "hybridseg": ROOT / "hybridseg",
    **{name: ROOT / "baselines" / name for name in ("hybridseg_baselines", "hybridseg_networks")},
}
BUILT_FROM = HOMES["hybridseg"] / "page" / "web"  # the page that ships is built from these
MOST_LINES, MOST_OF_A_FUNCTION = 320, 50
# A method exports itself, and what an export wrote is read back and compared, by the class that runs such files.
EXPORT_CIRCLE = {
    "hybridseg.segmenter", "hybridseg.onnx.exporting", "hybridseg.onnx.segmenter", "hybridseg.onnx.foreign_reference",
}  # fmt: skip

TWINS = {"BoxMeans"}
"""Classes that stand twice on purpose: in NumPy, and as a graph of the same name."""


def modules() -> Iterator[tuple[str, Path]]:
    for top, home in HOMES.items():
        for path in sorted(home.rglob("*.py")):
            parts = (top, *path.relative_to(home).with_suffix("").parts)
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


PATHS = dict(modules())
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in PATHS.items()}


def imported(name: str) -> Iterator[tuple[str, str]]:
    """Yield module and name of every import of our own in a module, wherever it stands."""
    package = name if PATHS[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] in HOMES)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            if module.split(".")[0] in HOMES:
                yield from ((module, alias.name) for alias in node.names)


def home_of(module: str, name: str) -> str:
    """Return the module that a name comes from: a package's face only hands it on."""
    if f"{module}.{name}" in PATHS:
        return f"{module}.{name}"
    if module in PATHS and PATHS[module].name == "__init__.py":
        for there, handed_on in imported(module):
            if handed_on == name and (there, handed_on) != (module, name):
                return home_of(there, name)
    return module


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Return the groups of modules of which each reaches every other."""
    reached: dict[str, set[str]] = {}
    for start in edges:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            fresh = edges[waiting.pop()] - seen
            seen |= fresh
            waiting += fresh
        reached[start] = seen
    found = {frozenset(other for other in reached[each] if each in reached[other]) for each in edges}
    return [set(group) for group in found if group]


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [{"b", "c"}]


def test_no_circle_of_imports_but_the_one_of_exporting() -> None:
    edges = {name: {home_of(*each) for each in imported(name)} - {name} for name in PATHS}
    assert circles(edges) in ([], [EXPORT_CIRCLE])


@pytest.mark.parametrize("name", PATHS)
def test_every_import_of_our_own_is_there(name: str) -> None:
    for module, wanted in imported(name):
        assert module in PATHS, f"{name} imports {module}"
        names = {each.id for each in ast.walk(TREES[module]) if isinstance(each, ast.Name)}
        named = ast.FunctionDef | ast.ClassDef | ast.alias
        names |= {each.name for each in ast.walk(TREES[module]) if isinstance(each, named)}
        assert not wanted or wanted in names or f"{module}.{wanted}" in PATHS, f"{name}: {module} has no {wanted}"


def meanings(module: str) -> Iterator[tuple[str, str]]:
    """Yield the classes and types that a module defines, each with what it is; no type variables, which are its own."""
    for node in TREES[module].body:
        if isinstance(node, ast.ClassDef):
            yield node.name, f"class in {module}"
        elif isinstance(node, ast.Assign) and not isinstance(node.value, ast.Call):
            yield ast.unparse(node.targets[0]), ast.unparse(node.value)


def test_a_type_s_name_means_one_thing() -> None:
    found: dict[str, set[str]] = collections.defaultdict(set)
    for module in PATHS:
        for name, meaning in meanings(module):
            if name[0].isupper() and not name.isupper() and name not in TWINS:
                found[name].add(meaning)
    assert {name: each for name, each in found.items() if len(each) > 1} == {}


@pytest.mark.parametrize("name", PATHS)
def test_files_and_functions_are_short(name: str) -> None:
    lines = len(PATHS[name].read_text("utf-8").splitlines())
    assert lines <= MOST_LINES
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            assert body[-1].end_lineno - body[0].lineno < MOST_OF_A_FUNCTION, node.name


def test_every_room_is_packaged() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    written = config["options"]["packages"].split()
    assert written == sorted(written)
    assert set(written) == {name for name, path in PATHS.items() if path.name == "__init__.py"}


def test_every_data_file_is_packaged() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = {package: line.replace(",", " ").split() for package, line in config["options.package_data"].items()}
    packages = {path.parent: name for name, path in PATHS.items() if path.name == "__init__.py"}
    for home in HOMES.values():
        for path in home.rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc") and BUILT_FROM not in path.parents:
                owner = next(folder for folder in path.parents if folder in packages)
                inside = path.relative_to(owner)
                assert any(inside.match(pattern) for pattern in patterns.get(packages[owner], ())), path
