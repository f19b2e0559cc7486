"""Writing the page: what `hybridseg page` puts into it. No Node, no browser."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from hybridseg import load
from hybridseg.cli import main
from hybridseg.page import write_page
from hybridseg.zoo.cards import ZOO


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    assert write_page(path, ["unet-tiny"], title="Ward <3>") == path.stat().st_size
    return path.read_text("utf-8")


def block(page: str, name: str) -> str:
    found = re.search(rf'<script type="[a-z/]+" id="{name}">([^<]*)</script>', page)
    assert found
    return found[1]


def test_it_holds_the_model_byte_for_byte(page: str) -> None:
    packed = base64.b85decode(block(page, "model-unet-tiny").replace(",", "<"))
    assert gzip.decompress(packed) == (ZOO / "unet-tiny.onnx").read_bytes()


def test_it_says_what_the_models_file_says(page: str) -> None:
    [card] = json.loads(block(page, "made"))["models"]
    model = load("unet-tiny.onnx")
    assert card["operating_point"] == vars(model.current_operating_point)
    assert card["scores"] == json.loads(model.metadata["scores"])
    assert card["hospitals"] == json.loads(model.metadata["hospitals"])
    assert card["sha256"] == hashlib.sha256((ZOO / "unet-tiny.onnx").read_bytes()).hexdigest()
    assert card["description"] == json.loads((ZOO / "unet-tiny.json").read_text("utf-8"))["description"]


def test_its_policy_lets_it_connect_to_nothing(page: str) -> None:
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found
    policy = dict(part.split(" ", 1) for part in found[1].split("; "))
    assert policy["default-src"] == policy["connect-src"] == policy["form-action"] == "'none'"
    script = page[page.rindex("<script>") + len("<script>") : page.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy["script-src"] == f"'sha256-{digest}' 'wasm-unsafe-eval'"
    assert "unsafe-inline" not in found[1]
    assert not re.search(r"<(link|iframe|object|embed|base)\b| on[a-z]+=\"|(src|href)=\"https?:", page)


def test_its_title_is_text(page: str) -> None:
    assert page.count("Ward &lt;3&gt;") == 2
    assert "Ward <3>" not in page
    assert "<!--hybridseg:" not in page


def test_a_file_of_ones_own_is_a_model_too(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes((ZOO / "unet-tiny.onnx").read_bytes())
    write_page(tmp_path / "page.html", [tmp_path / "mine.onnx", "unet-tiny"])
    cards = json.loads(block((tmp_path / "page.html").read_text("utf-8"), "made"))["models"]
    assert [card["name"] for card in cards] == ["mine", "unet-tiny"]


@pytest.mark.parametrize(
    ("models", "problem"),
    [
        ([], "at least one model"),
        (["unet-tiny", "unet-tiny"], "two of the name unet-tiny"),
        (["otsu"], "must be one that ships or an .onnx file, got otsu"),
        (["none.onnx"], "none.onnx: no such file"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_no_file(tmp_path: Path, models: list[str], problem: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=problem):
        write_page(tmp_path / "page.html", models)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_it_once(tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    command = ["page", "-o", str(output), "-m", "unet-tiny"]
    first, second = (CliRunner().invoke(main, command) for _ in range(2))
    assert first.exit_code == 0
    assert first.output == f"{output}: {output.stat().st_size / 1e6:.1f} MB, with unet-tiny\n"
    assert second.exit_code == 2
    assert second.output.endswith("exists; give --overwrite to replace it\n")


def test_every_text_is_used() -> None:
    web = Path(write_page.__code__.co_filename).parent / "web"
    used = "".join(path.read_text("utf-8") for path in [web / "index.html", *(web / "src").rglob("*.ts")])
    texts = json.loads((web / "text.json").read_text("utf-8"))
    assert [key for key in texts if f"{{{{{key}}}}}" not in used and f'"{key}"' not in used] == []
