"""DICOM to `Pixels`, through pydicom (``pip install "hybridseg[dicom]"``). Messages here don't name the file.

- MONOCHROME1 (inverted) and MONOCHROME2, RGB, YBR and palettes are taken, with one frame or many. They may be
  uncompressed or RLE. JPEG, JPEG-LS and JPEG 2000 are taken where pydicom finds a decoder: Pillow brings two, plug-ins
  the others.
- Grey values go through rescale and the first window, as a viewer shows them at first. Without a window they go
  through the VOI look-up table. Without either, the upper eight bits of the declared range (`BitsStored`) are taken.
- Distances between pixels come from the ultrasound regions in the picture, if they agree, else from PixelSpacing.
- A file without the 128 bytes and "DICM" in front is read if it starts as a data set does.
- Overlay planes, presentation states and the windows of enhanced multi-frame objects aren't looked at.

Rules after DICOM PS3.3 2024e: C.11.1, C.11.2 (modality and VOI), C.8.5.5 (ultrasound regions).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .jpeg import check_jpeg, check_jpeg_2000
from .pixels import ImageError, Pixels, quiet
from .raster import MAX_RLE_BYTES, check_size, choose_frame

MAX_READS = 200_000
"""Of pydicom, which takes two or three for each element and item of a sequence. An ultrasound frame has 80."""

MAX_SEQUENCE_BYTES = 2**18
"""Of a sequence that is looked into: pydicom makes eight bytes of an empty item a thousand."""

_SEQUENCES = ("SequenceOfUltrasoundRegions", "ModalityLUTSequence", "VOILUTSequence")
_MAGIC = b"DICM"
_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_NATIVE = (_IMPLICIT, _EXPLICIT, "1.2.840.10008.1.2.2")
_RLE = "1.2.840.10008.1.2.5"
_JPEG_AND_KIN = "1.2.840.10008.1.2.4."
_CLASS = b"\x02\0\x02\0UI"  # MediaStorageSOPClassUID, a length of two bytes, the UID
_WITHOUT_PICTURE = {
    b"1.2.840.10008.1.3.10": "is a DICOM directory",
    b"1.2.840.10008.5.1.4.1.1.11.": "is a DICOM presentation state",
    b"1.2.840.10008.5.1.4.1.1.66.": "is a DICOM segmentation or registration",
    b"1.2.840.10008.5.1.4.1.1.88.": "is a DICOM report",
    b"1.2.840.10008.5.1.4.1.1.104.": "is a document in DICOM",
}  # SOP classes of PS3.4 2024e B.5 by the start of their UID
_CENTIMETRES, _TWO_DIMENSIONAL = 3, 1


def decode(data: bytes, frame: int | None) -> Pixels:
    """Decode a file, or one frame of it."""
    with quiet():
        dataset = _opened(data)
        chosen = choose_frame(frame, _frames(dataset))
        array, photometric = _stored(dataset, chosen)
        mode = f"{dataset.PhotometricInterpretation} {dataset.BitsStored}-bit"
        if photometric.startswith("MONOCHROME"):
            return _grey_pixels(dataset, array, mode, inverted=photometric == "MONOCHROME1")
        if photometric == "PALETTE COLOR":
            from pydicom.pixels import apply_color_lut

            array = apply_color_lut(array, dataset)[..., :3]
            bits = 8 * array.dtype.itemsize
        elif photometric == "RGB":
            bits = int(dataset.BitsStored)
        else:
            raise ImageError(f"has colours of a kind that isn't read ({photometric})")
    if bits > 8:
        array = array >> (bits - 8)
    return Pixels(array.astype(np.uint8), None, "DICOM", mode, shortened=bits > 8)


def why_no_picture(head: bytes) -> str:
    """Return why a file whose first bytes these are holds no picture, by the class that it names; empty if it may."""
    _, _, rest = head.partition(_CLASS)
    return next((reason for start, reason in _WITHOUT_PICTURE.items() if rest[2:].startswith(start)), "")


def is_dicom(data: bytes) -> bool:
    """Whether bytes are those of a DICOM file, by their start."""
    return data[128:132] == _MAGIC or _is_bare(data)


def _is_bare(data: bytes) -> bool:
    """Whether bytes start with an element of group 0002 or 0008: a data set without what a file has in front."""
    starts = data[:2] in (b"\x02\0", b"\x08\0") and data[2:4] < b"\x80\0" and data[3:4] == b"\0" and len(data) > 132
    return starts and (data[4:6].isalpha() or data[5:8] == b"\0\0\0")  # its VR, else a length: a short one


def _with_front(data: bytes) -> bytes:
    """Return a file with preamble and, where it has none, the transfer syntax that its first element is written in."""
    if data[128:132] == _MAGIC or not _is_bare(data):
        return data
    meta = b""
    if data[:2] == b"\x08\0":
        syntax = _EXPLICIT if data[4:6].isalpha() and data[4:6].isupper() else _IMPLICIT
        uid = syntax.encode() + b"\0" * (len(syntax) % 2)
        meta = b"\x02\0\x10\0UI" + len(uid).to_bytes(2, "little") + uid
    return bytes(128) + _MAGIC + meta + data


_last: tuple[bytes, Any] | None = None


def _opened(data: bytes) -> Any:
    """Return `read_dataset`; that of the last file of several frames is kept, since they are asked for one by one."""
    global _last  # noqa: PLW0603
    last = _last
    if last is not None and last[0] is data:
        return last[1]
    dataset = read_dataset(data)
    _last = (data, dataset) if _frames(dataset) > 1 else None
    return dataset


def find_facts(data: bytes) -> tuple[int, tuple[float, float] | None, bool]:
    """Return frames, spacing in mm and whether patient text may be in the pixels; see `FileFacts`."""
    with quiet():
        dataset = read_dataset(data, pixels=False)
        return _frames(dataset), _spacing_mm(dataset), _may_name_patient(dataset)


def read_dataset(data: bytes, *, pixels: bool = True) -> Any:
    """Return the pydicom dataset in the bytes of a file; a deflated one is refused, since it may be a bomb."""
    try:
        import pydicom
        from pydicom.filereader import read_dataset as read_elements
    except ImportError:
        raise ImageError('is DICOM, which needs pydicom: pip install "hybridseg[dicom]"') from None
    data = _with_front(data)

    def read_meta(stream: io.BytesIO) -> Any:
        return read_elements(stream, False, True, stop_when=lambda tag, vr, length: tag.group != 2)

    meta = _limited(data, read_meta, start=132)
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if syntax not in (*_NATIVE, _RLE) and not syntax.startswith(_JPEG_AND_KIN):
        raise ImageError(f"has a DICOM transfer syntax that isn't read ({syntax[:64] or 'none'})")
    dataset = _limited(data, lambda stream: pydicom.dcmread(stream, stop_before_pixels=not pixels))
    for name in _SEQUENCES:
        size = len(getattr(dataset.get_item(name), "value", None) or b"")
        if size > MAX_SEQUENCE_BYTES:
            raise ImageError(f"has a {name} of {size} bytes, at most {MAX_SEQUENCE_BYTES} are read")
    return dataset


def _limited(data: bytes, read: Callable[[io.BytesIO], Any], start: int = 0) -> Any:
    """Return what ``read`` makes of the bytes from ``start``; `ImageError` if it takes too many reads."""
    stream = _Stream(data)
    stream.seek(start)
    try:
        return read(stream)
    except OSError as error:  # what pydicom makes of any error inside a sequence
        raise (error.__context__ if isinstance(error.__context__, ImageError) else error) from None


class _Stream(io.BytesIO):
    """Bytes that may be asked for `MAX_READS` times: pydicom reads on for as long as there are elements."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        if self.reads > MAX_READS:
            raise ImageError("has too many DICOM elements or items")
        return super().read(size)


def _frames(dataset: Any) -> int:
    if "Rows" not in dataset or "Columns" not in dataset:
        raise ImageError("is DICOM, but holds no picture")
    check_size(int(dataset.Rows), int(dataset.Columns))
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames < 1:
        raise ImageError(f"says that it holds {frames} frames")
    return frames


def _stored(dataset: Any, frame: int) -> tuple[NDArray[Any], str]:
    """Return the stored values of one frame, (H, W) or (H, W, 3), and their meaning."""
    from pydicom.pixels import get_decoder

    if "PixelData" not in dataset:
        raise ImageError("is DICOM, but holds no picture in integers")
    bits, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if bits not in (1, 8, 16) or not 1 <= stored <= bits:
        raise ImageError(f"has {stored} bits stored in {bits}, at most 16 are read")
    syntax = dataset.file_meta.TransferSyntaxUID
    if str(syntax) in _NATIVE:
        _check_length(dataset)
    else:
        _check_compressed(dataset, str(syntax), frame)
    array, meta = get_decoder(syntax).as_array(dataset, index=frame, raw=False)
    shape = (int(dataset.Rows), int(dataset.Columns))
    if array.shape not in (shape, (*shape, 3)):
        raise ImageError(f"has a picture of shape {array.shape}, its header says {shape}")
    return array, str(meta["photometric_interpretation"])


def _check_length(dataset: Any) -> None:
    """Refuse more pixels than the header says, but for padding: a picture of another width would come out torn."""
    from pydicom.pixels.utils import get_expected_length

    stated, size = get_expected_length(dataset), len(dataset.PixelData)
    is_padding = size - stated < max(stated / 16, 2) and not any(dataset.PixelData[stated:])
    if size > stated + 1 and not is_padding:
        raise ImageError(f"holds {size} bytes of pixels, its header says {stated}")


def _check_compressed(dataset: Any, syntax: str, frame: int) -> None:
    """Refuse what would unpack to far more than the header says, before it does."""
    from pydicom.encaps import get_frame

    frames = int(dataset.get("NumberOfFrames") or 1)
    packed = get_frame(dataset.PixelData, frame, number_of_frames=frames)
    if syntax == _RLE:
        if len(packed) > MAX_RLE_BYTES:
            raise ImageError(f"has an RLE frame of {len(packed)} bytes, at most {MAX_RLE_BYTES} are read")
        return
    height, width = check_jpeg(packed)[:2] if packed[:2] == b"\xff\xd8" else check_jpeg_2000(packed)
    if (height, width) != (int(dataset.Rows), int(dataset.Columns)):
        raise ImageError(f"holds a frame of {height} x {width}, its header says {dataset.Rows} x {dataset.Columns}")


def _grey_pixels(dataset: Any, stored: NDArray[Any], mode: str, *, inverted: bool) -> Pixels:
    windowed = _windowed(dataset, stored)
    bits = int(dataset.BitsStored)
    if windowed is not None:
        grey, bits = np.rint(windowed * 255).astype(np.uint8), 8
    else:
        low = -(2 ** (bits - 1)) if int(dataset.get("PixelRepresentation", 0)) else 0
        grey = np.clip(stored.astype(np.int32) - low, 0, 2**bits - 1).astype(np.uint16)
        if bits <= 8:
            grey, bits = (grey * 255 // (2**bits - 1)).astype(np.uint8), 8
    pixels = Pixels(grey, None, "DICOM", mode, bits=bits)
    return Pixels((pixels.white - grey).astype(grey.dtype), None, "DICOM", mode, bits=bits) if inverted else pixels


def _windowed(dataset: Any, stored: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return rescaled and windowed values in [0, 1], None where the file gives neither window nor VOI table."""
    from pydicom.pixels import apply_modality_lut, apply_voi

    if dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
        centre, width = (_first(dataset[name].value) for name in ("WindowCenter", "WindowWidth"))
        function = str(dataset.get("VOILUTFunction") or "LINEAR")
        values = np.asarray(apply_modality_lut(stored, dataset), dtype=np.float64)
        least = 1.0 if function == "LINEAR" else np.finfo(np.float64).tiny
        if not (np.isfinite([centre, width]).all() and width >= least and np.isfinite(values).all()):
            raise ImageError(f"has a window that means nothing (centre {centre:g}, width {width:g})")
        if function == "LINEAR":
            # PS3.3 C.11.2.1.2.1: a width of 256 has 256 values, 255 steps; of width 1, one step from black to white
            return np.asarray(np.clip((values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5, 0, 1))
        if function == "LINEAR_EXACT":
            return np.asarray(np.clip((values - centre) / width + 0.5, 0, 1))
        if function == "SIGMOID":
            steep = np.exp(np.clip(-4 * (values - centre) / width, -700, 700))
            return np.asarray(1 / (1 + steep))
        raise ImageError(f"has a window of a kind that isn't known ({function[:40]})")
    if dataset.get("VOILUTSequence"):
        values = np.asarray(apply_voi(np.asarray(apply_modality_lut(stored, dataset)).astype(np.int32), dataset))
        white = 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
        return np.asarray(np.clip(values.astype(np.float64) / white, 0, 1))
    return None


def _first(value: Any) -> float:
    """Return the first of several windows: the one that a viewer shows at first."""
    return float(value if isinstance(value, str | int | float) or not hasattr(value, "__getitem__") else value[0])


def _spacing_mm(dataset: Any) -> tuple[float, float] | None:
    """Return (row, column) distances in mm, None where they aren't known or differ between regions."""
    try:
        spacings = _stated_spacings_mm(dataset)
    except (AttributeError, TypeError, ValueError):  # missing, of one value, not a number: the picture is still one
        return None
    if len(spacings) != 1:
        return None
    row, column = spacings.pop()
    return (row, column) if all(1e-4 < side < 100 for side in (row, column)) else None


def _stated_spacings_mm(dataset: Any) -> set[tuple[float, float]]:
    spacings = set()
    for region in dataset.get("SequenceOfUltrasoundRegions") or ():
        units = (region.get("PhysicalUnitsYDirection"), region.get("PhysicalUnitsXDirection"))
        if region.get("RegionSpatialFormat") == _TWO_DIMENSIONAL and units == (_CENTIMETRES, _CENTIMETRES):
            # in cm, negative where the region counts from below or from the right
            row, column = (10 * abs(float(region.get(f"PhysicalDelta{axis}"))) for axis in "YX")
            spacings.add((round(row, 7), round(column, 7)))
    if not spacings and dataset.get("PixelSpacing"):
        row, column = map(float, dataset.PixelSpacing)
        spacings.add((row, column))
    return spacings


def _may_name_patient(dataset: Any) -> bool:
    answer = str(dataset.get("BurnedInAnnotation") or "").upper()
    return answer == "YES" or (answer != "NO" and dataset.get("Modality") == "US")
