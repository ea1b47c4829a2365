"""Converts Pillow images of every mode to RGB, with transparency, profile and orientation."""

from __future__ import annotations

import io
import itertools
import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps

from sam2_widget._utils.arrays import Float64Array, UInt8Array
from sam2_widget.images.arrays import LoadedImage, Options, check_size, from_array
from sam2_widget.images.contrast import composed_on_white
from sam2_widget.images.formats import FRAMES, pillow_formats
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.orientation import TAG

FRAME_AXES = "TYXS"

GREY = ("1", "L", "La", "LA")
"""Modes of Pillow whose red, green and blue are equal."""


@contextmanager
def opened(file: ImageFile, formats: list[str] | None = None) -> Iterator[Image.Image]:
    """Open an image file without decoding its pixels."""
    with ExitStack() as stack:
        yield _open(file, stack, formats)


def _open(file: ImageFile, stack: ExitStack, formats: list[str] | None = None) -> Image.Image:
    """As `opened`, until `stack` is closed."""
    # As a file object: given a path, Pillow may memory-map and then misapply the orientation.
    stream = stack.enter_context(file.open())
    with warnings.catch_warnings():
        # Pillow warns at half of its own limit; our limit is checked and raises an error.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(stream, formats=formats or pillow_formats())
    stack.callback(image.close)
    return image


def frame_count(image: Image.Image) -> int:
    """Number of frames of an animation; 1 for other formats, even with further images inside."""
    return _frames(image)[0]


def _frames(image: Image.Image) -> tuple[int, bool]:
    """Number of frames that can be read, and whether the file is truncated after them."""
    if image.format not in FRAMES:
        return 1, False
    try:
        return int(getattr(image, "n_frames", 1)), False
    except Exception:  # noqa: BLE001 - decoders raise anything
        return _readable_frames(image), True


def _readable_frames(image: Image.Image) -> int:
    count = 0
    with suppress(Exception):
        for number in itertools.count():
            image.seek(number)
            image.load()
            count += 1
    return max(count, 1)


class FrameArray:
    """The frames of an animation, (frames, H, W, 3) uint8, each decoded on demand.

    The file stays open until `close` or the end of this object, because a frame is decoded from the
    one before it. All methods are thread-safe.
    """

    def __init__(
        self, file: ImageFile, count: int, size: tuple[int, int], *, is_cut_off: bool = False
    ) -> None:
        cut = f"The animation is cut off or damaged: its first {count} frames are used."
        self.notes = (cut,) if is_cut_off else ()
        self.shape = (count, size[1], size[0], 3)
        self.dtype = np.dtype(np.uint8)
        self.file = file
        self._lock = threading.Lock()
        self._opened = ExitStack()
        self._image: Image.Image | None = None
        weakref.finalize(self, self._opened.close)

    def __getitem__(self, index: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        frames = np.arange(self.shape[0])[index[0]]
        read = [self._frame(int(n)) for n in np.ravel(frames)]
        whole = np.stack(read).reshape(*np.shape(frames), *self.shape[1:])
        inside: tuple[Any, ...] = (..., *index[1:])
        return np.asarray(whole[inside])

    def _frame(self, number: int) -> UInt8Array:
        with self._lock:
            try:
                image = self._at(number)
                return managed(image, image.info.get("icc_profile"))[0]
            except BaseException:
                self._close()  # the next frame must not be decoded from a broken one
                raise

    def _at(self, number: int) -> Image.Image:
        if self._image is not None and number < self._image.tell():
            self._close()  # Pillow cannot go back in all formats
        if self._image is None:
            self._image = _open(self.file, self._opened)
        for step in range(self._image.tell() + 1, number + 1):
            self._image.seek(step)
            self._image.load()
        return self._image

    @cached_property
    def times(self) -> Float64Array:
        """When each frame is shown, in seconds after the first, (frames,) float64."""
        durations = []
        with opened(self.file) as image:
            for number in range(self.shape[0]):
                image.seek(number)
                image.load()
                durations.append(float(image.info.get("duration", 0)))
        return np.concatenate([[0.0], np.cumsum(durations[:-1])]) / 1000

    def close(self) -> None:
        """Close the file; it is opened again when a frame is read."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._image = None
        self._opened.close()


def frames_in(file: ImageFile) -> FrameArray:
    """The readable frames of an animation; of another image, itself."""
    with opened(file) as image:
        check_size(*image.size)
        size = image.size
        count, is_cut_off = _frames(image)
    return FrameArray(file, count, size, is_cut_off=is_cut_off)


def animation(file: ImageFile) -> FrameArray | None:
    """The frames of an animation; None for any other file."""
    frames = frames_in(file)
    return frames if frames.shape[0] > 1 else None


def from_pillow(image: Image.Image, options: Options, name: str) -> LoadedImage:
    """Load an image that Pillow has opened."""
    check_size(*image.size)
    key = _transparent_number(image)  # before anything is decoded
    orientation = image.getexif().get(TAG, 1)
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if key is not None:
        image.info["transparency"] = key
    record = {"orientation": orientation} if orientation != 1 else {}
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return from_array(np.asarray(image), options, name=name, record=record)
    rgb, profile_record = managed(image, profile)
    record |= profile_record
    if options.given:
        without_channels = len(options.axes or "") == len("YX") and image.mode in GREY
        values = rgb[..., 0] if without_channels else rgb
        return from_array(values, options, name=name, record=record)
    record |= {"shape": (*rgb.shape[:2], len(image.getbands())), "dtype": "uint8"}
    return LoadedImage(rgb, rgb, name, MappingProxyType({**record, "mode": image.mode}))


def _transparent_number(image: Image.Image) -> int | None:
    """The transparent number of a PNG of 2 or 4 bits, scaled as Pillow scales its pixels."""
    key, tiles = image.info.get("transparency"), getattr(image, "tile", ())
    factors = {"L;2": 85, "L;4": 17}
    factor = factors.get(str(tiles[0].args)) if tiles else None
    return key * factor if factor and isinstance(key, int) else None


def managed(image: Image.Image, profile: bytes | None) -> tuple[UInt8Array, dict[str, Any]]:
    """An 8-bit image converted to sRGB, composed on white."""
    if not image.has_transparency_data:
        image, record = in_srgb(image, profile)
        return np.array(image.convert("RGB")), record
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    color, record = in_srgb(rgba.convert("RGB"), profile)
    color.putalpha(rgba.getchannel("A"))
    return composed_on_white(color), record


def in_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, dict[str, Any]]:
    """An image converted to sRGB, and the record of its profile; unchanged if it has none."""
    if image.mode == "LAB":
        return _converted(image, ImageCms.createProfile("LAB")), {}
    if not profile:
        return image, {}
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(source).strip()
        if "srgb" in name.lower():
            return image, {"profile": name}
        picture = image if image.mode in ("RGB", "CMYK", "L") else image.convert("RGB")
        return _converted(picture, source), {"profile": name}
    except (ImageCms.PyCMSError, OSError, ValueError):
        # The profile is broken or fits no mode: the numbers stay as they are.
        return image, {"profile": "not usable, ignored"}


def with_profile(loaded: LoadedImage, profile: bytes | None) -> LoadedImage:
    """Convert the colours of a loaded image to sRGB."""
    if not profile:
        return loaded
    is_grey = loaded.values.ndim == 2 or loaded.values.shape[2] == 1  # noqa: PLR2004
    picture = Image.fromarray(np.ascontiguousarray(loaded.rgb[..., 0]) if is_grey else loaded.rgb)
    done, record = in_srgb(picture, profile)
    rgb = loaded.rgb if done is picture else np.array(done.convert("RGB"))
    return replace(loaded, rgb=rgb, record=MappingProxyType({**loaded.record, **record}))


def _converted(image: Image.Image, source: Any) -> Image.Image:
    done = ImageCms.profileToProfile(image, source, _srgb(), outputMode="RGB")
    return done or image


@cache
def _srgb() -> Any:
    return ImageCms.createProfile("sRGB")
