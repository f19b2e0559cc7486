"""``hybridseg page``: one HTML file that segments pictures in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from ..page import MODELS, TITLE, write_page
from ._examples import examples
from ._targets import overwrite_option, prepare_target


@click.command(epilog=examples("page -o hybridseg.html", "page -m unet-tiny -m mine.onnx -o page.html"))
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html",
    help="The file to write.",
)  # fmt: skip
@click.option(
    "-m", "--model", "models", multiple=True, default=MODELS, show_default=True, metavar="NAME|MODEL.onnx",
    help="A model that the page holds: one that ships, or a file. Repeat it for several. The first is used "
    "until a person chooses another.",
)  # fmt: skip
@click.option("--title", default=TITLE, show_default=True, help="The page's heading.")
@overwrite_option
def page(output: Path, models: tuple[str, ...], title: str, overwrite: bool) -> None:
    """Write a page for the browser: drop pictures on it, see outlines, measure, correct and save. Not for diagnosis.

    The page is one file. It works offline, connects to nothing, and needs no installation.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"-o must end in .html, so that a browser opens it, got {output}")
    prepare_target(output, overwrite)
    size = write_page(output, models, title)
    click.echo(f"{output}: {size / 1e6:.1f} MB, with {', '.join(Path(name).stem for name in models)}")
