"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

FAST = (
    "test_metrics",
    "test_modelfile.py",
    "test_postprocess.py",
    "test_public_names.py",
    "test_registry.py",
    "test_segmenter.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of what everything rests on, which take half a minute altogether."""
    for item in items:
        if not set(item.path.parts).isdisjoint(FAST):
            item.add_marker("fast")


def _real(name: str, variable: str, inside: str) -> Path:
    """Return the folder of a real data set; skip the test, with the reason, where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / name
    folder = Path(os.environ.get(variable, default))
    if not (folder / inside).is_dir():
        pytest.skip(f"the images of {name} are not at {folder}; set {variable} to their folder")
    return folder


@pytest.fixture(scope="session")
def busi_dir() -> Path:
    """The folder with the real BUSI images."""
    return _real("busi", "HYBRIDSEG_BUSI", "benign")


@pytest.fixture(scope="session")
def busbra_dir() -> Path:
    """The folder with the real BUS-BRA, which holds BUSBRA/."""
    return _real("busbra", "HYBRIDSEG_BUSBRA", "BUSBRA/Images")


@pytest.fixture(scope="session")
def busuclm_dir() -> Path:
    """The folder with the real BUS-UCLM, which holds BUS-UCLM/."""
    return _real("busuclm", "HYBRIDSEG_BUSUCLM", "BUS-UCLM/images")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what searches find away from the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


class Streamed(Sequence):
    """Arrays that come into being when they are asked for; ``most_alive`` tells how many there were at once."""

    def __init__(self, values: list) -> None:
        self._values = values
        self._alive = self.most_alive = 0

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index):
        array = self._values[index].copy()
        self._alive += 1
        self.most_alive = max(self.most_alive, self._alive)
        weakref.finalize(array, self._ended)
        return array

    def _ended(self) -> None:
        self._alive -= 1


@pytest.fixture
def streamed() -> type[Streamed]:
    """What a training set that doesn't fit in memory looks like to a method."""
    return Streamed


METHOD = '''
import numpy as np
from hybridseg import Segmenter


class Dark(Segmenter):
    """Pixels below 50."""

    def _predict_proba(self, image):
        return (image < 50).astype(np.float32)
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, empty but for a method of one's own, mine.py:Dark."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(METHOD)
    return tmp_path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder of two methods and four cases, typed by hand."""
    from _reports import write_small_run

    return write_small_run(tmp_path / "run")


@pytest.fixture
def pictured(tmp_path: Path) -> Path:
    """A run folder with masks, beside its data; every name is hostile."""
    from _reports import write_pictured_run

    return write_pictured_run(tmp_path)


@pytest.fixture
def methods(tmp_path: Path) -> Path:
    """A file of small methods that work, fail or die."""
    from _methods import METHODS

    path = tmp_path / "mine.py"
    path.write_text(METHODS)
    return path


@pytest.fixture
def busi_like(tmp_path: Path) -> Path:
    """A folder in BUSI's layout, with a case of three masks and one without a lesion."""
    from _folders import put

    root = tmp_path / "Dataset_BUSI_with_GT"
    for number in (1, 2, 10):
        put(root / f"benign/benign ({number}).png", colour=True)
        put(root / f"benign/benign ({number})_mask.png", (0, 0))
    put(root / "benign/benign (10)_mask_1.png", (1, 1))
    put(root / "benign/benign (10)_mask_2.png", (1, 1), (3, 4))
    put(root / "malignant/malignant (1).png")
    put(root / "malignant/malignant (1)_mask.png", (2, 2))
    put(root / "normal/normal (1).png")
    put(root / "normal/normal (1)_mask.png", colour=True)
    return root
