"""Near-duplicates: images of one frame that differ by crop, shift, scale, grey levels or burnt-in marks.

Three steps. Local features (RootSIFT: D. Lowe, IJCV 2004, doi 10.1023/B:VISI.0000029664.99615.94; R. Arandjelovic and
A. Zisserman, CVPR 2012, doi 10.1109/CVPR.2012.6248018) become words, and pictures that share none aren't compared. The
features of the others propose pairs and the similarity transform between them. A scanner's own decorations propose
many, since they are the same on every image. So each proposal is verified by the speckle, which only a copy shares:
after alignment, away from marks and borders.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, triu
from threadpoolctl import threadpool_limits

from ..files import write_atomically
from ..text import Progress
from .cases import Dataset, Ungrouped

VERSION = 3
"""Part of the cache's key: a change of anything below raises it."""

WORKING_SIDE_PX = 512
KEYPOINTS = 300
WORDS = 16  # of a feature
WORD_BITS = 48
FEWEST_WORDS = 2  # shared; BUSI: known pairs 24 and more, fewer than 2 between 98 of 100 strangers (BUS-UCLM: 90)
SAME_DESCRIPTOR = 0.95  # cosine; half the strangers on BUSI share not one, a true pair 79 and more
FEWEST_INLIERS = 10
LEAST_SPECKLE_CORRELATION = 0.3  # BUSI: true pairs 0.58 and more, strangers 0.17 and less
LEAST_OVERLAP = 0.15  # of the smaller picture


@dataclass(frozen=True)
class Pair:
    """Two cases that show the same frame.

    Attributes
    ----------
    case_a, case_b : str
        In the data set's order.
    score : float
        Correlation of the aligned speckle, in (0, 1].
    mask_iou : float or None
        IoU of the two outlines, aligned, inside the part that both pictures show; None if neither has one there.
    scale : float
        Size of the frame in ``case_b`` over that in ``case_a``, both as stored.
    inliers : int
        Features that agree on the transform.
    """

    case_a: str
    case_b: str
    score: float
    mask_iou: float | None
    scale: float
    inliers: int


@dataclass(frozen=True)
class _Picture:
    grey: NDArray[np.uint8]
    texture: NDArray[np.float32]
    usable: NDArray[np.uint8]
    points: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    zoom: float


def find_pairs(
    dataset: Dataset,
    progress: Progress | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    n_jobs: int | None = None,
    *,
    across: bool = False,
) -> list[Pair]:
    """Return the pairs of cases that show the same frame.

    Parameters
    ----------
    dataset : Dataset
    progress : callable, optional
        ``progress(done, total, text)``.
    cache_dir : str or path, optional
        Where the result is kept, under a hash of all pixels: the same images aren't compared twice.
    n_jobs : int, optional
        Threads; as many as there are cores if not given.
    across : bool
        Compare cases of different sources only: see `hybridseg.data.join_datasets`.

    Raises
    ------
    ImportError
        If OpenCV isn't installed; the message gives the pip line.
    """
    cv2 = _opencv()
    cases = list(dataset)
    images, outlines, digest = [], [], hashlib.sha256(f"{VERSION}{' across' * across}".encode())
    for done, case in enumerate(cases):
        image, mask = case.read()
        images.append(image)
        outlines.append(np.packbits(mask))  # an eighth of the image's memory
        digest.update(f"{case.case_id}\0{image.shape}".encode(errors="surrogatepass"))
        digest.update(image.tobytes())
        digest.update(outlines[-1].tobytes())
        if progress is not None:
            progress(done + 1, 3 * len(cases), "reading")
    if cache_dir is not None:
        Path(cache_dir).mkdir(parents=True, exist_ok=True)
    cached = Path(cache_dir) / f"pairs-{digest.hexdigest()[:32]}.json" if cache_dir is not None else None
    kept = _read_pairs(cached)
    if kept is not None:
        return kept
    # One thread per worker: matrix products that spread over the cores on their own get in each other's way.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_jobs or os.cpu_count()) as pool:
        pictures = []
        for picture in pool.map(lambda image: _describe(cv2, image), images):
            pictures.append(picture)
            if progress is not None:
                progress(len(cases) + len(pictures), 3 * len(cases), "features")
        found: list[Pair] = []
        after = range(len(cases))
        alike = _alike(pictures) if pictures else []
        others = [[b for b in alike[a] if not across or cases[a].source != cases[b].source] for a in after]
        rows = pool.map(lambda a: _partners(cv2, pictures, a, others[a]), after)
        for a, partners in enumerate(rows):
            for b, score, matrix, inliers in partners:
                masks = [np.unpackbits(outlines[k], count=images[k].size).reshape(images[k].shape) for k in (a, b)]
                overlap = _outline_iou(cv2, masks, (pictures[a], pictures[b]), matrix)
                scale = float(np.hypot(matrix[0, 0], matrix[0, 1])) * pictures[a].zoom / pictures[b].zoom
                found.append(
                    Pair(cases[a].case_id, cases[b].case_id, round(score, 4), overlap, round(scale, 4), inliers)
                )
            if progress is not None:
                progress(2 * len(cases) + a + 1, 3 * len(cases), "comparing")
    if cached is not None:
        with suppress(OSError):  # a disk that is full costs the next search its time, not this one its result
            write_atomically(cached, json.dumps([asdict(pair) for pair in found]).encode())
    return found


def _read_pairs(cached: Path | None) -> list[Pair] | None:
    """Return the pairs that an earlier search kept; None if there is no file, or a damaged one."""
    if cached is None or not cached.is_file():
        return None
    try:
        return [Pair(**row) for row in json.loads(cached.read_text("utf-8"))]
    except (OSError, ValueError, TypeError):
        return None


def group_cases(dataset: Dataset, pairs: Iterable[Pair]) -> dict[str, str]:
    """Return each case's group: groups joined by pairs, however indirectly, take the first one's name."""
    group_of = {case.case_id: case.group for case in dataset}
    parent = {group: group for group in group_of.values()}
    order = {group: number for number, group in enumerate(parent)}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for pair in pairs:
        first, second = sorted((root(group_of[pair.case_a]), root(group_of[pair.case_b])), key=order.__getitem__)
        parent[second] = first
    return {case_id: root(group) for case_id, group in group_of.items()}


def contact_sheet(dataset: Dataset, pairs: Sequence[Pair], path: str | os.PathLike[str]) -> None:
    """Write a PNG that shows the pairs side by side with their scores, to be checked by eye."""
    from PIL import Image, ImageDraw, ImageFont

    width, height, columns = 220, 180, 3
    rows = max(1, -(-len(pairs) // columns))
    sheet = Image.new("RGB", (columns * (2 * width + 12), rows * (height + 24)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    images = {case.case_id: case for case in dataset}
    for number, pair in enumerate(pairs):
        left, top = (number % columns) * (2 * width + 12), number // columns * (height + 24)
        for side, case_id in enumerate((pair.case_a, pair.case_b)):
            picture = Image.fromarray(images[case_id].image)
            picture.thumbnail((width, height))
            sheet.paste(picture, (left + side * (width + 2), top + 20))
        pen.text((left, top + 3), f"{pair.case_a} ~ {pair.case_b}: {pair.score:.2f}", fill="black", font=font)
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    write_atomically(path, stream.getvalue())


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        raise ImportError(Ungrouped.NO_OPENCV.value) from None
    return cv2


def _describe(cv2: Any, image: NDArray[np.uint8]) -> _Picture:
    zoom = WORKING_SIDE_PX / max(image.shape)
    size = max(8, round(image.shape[1] * zoom)), max(8, round(image.shape[0] * zoom))
    grey = cv2.resize(image, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    sift = cv2.SIFT_create(nfeatures=KEYPOINTS, contrastThreshold=0.02)
    keypoints, descriptors = sift.detectAndCompute(grey, None)
    if descriptors is None:
        descriptors = np.zeros((0, 128), np.float32)
    root = np.sqrt(descriptors / (descriptors.sum(axis=1, keepdims=True) + 1e-6)).astype(np.float32)
    points = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
    # Texture: a band of fine detail over its local strength. Marks, which are the brightest, and what is black or flat
    # have no say; neither has a margin, where scanners print.
    fine = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.2)
    band = fine - cv2.GaussianBlur(fine, (0, 0), 5)
    strength = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 7))
    marks = cv2.dilate((grey >= 235).astype(np.uint8), np.ones((9, 9), np.uint8))
    usable = ((marks == 0) & (strength > 1.5)).astype(np.uint8)
    margin = 16
    usable[:margin] = usable[-margin:] = usable[:, :margin] = usable[:, -margin:] = 0
    texture = np.clip(band / (strength + 1e-3), -3, 3).astype(np.float32)
    return _Picture(grey, texture, usable, points, root, zoom)


def _alike(pictures: Sequence[_Picture]) -> list[list[int]]:
    """Return, for each picture, the later ones that share words with it.

    A word tells on which sides of random planes a feature lies (M. Charikar, STOC 2002, doi 10.1145/509907.509965).
    """
    planes = np.random.default_rng(0).standard_normal((128, WORDS * WORD_BITS)).astype(np.float32)
    powers = 1 << np.arange(WORD_BITS)
    words = []
    for picture in pictures:
        centred = picture.descriptors - picture.descriptors.mean(axis=1, keepdims=True)
        words.append(np.unique((centred @ planes > 0).reshape(-1, WORD_BITS) @ powers))
    known, columns = np.unique(np.concatenate(words), return_inverse=True)
    rows = np.repeat(np.arange(len(pictures)), [len(each) for each in words])
    has = csr_array((np.ones(len(rows), np.int32), (rows, columns)), shape=(len(pictures), len(known)))
    shared = triu(has @ has.T, k=1, format="csr")
    shared.data[shared.data < FEWEST_WORDS] = 0
    shared.eliminate_zeros()
    shared.sort_indices()
    return [each.tolist() for each in np.split(shared.indices, shared.indptr[1:-1])]


def _partners(
    cv2: Any, pictures: Sequence[_Picture], a: int, others: Sequence[int]
) -> list[tuple[int, float, NDArray[np.float64], int]]:
    """Return the pictures among some others that show the same frame as ``a``: index, score, transform, inliers."""
    mine, found = pictures[a], []
    for b in others:
        other = pictures[b]
        here, there = match_features(mine.descriptors, other.descriptors)
        if len(here) < FEWEST_INLIERS:
            continue
        cv2.setRNGSeed(0)  # the same answer whatever was compared before
        matrix, inlier = cv2.estimateAffinePartial2D(
            mine.points[here], other.points[there], ransacReprojThreshold=4, maxIters=1000
        )
        if matrix is None or inlier.sum() < FEWEST_INLIERS:
            continue
        score = speckle_correlation(cv2, mine, other, matrix)
        if score >= LEAST_SPECKLE_CORRELATION:
            found.append((b, score, matrix, int(inlier.sum())))
    return found


def match_features(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return indices of mutual nearest descriptors that are nearly the same."""
    if not len(a) or not len(b):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    cosine = a @ b.T
    nearest = cosine.argmax(axis=1)
    here = np.flatnonzero(cosine[np.arange(len(a)), nearest] > SAME_DESCRIPTOR)
    if len(here) < FEWEST_INLIERS:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    there = nearest[here]
    mutual = cosine[:, there].argmax(axis=0) == here
    return here[mutual], there[mutual]


def speckle_correlation(cv2: Any, a: _Picture, b: _Picture, matrix: NDArray[np.float64]) -> float:
    """Return the correlation of texture where ``b``, brought onto ``a``, overlaps it; -1 where too little does."""
    size = a.grey.shape[1], a.grey.shape[0]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP  # `matrix` takes points of a to points of b
    usable = cv2.warpAffine(b.usable, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    both = (usable > 0) & (a.usable > 0)
    if both.sum() < LEAST_OVERLAP * min(a.usable.sum(), b.usable.sum()) or both.sum() < 400:
        return -1.0
    mine, other = a.texture[both], cv2.warpAffine(b.texture, matrix, size, flags=flags)[both]
    mine, other = mine - mine.mean(), other - other.mean()
    return float((mine @ other) / (np.linalg.norm(mine) * np.linalg.norm(other) + 1e-9))


def _outline_iou(
    cv2: Any, masks: Sequence[NDArray[np.uint8]], pictures: tuple[_Picture, _Picture], matrix: NDArray[np.float64]
) -> float | None:
    """Return the IoU of two outlines inside what both pictures show; None if neither has one there."""
    mine, other = pictures
    size = mine.grey.shape[1], mine.grey.shape[0]
    # Outlines and the other picture's extent, all in the first picture's working frame.
    outline_a = cv2.resize(masks[0], size, interpolation=cv2.INTER_NEAREST)
    shape_b = other.grey.shape[1], other.grey.shape[0]
    outline_b = cv2.resize(masks[1], shape_b, interpolation=cv2.INTER_NEAREST)
    nearest = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(np.ones_like(outline_b), matrix, size, flags=nearest) > 0
    moved = (cv2.warpAffine(outline_b, matrix, size, flags=nearest) > 0) & seen
    here = (outline_a > 0) & seen
    union = int((here | moved).sum())
    return round(int((here & moved).sum()) / union, 4) if union else None
