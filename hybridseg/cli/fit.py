"""``hybridseg fit``: train a method on a data set and save it."""

from __future__ import annotations

import shutil
import time
from contextlib import nullcontext
from pathlib import Path

import click

from ._examples import examples
from ._progress import log_lines, progress_line
from ._scenes import find_scenes, scene_options
from ._targets import overwrite_option, prepare_target


@click.command(
    epilog=examples(
        "fit random-forest --data DIR -o forest.hybridseg",
        "fit unet --data DIR -p epochs=4 -o unet.hybridseg",
    )
)
@click.argument("method")
@click.option("--data", required=True, metavar="DIR", help="Folder of images and masks, CSV manifest, or `phantoms`.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to save the model. By custom it ends in .hybridseg.",
)
@click.option("-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="Set a parameter. May be repeated.")
@scene_options
@overwrite_option
def fit(
    *,
    method: str,
    data: str,
    output: Path,
    params: tuple[str, ...],
    as_read: bool,
    cache: Path | None,
    overwrite: bool,
) -> None:
    """Train METHOD on every case of a data set and save it.

    METHOD is a name from `hybridseg methods` or file.py:Class, with parameters in brackets or through -p.

    FILE.json, beside FILE, is the card: what it was trained on and how. A method that trains in epochs leaves its
    curves as FILE.history.csv and .png. While it trains, it keeps checkpoints in FILE.checkpoint. The same command goes
    on from them. While it saves, there is a FILE.saving. If it is killed then, the same command replaces what it wrote.
    """
    from .. import registry
    from ..data import CaseReader, load_dataset
    from ..guests import contained
    from ..modelfile import check_savable
    from ..onnx import OnnxSegmenter
    from ..text import printable
    from ..training.curves import curve_files, is_history, write_curves
    from ..zoo.cards import write_card

    if output.suffix == ".onnx":
        problem = "`fit` saves a model, not ONNX; give a name in .hybridseg, then `export` it"
        raise ValueError(f"{printable(output)}: {problem}")
    card = output.with_name(f"{output.name}.json")
    saving = output.with_name(f"{output.name}.saving")  # while it is there, what has our names is a killed fit's
    for path in (output, card, *curve_files(output)):
        prepare_target(path, overwrite or saving.exists())
    model = registry.create(method)
    if isinstance(model, OnnxSegmenter):
        raise ValueError(f"{printable(method)}: an ONNX file can't be trained; give a method from `hybridseg methods`")
    for text in params:  # the grammar of the brackets, so that both ways mean the same
        model.set_params(**registry.parse_spec(f"method[{text}]")[1])
    check_savable(model.get_params(deep=False))
    checkpoint = output.with_name(f"{output.name}.checkpoint")
    own_checkpoint = "checkpoint_dir" in model.get_params() and model.get_params()["checkpoint_dir"] is None
    if own_checkpoint:
        model.set_params(checkpoint_dir=str(checkpoint))
    dataset = find_scenes(load_dataset(data), as_read, cache)
    start = time.monotonic()
    with progress_line("fit") as progress:
        reader, lesion_images = CaseReader(), 0
        for number, case in enumerate(dataset):  # every file once before the hours of training
            lesion_images += bool(reader.read(case)[1].any())
            if progress is not None:
                progress(number + 1, len(dataset), "reading")
        with contained(), nullcontext() if progress is not None else log_lines():
            model.fit(reader.images(dataset), reader.masks(dataset), groups=dataset.groups, progress=progress)
    if own_checkpoint:
        model.set_params(checkpoint_dir=None)
    saving.touch()
    with contained():
        model.save(output)
    write_card(card, model, dataset, lesion_images, time.monotonic() - start)
    history = getattr(model, "history_", None)
    if is_history(history):
        write_curves(output, history)
    if own_checkpoint:  # last: whatever fails before this can be had again without training
        shutil.rmtree(checkpoint, ignore_errors=True)
    saving.unlink()
    click.echo(f"{printable(output)}: {model} fitted on {len(dataset)} cases of {printable(dataset.name)}")
