"""The random forest: features by hand, trees as arrays, what it learns from a handful of phantoms."""

from __future__ import annotations

import numpy as np
import pytest
from hybridseg_baselines import growing
from hybridseg_baselines.features import BOXES, COUNT, Box, BoxMeans, features, rank, root
from hybridseg_baselines.forest import RandomForestSegmenter
from hybridseg_baselines.grid import to_grid
from hybridseg_baselines.trees import FULL, FlatTrees, draw_bags, draw_cells, grow_tree, join, predict_cells

from hybridseg.data.phantoms import phantom

SMALL = {"n_trees": 6, "max_depth": 6, "samples_per_image": 60}


@pytest.fixture(scope="module")
def training() -> tuple[list, list]:
    made = [phantom(seed, shape=(120, 140)) for seed in range(8)]
    return [each.image for each in made], [each.mask for each in made]


def test_box_mean_by_hand() -> None:
    grid = np.arange(12, dtype=np.int64).reshape(3, 4)
    means = BoxMeans(grid)
    assert means.mean(Box("grey", 0, 0)).tolist() == grid.tolist()
    # Around cell (1, 1): rows 0..2, columns 0..2 -> mean 5. At the corner the border repeats:
    # 0 0 1 / 0 0 1 / 4 4 5 -> 15 / 9 = 1.67 -> 2.
    assert means.mean(Box("grey", 1, 1))[1, 1] == 5
    assert means.mean(Box("grey", 1, 1))[0, 0] == 2
    # One row down, two to the right of cell (0, 0).
    assert means.mean(Box("grey", 0, 0, 1, 2))[0, 0] == grid[1, 2]


def test_rank_ignores_gain() -> None:
    grey = np.array([[10, 20], [20, 40]], np.int64)
    # One below, two in the middle, one above: middles at 1/8, 4/8, 4/8, 7/8 of 4096.
    assert rank(grey).tolist() == [[512, 2048], [2048, 3584]]
    assert rank(3 * grey + 5).tolist() == rank(grey).tolist()


def test_root_is_the_integer_part() -> None:
    assert root(np.array([-4, 0, 3, 4, 99, 100])).tolist() == [0, 0, 1, 2, 9, 10]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (97, 1), (470, 560)])
def test_features_of_any_size_fit_in_16_bits(shape) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    cells = features(image, (64, 76))
    assert cells.shape == (COUNT, 64 * 76)
    assert cells.dtype == np.int16
    assert np.abs(cells.astype(int)).max() <= 4096


def test_constant_image_has_no_differences() -> None:
    cells = features(np.full((50, 60), 77, np.uint8), (64, 76))
    differences = [k for k, (_, minus) in enumerate(BOXES) if minus is not None]
    assert not cells[differences].any()


def tree(feature: int, threshold: int, low: int, high: int) -> FlatTrees:
    """One split: ``low`` where the feature is at most the threshold."""
    return FlatTrees(
        np.array([0], np.int32), np.array([feature, 0, 0], np.int16), np.array([threshold, 0, 0], np.int16),
        np.array([1, 1, 2], np.int32), np.array([2, 1, 2], np.int32), np.array([0, low, high], np.int16),
    )  # fmt: skip


def test_forest_by_hand() -> None:
    both = join([tree(0, 5, 0, 1000), tree(1, -1, 400, 601)])
    cells = np.array([[5, 6, 6], [0, -1, 7]], np.int16)
    assert predict_cells(both, cells).tolist() == [(0 + 601) // 2, (1000 + 400) // 2, (1000 + 601) // 2]
    assert predict_cells(both, cells, np.array([1])).tolist() == [601, 400, 601]


def test_tree_agrees_with_scikit_learn() -> None:
    from sklearn.tree import ExtraTreeClassifier

    rng = np.random.default_rng(0)
    samples = rng.integers(-300, 300, (400, 5)).astype(np.int16)
    labels = samples[:, 1] + samples[:, 3] // 2 > 20
    ours = grow_tree(samples, labels, max_depth=5, max_features=1.0, min_samples_leaf=3, seed=7)
    theirs = ExtraTreeClassifier(
        criterion="entropy", max_depth=5, max_features=1.0, min_samples_leaf=3, random_state=7
    ).fit(samples.astype(np.float32), labels)
    expected = theirs.predict_proba(samples.astype(np.float32))[:, 1]
    np.testing.assert_allclose(predict_cells(ours, samples.T.copy()) / FULL, expected, atol=0.5 / FULL)


def test_bags_hold_two_thirds_and_never_nothing() -> None:
    bags = draw_bags(3, 200, random_state=0)
    assert bags.any(axis=1).all()
    assert 0.55 < bags.mean() < 0.85


def test_cells_are_drawn_half_and_half() -> None:
    truth = np.zeros((64, 76), bool)
    truth[:4, :4] = True
    drawn = draw_cells(truth, 100, np.random.default_rng(0))
    assert truth.ravel()[drawn].sum() == 50
    assert len(draw_cells(np.zeros_like(truth), 100, np.random.default_rng(0))) == 50


def test_finds_phantom_lesions_it_never_saw() -> None:
    made = [phantom(seed, kind="benign", shape=(120, 140)) for seed in range(24)]
    model = RandomForestSegmenter(n_trees=12).fit([each.image for each in made], [each.mask for each in made])
    found = []
    for seed in range(50, 58):
        image, mask, _ = phantom(seed, kind="benign", shape=(120, 140))
        predicted = model.predict(image)
        found.append((predicted & mask).sum() / max(1, (predicted | mask).sum()))
    assert np.mean(found) > 0.2  # a location-blind guess of the lesions' mean area overlaps by less than 0.1


def test_forest_does_not_depend_on_threads(training) -> None:
    one, two = (RandomForestSegmenter(**SMALL, n_jobs=n).fit(*training) for n in (1, 2))
    for name, array in one._state().items():
        if isinstance(array, np.ndarray):
            np.testing.assert_array_equal(array, getattr(two, name))


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 1, 2, 2, 3, 3], ["a", "b", "a", "b", "a", "b", "c", ("c", 1)]])
def test_a_tree_sees_whole_scenes_and_judges_those_it_never_saw(training, groups, monkeypatch) -> None:
    """Which images each tree drew cells from, and which trees told an image's own probabilities."""
    drawn: dict[np.random.Generator, set[bytes]] = {}  # a tree has a generator of its own
    asked: list[np.ndarray | None] = []

    def draw(truth, count, rng):
        drawn.setdefault(rng, set()).add(truth.tobytes())
        return draw_cells(truth, count, rng)

    def predict(trees, cells, chosen=None):
        asked.append(chosen)
        return predict_cells(trees, cells, chosen)

    monkeypatch.setattr(growing, "draw_cells", draw)
    monkeypatch.setattr(growing, "predict_cells", predict)
    images, masks = training
    RandomForestSegmenter(**SMALL).fit(images, masks, groups=groups)
    truths = [(to_grid(mask, (64, 76), scale=1) >= 1).tobytes() for mask in masks]
    assert len(set(truths)) == len(truths)
    bags = np.array([[truth in seen for truth in truths] for seen in drawn.values()])
    assert len(bags) == SMALL["n_trees"]
    assert bags.any(axis=1).all() and not bags.all()
    scenes = groups or range(len(images))
    for scene in set(scenes):
        together = bags[:, [each == scene for each in scenes]]
        assert (together.all(axis=1) == together.any(axis=1)).all()
    for image, trees in enumerate(asked):
        unseen = np.flatnonzero(~bags[:, image])
        assert trees is None if not len(unseen) else trees.tolist() == unseen.tolist()
    if groups is None:
        assert len({tuple(column) for column in bags.T}) > 4  # images of their own come and go on their own


def test_all_empty_masks_are_refused(training) -> None:
    images, masks = training
    with pytest.raises(ValueError, match="must hold a lesion"):
        RandomForestSegmenter(**SMALL).fit(images, [np.zeros_like(mask) for mask in masks])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_trees": 0}, "`n_trees` must be an integer in 1..1000, got 0"),
        ({"random_state": None}, r"`random_state` must be an integer in 0..\d+, got None"),
        ({"n_jobs": 0}, r"`n_jobs` must be an integer in 1..\d+, got 0"),
        ({"max_features": 2}, r"`max_features` must be a number in \(0, 1\], got 2"),
        ({"max_features": True}, r"`max_features` must be a number in \(0, 1\], got True"),
        ({"max_features": "half"}, r"`max_features` must be a number in \(0, 1\], got 'half'"),
    ],
)
def test_wrong_parameters_are_named(training, params, message) -> None:
    with pytest.raises(ValueError, match=message):
        RandomForestSegmenter(**params).fit(*training)


@pytest.mark.parametrize("share", [1, np.float32(1)])
def test_a_share_of_one_may_be_any_number(training, share) -> None:
    """scikit-learn takes the integer 1 for one feature; here it is the share."""
    images, masks = training
    whole, other = (RandomForestSegmenter(**SMALL, max_features=each).fit(images, masks) for each in (1.0, share))
    np.testing.assert_array_equal(other.tree_threshold_, whole.tree_threshold_)
