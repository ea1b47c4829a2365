"""Label maps as TIFF; ImageJ and Fiji show them in the colours of the objects."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.files import Target, write_bytes
from sam2_widget.errors import ExportError
from sam2_widget.export.label_map import (
    LEGEND_KEY,
    MAX_8_BIT,
    MAX_16_BIT,
    Values,
    legend_of,
    max_value,
    numbered_map,
    palette,
)
from sam2_widget.export.notes import import_optional
from sam2_widget.export.tiff_read import STACK_KEY, VOLUME_KEY, read_tiff
from sam2_widget.export.values import MAX_NUMBER, ResultLike, full_masks, label_of
from sam2_widget.prompts.categories import ClassesLike

__all__ = ["read_tiff", "write_label_stack", "write_tiff"]


def write_tiff(
    result: ResultLike,
    target: Target,
    *,
    values: Values = "objects",
    classes: ClassesLike | None = None,
    stack: bool = False,
    overwrite: bool = False,
) -> None:
    """Write a label map as TIFF for ImageJ: 8 bits with a palette, or 16 or 32 bits without.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
    values, classes
        See `write_png`.
    stack : bool
        Whether to write one slice per object, with the values 0 and 255 and its label as its name,
        instead of a label map, so that overlapping objects keep all their pixels.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ExportError
        If `stack` is True and there are no objects.
    """
    import_optional("tifffile")
    if stack and not result.objects:
        raise ExportError("there are no objects to write as a stack: pass stack=False")
    file = io.BytesIO()
    if stack:
        _write_stack(file, result)
    else:
        label_map, legend = numbered_map(result, values, classes, max_number=MAX_NUMBER)
        _write_map(file, label_map, legend)
    write_bytes(target, file.getvalue(), overwrite=overwrite)


def write_label_stack(
    volume: npt.NDArray[np.int32],
    target: Target,
    *,
    axis: str = "Z",
    legend: str = "",
    overwrite: bool = False,
) -> None:
    """Write a label volume (planes, H, W) as a TIFF stack for ImageJ: 16 bits, or 32 if necessary.

    Parameters
    ----------
    volume : (planes, H, W) int32 ndarray
    target : path or file object
    axis : str
        Letter of the axis that the planes lie along; ``"T"`` is written as frames.
    legend : str
        JSON from `sam2_widget.export.volumes.volume_legend`, stored in the file.
    overwrite : bool
        Whether an existing file may be replaced.
    """
    largest, info = int(volume.max(initial=0)), f"{VOLUME_KEY} = {legend or '[]'}\n"
    file = io.BytesIO()
    if largest > MAX_16_BIT:
        _save_32_bits(file, volume, info)
        write_bytes(target, file.getvalue(), overwrite=overwrite)
        return
    # ImageJ has slices and frames; any axis but T is written as slices.
    metadata = {"min": 0, "max": max(largest, 1), "Info": info}
    _save(file, volume.astype(np.uint16), metadata, as_frames=axis == "T")
    write_bytes(target, file.getvalue(), overwrite=overwrite)


def _save_32_bits(file: io.BytesIO, data: npt.NDArray[np.int32], info: str) -> None:
    """Write 32-bit integers as plain TIFF, which ImageJ reads; its own format lacks them."""
    import_optional("tifffile").imwrite(
        file,
        data.astype(np.uint32),
        photometric="minisblack",
        description="".join(c if c.isascii() else json.dumps(c)[1:-1] for c in info),
        metadata=None,
    )


def _write_map(
    file: io.BytesIO, label_map: npt.NDArray[np.int32], legend: list[dict[str, Any]]
) -> None:
    largest = max_value(legend)
    metadata: dict[str, Any] = {"Info": _info(legend), "min": 0, "max": largest}
    if largest > MAX_16_BIT:
        _save_32_bits(file, label_map, _info(legend))
        return
    if largest > MAX_8_BIT:
        _save(file, label_map.astype(np.uint16), metadata)
        return
    # A TIFF palette: ImageJ ignores its own "LUTs" metadata if there is only one channel.
    table = np.zeros((3, 256), np.uint16)
    colors = palette(legend).astype(np.uint16)
    table[:, : len(colors)] = 257 * colors.T
    _save(file, label_map.astype(np.uint8), {**metadata, "max": 255}, colormap=table)


def _write_stack(file: io.BytesIO, result: ResultLike) -> None:
    metadata = {
        "Labels": [label_of(obj) for obj in result.objects],
        "Info": _info(legend_of(result), STACK_KEY),
    }
    _save(file, full_masks(result).astype(np.uint8) * 255, metadata)


def _save(
    file: io.BytesIO,
    data: npt.NDArray[Any],
    metadata: dict[str, Any],
    colormap: npt.NDArray[np.uint16] | None = None,
    *,
    as_frames: bool = False,
) -> None:
    """Write (H, W) or (planes, H, W) in ImageJ's format; planes become slices or frames."""
    # All six axes are given, or a width of 1 would be interpreted as a channel.
    count = (-1, 1) if as_frames else (1, -1)
    planes = data.reshape(*count, 1, *data.shape[-2:], 1)
    metadata = {**metadata, "axes": "TZCYXS"}
    import_optional("tifffile").imwrite(
        file,
        planes,
        imagej=True,
        photometric="minisblack" if colormap is None else "palette",
        colormap=colormap,
        metadata=metadata,
    )


def _info(legend: list[dict[str, Any]], key: str = LEGEND_KEY) -> str:
    """The text that ImageJ shows under Image > Show Info."""
    return f"{key} = {json.dumps(legend, ensure_ascii=False)}\n"
