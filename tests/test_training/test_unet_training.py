"""Training for real, on phantoms: a fit learns, repeats, survives a kill, and refuses what isn't its own."""

from __future__ import annotations

import copy
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hybridseg import NotFittedError, OperatingPoint
from hybridseg.data.fingerprints import join_fingerprints, take_fingerprints
from hybridseg.data.phantoms import phantom
from hybridseg.images import find_scan
from hybridseg.images.scan import DARK_GREY
from hybridseg.registry import create
from hybridseg.training.working import BLANK_RANGE, resize, to_working
from hybridseg.unet.segmenter import UNetSegmenter

pytest.importorskip("keras")
pytest.importorskip("tensorflow")
import onnx

from hybridseg.onnx import OnnxSegmenter, ParityError, export_smaller
from hybridseg.onnx.pieces.network import mean_network
from hybridseg.onnx.runtime import run_session
from hybridseg.onnx.storing import quantise, store_smaller
from hybridseg.training import loop as training

TINY = {"encoder": "none", "size": 32, "width": 4, "epochs": 3, "batch_size": 4, "flip_averaging": False}


@pytest.fixture(scope="module")
def cases() -> tuple[list, list]:
    made = [phantom(seed, kind="normal" if seed % 5 == 4 else None, shape=(80, 96)) for seed in range(20)]
    return [each.image for each in made], [each.mask for each in made]


@pytest.fixture(scope="module")
def fitted(cases, tmp_path_factory) -> UNetSegmenter:
    folder = tmp_path_factory.mktemp("checkpoint")
    return UNetSegmenter(**TINY, checkpoint_dir=str(folder)).fit(*cases)


def test_learns_to_tell_dark_discs(caplog) -> None:
    caplog.set_level("INFO", "hybridseg")
    rng = np.random.default_rng(0)
    images, masks = [], []
    y, x = np.mgrid[:64, :64]
    for _ in range(48):
        row, column = rng.uniform(16, 48, 2)
        mask = (y - row) ** 2 + (x - column) ** 2 < 100
        inside, outside = rng.uniform(0, 80, mask.shape), rng.uniform(100, 255, mask.shape)
        images.append(np.where(mask, inside, outside).astype(np.uint8))
        masks.append(mask)
    model = UNetSegmenter(**{**TINY, "epochs": 15, "learning_rate": 5e-3, "ema_decay": 0.9}).fit(images, masks)
    assert model.score(images, masks) > 0.5
    assert model.history_[-1]["loss"] < model.history_[0]["loss"]
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("hybridseg")]
    assert [line.partition(":")[0] for line in lines] == [f"epoch {k}/15" for k in range(1, 16)]
    assert lines[-1].startswith(f"epoch 15/15: loss {model.history_[-1]['loss']:.3f}, validation F1 ")


def test_fitted_model_predicts_without_keras_and_survives_saving(fitted, cases, tmp_path: Path) -> None:
    path = tmp_path / "unet.hybridseg"
    fitted.save(path)
    np.save(tmp_path / "image.npy", cases[0][0])
    code = (
        "import sys, numpy as np, hybridseg\n"
        f"model = hybridseg.load({str(path)!r})\n"
        f"np.save({str(tmp_path / 'p.npy')!r}, model.predict_proba(np.load({str(tmp_path / 'image.npy')!r})))\n"
        "assert not {'keras', 'tensorflow', 'sklearn', 'skimage'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), fitted.predict_proba(cases[0][0]))


def test_finished_training_is_not_done_again(fitted, cases, monkeypatch) -> None:
    monkeypatch.setattr(training, "_one_epoch", lambda *a: pytest.fail("an epoch was trained again"))
    again = UNetSegmenter(**TINY, checkpoint_dir=fitted.checkpoint_dir).fit(*cases)
    np.testing.assert_array_equal(again.predict_proba(cases[0][1]), fitted.predict_proba(cases[0][1]))
    # No pictures stay there.
    assert [path.name for path in Path(fitted.checkpoint_dir).iterdir()] == [training.CHECKPOINT]


def test_same_seed_same_model_whatever_the_checkpoints_and_without_all_images_in_memory(
    fitted, cases, streamed
) -> None:
    images, masks = (streamed(values) for values in cases)
    again = UNetSegmenter(**TINY).fit(images, masks)
    assert max(images.most_alive, masks.most_alive) <= again.validation_images_ + 2 < len(images)
    np.testing.assert_array_equal(again.predict_proba(cases[0][1]), fitted.predict_proba(cases[0][1]))
    assert again.operating_point_ == fitted.operating_point_


def test_checkpoint_of_another_training_is_refused(fitted, cases, tmp_path: Path) -> None:
    otsu = tmp_path / "otsu.onnx"
    create("otsu").to_onnx(otsu)
    start = str(Path(fitted.checkpoint_dir, training.CHECKPOINT))
    for other in ({"width": 5}, {"teacher": str(otsu), "teacher_share": 0.0}, {"start_from": start}):
        model = UNetSegmenter(**{**TINY, **other}, checkpoint_dir=fitted.checkpoint_dir)
        with pytest.raises(training.TrainingError, match="other parameters, architecture or data"):
            model.fit(*cases)


def test_training_stops_after_as_many_worse_epochs_as_patience_allows(cases, monkeypatch) -> None:
    monkeypatch.setattr(training, "is_worse", lambda scores, reference: len(reference) > 0)
    model = UNetSegmenter(**{**TINY, "epochs": 9, "patience": 2}).fit(*cases)
    assert len(model.history_) == 1 + 2


def test_a_picture_that_shows_nothing_has_no_lesion(fitted) -> None:
    model = copy.copy(fitted)
    model.operating_point_ = OperatingPoint(threshold=0.001)
    dark = np.zeros((50, 60), np.uint8)
    dark[::2] = BLANK_RANGE - 1
    assert not model.predict_proba(dark).any()
    assert not model.predict_proba(np.pad(np.full((50, 60), 128, np.uint8), 20)).any()
    dark[0] = BLANK_RANGE
    assert model.predict(dark).any()


def test_what_is_around_the_scan_changes_nothing_in_it(fitted, cases, tmp_path: Path) -> None:
    assert fitted.to_onnx(tmp_path / "model.onnx").passed
    exported = OnnxSegmenter.load(tmp_path / "model.onnx")
    image = cases[0][0]
    framed = np.pad(image, ((30, 0), (11, 70)), constant_values=DARK_GREY)
    framed[:25, 20:60] = framed[35:70, -15:] = 200  # captions
    for model, tolerance in ((fitted, 0), (exported, 1e-5)):
        probability = model.predict_proba(framed)
        np.testing.assert_allclose(probability[30:, 11:-70], fitted.predict_proba(image), atol=tolerance)
        probability[30:, 11:-70] = 0
        assert not probability.any()
    dark = np.zeros((50, 60), np.uint8)
    dark[:, 7] = 255  # no scan, so all of it is looked at
    np.testing.assert_allclose(exported.predict_proba(dark), fitted.predict_proba(dark), atol=1e-5)
    assert fitted.predict_proba(dark)[:, 40:].any()


def test_what_is_around_the_scan_is_not_learned_from(cases, tmp_path: Path) -> None:
    from hybridseg.training.cases import working_cases

    images, masks = (part[:3] for part in cases)
    bare = working_cases(images, masks, 32, None)
    framed = working_cases([np.pad(image, 20) for image in images], [np.pad(mask, 20) for mask in masks], 32, None)
    np.testing.assert_array_equal(framed.images, bare.images)
    np.testing.assert_array_equal(framed.masks, bare.masks)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 torn"])
def test_damaged_checkpoint_is_refused_in_one_line(cases, tmp_path: Path, content: bytes) -> None:
    (tmp_path / training.CHECKPOINT).write_bytes(content)
    with pytest.raises(training.TrainingError, match="not a training checkpoint") as caught:
        UNetSegmenter(**TINY, checkpoint_dir=str(tmp_path)).fit(*cases)
    assert "\n" not in str(caught.value)


def test_training_starts_from_another_ones_averaged_weights_whatever_its_size(fitted, cases, monkeypatch) -> None:
    start = Path(fitted.checkpoint_dir, training.CHECKPOINT)
    seen = []

    def first_epoch(recipe, data, validation, run, model, *_) -> None:
        seen.append((model.input_shape[1], model.get_weights(), run.averaged))
        raise InterruptedError

    monkeypatch.setattr(training, "_one_epoch", first_epoch)
    with pytest.raises(InterruptedError):
        UNetSegmenter(**{**TINY, "size": 64}, start_from=str(start)).fit(*cases)
    ((size, weights, averaged),) = seen
    assert size == 64
    with np.load(start) as stored:
        best = [stored[key] for key in sorted(stored.files) if key.startswith("best_")]
    for wanted, got, average in zip(best, weights, averaged, strict=True):
        np.testing.assert_array_equal(got, wanted)
        np.testing.assert_array_equal(average, wanted)


def test_what_learned_from_others_has_learned_from_their_images(fitted, cases) -> None:
    start = str(Path(fitted.checkpoint_dir, training.CHECKPOINT))
    mirrored = [[np.ascontiguousarray(each[:, ::-1]) for each in part] for part in cases]
    first, second = (take_fingerprints(images) for images in (cases[0], mirrored[0]))
    np.testing.assert_array_equal(fitted.fingerprints, first)
    later = UNetSegmenter(**{**TINY, "epochs": 1}, start_from=start).fit(*mirrored)
    both = join_fingerprints([first, second])
    assert len(both) == 2 * len(cases[0])
    np.testing.assert_array_equal(later.fingerprints, both)
    np.testing.assert_array_equal(UNetSegmenter.mean_of([fitted, later]).fingerprints, both)
    old = copy.copy(later)
    del old.fingerprints_
    assert UNetSegmenter.mean_of([fitted, old]).fingerprints is None


def test_starting_from_another_architecture_or_no_checkpoint_is_refused(fitted, cases, tmp_path: Path) -> None:
    start = str(Path(fitted.checkpoint_dir, training.CHECKPOINT))
    with pytest.raises(training.TrainingError, match="`start_from` must be a checkpoint of this very network"):
        UNetSegmenter(**{**TINY, "width": 5}, start_from=start).fit(*cases)
    with pytest.raises(training.TrainingError, match=r"none\.npz: not a training checkpoint"):
        UNetSegmenter(**TINY, start_from=str(tmp_path / "none.npz")).fit(*cases)


def test_loss_that_is_no_number_stops_with_advice(cases, monkeypatch) -> None:
    import keras

    monkeypatch.setattr(keras.Model, "train_on_batch", lambda *a, **k: float("nan"))
    with pytest.raises(training.TrainingError, match=r"became nan in epoch 1, step 1; lower learning_rate"):
        UNetSegmenter(**TINY).fit(*cases)


def test_killed_training_ends_with_the_same_model(fitted, cases, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import sys\n"
        "from hybridseg.data.phantoms import phantom\n"
        "from hybridseg.unet.segmenter import UNetSegmenter\n"
        "made = [phantom(s, kind='normal' if s % 5 == 4 else None, shape=(80, 96)) for s in range(20)]\n"
        f"model = UNetSegmenter(**{TINY!r}, checkpoint_dir=sys.argv[1])\n"
        "model.fit([m.image for m in made], [m.mask for m in made]).save(sys.argv[2])\n"
    )
    folder, saved = tmp_path / "checkpoint", tmp_path / "model.hybridseg"
    command = [sys.executable, script, folder, saved]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (folder / training.CHECKPOINT).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not saved.exists(), "the kill came too late to show anything"
    assert (folder / training.CHECKPOINT).exists()
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert not [line for line in again.stderr.splitlines() if line.startswith("I0000") or "absl" in line]
    resumed = UNetSegmenter.load(saved)
    assert len(resumed.history_) == 3
    np.testing.assert_array_equal(resumed.predict_proba(cases[0][1]), fitted.predict_proba(cases[0][1]))
    assert resumed.operating_point_ == fitted.operating_point_
    assert resumed.network_.tobytes() == fitted.network_.tobytes()


def test_exported_file_agrees(fitted, cases, tmp_path: Path) -> None:
    import hybridseg

    fitted.to_onnx(tmp_path / "unet.onnx")
    exported = hybridseg.load(tmp_path / "unet.onnx")
    for image in cases[0][:4]:
        assert (exported.predict(image) != fitted.predict(image)).mean() <= 1e-4


def test_weights_are_halved_when_an_export_asks_for_it(fitted, cases, tmp_path: Path) -> None:
    found = export_smaller(fitted, tmp_path / "half.onnx", "fp16", images=cases[0], masks=cases[1])
    assert found.weights == "fp16"
    assert found.bytes_after < found.bytes_before
    assert found.f1_after >= found.f1_before - 0.005


def test_mean_of_two_trainings_is_one_model_and_the_second_sees_the_mirror_image(fitted, cases, tmp_path: Path) -> None:
    other = UNetSegmenter(**{**TINY, "epochs": 1, "random_state": 1}).fit(*cases)
    before = fitted.network_.tobytes()
    mean = UNetSegmenter.mean_of([copy.copy(fitted).set_params(flip_averaging=True), other])
    for image in cases[0][:3]:
        mirrored = other.predict_proba(np.ascontiguousarray(image[:, ::-1]))[:, ::-1]
        np.testing.assert_allclose(mean.predict_proba(image), (fitted.predict_proba(image) + mirrored) / 2, atol=1e-6)
        assert np.abs(other.predict_proba(image) - mirrored).max() > 1e-3
    assert fitted.network_.tobytes() == before
    assert mean.current_operating_point == fitted.current_operating_point
    mean.save(tmp_path / "mean.hybridseg")
    loaded = UNetSegmenter.load(tmp_path / "mean.hybridseg")
    assert loaded.to_onnx(tmp_path / "mean.onnx").passed


def test_a_mean_of_two_sizes_has_the_larger_and_each_sees_the_image_at_its_own(fitted, cases, tmp_path: Path) -> None:
    larger = UNetSegmenter(**{**TINY, "epochs": 1, "size": 64}).fit(*cases)
    mean = UNetSegmenter.mean_of([fitted, larger])
    assert mean.size == 64
    assert fitted.size == 32
    image = cases[0][0]
    working = to_working(image[find_scan(image)], 64)
    (small,) = run_session(fitted._session(), ["probability"], {"image": resize(working, (32, 32))[None, :, :, None]})
    (large,) = run_session(larger._session(), ["probability"], {"image": working[None, :, ::-1, None]})
    expected = (resize(small[0, :, :, 0], (64, 64)) + large[0, :, ::-1, 0]) / 2
    (found,) = run_session(mean._session(), ["probability"], {"image": working[None, :, :, None]})
    np.testing.assert_allclose(found[0, :, :, 0], expected, atol=1e-4)
    mean.save(tmp_path / "mean.hybridseg")
    assert UNetSegmenter.load(tmp_path / "mean.hybridseg").to_onnx(tmp_path / "mean.onnx").passed


def test_mean_of_none_or_of_one_that_is_not_fitted_is_refused(fitted) -> None:
    with pytest.raises(ValueError, match="`models` must hold at least one, got none"):
        UNetSegmenter.mean_of([])
    with pytest.raises(NotFittedError):
        UNetSegmenter.mean_of([fitted, UNetSegmenter(**TINY)])


def test_another_size_than_the_network_has_is_refused(fitted, cases) -> None:
    with pytest.raises(ValueError, match="`size` must be 32, that of the fitted network, got 64"):
        copy.copy(fitted).set_params(size=64).predict(cases[0][0])


def test_networks_with_other_inputs_have_no_mean(fitted) -> None:
    model = onnx.load_from_string(fitted.network_.tobytes())
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 64
    with pytest.raises(ValueError, match=r"`networks` must have one input and one output \[N, S, S, 1\]"):
        mean_network([fitted.network_.tobytes(), model.SerializeToString()])


def test_a_model_saved_with_halved_weights_still_loads_and_exports(fitted, cases, tmp_path: Path) -> None:
    network = onnx.load_from_string(fitted.network_.tobytes())
    store_smaller(network.graph)
    old = copy.copy(fitted)
    old.network_ = np.frombuffer(network.SerializeToString(), np.uint8)
    assert len(old.network_) < len(fitted.network_)
    old.save(tmp_path / "old.hybridseg")
    loaded = UNetSegmenter.load(tmp_path / "old.hybridseg")
    assert loaded.to_onnx(tmp_path / "old.onnx").passed
    np.testing.assert_allclose(loaded.predict_proba(cases[0][0]), fitted.predict_proba(cases[0][0]), atol=0.01)


def test_a_four_bit_convolution_acts_as_the_file_will_and_still_learns() -> None:
    import keras

    from hybridseg.unet.fourbit import FourBitConv2D

    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 5, 4)).astype(np.float32)
    kernel[..., 2] = 0
    kernel[..., 3] *= 1e-38  # what is too small for a scale is 0
    impulse = np.eye(45, dtype=np.float32).reshape(45, 3, 3, 5)
    layer = FourBitConv2D(4, 3, use_bias=False)
    layer.build(impulse.shape)
    layer.set_weights([kernel])
    codes, scale = quantise(kernel.transpose(3, 2, 0, 1), 4)
    acting = np.asarray(layer(impulse)).reshape(3, 3, 5, 4)
    np.testing.assert_allclose(acting.transpose(3, 2, 0, 1), codes * scale, rtol=1e-6)
    model = keras.Sequential([keras.Input((3, 3, 5)), layer])
    model.compile(optimizer=keras.optimizers.SGD(1e-3), loss="mse")
    model.train_on_batch(impulse, np.ones((45, 1, 1, 4), np.float32))
    (learned,) = layer.get_weights()
    # The slope of the mean square at the rounded kernel, as if it weren't rounded.
    np.testing.assert_allclose(learned, kernel - 1e-3 * 2 * (acting - 1) / acting.size, rtol=1e-4, atol=1e-7)


def test_the_short_encoder_is_stored_in_four_bits_without_loss(cases, tmp_path: Path) -> None:
    images, masks = (part[:10] for part in cases)
    short = {**TINY, "encoder": "efficientnet-lite0-short", "pretrained": False, "epochs": 1}
    model = UNetSegmenter(**short).fit(images, masks)
    found = export_smaller(model, tmp_path / "four.onnx", "int4-stored", images=images[:4], masks=masks[:4])
    assert found.bytes_after < 1_000_000 < 5 * found.bytes_after < found.bytes_before
    four, whole = OnnxSegmenter.load(tmp_path / "four.onnx"), model
    for image in images[:4]:
        # Kernels of the depthwise convolutions are rounded to 8 bits, small tensors to half precision.
        np.testing.assert_allclose(four.predict_proba(image), whole.predict_proba(image), atol=5e-3)


def test_a_conversion_that_changes_the_network_is_refused() -> None:
    from hybridseg.training.convert import check_conversion, network_to_onnx
    from hybridseg.unet.network import build_network

    model = build_network("none", 32, 4)
    data = network_to_onnx(model)
    model.set_weights([0.9 * weights for weights in model.get_weights()])
    with pytest.raises(ParityError, match="converted network and Keras differ by"):
        check_conversion(model, data)


@pytest.mark.parametrize(("encoder", "size"), [("resnet", 64), ("none", 50), ("none", 0)])
def test_impossible_networks_are_refused(encoder: str, size: int) -> None:
    from hybridseg.unet.network import build_network

    with pytest.raises(ValueError, match="must be"):
        build_network(encoder, size)


def test_command_line_leaves_card_and_curves_and_takes_its_checkpoint_away(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hybridseg", "fit", "unet", "--data", "phantoms[n=12]", "-o", "u.hybridseg"]
    for name, value in {**TINY, "epochs": 2}.items():
        command += ["-p", f"{name}={value}"]
    result = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert result.stdout.startswith("u.hybridseg: UNetSegmenter(")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["u.hybridseg", "u.hybridseg.history.csv", "u.hybridseg.history.png", "u.hybridseg.json"]
    card = json.loads((tmp_path / "u.hybridseg.json").read_text())
    assert card["data"]["images"] == 12
    assert card["params"]["epochs"] == 2
    assert "not for diagnosis" in card["intended_use"]
    rows = (tmp_path / "u.hybridseg.history.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,loss,validation_f1")
    assert len(rows) == 3
    assert UNetSegmenter.load(tmp_path / "u.hybridseg").checkpoint_dir is None


def test_fused_normalisation_learns_and_predicts_as_keras_own() -> None:
    import keras

    from hybridseg.unet.batchnorm import FusedBatchNormalization

    rng = np.random.default_rng(0)
    batch = rng.normal(3, 2, (4, 5, 6, 2)).astype(np.float32)
    layers = [kind(epsilon=1e-3, momentum=0.5) for kind in (FusedBatchNormalization, keras.layers.BatchNormalization)]
    ours, theirs = (np.asarray(layer(batch, training=True)) for layer in layers)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    unbiased = 120 / 119  # 4 * 5 * 6 values a channel
    mean, variance = (np.asarray(value) for value in layers[1].non_trainable_variables)
    np.testing.assert_allclose(layers[0].moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(layers[0].moving_variance) - 0.5, (variance - 0.5) * unbiased, rtol=1e-4)
    layers[0].set_weights(layers[1].get_weights())
    np.testing.assert_allclose(*(np.asarray(layer(batch, training=False)) for layer in layers), atol=1e-6)
