"""``hybridseg models``: the trained models that ship."""

from __future__ import annotations

from pathlib import Path

import click

from ..text import aligned
from ..zoo.cards import cards, copy_shipped, shipped
from ..zoo.hugging_face import hugging_face_card
from ._examples import examples
from ._targets import overwrite_option

HOSPITALS = ("BUSI", "BUS-BRA", "BUS-UCLM")


@click.command(epilog=examples("models", "models --copy unet-tiny -o DIR"))
@click.option("--copy", metavar="NAME", help="Write this model's file and its card into the folder of -o.")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Where --copy writes. It is made if it isn't there.",
)  # fmt: skip
@overwrite_option
@click.option("--hugging-face", metavar="NAME", help="Print this model's card as the Hugging Face hub reads it.")
def models(copy: str | None, output: Path | None, overwrite: bool, hugging_face: str | None) -> None:
    """List the trained models that ship in the package, with their scores and cost. Not for diagnosis."""
    if (copy is None) != (output is None):
        raise click.UsageError("--copy NAME and -o DIR belong together")
    if hugging_face is not None:
        click.echo(hugging_face_card(hugging_face))
        return
    if copy is not None and output is not None:
        for copied in copy_shipped(copy, output, overwrite=overwrite):
            click.echo(copied)
        return
    rows = []
    for card in cards():
        file = shipped(card["file"])
        size = f"{file.stat().st_size / 1e6:.1f}" if file else "missing"
        hospitals, cost = card.get("hospitals", {}), card.get("cost", {})
        numbers = [_number(hospitals.get(name, {}).get("f1")) for name in HOSPITALS]
        numbers.append(_number(cost.get("ms_median"), 0))
        words = [str(card.get("license", "")).partition(" ")[0], str(card.get("description", ""))]
        rows.append([card["name"], *numbers, size, *words])
    if not rows:
        click.echo(
            "no trained model ships with this version; train one: hybridseg fit unet --data DIR -o MODEL.hybridseg"
        )
        return
    click.echo(aligned(["model", *HOSPITALS, "ms/image", "MB", "licence", "what it is"], rows))
    click.echo(
        "\nF1 on each hospital's data: mean over lesion images that no training saw. Nothing was learned from BUS-UCLM."
    )
    click.echo("Use one: hybridseg segment -m NAME IMAGE. For research; not for diagnosis.")


def _number(value: object, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "-"
