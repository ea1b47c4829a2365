"""Files described in a few words of JSON: one changed word makes another file, of any size.

Random changes of bytes hardly ever make a polygon of 40,000 vertices, or a picture of the size that
its header states. Here a fuzzer changes the description, and the file is made of it.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np

T = TypeVar("T")

Side = Annotated[int, msgspec.Meta(ge=1, le=3000)]
Claim = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=50_000)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


def recipe(data: bytes, kind: type[T]) -> T | None:
    """The description in `data`; None if it is none."""
    try:
        return msgspec.convert(json.loads(data), kind)
    except (ValueError, RecursionError):
        return None


# --- polygons -------------------------------------------------------------------------------------


class Ring(msgspec.Struct):
    """A polygon: `count` vertices of some shape, of size `scale` around (x, y); or its `points`."""

    shape: Literal["zigzag", "random", "circle", "star", "points"] = "circle"
    count: Count = 4
    x: float = 0
    y: float = 0
    scale: float = 1
    seed: Seed = 0
    points: list[float] = []

    def vertices(self) -> np.ndarray:
        """(N, 2) float64 of (x, y)."""
        if self.shape == "points":
            return np.array(self.points[: len(self.points) // 2 * 2], float).reshape(-1, 2)
        with np.errstate(all="ignore"):
            return (self.x, self.y) + self.scale * _unit(self.shape, self.count, self.seed)


def _unit(shape: str, count: int, seed: int) -> np.ndarray:
    numbers = np.arange(count)
    if shape == "zigzag":
        return np.stack([numbers % 2, numbers / max(count, 1)], axis=1)
    if shape == "random":
        return np.random.default_rng(seed).uniform(-1, 1, (count, 2))
    turns = 1 if shape == "circle" else (count // 2) | 1
    angles = 2 * np.pi * turns * numbers / max(count, 1)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


class Polygons(msgspec.Struct):
    """An image with an object for each ring."""

    width: Side
    height: Side
    rings: Annotated[list[Ring], msgspec.Meta(max_length=20)]
    group: bool = False
    holes: bool = False


def coco_polygons(drawn: Polygons) -> bytes:
    """COCO: an annotation for each ring."""
    flat = [ring.vertices().ravel().tolist() for ring in drawn.rings]
    return _coco(drawn.width, drawn.height, [[one] for one in flat])


def _coco(width: int, height: int, segmentations: Iterable[Any]) -> bytes:
    image = {"id": 1, "width": width, "height": height}
    found = [{"image_id": 1, "segmentation": one} for one in segmentations]
    return json.dumps({"images": [image], "categories": [], "annotations": found}).encode()


def labelme_polygons(drawn: Polygons) -> bytes:
    """LabelMe: a shape for each ring; of one group if they are to be one object."""
    shapes = [
        {"label": "a", "points": ring.vertices().tolist(), "shape_type": "polygon"}
        for ring in drawn.rings
    ]
    if drawn.group:
        shapes = [{**shape, "group_id": 1} for shape in shapes]
    value = {"shapes": shapes, "imageWidth": drawn.width, "imageHeight": drawn.height}
    return json.dumps(value).encode()


def geojson_polygons(drawn: Polygons) -> bytes:
    """GeoJSON: a feature for each ring; or one whose further rings are holes."""
    rings = [ring.vertices().tolist() for ring in drawn.rings]
    shells = [rings] if drawn.holes else [[ring] for ring in rings]
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": one}} for one in shells
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def yolo_polygons(drawn: Polygons) -> bytes:
    """YOLO: a line for each ring."""
    size = drawn.width, drawn.height
    lines = [(ring.vertices() / size).ravel().tolist() for ring in drawn.rings]
    return "\n".join(f"0 {' '.join(map(str, one))}" for one in lines).encode()


# --- files that unfold ----------------------------------------------------------------------------


class Masks(msgspec.Struct):
    """A file of `count` masks of some kind, whose header states a size."""

    kind: Literal["rle", "text", "boxes", "zip", "labelme", "npz", "npy", "tiff", "stack"]
    count: Annotated[int, msgspec.Meta(ge=0, le=2000)]
    width: Claim
    height: Claim
    fill: Annotated[int, msgspec.Meta(ge=0, le=2_000_000)] = 4
    """Bytes, run lengths or characters that are really there."""
    bits: Literal[1, 8, 16, 32, 64] = 8
    codes: Annotated[str, msgspec.Meta(max_length=40)] = "0"
    packing: Literal["stored", "deflated", "bzip2", "lzma"] = "deflated"


METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def made(masks: Masks) -> bytes:
    """The file."""
    return _MAKERS[masks.kind](masks)


def _rle(masks: Masks) -> bytes:
    runs = [0] * (masks.fill // 2 * 2) + [0, masks.width * masks.height]
    one = {"size": [masks.height, masks.width], "counts": runs}
    return _coco(masks.width, masks.height, _few(one, masks))


def _text(masks: Masks) -> bytes:
    counts = (masks.codes * (masks.fill // max(len(masks.codes), 1)))[: masks.fill]
    one = {"size": [masks.height, masks.width], "counts": counts}
    return _coco(masks.width, masks.height, _few(one, masks))


def _few(one: Any, masks: Masks) -> list[Any]:
    """As many as are asked for, of not too many megabytes together."""
    return [one] * min(masks.count, 1 + 4_000_000 // (masks.fill + 1))


def _boxes(masks: Masks) -> bytes:
    return b"0 0.5 0.5 1 1\n" * masks.count


def _zip(masks: Masks) -> bytes:
    file, picture = io.BytesIO(), claiming(masks.width, masks.height, masks.fill)
    with zipfile.ZipFile(file, "w", METHODS[masks.packing], compresslevel=1) as archive:
        for number in range(min(masks.count, 1 + 4_000_000 // len(picture))):
            archive.writestr(f"{number}.png", picture)
    return file.getvalue()


def _labelme(masks: Masks) -> bytes:
    import base64  # noqa: PLC0415

    picture = base64.b64encode(claiming(masks.width, masks.height, masks.fill)).decode()
    corner = [masks.width - 1, masks.height - 1]
    shape = {"label": "a", "points": [[0, 0], corner], "shape_type": "mask", "mask": picture}
    shapes = [shape] * min(masks.count, 1 + 4_000_000 // len(picture))
    value = {"shapes": shapes, "imageWidth": masks.width, "imageHeight": masks.height}
    return json.dumps(value).encode()


def claiming(width: int, height: int, fill: int) -> bytes:
    """A PNG that claims a size and has `fill` bytes of pixels, all of them 1."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" + b"\xff" * fill, 1)
    parts = ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def npy(shape: tuple[int, ...], descr: str, fill: int) -> bytes:
    """An NPY that claims a shape and has `fill` bytes."""
    file = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, header)
    return file.getvalue() + b"\1" * fill


def _npy(masks: Masks) -> bytes:
    descr = {1: "|b1", 8: "|u1"}.get(masks.bits, f"<f{masks.bits // 8}")
    return npy((masks.count, masks.height, masks.width), descr, masks.fill)


def _npz(masks: Masks) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", METHODS[masks.packing], compresslevel=1) as archive:
        shape = (masks.count, masks.height, masks.width)
        archive.writestr("masks.npy", npy(shape, "|b1", masks.fill))
    return file.getvalue()


def empty_tiff(width: int, height: int, bits: int, pages: int = 1) -> bytes:
    """Pages whose only strip is not in the file, so that a decoder fills it with zeros."""
    tags = [(256, width), (257, height), (258, bits), (259, 8), (262, 1), (273, 0), (277, 1)]
    tags += [(278, height), (279, 0), (339, 3 if bits > 16 else 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    size = 2 + len(entries) + 4
    offsets = [8 + n * size for n in range(1, pages)] + [0]
    body = (struct.pack("<H", len(tags)) + entries + struct.pack("<I", at) for at in offsets)
    return b"II*\0" + struct.pack("<I", 8) + b"".join(body)


def _tiff(masks: Masks) -> bytes:
    pages = max(masks.count, 1) if masks.kind == "stack" else 1
    return empty_tiff(masks.width, masks.height, masks.bits, pages)


_MAKERS = {
    "rle": _rle,
    "text": _text,
    "boxes": _boxes,
    "zip": _zip,
    "labelme": _labelme,
    "npz": _npz,
    "npy": _npy,
    "tiff": _tiff,
    "stack": _tiff,
}
SUFFIXES = {
    **dict.fromkeys(("rle", "text", "labelme"), ".json"),
    "boxes": ".txt",
    "zip": ".zip",
    "npz": ".npz",
    "npy": ".npy",
    **dict.fromkeys(("tiff", "stack"), ".tif"),
}


# --- labels ---------------------------------------------------------------------------------------

FEW = msgspec.Meta(max_length=20)
MOST_TEXT = 6_000_000


class Labels(msgspec.Struct):
    """A file whose label, or class, is made of parts, each of them repeated."""

    way: str
    parts: Annotated[list[tuple[str, Annotated[int, msgspec.Meta(ge=0, le=6_000_000)]]], FEW]

    @property
    def text(self) -> str:
        """The parts together, not more than `MOST_TEXT` characters."""
        found = ""
        for text, count in self.parts:
            found += text * min(count, (MOST_TEXT - len(found)) // max(len(text), 1))
        return found
