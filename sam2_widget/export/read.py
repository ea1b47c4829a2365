"""Masks from anywhere: files of every format that is written here, arrays, other libraries."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from sam2_widget.errors import AnnotationError
from sam2_widget.export.sizes import checked_size
from sam2_widget.export.values import LabeledMask, LabeledMasks, crop_of
from sam2_widget.files import Source, decoded, name_of, read_bytes

MasksLike: TypeAlias = Any
"""Whatever `read_masks` takes."""


def read_masks(
    value: MasksLike, size: tuple[int, int] | None = None, **options: Any
) -> LabeledMasks:
    """Masks of anything that holds masks.

    Parameters
    ----------
    value : path, file object, ndarray, mapping, sequence, Segmentation, LabeledMasks, Detections
        A file, or an object that reads one and tells its name in ``.name``: COCO, LabelMe or
        GeoJSON (``.json``, ``.geojson``), YOLO (``.txt``), a label map (``.png``, ``.tif``, …),
        ``.npz``, ``.npy``, or a folder or ``.zip`` with an image for each object. An array: a label
        map (H, W) of whole numbers, a mask (H, W) or masks (N, H, W) of bool. Several masks: a
        mapping label → mask, or a list of masks or of pairs (label, mask). A result of this
        package, or a `supervision.Detections`.
    size : (int, int), optional
        (height, width) that the image must have; needed where the value does not tell it.
    **options
        Passed on to the reader of the file's format, e.g. ``classes=`` or ``image=``.

    Returns
    -------
    LabeledMasks

    Raises
    ------
    AnnotationError
        If there are no masks in it, or they are of another size.
    """
    if isinstance(value, (str, os.PathLike)) or _is_named_file(value):
        return _read_file(value, size, options)
    if hasattr(value, "objects") and hasattr(value, "size") and not isinstance(value, np.ndarray):
        return _from_result(value, size)
    if hasattr(value, "xyxy") and hasattr(value, "mask"):
        return _from_detections(value, size)
    if isinstance(value, Mapping):
        return _from_pairs(value.items(), size)
    if isinstance(value, (list, tuple)):
        return _from_pairs(map(_as_pair, value), size)
    array = _as_array(value)
    return _from_array(array, size)


def _is_named_file(value: object) -> bool:
    return hasattr(value, "read") and isinstance(getattr(value, "name", None), str)


def _read_file(source: Any, size: tuple[int, int] | None, options: dict[str, Any]) -> LabeledMasks:
    # A file object is read twice: to tell its format, and for its masks.
    is_path = isinstance(source, (str, os.PathLike))
    source = Path(source) if is_path else _Named(read_bytes(source), source.name)
    format_ = _format(source)
    if format_ == "yolo" and size is None:
        raise AnnotationError(
            "YOLO labels do not tell the size of the image: pass size=(height, width) for "
            f"{name_of(source)}"
        )
    if format_ == "npy":
        return read_npy(source, size=size, **options)
    module, name = READERS[format_]
    # On demand: most sessions start from no mask.
    reader = getattr(import_module(f"sam2_widget.export.{module}"), name)
    found: LabeledMasks = reader(source, size=size, **options)
    return found


class _Named(io.BytesIO):
    """A file in memory, with its name."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


READERS = {
    "coco": ("coco", "read_coco"),
    "labelme": ("labelme", "read_labelme"),
    "geojson": ("geojson", "read_geojson"),
    "yolo": ("yolo", "read_yolo"),
    "npz": ("npz", "read_npz"),
    "tiff": ("tiff", "read_tiff"),
    "png": ("label_map", "read_png"),
    "cutout": ("cutout", "read_cutout"),
    "pngs": ("pngs", "read_pngs"),
}
"""Module and function of each format."""

SUFFIXES = {
    ".txt": "yolo",
    ".npz": "npz",
    ".npy": "npy",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".zip": "pngs",
}


def _format(source: Path | _Named) -> str:
    if isinstance(source, Path) and source.is_dir():
        return "pngs"
    suffix = PurePath(source.name).suffix.lower()
    if suffix in (".json", ".geojson"):
        return _json_format(source)
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if suffix in (".png", ".bmp", ".gif", ".webp"):
        return _picture_format(source)
    raise AnnotationError(
        f"cannot tell the format of {name_of(source)} from its name: it must end in .json, "
        ".geojson, .txt, .npz, .npy, .png, .tif or .zip, or be a folder of images"
    )


def _json_format(source: Path | _Named) -> str:
    """Which JSON it is, by its keys."""
    data = _peek(source).removeprefix(b"\xef\xbb\xbf")
    keys = decoded(lambda: msgspec.json.decode(data, type=dict[str, msgspec.Raw]), name_of(source))
    kinds = {
        "annotations": "coco",
        "shapes": "labelme",
        "features": "geojson",
        "geometry": "geojson",
    }
    for key, kind in kinds.items():
        if key in keys:
            return kind
    raise AnnotationError(
        f"{name_of(source)} is neither COCO, LabelMe nor GeoJSON: it has the keys "
        f"{list(keys)[:10]}; prompts are loaded by Prompts.load"
    )


def _peek(source: Path | _Named) -> bytes:
    return read_bytes(source) if isinstance(source, Path) else source.getvalue()


def _picture_format(source: Path | _Named) -> str:
    """A label map, or the transparency of a cut-out."""
    from PIL import Image  # noqa: PLC0415

    data = io.BytesIO(_peek(source))
    with decoded(lambda: Image.open(data), name_of(source)) as image:
        return "cutout" if image.mode in ("RGBA", "LA", "PA") else "png"


def read_npy(source: Source, *, size: tuple[int, int] | None = None) -> LabeledMasks:
    """Masks or a label map from an NPY; pickled objects are never loaded."""
    # Of a file not all is read before its size is checked: it may be larger than the memory.
    data: Any = source if isinstance(source, Path) else io.BytesIO(read_bytes(source))
    mode: Any = "r" if isinstance(source, Path) else None
    array = decoded(lambda: np.load(data, mmap_mode=mode, allow_pickle=False), name_of(source))
    if not isinstance(array, np.ndarray):
        raise AnnotationError(f"{name_of(source)} holds several arrays: name it .npz")
    return _from_array(array, size, name_of(source))


def _from_result(result: Any, size: tuple[int, int] | None) -> LabeledMasks:
    found_size = checked_size(result.size, size, "the result")
    objects = tuple(
        LabeledMask(o.crop, found_size, o.label, o.score, o.color) for o in result.objects
    )
    return LabeledMasks(objects, found_size)


def _from_detections(value: Any, size: tuple[int, int] | None) -> LabeledMasks:
    if value.mask is None:
        raise AnnotationError("these Detections have boxes only: masks are needed")
    masks = np.asarray(value.mask)
    found = _from_array(masks.astype(bool), size, "the Detections")
    names = value.data.get("class_name")
    scores = value.confidence
    objects = tuple(
        LabeledMask(
            one.crop,
            found.size,
            None if names is None else str(names[i]),
            None if scores is None else float(scores[i]),
        )
        for i, one in enumerate(found)
    )
    return LabeledMasks(objects, found.size)


def _as_pair(item: Any) -> tuple[Any, Any]:
    """A mask with its label: of a pair (label, mask), of one of our masks, or of a mask alone."""
    if hasattr(item, "label") and hasattr(item, "mask"):
        return item.label, item.mask
    match item:
        case (str() | None as label, mask):
            return label, mask
    return None, item


def _from_pairs(pairs: Iterable[tuple[Any, Any]], size: tuple[int, int] | None) -> LabeledMasks:
    objects: list[LabeledMask] = []
    for number, (label, value) in enumerate(pairs):
        name = f"mask {number}"
        mask = _as_array(value)
        if mask.ndim != 2:  # noqa: PLR2004
            raise AnnotationError(f"{name} must have the shape (H, W), got {mask.shape}")
        size = checked_size((mask.shape[0], mask.shape[1]), size, name)
        crop = crop_of(_as_bool(mask, name))
        objects.append(LabeledMask(crop, size, None if label is None else str(label)))
    if size is None:
        raise AnnotationError("there are no masks: pass at least one, or size=(height, width)")
    return LabeledMasks(tuple(objects), size)


def _as_array(value: Any) -> npt.NDArray[Any]:
    """An array of whatever offers one: torch tensors, xarray and dask arrays, nested lists."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise AnnotationError(f"cannot make masks of {type(value).__name__}: {error}") from error
    if array.dtype == object or array.ndim == 0:
        raise AnnotationError(
            f"masks must be a path, an array, a mapping label → mask or a list of masks, got "
            f"{type(value).__name__}"
        )
    return array


def _as_bool(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.bool_]:
    """A mask given as bool, or as two numbers of which one is 0."""
    if array.dtype == np.bool_:
        return array
    values = np.unique(array) if array.dtype.kind in "iuf" else np.zeros(9)
    if len(values) == 1 or (len(values) == 2 and values[0] == 0):  # noqa: PLR2004
        return np.asarray(array != 0)
    raise AnnotationError(
        f"{name} must be of bool, got {array.dtype}: for probabilities pass e.g. mask > 0.5"
    )


def _from_array(
    array: npt.NDArray[Any], size: tuple[int, int] | None, name: str = "the array"
) -> LabeledMasks:
    if array.ndim == 2 and array.dtype != np.bool_:  # noqa: PLR2004
        from sam2_widget.export.label_map import from_label_map  # noqa: PLC0415

        return from_label_map(array, size=size, name=name)
    planes = array[None] if array.ndim == 2 else array  # noqa: PLR2004
    if planes.ndim != 3:  # noqa: PLR2004
        raise AnnotationError(f"{name} must be (H, W) or (N, H, W), got the shape {array.shape}")
    found_size = checked_size((planes.shape[1], planes.shape[2]), size, name)
    objects = tuple(
        LabeledMask(crop_of(_as_bool(plane, f"mask {i} of {name}")), found_size)
        for i, plane in enumerate(planes)
    )
    return LabeledMasks(objects, found_size)
