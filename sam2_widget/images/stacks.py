"""Stacks: planes of an image along a further axis, each loaded on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from PIL import Image

from sam2_widget._utils.arrays import Float64Array
from sam2_widget.errors import ImageError
from sam2_widget.images import axes as axes_
from sam2_widget.images.arrays import LoadedImage, Options, described
from sam2_widget.images.axes import Layout, Plane
from sam2_widget.images.contrast import Channels, ContrastLimits
from sam2_widget.images.frame_axis import frame_axis
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.pillow import FRAME_AXES, FrameArray, animation
from sam2_widget.images.sequences import FrameSequence
from sam2_widget.images.sources import (
    ImageLike,
    as_source,
    decoded,
    is_npy,
    is_tiff,
    load_image,
    npy_array,
    sequence_frame,
)
from sam2_widget.images.tiff_arrays import tiff_image
from sam2_widget.images.tiff_tags import INSTALL
from sam2_widget.images.videos.video import Video


class ImageStack(Sequence[LoadedImage]):
    """The planes of an image along one further axis, each loaded on demand.

    Parameters
    ----------
    image : as for `load_image`
        Also a video, an animation, a folder of images, or a list of images of equal size, whose
        frames are the planes.
    axes, plane, channels, contrast_limits
        As for `load_image`; `plane` fixes the axes other than `along`. Contrast limits that are not
        given are computed for each plane.
    along : str, optional
        Letter of the axis, e.g. ``"Z"``; needed if there are several. Frames lie along ``"T"``
        unless this or `axes` states another letter.

    Raises
    ------
    ImageError
        If the image cannot be read, has only one plane, or has no such axis.
    MissingLibraryError
        If it is a video and PyAV is not installed.

    Examples
    --------
    >>> import numpy as np
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
        self._image = _opened(as_source(image))
        self._options = Options(axes, plane, channels, contrast_limits)
        if isinstance(self._image, (Video, FrameSequence)):
            self.along = frame_axis(axes, along=along)
            self._axes, self._count = axes, len(self._image)
        else:
            self.along, self._axes, self._count = _along(self._image, self._options, along)
        self._size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def source(self) -> object:
        """The source of the planes, as it was given."""
        return self._image.file if isinstance(self._image, (Video, FrameArray)) else self._image

    @property
    def times(self) -> Float64Array | None:
        """When each frame of a video or animation is shown, in seconds after the first.

        (planes,) float64; None for other stacks. Waits until all frames have been counted.
        """
        timed = isinstance(self._image, (Video, FrameArray))
        return self._image.times[: len(self)] if timed else None

    @property
    def frame_rate(self) -> float | None:
        """Frames a second of a video, on average; None for other stacks."""
        return self._image.frame_rate if isinstance(self._image, Video) else None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user on a video or animation as a whole, e.g. that it is truncated."""
        return self._image.notes if isinstance(self._image, (Video, FrameArray)) else ()

    def __getitem__(self, index: Any) -> Any:
        """The `index`-th plane, a `LoadedImage`; or several for a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no plane {index}: there are {len(self)}")
        number = int(index) % len(self)
        loaded = self._loaded(number)
        if isinstance(self._image, FrameSequence):
            self._check_size(self._image, number, loaded)
        return loaded

    def _loaded(self, number: int) -> LoadedImage:
        if isinstance(self._image, FrameSequence):
            return sequence_frame(self._image, self.along, number, self._options)
        fixed = self._options.plane if isinstance(self._options.plane, Mapping) else {}
        return load_image(
            self._image,
            axes=self._axes,
            plane={**fixed, self.along: number},
            channels=self._options.channels,
            contrast_limits=self._options.contrast_limits,
        )

    def _check_size(self, sequence: FrameSequence, number: int, loaded: LoadedImage) -> None:
        """Raise `ImageError` if a frame has another size than the first that can be read."""
        height, width = loaded.rgb.shape[:2]
        if self._size is None:
            self._size = (height, width) if number == 0 else self._first_size()
        if (height, width) != self._size:
            raise ImageError(
                f"{sequence.name(number)} has {width} x {height} pixels, but the first frame has "
                f"{self._size[1]} x {self._size[0]}: all frames must be of one size"
            )

    def _first_size(self) -> tuple[int, int]:
        for number in range(len(self)):
            try:
                height, width = self._loaded(number).rgb.shape[:2]
            except ImageError:
                continue
            return height, width
        raise ImageError("no frame of the image can be read")

    def close(self) -> None:
        """Close the file of a video or animation; it is opened again when a plane is read."""
        if isinstance(self._image, (Video, FrameArray)):
            self._image.close()


def _opened(image: Any) -> Any:
    """An animation as an array of its frames, which keeps the file open; others unchanged."""
    if not isinstance(image, ImageFile) or is_npy(image) or is_tiff(image):
        return image
    found = decoded(partial(animation, image), str(image))
    if found is None:
        raise ImageError(f"{image} is one picture, not a stack: use load_image")
    return found


def _along(image: Any, options: Options, along: str | None) -> tuple[str, str, int]:
    """Letter of the axis of planes, letters of all axes, and how many planes there are."""
    layout, shape = _stack_layout(image, options)
    sizes = dict(zip(layout.letters, shape, strict=True))
    several = [axis for axis in layout.planes if sizes[axis] > 1] or list(layout.planes)
    letter = (along or (several[0] if len(several) == 1 else "")).upper()
    if letter not in layout.planes:
        raise ImageError(f"along= must be the axis of the planes, one of {several}, got {along!r}")
    return letter, layout.letters, sizes[letter]


def stack_of(
    image: ImageLike | ImageStack,
    *,
    axes: str | None = None,
    plane: Plane | None = None,
    channels: Channels | None = None,
    contrast_limits: ContrastLimits = "auto",
) -> ImageStack | None:
    """The stack of an image for which no plane was chosen; None if there is only one plane.

    Raises
    ------
    ImageError
        If `image` is an `ImageStack` and options are given, too.
    """
    options = Options(axes, plane, channels, contrast_limits)
    if isinstance(image, ImageStack):
        if options.given:
            raise ImageError(f"pass {', '.join(options.given)} to the ImageStack itself")
        return image
    source = as_source(image)
    fixed = {str(axis).upper() for axis in plane} if isinstance(plane, Mapping) else set()
    if not (plane is None or isinstance(plane, Mapping)):
        return None
    if isinstance(source, (Video, FrameSequence)):
        axis = frame_axis(axes, plane)
        if axis in fixed or len(source) == 1:
            return None
        return ImageStack(
            source,
            axes=axes,
            along=axis,
            plane=plane,
            channels=channels,
            contrast_limits=contrast_limits,
        )
    return _stack_of_planes(source, options, fixed)


def _stack_of_planes(source: Any, options: Options, fixed: set[str]) -> ImageStack | None:
    if not _may_be_stack(source):
        return None
    try:
        layout, shape = _stack_layout(source, options)
    except ImageError:  # `load_image` raises it, if it cannot do better
        return None
    sizes = dict(zip(layout.letters, shape, strict=True))
    free = [axis for axis in layout.planes if sizes[axis] > 1 and axis not in fixed]
    if len(free) != 1:  # of several `load_image` asks for a plane
        return None
    return ImageStack(
        source,
        axes=layout.letters,
        along=free[0],
        plane=options.plane,
        channels=options.channels,
        contrast_limits=options.contrast_limits,
    )


def _may_be_stack(image: Any) -> bool:
    if isinstance(image, ImageFile):
        return is_npy(image) or is_tiff(image) or _has_frames(image)
    return not isinstance(image, (Image.Image, LoadedImage))


def _stack_layout(image: Any, options: Options) -> tuple[Layout, tuple[int, ...]]:
    """The axes of a stack and its shape."""
    if isinstance(image, ImageFile):
        return decoded(partial(_file_layout, image, options), str(image))
    if isinstance(image, FrameArray):
        return axes_.parsed(options.axes or FRAME_AXES, len(FRAME_AXES)), image.shape
    if isinstance(image, Image.Image):
        raise ImageError("a PIL image has no planes: pass an array with axes=, or its file")
    source, layout, _ = described(image, options)
    return layout, tuple(source.shape)


def _file_layout(file: ImageFile, options: Options) -> tuple[Layout, tuple[int, ...]]:
    if is_npy(file):
        array = npy_array(file)
        return described(array, options)[1], tuple(array.shape)
    if is_tiff(file):
        return _tiff_layout(file, options)
    found = animation(file)
    if found is None:
        raise ImageError(f"{file} is one picture, not a stack: use load_image")
    return _stack_layout(found, options)


def _tiff_layout(file: ImageFile, options: Options) -> tuple[Layout, tuple[int, ...]]:
    with_tifffile = find_spec("tifffile") is not None
    with tiff_image(file, with_tifffile=with_tifffile) as found:
        layout = found.layout(options)
        if not layout.planes and not with_tifffile:
            raise ImageError(f"{file} has one page only: for other stacks {INSTALL}")
        return layout, tuple(found.array.shape)


def _has_frames(file: ImageFile) -> bool:
    """Whether a picture is an animation; if it is broken, `load_image` raises the error."""
    try:
        return animation(file) is not None
    except Exception:  # noqa: BLE001 - decoders raise anything
        return False
