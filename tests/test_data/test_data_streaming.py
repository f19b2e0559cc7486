"""Training sets larger than memory: read when asked for, checked as they are read, never held together."""

from __future__ import annotations

from collections import UserList
from dataclasses import dataclass

import numpy as np
import pytest
from hybridseg_baselines.forest import RandomForestSegmenter
from hybridseg_baselines.otsu import OtsuSegmenter

from hybridseg.data import Case, CaseReader
from hybridseg.data.phantoms import phantom


@dataclass(frozen=True)
class Counted(Case):
    reads: list

    def read(self):
        self.reads.append(self.case_id)
        return np.full((4, 5), 7, np.uint8), np.eye(4, 5, dtype=bool)

    def content_hash(self) -> str:
        return self.case_id


@pytest.mark.parametrize(("max_bytes", "expected"), [(2 * 40, list("abcdcd")), (0, list("abcdabcd"))])
def test_reader_keeps_what_fits_and_reads_the_rest_again(max_bytes: int, expected: list[str]) -> None:
    reads: list[str] = []
    reader = CaseReader(max_bytes)
    cases = [Counted(name, name, "", reads) for name in "abcd"]
    images, masks = reader.images(cases), reader.masks(cases)
    for _ in range(2):
        for image, mask in zip(images, masks, strict=True):
            assert (image == 7).all() and mask.sum() == 4
            image[:], mask[:] = 0, False  # it is the caller's own
    assert reads == expected
    assert [len(images[1:]), len(list(masks[:1]))] == [3, 1]


@pytest.mark.parametrize("method", [OtsuSegmenter, lambda: RandomForestSegmenter(n_trees=4)])
def test_methods_learn_the_same_without_all_images_in_memory(method, streamed) -> None:
    made = [phantom(seed, shape=(80, 96)) for seed in range(12)]
    images, masks = [each.image for each in made], [each.mask for each in made]
    streams = streamed(images), streamed(masks)
    learned = method().fit(*streams, groups=list(range(12)))
    assert max(stream.most_alive for stream in streams) <= 3
    expected = method().fit(images, masks, groups=list(range(12)))
    np.testing.assert_array_equal(learned.predict_proba(images[0]), expected.predict_proba(images[0]))
    assert learned.current_operating_point == expected.current_operating_point


def test_learning_reads_each_image_once_and_once_more_for_its_fingerprint() -> None:
    class Read(UserList):
        def __getitem__(self, index):
            reads.append(index)
            return super().__getitem__(index)

    made = [phantom(seed, shape=(80, 96)) for seed in range(4)]
    for method in (OtsuSegmenter(), RandomForestSegmenter(n_trees=4)):
        reads: list[int] = []
        method.fit(Read(each.image for each in made), Read(each.mask for each in made))
        assert reads == [0, 1, 2, 3, *(0, 0, 1, 1, 2, 2, 3, 3)]  # fingerprints, then an image and its mask


def test_what_is_wrong_in_a_stream_is_named_when_it_is_read(streamed) -> None:
    good = phantom(0, shape=(80, 96))
    wrong = streamed([good.mask, good.mask, good.mask[:-1]])
    with pytest.raises(ValueError, match=r"`masks\[2\]` must have its image's shape \(80, 96\), got \(79, 96\)"):
        OtsuSegmenter().fit(streamed([good.image] * 3), wrong)
    with pytest.raises(ValueError, match=r"`masks` must have one mask per image \(3\), got 2"):
        OtsuSegmenter().fit(streamed([good.image] * 3), streamed([good.mask] * 2))
