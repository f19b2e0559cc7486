"""Public names: every one that is promised is there, and loads only when it is asked for."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

LAZY = ["hybridseg", "hybridseg.bench", "hybridseg.data", "hybridseg.onnx"]


@pytest.mark.parametrize("name", LAZY)
def test_promised_names_are_there_and_no_others(name: str) -> None:
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    assert dir(module) == module.__all__
    assert set(module._LAZY) <= set(module.__all__)
    for promised in module.__all__:
        assert getattr(module, promised) is not None
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'segmentor'"):
        _ = module.segmentor


@pytest.mark.parametrize("name", LAZY)
def test_type_checkers_are_told_the_same_names(name: str) -> None:
    module = importlib.import_module(name)
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    named = {
        (alias.asname or alias.name, node.module)
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert named == set(module._LAZY.items())
