"""Cost of the models that ship beside networks that a person would pick instead, in one go on one machine.

    OMP_NUM_THREADS=1 python benchmarks/speed/peers.py -o benchmarks/results/peers.md

The peers are built from their published descriptions, at 256 x 256, with random weights: cost doesn't depend on them.
Each is exported as the models that ship are (resizing, network, operating point in one ONNX file) and timed in a fresh
process. Run it when nothing else runs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from hybridseg.bench import measure_cost
from hybridseg.data.phantoms import phantom
from hybridseg.onnx import Preprocessing, describe, wrap_network
from hybridseg.postprocess import OperatingPoint
from hybridseg.processes.machine import describe_machine

SIZE = 256
ZOO = Path(__file__).resolve().parents[2] / "hybridseg" / "zoo"


def plain_unet(channels: int = 64) -> Any:
    """O. Ronneberger et al. (MICCAI 2015), with padding and batch normalisation: 31 M parameters."""
    import keras
    from keras import layers

    def double(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
        return x

    image = keras.Input((SIZE, SIZE, 1))
    x, skips = double(image, channels), []
    for level in range(1, 5):
        skips.append(x)
        x = double(layers.MaxPooling2D()(x), channels * 2**level)
    for level in (3, 2, 1, 0):
        x = layers.Conv2DTranspose(channels * 2**level, 2, strides=2)(x)
        x = double(layers.Concatenate()([skips.pop(), x]), channels * 2**level)
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x))


def mobilenet_unet() -> Any:
    """MobileNetV2 with the decoder of TensorFlow's segmentation tutorial: 4 x 4 transposed convolutions, 512 to 64."""
    import keras
    from keras import layers

    base = keras.applications.MobileNetV2(input_shape=(SIZE, SIZE, 3), include_top=False, weights=None)
    names = ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu")
    skips = [base.get_layer(name).output for name in names]
    x = base.get_layer("block_16_project").output
    for filters, skip in zip((512, 256, 128, 64), reversed(skips), strict=True):
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(x)
        x = layers.Concatenate()([layers.ReLU()(layers.BatchNormalization()(x)), skip])
    x = layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")(x)
    return keras.Model(base.input, x)


def earlier_network() -> Any:
    """The project that hybridseg grew out of: six conv-BN-ReLU-pool stages 64 to 2048, and back, without skips."""
    import keras
    from keras import layers

    image = keras.Input((SIZE, SIZE, 1))
    x = image
    for filters in (64, 128, 256, 512, 1024, 2048):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(x)))
        x = layers.MaxPooling2D()(x)
    for filters in (1024, 512, 256, 128, 64, 1):
        x = layers.Conv2D(filters, 3, padding="same")(layers.UpSampling2D()(x))
        x = layers.ReLU()(layers.BatchNormalization()(x)) if filters > 1 else layers.Activation("sigmoid")(x)
    return keras.Model(image, x)


PEERS = {
    "plain U-Net, 64 to 1024": plain_unet,
    "MobileNetV2 U-Net": mobilenet_unet,
    "the earlier project's network": earlier_network,
}


def export(model: Any, path: Path) -> None:
    """Write a Keras model as a whole-pipeline file, weights in single precision."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    channels = model.input_shape[-1]
    signature = [tf.TensorSpec((1, SIZE, SIZE, channels), tf.float32, name="image")]
    network, _ = tf2onnx.convert.from_function(
        tf.function(lambda image: {"probability": model(image, training=False)}, input_signature=signature),
        input_signature=signature,
        opset=18,
    )
    whole = wrap_network(network, SIZE, Preprocessing(mean=127.0, std=128.0), OperatingPoint(0.5))
    onnx.save(whole, path)


@click.command()
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(output: Path) -> None:
    """Build, export, count and time."""
    images = [phantom(seed, shape=(470, 560)).image for seed in range(10)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = {f"hybridseg {path.stem}": path for path in sorted(ZOO.glob("*.onnx"))}
        for number, (name, build) in enumerate(PEERS.items()):
            files[name] = Path(folder, f"{number}.onnx")
            export(build(), files[name])
        for name, path in files.items():
            network = describe(path)
            cost = measure_cost("hybridseg.registry:create", str(path), images)
            rows.append(
                f"| {name} | {network.parameters / 1e6:.2f} | {network.multiply_adds / 1e9:.2f} | "
                f"{path.stat().st_size / 1e6:.1f} | {cost['warm_ms_median']:.0f} | {cost['warm_ms_p95']:.0f} | "
                f"{'-' if cost['peak_mib'] is None else round(cost['peak_mib'])} |"
            )
            print(rows[-1], flush=True)
    machine = describe_machine()
    versions = ", ".join(f"{key} {value}" for key, value in machine["versions"].items())  # type: ignore[attr-defined]
    output.write_text(
        "\n".join(
            [
                "# Beside networks that a person would pick instead",
                "",
                "The whole pipeline: a grey image of 470 x 560 in, mask and probability out. One thread, each file in "
                "a fresh process. 10 synthetic images, each twice after warm-up. The peers work at 256 x 256 and have "
                "random weights: this table is about cost only.",
                "",
                "| file | parameters (M) | multiply-adds (G) | MB | ms, median | ms, p95 | resident MiB |",
                "|---|---|---|---|---|---|---|",
                *rows,
                "",
                f"Machine: {machine['cpu']}, {machine['system']}; {versions}.",
                "",
                "Command: `OMP_NUM_THREADS=1 python benchmarks/speed/peers.py -o benchmarks/results/peers.md`",
                "",
            ]
        )
    )


if __name__ == "__main__":
    main()
