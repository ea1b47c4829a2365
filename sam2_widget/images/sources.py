"""Loads images of any source, with a record of how their RGB was made."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from types import MappingProxyType
from typing import IO, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from sam2_widget._utils.limits import MAX_PIXELS
from sam2_widget._utils.npy_files import read_npy_file
from sam2_widget.errors import ImageError, MissingLibraryError
from sam2_widget.images import axes as axes_
from sam2_widget.images import formats
from sam2_widget.images.arrays import (
    MAX_PLANE_BYTES,
    ArrayLike,
    LoadedImage,
    Options,
    TensorLike,
    check_size,
    from_array,
)
from sam2_widget.images.axes import Layout, Plane
from sam2_widget.images.contrast import Channels, ContrastLimits
from sam2_widget.images.frame_axis import frame_axis, frame_number, other_axes
from sam2_widget.images.opening import ImageFile, as_file
from sam2_widget.images.pillow import (
    FRAME_AXES,
    FrameArray,
    frame_count,
    frames_in,
    from_pillow,
    opened,
    with_profile,
)
from sam2_widget.images.sequences import FrameSequence, as_sequence
from sam2_widget.images.tiff_arrays import TiffImage, tiff_image, tiff_page
from sam2_widget.images.videos.opening import is_video, video_name
from sam2_widget.images.videos.video import Video

OneImage: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | IO[bytes]
    | ImageFile
    | Image.Image
    | LoadedImage
    | npt.NDArray[np.generic]
    | TensorLike
    | ArrayLike
)

ImageLike: TypeAlias = OneImage | Sequence[OneImage] | FrameSequence | Video | FrameArray

T = TypeVar("T")

FEWER_BITS = (
    "The file has 16 bits a colour, of which the upper 8 are shown: save it as PNG or TIFF to have "
    "all."
)


def load_image(
    image: ImageLike,
    *,
    axes: str | None = None,
    plane: Plane | None = None,
    channels: Channels | None = None,
    contrast_limits: ContrastLimits = "auto",
) -> LoadedImage:
    """Convert anything that is an image to RGB.

    Parameters
    ----------
    image : path, bytes, file object, PIL image, ndarray, torch tensor, xarray, dask, zarr or h5py
        Also a `LoadedImage`, e.g. a plane of an `ImageStack`. A file object is read from its
        beginning, and its position is restored; URLs are not fetched. Of a video, a folder of
        images or a list of images of equal size, `plane` selects a frame.

        Arrays have the shape (H, W), (H, W, C) or (C, H, W) with C = 1, 3 or 4, or any other that
        `axes` describes, and contain bool, integers or floats. Where both readings fit, arrays are
        (H, W, C) and tensors (C, H, W). Of lazy arrays only the part shown is computed.

        The orientation is applied, and colours are converted to sRGB if the file has a profile.
        Images with transparency, as declared by the file or in 8-bit arrays (H, W, 4), are composed
        on white; any other fourth channel is a band, and the first three are shown. Missing values
        (NaN, infinite, masked, the file's or a usual number for "no data") are shown in dark violet
        and left out of the percentiles. ``record["notes"]`` has notes on this for the user.
    axes : str, optional
        A letter for each axis: Y, X, C for channels, any other for planes, e.g. ``"TZCYX"``.
        Files and DataArrays that name their axes need none.
    plane : int or mapping, optional
        The plane of a stack: its number, or an index for each axis, e.g. ``{"T": 0, "Z": 12}``.
    channels : int, sequence or mapping, optional
        Which channels are shown: one in grey, three as (red, green, blue), or a mapping of channels
        to colours, e.g. ``{0: "blue", 3: "magenta"}``, which are added up.
    contrast_limits : "auto", "full", pair, or sequence of pairs
        The values shown as black and as white. By default 8 bits and floats within [0, 1] are shown
        as they are, others between their 0.1 and 99.9 percentiles, channels alike unless `channels`
        is a mapping. ``"full"`` is the range of the type.

    Returns
    -------
    LoadedImage

    Raises
    ------
    ImageError
        If the image cannot be read, or an option does not fit it.
    """
    options = Options(axes, plane, channels, contrast_limits)
    if isinstance(image, LoadedImage):
        if options.given:
            raise ImageError(
                f"the image is loaded already: pass {', '.join(options.given)} where it is loaded"
            )
        return image
    image = as_source(image)
    if isinstance(image, FrameSequence):
        return _from_sequence(image, options)
    file = image if isinstance(image, ImageFile) else getattr(image, "file", None)
    source = {"source": file.source} if isinstance(file, ImageFile) and file.source else {}
    if isinstance(image, Image.Image):
        loaded = decoded(partial(_from_pil, image, options), "the PIL image")
    elif isinstance(image, Video):
        loaded = decoded(partial(_from_video, image, options), video_name(image.file))
    elif isinstance(image, FrameArray):
        loaded = decoded(partial(_from_animation, image, options), str(image.file))
    elif isinstance(image, ImageFile):
        loaded = decoded(partial(_from_file, image, options), str(image))
    else:
        loaded = from_array(image, options)
    given = {"options": options.given} if options.given else {}
    return replace(loaded, record=MappingProxyType({**source, **loaded.record, **given}))


def as_source(image: Any) -> Any:
    """The frames of a list, folder or video, the image file, or `image` itself.

    Raises
    ------
    ImageError
        If there is no such file, or it is a video that cannot be read.
    """
    if isinstance(image, (Video, FrameArray)):
        return image
    found = as_sequence(image) or as_file(image)
    if isinstance(found, ImageFile) and is_video(found):
        return decoded(partial(Video, found), video_name(found))
    return image if found is None else found


def decoded(decode: Callable[[], T], what: str) -> T:
    """Run a decoder, and raise any of its errors as `ImageError`."""
    try:
        return decode()
    except (ImageError, MissingLibraryError):
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{what} is over the limit of {MAX_PIXELS / 1e6:.0f} megapixels: "
            "pass a part of it, or scale it down"
        ) from error
    except Exception as error:
        raise ImageError(f"{what} is broken: {error}") from error


# --- frames ---------------------------------------------------------------------------------------


def _from_sequence(sequence: FrameSequence, options: Options) -> LoadedImage:
    axis = frame_axis(options.axes, options.plane)
    number = frame_number(options.plane, axis, sequence)
    return sequence_frame(sequence, axis, number, options)


def sequence_frame(
    sequence: FrameSequence, axis: str, number: int, options: Options
) -> LoadedImage:
    """A frame of a list or folder; entries of `options` for other axes apply to each frame.

    Raises
    ------
    ImageError
        If there is none of that number, or it cannot be read.
    """
    frame = sequence.frame(number)
    try:
        loaded = load_image(
            frame,
            axes=options.axes[1:] if options.axes else None,
            plane=other_axes(options.plane, axis),
            channels=options.channels,
            contrast_limits=options.contrast_limits,
        )
    except ImageError as error:
        raise ImageError(f"{sequence.name(number)}: {error}") from error
    return _with_plane(loaded, axis, number)


def _from_video(video: Video, options: Options) -> LoadedImage:
    axis = frame_axis(options.axes, options.plane)
    if options.axes:
        axes_.parsed(options.axes, len(FRAME_AXES))
    if others := other_axes(options.plane, axis):
        raise ImageError(f"the planes of a video lie along {axis}, got plane={others}")
    loaded = video.frame(frame_number(options.plane, axis, video))
    if options.channels is not None or not isinstance(options.contrast_limits, str):
        shown = replace(options, axes="YXS", plane=None)
        loaded = from_array(loaded.rgb, shown, name=loaded.name, record=dict(loaded.record))
    return _with_plane(loaded, axis, loaded.record["frame"])


def _with_plane(loaded: LoadedImage, axis: str, number: int) -> LoadedImage:
    plane = {axis: number, **loaded.record.get("plane", {})}
    return replace(loaded, record=MappingProxyType({**loaded.record, "plane": plane}))


def _from_animation(frames: FrameArray, options: Options) -> LoadedImage:
    shown = replace(options, axes=options.axes or FRAME_AXES)
    record = {"notes": frames.notes} if frames.notes else {}
    return from_array(frames, shown, name=frames.file.name, record=record)


# --- files ----------------------------------------------------------------------------------------


def _from_file(file: ImageFile, options: Options) -> LoadedImage:
    if is_npy(file):
        return from_array(npy_array(file), options, name=file.name, max_bytes=MAX_PLANE_BYTES)
    if is_tiff(file):
        return _from_tiff(file, options)
    return _from_picture(file, options)


def is_npy(file: ImageFile) -> bool:
    """Whether the name or content is that of an NPY file."""
    return file.name.lower().endswith(".npy") or file.start(6) == b"\x93NUMPY"


def npy_array(file: ImageFile) -> Any:
    """The array in an NPY file, memory-mapped if on disk; pickled objects are never loaded."""
    with file.open() as opened_file:
        return read_npy_file(opened_file)


def is_tiff(file: ImageFile) -> bool:
    """Whether the content is a TIFF: those of microscopes are named .stk, .lsm, .svs and so on."""
    return formats.is_tiff_start(file.start(4))


def has_tifffile() -> bool:
    """Whether tifffile is installed."""
    return find_spec("tifffile") is not None


def _from_tiff(file: ImageFile, options: Options) -> LoadedImage:
    with tiff_image(file, with_tifffile=has_tifffile()) as found:
        return _loaded_tiff(found, options, file.name)


def _loaded_tiff(found: TiffImage, options: Options, name: str) -> LoadedImage:
    layout = found.layout(options)
    loaded = from_array(
        found.array,
        replace(options, axes=layout.letters),
        name=name,
        record=found.record,
        bands=found.bands(layout),
    )
    return loaded if options.channels is not None else with_profile(loaded, found.profile)


def _from_picture(file: ImageFile, options: Options) -> LoadedImage:
    """Load by Pillow, by OpenCV where it preserves more bits, else by imageio if installed."""
    try:
        with opened(file) as image:
            check_size(*image.size)
            if frame_count(image) == 1:
                return _from_one_picture(file, image, options)
        return _from_animation(frames_in(file), options)
    except UnidentifiedImageError as error:
        return _from_imageio(file, options, error)


def _from_one_picture(file: ImageFile, image: Image.Image, options: Options) -> LoadedImage:
    from sam2_widget.images import deep  # noqa: PLC0415 - OpenCV takes 0.1 s

    is_deep = deep.is_deep(image)
    loaded = deep.load_deep(file, image, options) if is_deep else None
    if loaded is not None:
        return loaded
    loaded = from_pillow(image, options, file.name)
    return _noted(loaded, FEWER_BITS) if is_deep else loaded


def _from_imageio(file: ImageFile, options: Options, error: Exception) -> LoadedImage:
    hint = formats.hint(file.start(), file.name)
    unknown = f"{file} is not an image that Pillow can read: "
    if hint or not find_spec("imageio"):
        hint = hint or "open it with the library of its format and pass the array"
        raise ImageError(unknown + hint) from error
    from imageio.v3 import imread  # noqa: PLC0415 - optional

    for plugin in formats.imageio_plugins(file.name):
        with suppress(Exception), file.open() as stream:
            # As bytes, so that tifffile cannot search the folder for further files.
            source = file.read() if plugin == formats.TIFFFILE else stream
            array = imread(source, plugin=plugin)
            break
    else:
        raise ImageError(
            f"{unknown}open it with the library of its format and pass the array"
        ) from error
    return from_array(array, options, name=file.name)


def _noted(loaded: LoadedImage, note: str, **more: Any) -> LoadedImage:
    """The same image with a further note for the user."""
    record = {**loaded.record, **more, "notes": (note, *loaded.record.get("notes", ()))}
    return replace(loaded, record=MappingProxyType(record))


# --- PIL images -----------------------------------------------------------------------------------


def _from_pil(image: Image.Image, options: Options) -> LoadedImage:
    """Load the current frame or the one that `plane` selects, and restore the current one."""
    check_size(*image.size)
    count = frame_count(image)
    if count == 1:
        return _from_pil_frame(image, options)
    at = image.tell()
    layout = Layout(FRAME_AXES)
    plane = at if options.plane is None else options.plane
    number = int(layout.picked(plane, (count, image.height, image.width, 3))[0])  # type: ignore[arg-type]
    try:
        image.seek(number)
        loaded = _from_pil_frame(image, replace(options, plane=None))
    finally:
        image.seek(at)
    note = f"This is frame {number + 1} of {count}: pass the path of the file to have all of them."
    return _noted(loaded, note, plane={"T": number})


def _from_pil_frame(image: Image.Image, options: Options) -> LoadedImage:
    """Load from the file if nothing was decoded yet, because Pillow would lose bits."""
    stream = getattr(image, "fp", None)
    if not getattr(image, "tile", None) or stream is None:
        return from_pillow(image, options, "")
    if image.format == "TIFF":
        tiff = as_file(stream) or ImageFile("")
        if frame_count(image) == 1:
            return _from_tiff(tiff, options)
        return _loaded_tiff(tiff_page(tiff, image.tell()), options, "")
    from sam2_widget.images import deep  # noqa: PLC0415 - OpenCV takes 0.1 s

    file = as_file(stream) if deep.is_deep(image) else None
    loaded = deep.load_deep(file, image, options) if file is not None else None
    return loaded or from_pillow(image, options, "")
