"""From a name, a file or a model to a segmenter, and what is said when there is none."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybridseg
from hybridseg import ModelFormatError
from hybridseg.modelfile import write_model_file
from hybridseg.registry import (
    MethodInfo,
    MethodLoadError,
    UnknownMethodError,
    available,
    create,
    find_class,
    is_model_path,
    load,
    parse_spec,
)

SOURCE = """
import numpy as np
from hybridseg import Segmenter


class Level(Segmenter):
    def __init__(self, *, level=80, window=(3, 3)):
        self.level = level
        self.window = window

    def _predict_proba(self, image):
        return (image < self.level).astype(np.float32)
"""
IMAGE = np.array([[10, 90, 200]], np.uint8)

Offer = Callable[..., str]
_number = itertools.count()


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Install, for one test, a distribution that offers a method; return its module's name.

    Each module has a name of its own, so that no test finds what another one has imported.
    """
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, source: str = SOURCE, *, distribution: str = "some", entry: str = "{}:Level") -> str:
        module = f"registry_test_{next(_number)}"
        (tmp_path / f"{module}.py").write_text(source)
        metadata = tmp_path / f"{distribution}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[hybridseg.segmenters]\n{name} = {entry.format(module)}\n")
        return module

    return install


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """The path of a file with a method in it; no other test's file has its name."""
    path = tmp_path / f"mine-{next(_number)}.py"
    path.write_text(SOURCE)
    return str(path)


# ---- what is installed ---------------------------------------------------------------------------
def test_methods_are_listed_by_name_and_not_imported(offer: Offer) -> None:
    module = offer("another", "raise RuntimeError('imported')", distribution="elsewhere")
    methods = available()
    assert list(methods) == sorted(methods)
    assert methods["another"] == MethodInfo("another", f"{module}:Level", "elsewhere")
    assert methods["otsu"].distribution == "hybridseg"
    assert module not in sys.modules


def test_a_name_that_two_packages_offer_is_refused_and_both_are_named(offer: Offer) -> None:
    beta, alpha = offer("same", distribution="beta"), offer("same", distribution="alpha")
    message = f"method `same` is offered by both alpha ({alpha}:Level) and beta ({beta}:Level); uninstall one"
    assert available()["same"].problem == message
    assert available()["otsu"].problem == ""
    with pytest.raises(MethodLoadError, match=re.escape(message)):
        create("same")
    assert not {alpha, beta} & set(sys.modules)


def test_a_name_that_three_packages_offer_is_refused(offer: Offer) -> None:
    for distribution in ("alpha", "beta", "gamma"):
        offer("same", distribution=distribution)
    with pytest.raises(MethodLoadError, match="is offered by both"):
        find_class("same")


def test_an_entry_point_without_a_distribution_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = importlib.metadata.EntryPoint("alone", "module:Class", "hybridseg.segmenters")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry])
    assert available() == {"alone": MethodInfo("alone", "module:Class", "unknown")}


def test_nothing_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [])
    with pytest.raises(
        UnknownMethodError, match=r"unknown method `otsu`; known: none; models that ship: unet-tiny.onnx, unet.onnx$"
    ):
        create("otsu")


@pytest.mark.parametrize(
    ("source", "entry", "reason"),
    [
        ("import nobody_has", "{}:Level", "failed to load: ModuleNotFoundError: No module named 'nobody_has'"),
        ("1 / 0", "{}:Level", "failed to load: ZeroDivisionError: division by zero"),
        ("raise SystemExit(2)", "{}:Level", "failed to load: RuntimeError: it raised SystemExit: 2"),
        ("def broken(:", "{}:Level", "failed to load: SyntaxError: invalid syntax"),
        ("", "{}:Level", "failed to load: AttributeError: .* has no attribute 'Level'"),
        ("", "{}", "must be a subclass of hybridseg.Segmenter, got <module"),
        ("Level = 3", "{}:Level", "must be a subclass of hybridseg.Segmenter, got 3"),
        ("class Level: ...", "{}:Level", "must be a subclass of hybridseg.Segmenter, got <class"),
        (f"{SOURCE}\n    tags = None", "{}:Level", "must have hybridseg.Tags as its `tags`, got None"),
    ],
)
def test_what_cannot_be_loaded_is_named_with_its_reason(offer: Offer, source: str, entry: str, reason: str) -> None:
    module = offer("bad", source, distribution="broken", entry=entry)
    wanted = rf"method `bad` of broken \({entry.format(module)}\) {reason}" if "failed" in reason else reason
    with pytest.raises(MethodLoadError, match=wanted):
        find_class("bad")
    assert isinstance(create("otsu"), hybridseg.Segmenter)


# ---- specs ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("otsu", ("otsu", {})),
        (" otsu [ ] ", ("otsu", {})),
        ("a[n=50,]", ("a", {"n": 50})),
        ("a[x=1.5, on=True, none=None, text='b c']", ("a", {"x": 1.5, "on": True, "none": None, "text": "b c"})),
        ("a[kind=gini,path=/some where/x]", ("a", {"kind": "gini", "path": "/some where/x"})),
        ("a[sizes=(1, 2),inner__deep=-3]", ("a", {"sizes": (1, 2), "inner__deep": -3})),
        ("a[both=x=y,empty=]", ("a", {"both": "x=y", "empty": ""})),
        ("dir/my file.py:Level[level=3]", ("dir/my file.py:Level", {"level": 3})),
    ],
)
def test_specs(spec: str, expected: tuple[str, dict[str, Any]]) -> None:
    assert parse_spec(spec) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "a method is written `name` or `name[param=value,...]`, got ``"),
        ("[n=1]", "a method is written"),
        ("a[n=1", "got `a[n=1`"),
        ("a]", "a method is written"),
        ("a[n=1]b", "a method is written"),
        ("a[n=[1]]", "a method is written"),
        ("a[n]", "a parameter is written `name=value`, got `n` in `a[n]`"),
        ("a[=3]", "a parameter is written `name=value`, got `=3`"),
        ("a[two words=3]", "a parameter is written `name=value`, got `two words=3`"),
        ("a[n=1,n=2]", "parameter `n` is given twice in `a[n=1,n=2]`"),
    ],
)
def test_malformed_specs(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        create(spec)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("otsu", False), ("mine.py:Level", False), ("dir/mine.py:Level", False), ("dir/mine.py", False),
        ("model.onnx", True), ("model.hybridseg", True), ("dir/model", True),
    ],
)  # fmt: skip
def test_what_means_a_file(name: str, expected: bool) -> None:
    assert is_model_path(name) is expected


# ---- create --------------------------------------------------------------------------------------
def test_parameters_come_from_brackets_and_from_the_call_which_wins(offer: Offer) -> None:
    offer("level")
    assert create("level").get_params() == {"level": 80, "window": (3, 3)}
    assert create("level[level=5,window=(1, 2)]", level=6).get_params() == {"level": 6, "window": (1, 2)}


def test_unknown_names_list_the_known_ones_and_the_nearest(offer: Offer) -> None:
    offer("level")
    with pytest.raises(UnknownMethodError, match=r"unknown method `levle`; known: .*otsu.*; did you mean `level`\?"):
        create("levle")
    with pytest.raises(
        UnknownMethodError, match=r"unknown method `qqqqqqq`; known: .*watershed-textbook; models that ship: .*$"
    ):
        create("qqqqqqq")
    with pytest.raises(UnknownMethodError, match=r"; did you mean `unet-tiny.onnx`\?"):
        create("unet-tini")
    message = r"`windwo` is not a parameter of Level; known: level, window; did you mean `window`\?"
    with pytest.raises(ValueError, match=message):
        create("level[windwo=3]")
    with pytest.raises(ValueError, match=r"`qqqqqqq` is not a parameter of Level; known: level, window$"):
        create("level", qqqqqqq=3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("def __init__(self): import nobody_has_this", "No module named 'nobody_has_this'"),
        ("def __init__(self): {}['key']", "'key'"),
        ("def __init__(self, needed): self.needed = needed", "missing 1 required positional argument"),
        ("", "[Aa]bstract"),
    ],
)
def test_what_cannot_be_created_is_named_with_its_reason(offer: Offer, body: str, reason: str) -> None:
    base = "Segmenter" if not body else "Whole"
    whole = "class Whole(Segmenter):\n    def _predict_proba(self, image): return image / 255"
    source = f"from hybridseg import Segmenter\n{whole}\nclass Level({base}):\n    ...\n    {body}"
    offer("bad", source)
    with pytest.raises(MethodLoadError, match=f"method `bad` can't be created: .*{reason}"):
        create("bad")


# ---- file.py:Class -------------------------------------------------------------------------------
def test_a_class_in_a_file(mine: str) -> None:
    model = create(f"{mine}:Level[level=100]")
    assert model.predict(IMAGE).tolist() == [[True, True, False]]
    assert find_class(f"{mine}:Level") is type(model)  # one file is one module, so that its models load


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    for folder, level in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "twin.py").write_text(SOURCE.replace("80", str(level)))
    levels = [create(f"{tmp_path / folder / 'twin.py'}:Level").get_params()["level"] for folder in "aba"]
    assert levels == [1, 2, 1]


@pytest.mark.parametrize(
    ("source", "spec", "error", "message"),
    [
        (None, "{}:Level", UnknownMethodError, r"no file .*mine-\d+.py \(from `.*:Level`\)"),
        (SOURCE, "{}", UnknownMethodError, r"must name its class too: `.*\.py:CLASS`"),
        (SOURCE, "{}:", UnknownMethodError, "has no ``"),
        (SOURCE, "{}:Levle", UnknownMethodError, "has no `Levle`"),
        (SOURCE, "{}:np", MethodLoadError, "must be a subclass of hybridseg.Segmenter, got <module 'numpy'"),
        (SOURCE, "{}:Segmenter", MethodLoadError, "can't be created: .*abstract"),
        ("1 / 0", "{}:Level", MethodLoadError, "mine.* failed to load: ZeroDivisionError: division by zero"),
        ("raise SystemExit", "{}:Level", MethodLoadError, "failed to load: RuntimeError: it raised SystemExit"),
    ],
)
def test_a_file_that_offers_no_method(
    mine: str, source: str | None, spec: str, error: type[Exception], message: str
) -> None:
    Path(mine).write_text(source) if source is not None else Path(mine).unlink()
    for _ in range(2):  # a failed import leaves nothing behind that a second attempt would find
        with pytest.raises(error, match=message):
            create(spec.format(mine))


def test_a_file_that_python_has_no_loader_for(mine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "spec_from_file_location", lambda name, path: None)
    with pytest.raises(MethodLoadError, match="can't be imported as Python"):
        create(f"{mine}:Level")


# ---- saved models --------------------------------------------------------------------------------
def test_a_model_of_an_installed_method(offer: Offer, tmp_path: Path) -> None:
    offer("level")
    path = tmp_path / "model.hybridseg"
    create("level[level=7]").save(path)
    for model in (load(path), load(str(path)), create(str(path)), create(f"{path}[window=(9, 9)]")):
        assert type(model).__name__ == "Level"
        assert model.get_params()["level"] == 7
    assert create(f"{path}[window=(9, 9)]").get_params()["window"] == (9, 9)
    with pytest.raises(ValueError, match="`levle` is not a parameter of Level"):
        create(f"{path}[levle=9]")


def test_a_model_of_a_class_in_a_file_is_loaded_where_the_file_has_been(mine: str, tmp_path: Path) -> None:
    path = tmp_path / "model.hybridseg"
    create(f"{mine}:Level[level=7]").save(path)
    assert load(path).get_params()["level"] == 7


@pytest.mark.parametrize("entry", ["{}:Level", "{}.names:Level"])
def test_a_model_of_a_class_that_its_package_re_exports(offer: Offer, tmp_path: Path, entry: str) -> None:
    module = offer("level", "", entry=entry)
    offer("other", "", distribution="other", entry=f"{module}.names:Other")
    (tmp_path / f"{module}.py").unlink()
    package = tmp_path / module
    (package / "deep").mkdir(parents=True)
    (package / "deep" / "inner.py").write_text(SOURCE)
    both = f"from {module}.deep.inner import Level\nclass Other(Level): ..."
    (package / "__init__.py").write_text(both if entry == "{}:Level" else "")
    (package / "names.py").write_text(both)
    path = tmp_path / "model.hybridseg"
    write_model_file(path, f"{module}.deep.inner:Level", {"level": 7}, {})
    assert load(path).get_params() == {"level": 7, "window": (3, 3)}


def test_a_model_file_makes_nothing_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "innocent_looking.py").write_text("raise AssertionError('imported')")
    path = tmp_path / "model.hybridseg"
    for wanted in ("innocent_looking:Level", "os:system", "hybridseg_baselines.otsu:np", "hybridseg.segmenter:Tags"):
        write_model_file(path, wanted, {}, {})
        with pytest.raises(ModelFormatError, match=f"saved by {wanted}, which no installed package offers"):
            load(path)


def test_model_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.hybridseg")
    (tmp_path / "text.hybridseg").write_text("text")
    with pytest.raises(ModelFormatError, match=r"text.hybridseg: not a saved hybridseg model"):
        create(str(tmp_path / "text.hybridseg"))


def test_an_onnx_file_is_run_by_the_segmenter_for_such_files(tmp_path: Path) -> None:
    path = tmp_path / "otsu.onnx"
    otsu = create("otsu")
    otsu.to_onnx(path)
    image = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    for model in (load(path), create(f"{path}[threads=2]")):
        assert type(model).__name__ == "OnnxSegmenter"
        np.testing.assert_array_equal(model.predict(image), otsu.predict(image))
    with pytest.raises(ValueError, match=r"`thread` is not a parameter of OnnxSegmenter.*did you mean `threads`"):
        create(f"{path}[thread=2]")
