"""A model that ships, examined on images that taught it: what each verb says, and that none ranks it.

    python benchmarks/robustness/own_training.py --data BUSBRA --model unet.onnx -o benchmarks/results/own_training.md

The first images that the model's fingerprints name are examined as they are, then as JPEG 90 at half their size.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from click.testing import CliRunner
from PIL import Image

from hybridseg.cli import main as hybridseg
from hybridseg.data import load_dataset
from hybridseg.data.fingerprints import fingerprint, is_among
from hybridseg.images import write_image, write_mask
from hybridseg.registry import create

RIVALS = ("otsu-textbook", "watershed-textbook")


@click.command()
@click.option("--data", required=True)
@click.option("--model", default="unet.onnx", show_default=True)
@click.option("--n", default=12, show_default=True, help="Images.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(data: str, model: str, n: int, output: Path) -> None:
    """Examine both ways, and write the page."""
    lines = [
        "# Examined on what taught it: what each verb says", "",
        f"`python benchmarks/robustness/own_training.py --data {Path(data).name} --model {model} --n {n}`", "",
        f"{n} images that taught `{model}` are examined, beside methods that learn nothing. Each verb prints of it:",
    ]  # fmt: skip
    with TemporaryDirectory() as temporary:
        for title, is_changed in (("As they are", False), ("As JPEG 90, at half the size", True)):
            folder = Path(temporary, title)
            folder.mkdir()
            write_taught(data, model, n, folder / "data", is_changed=is_changed)
            lines += ["", f"## {title}", "", "| verb | of the model |", "|---|---|"]
            lines += [f"| {verb} | {what} |" for verb, what in examine(folder, model, n)]
    output.write_text("\n".join([*lines, ""]), "utf-8")


def write_taught(data: str, model: str, n: int, folder: Path, *, is_changed: bool) -> None:
    """Write the first images with a lesion that taught a model, and their masks."""
    learned = create(model).fingerprints
    taught = (case for case in load_dataset(data) if is_among(fingerprint(case.image), learned))
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for case, _ in zip(taught, range(n), strict=False):
        stem, size = case.case_id.replace("/", "_"), case.image.shape[::-1]
        if not is_changed:
            write_image(folder / "images" / f"{stem}.png", case.image)
            write_mask(folder / "masks" / f"{stem}.png", case.mask)
            continue
        half = size[0] // 2, size[1] // 2
        image, mask = (Image.fromarray(array) for array in (case.image, case.mask))
        image.resize(half, Image.Resampling.BILINEAR).save(folder / "images" / f"{stem}.jpg", quality=90)
        mask.resize(half, Image.Resampling.NEAREST).save(folder / "masks" / f"{stem}.png")


def examine(folder: Path, model: str, n: int) -> Iterator[tuple[str, str]]:
    """Yield each verb with what it says of the model; raise where it says something else."""
    here, run, other, scored = (str(folder / name) for name in ("data", "run", "other", "scored"))
    methods = [part for method in RIVALS for part in ("-m", method)]
    bench = ["bench", "--data", here, "--as-read", "--folds", "2"]
    remark, unranked = f"trained on {n} of these {n} images", "It isn't ranked, and is in no comparison."
    yield "bench", said(f"‡ {model}: {remark}. {unranked}", *bench, "-m", model, *methods, "-o", run)
    for arguments in (
        [*bench, "-m", model, *methods, "--no-cost", "-o", other],
        [*bench, *methods, "--no-cost", "-o", scored],
        ["segment", f"{here}/images", "-m", model, "-o", str(folder / "masks")],
    ):
        said("", *arguments)
    yield "score --model", said(
        f"‡ theirs: {remark}. {unranked}",
        "score", "--truth", here, "--pred", str(folder / "masks"), "--name", "theirs", "--model", model, "-o", scored,
    )  # fmt: skip
    yield "report", said(f"‡ {model}: {remark}. {unranked}", "report", run, "--format", "md", "--no-pictures")
    yield "compare", said(f"Left out of A: {model}, {remark}. Left out of B: {model}, {remark}.", "compare", run, other)
    yield "recommend", said(f"Left out, {remark}: {model}.", "recommend", run)
    yield "data check --model", said(f"{model} {n} {remark}", "data", "check", here, "--no-pairs", "--model", model)


def said(expected: str, *arguments: str) -> str:
    """Run a command, and return what it is expected to print, however its lines are broken."""
    done = CliRunner().invoke(hybridseg, list(arguments), prog_name="hybridseg")
    assert done.exit_code == 0, done.output
    printed = " ".join(done.stdout.split())
    assert expected in printed, printed
    return expected


if __name__ == "__main__":
    main()
