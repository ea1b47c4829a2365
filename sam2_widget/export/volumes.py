"""Label volumes: one label map per plane of a stack; an object has one number on all planes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.files import Target, name_of, read_npy_array
from sam2_widget.export.arrays import without_torch
from sam2_widget.export.cellpose import is_cellpose
from sam2_widget.export.label_map import from_label_map, legend_of, warn_of_overlaps
from sam2_widget.export.tiff import write_label_stack
from sam2_widget.export.tiff_read import STACK_KEY, decode_tiff, parse_volume_legend
from sam2_widget.export.values import LabeledMasks, MasksLike, ResultLike, numbers_of, paint

Volume: TypeAlias = dict[int, LabeledMasks]
"""The objects of each plane that has any, by the index of the plane."""


def as_volume(masks: MasksLike, count: int, size: tuple[int, int]) -> Volume | None:
    """Read `masks` as a label volume, if it has as many planes as the stack.

    Parameters
    ----------
    masks : any value that `read_masks` accepts
        A volume is an array (planes, H, W) of integers or bool, or a TIFF or NPY file of one.
    count : int
        Number of planes of the stack.
    size : (int, int)
        (height, width) of a plane.

    Returns
    -------
    dict of int to LabeledMasks, or None
        None if `masks` is not a volume with `count` planes, and so holds the masks of one plane.

    Raises
    ------
    AnnotationError
        If its planes have another size, or the file is broken.
    """
    suffix = PurePath(str(getattr(masks, "name", masks))).suffix.lower() if _is_file(masks) else ""
    if suffix in (".tif", ".tiff"):
        return _of_tiff(masks, count, size)
    if suffix == ".npy" and isinstance(masks, (str, os.PathLike)):
        path = Path(masks)
        if is_cellpose(path):
            return None  # Cellpose's files hold one plane
        return _of_array(read_npy_array(path), count, size, name_of(path))
    return None if suffix else _of_array(masks, count, size, "the label volume")


def _is_file(masks: object) -> bool:
    return isinstance(masks, (str, os.PathLike)) or hasattr(masks, "read")


def _of_array(masks: Any, count: int, size: tuple[int, int], name: str) -> Volume | None:
    masks = without_torch(masks)
    shape: tuple[int, ...] = tuple(getattr(masks, "shape", ()))
    dtype = getattr(masks, "dtype", None)
    # A list has no shape: it is a list of masks of one plane.
    if len(shape) != 3 or shape[0] != count or dtype is None:  # noqa: PLR2004
        return None
    if np.dtype(dtype).kind not in "biu":
        return None
    return _planes((np.asarray(masks[i]) for i in range(count)), {}, size, name)


def _of_tiff(source: Any, count: int, size: tuple[int, int]) -> Volume | None:
    content = decode_tiff(source, size)
    if len(content.planes) != count or content.key == STACK_KEY:
        return None
    legends = parse_volume_legend(content)
    return _planes(content.planes, legends, size, name_of(source))


def _planes(
    planes: Iterable[npt.NDArray[Any]],
    legends: Mapping[int, list[dict[str, Any]]],
    size: tuple[int, int],
    name: str,
) -> Volume:
    volume = {}
    for index, plane in enumerate(planes):
        if plane.any() or index in legends:
            volume[index] = from_label_map(
                plane, legend=legends.get(index, ()), size=size, name=f"plane {index} of {name}"
            )
    return volume


def volume_legend(planes: Mapping[int, ResultLike]) -> str:
    """JSON with plane, label, score, colour and number of all objects."""
    entries = [
        {**entry, "number": number, "plane": index}
        for index, result in planes.items()
        for entry, number in zip(legend_of(result), numbers_of(result), strict=True)
    ]
    return json.dumps(entries, ensure_ascii=False)


class StackLike(Protocol):
    """The results of the planes of a stack, which can be written as a label volume."""

    @property
    def along(self) -> str:
        """Letter of the axis that the planes lie along, "" for a single image."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a plane in pixels."""

    def __len__(self) -> int:
        """Number of planes."""

    def results(self) -> Mapping[int, ResultLike]:
        """The result of each plane that has objects, by the index of the plane."""


def volume_of(stack: StackLike, results: Mapping[int, ResultLike]) -> npt.NDArray[np.int32]:
    """Label volume (planes, H, W) int32: the label map of each plane, 0 where it has no objects."""
    volume = np.zeros((len(stack), *stack.size), np.int32)
    for index, result in results.items():
        volume[index] = paint(result)
    return volume


def write_volume(stack: StackLike, target: Target, *, overwrite: bool = False) -> None:
    """Write the label maps of all planes as a TIFF stack; see `write_label_stack`.

    Where objects overlap, the lower one loses these pixels, with a `LossWarning`.
    """
    results = stack.results()
    warn_of_overlaps(*results.values())
    volume, legend = volume_of(stack, results), volume_legend(results)
    write_label_stack(volume, target, axis=stack.along, legend=legend, overwrite=overwrite)
