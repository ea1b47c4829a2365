"""Stacks: planes of an image along a further axis, each loaded when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sam2_widget.errors import ImageError
from sam2_widget.images import axes as axes_
from sam2_widget.images.arrays import LoadedImage, Options, described
from sam2_widget.images.axes import Layout, Plane
from sam2_widget.images.contrast import Channels, ContrastLimits
from sam2_widget.images.sources import ImageLike, decoded, is_tiff, load_image, tiff_axes


class ImageStack(Sequence[LoadedImage]):
    """The planes of an image along one further axis, each loaded when it is asked for.

    Parameters
    ----------
    image : as for `load_image`
    axes, plane, channels, contrast_limits
        As for `load_image`; `plane` fixes the axes that are not `along`. Limits that are not given
        are found for each plane anew.
    along : str, optional
        Letter of the axis, e.g. ``"Z"``; needed if there are several.

    Examples
    --------
    >>> stack = ImageStack(np.zeros((5, 40, 60), np.uint8), axes="ZYX")
    >>> len(stack), stack[2].rgb.shape
    (5, (40, 60, 3))
    """

    def __init__(
        self,
        image: ImageLike,
        *,
        axes: str | None = None,
        along: str | None = None,
        plane: Plane | None = None,
        channels: Channels | None = None,
        contrast_limits: ContrastLimits = "auto",
    ) -> None:
        self._image = image
        self._options = Options(axes, plane, channels, contrast_limits)
        layout, shape = _stack_layout(image, self._options)
        sizes = dict(zip(layout.letters, shape, strict=True))
        several = [axis for axis in layout.planes if sizes[axis] > 1] or list(layout.planes)
        self.along = (along or (several[0] if len(several) == 1 else "")).upper()
        if self.along not in layout.planes:
            raise ImageError(
                f"say along which axis the planes lie: along= one of {several}, got {along!r}"
            )
        self._axes = layout.letters
        self._count = sizes[self.along]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        """The `index`-th plane, a `LoadedImage`; or several for a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no plane {index}: there are {len(self)}")
        fixed = self._options.plane if isinstance(self._options.plane, Mapping) else {}
        return load_image(
            self._image,
            axes=self._axes,
            plane={**fixed, self.along: int(index) % len(self)},
            channels=self._options.channels,
            contrast_limits=self._options.contrast_limits,
        )


def stack_of(
    image: ImageLike | ImageStack,
    *,
    axes: str | None = None,
    plane: Plane | None = None,
    channels: Channels | None = None,
    contrast_limits: ContrastLimits = "auto",
) -> ImageStack | None:
    """The planes of an image of which was not said which one is meant; None if it is only one.

    Raises
    ------
    ImageError
        If `image` is an `ImageStack`, and there are options that should have been given to it.
    """
    options = Options(axes, plane, channels, contrast_limits)
    if isinstance(image, ImageStack):
        if options.said:
            raise ImageError(f"give {', '.join(options.said)} to the ImageStack, not beside it")
        return image
    if not (plane is None or isinstance(plane, Mapping)) or not _may_be_stack(image):
        return None
    try:
        layout, shape = _stack_layout(image, options)
    except ImageError:  # which `load_image` tells, if it cannot do better
        return None
    fixed = {str(axis).upper() for axis in plane or ()}
    sizes = dict(zip(layout.letters, shape, strict=True))
    free = [axis for axis in layout.planes if sizes[axis] > 1 and axis not in fixed]
    if len(free) != 1:  # of several `load_image` asks for a plane
        return None
    return ImageStack(
        image,
        axes=layout.letters,
        along=free[0],
        plane=plane,
        channels=channels,
        contrast_limits=contrast_limits,
    )


def _may_be_stack(image: ImageLike) -> bool:
    if isinstance(image, (str, os.PathLike)):
        path = Path(image)
        known = path.suffix.lower() == ".npy" or (is_tiff(path) and find_spec("tifffile"))
        return bool(known) and path.is_file()
    return not isinstance(image, (Image.Image, LoadedImage))


def _stack_layout(image: ImageLike, options: Options) -> tuple[Layout, tuple[int, ...]]:
    """The axes of a stack and its shape."""
    if isinstance(image, (str, os.PathLike)):
        return decoded(partial(_file_layout, Path(image), options), f"the image {image!r}")
    if isinstance(image, Image.Image):
        raise ImageError("a PIL image has no planes: pass an array with axes=")
    source, layout, _ = described(image, options)
    return layout, tuple(source.shape)


def _file_layout(path: Path, options: Options) -> tuple[Layout, tuple[int, ...]]:
    if path.suffix.lower() == ".npy":
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        return described(array, options)[1], tuple(array.shape)
    if not find_spec("tifffile"):
        raise ImageError("tifffile is needed to read a stack: run `pip install tifffile`")
    import tifffile  # noqa: PLC0415 - optional

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        letters = options.axes or tiff_axes(series.axes)
        return axes_.parsed(letters, series.ndim), tuple(series.shape)
