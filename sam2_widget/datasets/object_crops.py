"""Small pictures of objects with their outlines, for a review."""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress

import msgspec
import numpy as np
from cachetools import LRUCache

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget.datasets.annotations import StoredObject
from sam2_widget.datasets.image_set import ImageSet
from sam2_widget.errors import AnnotationError
from sam2_widget.images.rendering import Layer, draw
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.masks.settings import Settings
from sam2_widget.results.segmentation import Segmentation

SIDE = 160
"""Longer side of a picture in pixels: sharp on a HiDPI screen at half of that."""

MARGIN = 0.2
"""Of the object's longer side, shown around it."""

LEAST = 24
"""Least side of the part of the image that is shown, in pixels."""

QUALITY = 82

CACHED_BYTES = 32 * 2**20

CACHED_IMAGES = 2

GREY = "#808080"


def look_of(one: StoredObject, settings: Settings, color: str) -> str:
    """Identifies what the picture of an object shows of it."""
    known = msgspec.json.encode((one.object.prompts, settings, color))
    return hashlib.blake2b(known, digest_size=8).hexdigest()


class ObjectCrops:
    """JPEG pictures of at most `SIDE` pixels. Not thread-safe.

    Parameters
    ----------
    images : ImageSet
    """

    def __init__(self, images: ImageSet) -> None:
        self._images = images
        self._cache: LRUCache[tuple[int, int, str], bytes] = LRUCache(CACHED_BYTES, getsizeof=len)
        self._read: LRUCache[str, tuple[UInt8Array, Segmentation]] = LRUCache(CACHED_IMAGES)

    def look(self, number: int, one: StoredObject) -> tuple[str, str]:
        """Identifies the picture of an object, another when its mask has changed; its colour."""
        known = self._images.store[self._images.image_at(number).name]
        color = self._color(one)
        return look_of(one, known.settings, color), color

    def look_of(self, number: int, object_id: int) -> str:
        """Identifies the picture of an object; "" if it does not exist."""
        objects = self._images.store[self._images.image_at(number).name].objects
        return next((self.look(number, one)[0] for one in objects if one.id == object_id), "")

    def read(self, number: int, object_id: int) -> bytes:
        """The picture of an object.

        Raises
        ------
        AnnotationError
            If there is no such object any more.
        ImageError
            If the image cannot be read.
        """
        name = self._images.image_at(number).name
        known = self._images.store[name]
        found = [n for n, one in enumerate(known.objects) if one.id == object_id]
        if not found:
            raise AnnotationError("This object does not exist any more.")
        one = known.objects[found[0]]
        look = look_of(one, known.settings, self._color(one))
        key = (number, object_id, look)
        if (cached := self._cache.get(key)) is not None:
            return cached
        rgb, result = self._pixels(name, known.objects)
        made = _drawn(rgb, result.objects[found[0]].crop, self._color(one))
        with suppress(ValueError):  # larger than the cache
            self._cache[key] = made
        return made

    def _pixels(
        self, name: str, objects: tuple[StoredObject, ...]
    ) -> tuple[UInt8Array, Segmentation]:
        """The image and its masks, which are those of these objects."""
        known = self._read.get(name)
        prompts = [one.object.prompts for one in objects]
        if known is not None and [one.prompts for one in known[1].objects] == prompts:
            return known
        result = self._images.result_of(name)
        if [one.prompts for one in result.objects] != prompts:
            result = self._images.segmentation(name)
        if [one.prompts for one in result.objects] != prompts:
            raise AnnotationError("The image is being edited.")
        rgb = result.image
        if rgb is None:
            rgb = self._images.load(self._images.image_at(self._images.number(name))).rgb
        if tuple(rgb.shape[:2]) != tuple(result.size):
            raise AnnotationError("The image has another size than when it was annotated.")
        self._images.keep_measures(name, result)
        self._read[name] = (rgb, result)
        return rgb, result

    def _color(self, one: StoredObject) -> str:
        label = one.object.label
        color = None if label is None else self._images.classes.get(label)
        return color or one.object.color or GREY


def _drawn(rgb: UInt8Array, crop: MaskCrop, color: str) -> bytes:
    x0, y0, x1, y1 = _window(crop, (rgb.shape[0], rgb.shape[1]))
    inside = MaskCrop(crop.x - x0, crop.y - y0, crop.pixels)
    layer = Layer(inside, (y1 - y0, x1 - x0), color)
    part = np.ascontiguousarray(rgb[y0:y1, x0:x1])
    out = io.BytesIO()
    layers = [layer] if crop.pixels.size else []
    draw(part, layers, side=SIDE, opacity=0.3).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _window(crop: MaskCrop, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of the image around an object, x0, y0, x1, y1; of an empty mask, the whole."""
    height, width = size
    if not crop.pixels.size:
        return 0, 0, width, height
    x0, y0, x1, y1 = crop.bbox
    side = max(LEAST, round(max(x1 - x0, y1 - y0) * (1 + 2 * MARGIN)))
    left, right = _span(x0, x1, side, width)
    top, bottom = _span(y0, y1, side, height)
    return left, top, right, bottom


def _span(start: int, end: int, side: int, limit: int) -> tuple[int, int]:
    """`side` pixels around the middle of start..end, moved into 0..limit."""
    side = min(side, limit)
    first = min(max((start + end - side) // 2, 0), limit - side)
    return first, first + side
