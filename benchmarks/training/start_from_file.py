"""Make a checkpoint to start from out of an exported model, where the training's own is gone.

    python benchmarks/training/start_from_file.py hybridseg/zoo/unet.onnx --network 0 --size 256 \\
        --data Dataset_BUSI_with_GT --data BUSBRA --fold 0 -o runs/unet
    python benchmarks/training/start_from_file.py hybridseg/zoo/unet-tiny.onnx --encoder efficientnet-lite0-short \\
        --size 192 --data Dataset_BUSI_with_GT --data BUSBRA --fold 0 -o runs/tiny

An exported file holds kernels and biases, into which batch normalisation has gone. Here it is put back: its statistics
are those of the convolutions' outputs on augmented training pictures, and its scale and shift undo them. So the network
gives what the file gives, and trains as one that has batch normalisation. Kernels get the norms of an untrained
network's, which the optimizer's step sizes suit. ``train_unet.py --from`` takes the folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from train_unet import training_cases

from hybridseg.onnx import OnnxSegmenter
from hybridseg.training.augment import STORED_PER_SIDE, augment
from hybridseg.training.cases import working_cases
from hybridseg.training.checkpoints import CHECKPOINT, Run, write_checkpoint
from hybridseg.training.quiet import import_keras
from hybridseg.unet.network import ENCODERS
from hybridseg.unet.segmenter import UNetSegmenter

PICTURES, BATCH = 240, 8
MAX_DIFFERENCE = 1e-4


@click.command()
@click.argument("exported", type=click.Path(exists=True, path_type=Path))
@click.option("--network", "position", default=0, help="Which of the networks whose mean the file gives, from 0 on.")
@click.option("--encoder", default="efficientnet-lite0", type=click.Choice(sorted(ENCODERS)))
@click.option("--size", default=256, help="The working size that it was trained at.")
@click.option("--data", "folders", required=True, multiple=True, help="What it learned from; may be repeated.")
@click.option("--fold", required=True, type=click.IntRange(0, 4), help="The published fold that it hasn't seen.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(
    *, exported: Path, position: int, encoder: str, size: int, folders: tuple[str, ...], fold: int, output: Path
) -> None:
    """Read, put batch normalisation back, check, and write."""
    keras = import_keras()
    segmenter = UNetSegmenter(encoder=encoder, size=size)
    network = segmenter._build(size)
    segmenter._initialise(network)
    convolutions = [
        layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
    ]
    kernels = read_kernels(exported)
    if len(kernels) % len(convolutions):
        raise SystemExit(f"{exported}: must have a multiple of {len(convolutions)} convolutions, got {len(kernels)}")
    own = kernels[position * len(convolutions) :][: len(convolutions)]
    untrained = [layer.get_weights()[0] for layer in convolutions]
    normalised = []
    norms = {id(layer.input): layer for layer in network.layers if hasattr(layer, "moving_variance")}
    for layer, (stored, bias), old in zip(convolutions, own, untrained, strict=True):
        kernel = stored.transpose((2, 3, 0, 1) if is_depthwise(layer) else (2, 3, 1, 0))
        norm = norms.get(id(layer.output))
        layer.set_weights([kernel, bias] if layer.use_bias else [kernel])
        if norm is not None:
            norm.set_weights(unchanging(norm, bias))
            normalised.append((layer, norm, old))
    pictures = augmented(training_cases(folders, fold), size)
    before = network(pictures[:BATCH], training=False).numpy()
    probe = keras.Model(network.input, [layer.output for layer, _, _ in normalised])
    for (layer, norm, old), (mean, variance) in zip(normalised, output_statistics(probe, pictures), strict=True):
        put_back(layer, norm, old, mean, variance)
    difference = float(np.abs(network(pictures[:BATCH], training=False).numpy() - before).max())
    if difference > MAX_DIFFERENCE:
        raise SystemExit(
            f"with batch normalisation the network differs by {difference:.3g}, {MAX_DIFFERENCE} is allowed"
        )
    path = output / f"fold{fold}.checkpoint" / CHECKPOINT
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = network.get_weights()
    run = Run(0, weights, weights, 0, [], [])
    write_checkpoint(path, "", run, network, keras.optimizers.AdamW(), OnnxSegmenter.load(exported).fingerprints)
    print(f"{path}: as the file to {difference:.2g}")


def read_kernels(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return kernel (out, in, rows, columns) and bias (out,) of each convolution, in the graph's order, as float32."""
    model = onnx.load(path)
    loop = next(node for node in model.graph.node if node.op_type == "Loop")
    body = next(attribute.g for attribute in loop.attribute if attribute.name == "body")
    stored = (*model.graph.initializer, *body.initializer)
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in stored}
    makers = {name: node for node in body.node for name in node.output}

    def value(name: str) -> np.ndarray:
        if name not in values:
            node = makers[name]
            made = ReferenceEvaluator(node).run(None, {each: value(each) for each in node.input})
            values.update(zip(node.output, made, strict=True))
        return values[name]

    found = []
    for node in body.node:
        if node.op_type == "Conv":
            kernel = np.asarray(value(node.input[1]), np.float32)
            bias = value(node.input[2]) if len(node.input) > 2 else np.zeros(len(kernel))
            found.append((kernel, np.asarray(bias, np.float32).ravel()))
    return found


def is_depthwise(layer: Any) -> bool:
    """Say whether it is a depthwise convolution, whose kernel has its output channels third."""
    return hasattr(layer, "depth_multiplier")


def unchanging(norm: Any, bias: np.ndarray) -> list[np.ndarray]:
    """Return weights with which batch normalisation adds the bias and does nothing else."""
    ones = np.ones_like(bias)
    return [np.sqrt(1 + norm.epsilon) * ones, bias, 0 * ones, ones]


def augmented(cases: list, size: int) -> np.ndarray:
    """Return `PICTURES` training pictures as a training shows them, float32 (n, S, S, 1)."""
    chosen = np.random.default_rng(7).permutation(len(cases))[:PICTURES]
    images, masks = zip(*(cases[k][1].read() for k in chosen), strict=True)
    data = working_cases(images, masks, round(STORED_PER_SIDE * size), None, None)
    shown = [augment(image, data.masks[k], np.random.default_rng(k), size)[0] for k, image in enumerate(data.images)]
    return np.stack(shown).astype(np.float32)[..., np.newaxis]


def output_statistics(probe: Any, pictures: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return mean and variance of each output's channels over all pictures, float64."""
    sums: list[np.ndarray] = []
    for start in range(0, len(pictures), BATCH):
        outputs = [np.asarray(each, np.float64) for each in probe(pictures[start : start + BATCH], training=False)]
        moments = [np.stack([each.mean((0, 1, 2)), (each**2).mean((0, 1, 2))]) for each in outputs]
        sums = moments if not sums else [a + b for a, b in zip(sums, moments, strict=True)]
    means = [each / (len(pictures) / BATCH) for each in sums]
    return [(mean, np.maximum(square - mean**2, 0)) for mean, square in means]


def put_back(layer: Any, norm: Any, untrained: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> None:
    """Give the kernel the norms of an untrained one, and batch normalisation what makes the output the same."""
    from hybridseg.unet.fourbit import FourBitConv2D  # needs Keras

    (kernel,) = layer.get_weights()
    axes = (0, 1, 3) if is_depthwise(layer) else (0, 1, 2)
    norms, wanted = (np.sqrt((each**2).sum(axes, keepdims=True)) for each in (kernel, untrained))
    alive = norms > 1e-3 * np.median(norms)
    scale = np.minimum(np.where(alive, wanted / np.maximum(norms, 1e-12), 1.0), 1e3)
    if isinstance(layer, FourBitConv2D):  # rounded by channel already: one factor for all keeps the codes
        scale = np.full_like(scale, np.median(scale))
    factor = scale.ravel()
    bias = norm.get_weights()[1]
    layer.set_weights([kernel * scale])
    deviation = np.sqrt(variance * factor**2 + norm.epsilon)
    norm.set_weights([deviation / factor, bias + mean, mean * factor, variance * factor**2])


if __name__ == "__main__":
    main()
