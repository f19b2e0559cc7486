"""README, pages and help texts are plain: sentences of at most 25 words, README's median at most 18."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import click
import pytest

from hybridseg.cli import main

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("start", "how-to", "explained", "decisions", "reference", "results")
PAGES = [
    ROOT / name
    for name in (
        "README.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md", "docs/index.md", "docs/examples/README.md",
    )
]  # fmt: skip
PAGES += [page for room in ROOMS for page in sorted(ROOT.glob(f"docs/{room}/*.md"))]
LONGEST, README_MEDIAN = 25, 18

_NOT_PROSE = re.compile(r"^ *```.*?^ *```|^ *:::.*?^ *:::|<!--.*?-->|^\|.*?$|^#.*?$|^!\[.*?$", re.M | re.S)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_CODE = re.compile(r"`[^`]+`")
_END = re.compile(r"(?<=[.!?])[*)]*\s+(?=[*`(\"<]*(?:[A-Z0-9`]|hybridseg))|\n\s*\n|\n(?= *(?:[-*]|[0-9]+\.) )")


def sentences(markdown: str) -> list[str]:
    """Return the sentences of a page's prose; code counts as one word, a link.s address as none."""
    text = _CODE.sub("Code", _LINK.sub(r"\1", _NOT_PROSE.sub("\n\n", markdown)))
    return [" ".join(each.split()) for each in _END.split(text) if re.search(r"\w", each)]


def words(sentence: str) -> int:
    return len(re.findall(r"[^\s]*\w[^\s]*", sentence))


def test_sentences_are_found_and_counted() -> None:
    text = "# Title\n\nOne `two three` four. Five [six](there.md)!\n\n- seven\n- eight\n\n```sh\nnone\n```\n| a | b |\n"
    assert [words(each) for each in sentences(text)] == [3, 2, 1, 1]


def test_readme_is_read_in_three_minutes() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert median(map(words, sentences(text))) <= README_MEDIAN
    assert len(text.splitlines()) <= 130


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_sentence_of_a_page_is_too_long(page: Path) -> None:
    long = [each for each in sentences(page.read_text("utf-8")) if words(each) > LONGEST]
    assert not long


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from commands(found, (*path, name))


HELPS = dict(commands(main))


@pytest.mark.parametrize("name", HELPS)
def test_no_sentence_of_a_help_text_is_too_long(name: str) -> None:
    command = HELPS[name]
    texts = [command.help or "", *(getattr(each, "help", None) or "" for each in command.params)]
    found = [each for text in texts for each in sentences(text)]
    assert found
    assert not [each for each in found if words(each) > LONGEST or ";" in each]
