"""Small pictures of the images of a set, kept in memory and beside the annotations."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from cachetools import LRUCache
from PIL import Image, ImageOps

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.atomic_files import whole_file
from sam2_widget._utils.regular_files import open_regular, read_regular
from sam2_widget.datasets.image_set import ImageSet
from sam2_widget.datasets.sources import SetImage
from sam2_widget.images.arrays import check_size
from sam2_widget.images.rendering import scaled

SIDE = 256
"""Longer side of a thumbnail in pixels."""

QUALITY = 80

CACHED_BYTES = 32 * 2**20

MAX_FILE = 2**20
"""Largest file of a thumbnail, in bytes; a larger one was not written by this package."""

FOLDER = "thumbnails"

FILE_ERRORS = (OSError, ValueError)


class Thumbnails:
    """JPEG pictures of at most `SIDE` pixels. Not thread-safe.

    Parameters
    ----------
    images : ImageSet
    """

    def __init__(self, images: ImageSet) -> None:
        self._images = images
        self._folder = None if images.folder is None else images.folder / FOLDER
        self._cache: LRUCache[str, bytes] = LRUCache(CACHED_BYTES, getsizeof=len)

    def read(self, number: int) -> bytes:
        """The thumbnail of an image; ImageError if the image cannot be read."""
        image = self._images.image_at(number)
        key = _key(image, self._images.reading_options)
        if (cached := self._cache.get(key)) is not None:
            return cached
        found = self._stored(key, image) or self._made(key, image)
        with suppress(ValueError):  # larger than the cache
            self._cache[key] = found
        return found

    def _made(self, key: str, image: SetImage) -> bytes:
        found = self._of_jpeg(image.path) or _encoded(_shrunk(self._images.pixels(image)))
        if (file := self._file(key, image)) is not None:
            with suppress(*FILE_ERRORS):  # a full or read-only disk
                file.parent.mkdir(exist_ok=True)
                with whole_file(file, overwrite=True) as out:
                    out.write(found)
        return found

    def _of_jpeg(self, path: Path | None) -> bytes | None:
        """The thumbnail of a JPEG file, decoded at a fraction of its size; None if it is none."""
        options = self._images.reading_options
        if path is None or options["axes"] or options["channels"] is not None:
            return None
        with (
            suppress(*FILE_ERRORS, Image.DecompressionBombError),
            open_regular(path) as file,
            Image.open(file, formats=("JPEG",)) as image,
        ):
            check_size(*image.size)
            image.draft("RGB", (SIDE, SIDE))
            image.thumbnail((SIDE, SIDE))
            return _encoded(np.asarray(ImageOps.exif_transpose(image).convert("RGB")))
        return None

    def _stored(self, key: str, image: SetImage) -> bytes | None:
        file = self._file(key, image)
        if file is None:
            return None
        with suppress(*FILE_ERRORS):
            data = read_regular(file, MAX_FILE)
            # A picture of somebody else's making is not sent to pages unseen.
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as found:
                return data if max(found.size) <= SIDE else None
        return None

    def _file(self, key: str, image: SetImage) -> Path | None:
        """Where the thumbnail of an image is stored; None if it is not, as it has no file."""
        if self._folder is None or image.path is None:
            return None
        return self._folder / f"{key}.jpg"


def _key(image: SetImage, options: Mapping[str, object]) -> str:
    """Identifies an image with its content, and how it is read."""
    state = ""
    if image.path is not None:
        with suppress(OSError):
            found = image.path.stat()
            state = f"{found.st_mtime_ns} {found.st_size}"
    text = f"{image.name}\0{state}\0{SIDE}\0{sorted(options.items())}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _shrunk(rgb: UInt8Array) -> UInt8Array:
    return scaled(rgb, SIDE) if max(rgb.shape[:2]) > SIDE else rgb


def _encoded(rgb: UInt8Array) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
