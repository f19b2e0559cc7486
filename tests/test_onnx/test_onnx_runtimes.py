"""Exported files in runtimes without Python: WebAssembly in Node, and onnxruntime's C library."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spox")

from _runtimes import NAMES, RUNTIMES, exported, missing, node_modules, pictures
from numpy.typing import NDArray
from PIL import Image

from hybridseg import OnnxSegmenter
from hybridseg.onnx.runtime import import_onnxruntime


@pytest.fixture(scope="module")
def in_node(tmp_path_factory: pytest.TempPathFactory) -> list[Path | str]:
    """The command that runs segment.mjs."""
    if shutil.which("node") is None:
        missing("Node is not installed")
    folder = tmp_path_factory.mktemp("node")
    (folder / "node_modules").symlink_to(node_modules(), target_is_directory=True)
    return ["node", shutil.copy(RUNTIMES / "segment.mjs", folder)]


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> list[Path | str]:
    """The program segment.c, compiled against the library in onnxruntime's Python package."""
    folder = tmp_path_factory.mktemp("c")
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    headers = [os.environ.get("HYBRIDSEG_ONNXRUNTIME_INCLUDE", ""), "/usr/include", "/usr/local/include"]
    headers += [f"{root}/onnxruntime" for root in headers]
    include = next((root for root in headers if root and Path(root, "onnxruntime_c_api.h").is_file()), None)
    libraries = Path(import_onnxruntime().__file__).parent / "capi"
    library = next(libraries.glob("libonnxruntime.so*"), None)
    if compiler is None:
        missing("no C compiler is installed")
    if include is None:
        missing("no onnxruntime_c_api.h: set HYBRIDSEG_ONNXRUNTIME_INCLUDE to its folder")
    if library is None:
        missing(f"no libonnxruntime.so in {libraries}")
    soname = folder / "libonnxruntime.so.1"
    soname.symlink_to(library)
    program, png = folder / "segment", node_modules() / "lodepng" / "vendor"
    command = [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", RUNTIMES / "segment.c", png / "lodepng.c"]
    subprocess.run([*command, "-I", include, "-I", png, soname, "-Wl,-rpath,$ORIGIN", "-o", program], check=True)
    return [program]


@pytest.fixture(scope="module")
def in_csharp(tmp_path_factory: pytest.TempPathFactory) -> list[Path | str]:
    """The program segment.cs, built by an installed .NET, which fetches its packages from NuGet."""
    if shutil.which("dotnet") is None:
        pytest.skip(".NET isn't installed, and neither PyPI nor npm has it")
    folder = tmp_path_factory.mktemp("csharp")
    for name in ("segment.cs", "segment.csproj"):
        shutil.copy(RUNTIMES / name, folder)
    subprocess.run(["dotnet", "build", "-o", folder / "built", folder / "segment.csproj"], check=True)
    return ["dotnet", folder / "built" / "segment.dll"]


RUNNERS = ["in_node", "in_c", "in_csharp"]


@functools.cache
def in_python(name: str) -> tuple[str, NDArray[np.bool_]]:
    """What checksum.py prints for a file of `NAMES`, and the mask."""
    with tempfile.TemporaryDirectory() as folder:
        scan = Path(folder, "scan.png")
        Image.fromarray(pictures()[0]).save(scan)
        done = subprocess.run(
            [sys.executable, RUNTIMES / "checksum.py", exported(name), scan], capture_output=True, text=True, check=True
        )
    return done.stdout, OnnxSegmenter.load(exported(name)).predict(pictures()[0])


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("name", NAMES)
def test_another_runtime_prints_the_same_checksum(
    name: str, runtime: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    command = request.getfixturevalue(runtime)
    scan, mask = tmp_path / "scan.png", tmp_path / "mask.png"
    Image.fromarray(pictures()[0]).save(scan)
    done = subprocess.run([*command, exported(name), scan, mask], capture_output=True, text=True, check=True)
    said, expected = in_python(name)
    assert done.stdout == said
    assert said.startswith("431x353 lesion pixels ")
    drawn = np.asarray(Image.open(mask))
    assert drawn.shape == expected.shape  # grey
    np.testing.assert_array_equal(drawn > 0, expected)


@pytest.mark.parametrize("runtime", ["in_node", "in_c"])
def test_another_runtime_writes_nothing_into_the_home_folder(
    runtime: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    command, home = request.getfixturevalue(runtime), tmp_path / "home"
    home.mkdir()
    Image.fromarray(pictures()[0]).save(tmp_path / "scan.png")
    environment = {"HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"]}  # without hybridseg's switch
    subprocess.run([*command, exported("otsu"), tmp_path / "scan.png"], env=environment, check=True)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("kind", ["RGB", "RGBA", "P", "LA"])
def test_a_png_of_any_kind_becomes_the_same_grey(
    kind: str, runtime: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    scan = tmp_path / "scan.png"
    picture = Image.fromarray(pictures()[1]).convert("RGB" if kind == "P" else kind)
    if kind.startswith("RGB"):
        picture.paste((255, 200, 0), (10, 10, 60, 30))
    (picture.quantize(16) if kind == "P" else picture).save(scan)
    command = [*request.getfixturevalue(runtime), exported("otsu"), scan]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = subprocess.run(
        [sys.executable, RUNTIMES / "checksum.py", exported("otsu"), scan], capture_output=True, text=True, check=True
    )
    assert done.stdout == said.stdout


@pytest.mark.parametrize("content", [b"", b"P5 10 10 255\n" + bytes(100), b"cut"])
@pytest.mark.parametrize("runtime", RUNNERS)
def test_a_picture_that_ends_early_or_is_of_another_kind_is_refused(
    runtime: str, content: bytes, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    scan = tmp_path / "scan.png"
    Image.fromarray(pictures()[0]).save(scan)
    scan.write_bytes(scan.read_bytes()[:5000] if content == b"cut" else content)
    command = [*request.getfixturevalue(runtime), exported("otsu"), scan]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
