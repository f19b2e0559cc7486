"""``hybridseg methods``: what is installed."""

from __future__ import annotations

import click

from ..text import aligned
from ._examples import examples


@click.command(epilog=examples("methods", "methods --names"))
@click.option("--names", is_flag=True, help="Print names only, one per line. Nothing is imported.")
def methods(names: bool) -> None:
    """List the installed methods: built in, and from plug-in packages.

    A method that can't be loaded is listed with the reason.
    """
    from .. import registry

    found = registry.available()
    if names:
        click.echo("\n".join(found))
        return
    rows = []
    for name, info in found.items():
        try:
            kind = registry.find_class(name)
        except registry.MethodLoadError as error:
            rows.append([name, info.distribution, "-", "-", f"not usable: {error}"])
            continue
        rows.append([
            name,
            info.distribution,
            "yes" if kind.tags.requires_fit else "no",
            "yes" if kind.tags.exportable else "no",
            _first_sentence(kind.__doc__ or ""),
        ])  # fmt: skip
    click.echo(aligned(["method", "package", "must fit", "exports", "what it is"], rows))
    click.echo("\nParameters: hybridseg info METHOD. A method in a file of yours: FILE.py:CLASS.")


def _first_sentence(text: str) -> str:
    return " ".join(text.strip().partition("\n\n")[0].split()).rstrip(".")
