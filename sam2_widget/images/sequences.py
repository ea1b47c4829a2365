"""Folders and lists whose images are the frames of a stack."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from sam2_widget.errors import ImageError
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.images.opening import ImageFile, is_zarr, local_path
from sam2_widget.images.videos.frame_index import MAX_FRAMES

SUFFIXES: Final = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".npy", ".jp2"),
    *(".avif", ".heic", ".jxl", ".ppm", ".pgm", ".pbm", ".tga", ".qoi"),
)
"""Suffixes of the files in a folder that are taken for frames."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameSequence:
    """The frames of a stack, each an image of its own that is read on demand.

    Attributes
    ----------
    frames : tuple
        Images as `load_image` accepts them: paths, bytes, PIL images, arrays.
    source : str
        The folder, "" if the frames were listed.
    """

    frames: tuple[Any, ...]
    source: str = ""

    def __len__(self) -> int:
        return len(self.frames)

    def frame(self, number: int) -> Any:
        """A frame as `load_image` accepts it; ImageError if there is none of that number."""
        if not 0 <= number < len(self.frames):
            raise ImageError(f"there is no frame {number}: there are {len(self.frames)}")
        return self.frames[number]

    def name(self, number: int) -> str:
        """Name of a frame in messages."""
        frame = self.frames[number]
        named = isinstance(frame, (str, os.PathLike))
        return f"frame {number} ({Path(frame).name!r})" if named else f"frame {number}"


def as_sequence(image: object) -> FrameSequence | None:
    """The frames of a folder or a list; None if `image` is something else.

    The files of a folder are in natural order: ``frame 2.png`` comes before ``frame 10.png``.

    Raises
    ------
    ImageError
        If there are none, too many, or one of them is no image.
    """
    if isinstance(image, FrameSequence):
        return image
    if isinstance(image, (list, tuple)):
        return _listed(image)
    if isinstance(image, (str, os.PathLike)):
        return _in_folder(os.fsdecode(os.fspath(image)))
    return None


def _listed(frames: Iterable[Any]) -> FrameSequence:
    found = tuple(frames)
    if not found:
        raise ImageError("the list of frames is empty: pass at least one image")
    _check_count(len(found), "the list")
    for number, frame in enumerate(found):
        if not _is_frame(frame):
            raise ImageError(
                f"frame {number} of the list must be a path, bytes, a PIL image or an array, got "
                f"{type(frame).__name__}: pass lists of numbers as np.array(…)"
            )
    return FrameSequence(found)


def _is_frame(frame: object) -> bool:
    known = (str, os.PathLike, bytes, ImageFile, Image.Image, LoadedImage)
    return isinstance(frame, known) or hasattr(frame, "shape") or hasattr(frame, "read")


def _in_folder(text: str) -> FrameSequence | None:
    path = local_path(text)
    if path is None or not _is_folder(path) or is_zarr(path):
        return None
    found = [one for one in path.iterdir() if one.suffix.lower() in SUFFIXES]
    frames = sorted(
        (one for one in found if not one.name.startswith(".")),
        key=lambda one: counting_key(one.name),
    )
    if not frames:
        raise ImageError(
            f"there are no images in the folder {str(path)!r}: their names must end with one of "
            f"{', '.join(SUFFIXES)}"
        )
    _check_count(len(frames), f"the folder {str(path)!r}")
    return FrameSequence(tuple(frames), text)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # e.g. a name that is too long
        return False


def _check_count(count: int, what: str) -> None:
    if count > MAX_FRAMES:
        raise ImageError(f"{what} has {count} frames, the limit is {MAX_FRAMES}: pass fewer")


def counting_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key for natural order: numbers in names by their value."""
    parts = re.split(r"([0-9]+)", name.lower())
    return [(int(part), "") if n % 2 else (0, part) for n, part in enumerate(parts)], name
