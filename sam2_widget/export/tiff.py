"""Label maps as TIFF, which ImageJ and Fiji open in the colours of the objects."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.label_map import (
    KEY,
    MAX_8_BIT,
    MAX_16_BIT,
    Values,
    described,
    from_label_map,
    legend_of,
    numbered,
    palette,
    parsed_legend,
)
from sam2_widget.export.notes import optional
from sam2_widget.export.sizes import checked_size
from sam2_widget.export.values import (
    LabeledMasks,
    ResultLike,
    crop_of,
    full_masks,
    label_of,
)
from sam2_widget.files import Source, Target, decoded, name_of, read_bytes, write_bytes
from sam2_widget.images.tiff import check_pages

STACK_KEY = f"{KEY} stack"
"""What stands for `KEY` where each plane is an object, be it a single one."""


def write_tiff(
    result: ResultLike,
    target: Target,
    *,
    values: Values = "objects",
    classes: Sequence[str] | None = None,
    stack: bool = False,
    overwrite: bool = False,
) -> None:
    """Write a label map as a TIFF for ImageJ: 8 bits with a colour table, or 16 bits.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
    values, classes
        See `write_png`.
    stack : bool
        Whether to write a slice for each object, 0 and 255, named by its label, instead of one map:
        overlapping objects keep all their pixels.
    overwrite : bool
        Whether a file that is there already may be replaced.
    """
    optional("tifffile")
    if stack and not result.objects:
        raise ExportError("there are no objects to write as a stack: pass stack=False")
    file = io.BytesIO()
    if stack:
        _write_stack(file, result)
    else:
        label_map, legend = numbered(result, values, classes)
        _write_map(file, label_map, legend)
    write_bytes(target, file.getvalue(), overwrite=overwrite)


def write_label_stack(
    volume: npt.NDArray[np.int32], target: Target, *, axis: str = "Z", overwrite: bool = False
) -> None:
    """Write a label volume (planes, H, W) as a 16-bit TIFF stack for ImageJ.

    Raises
    ------
    ExportError
        If a plane has more than 65535 objects.
    """
    most = int(volume.max(initial=0))
    if most > MAX_16_BIT:
        raise ExportError(f"a label map can hold {MAX_16_BIT} objects, got {most}")
    planes = volume.astype(np.uint16)
    # ImageJ knows slices and frames, and takes any other axis for slices.
    shape = (len(planes), 1) if axis == "T" else (1, len(planes))
    stack = planes.reshape(*shape, 1, *planes.shape[1:], 1)
    metadata = {"axes": "TZCYXS", "min": 0, "max": max(most, 1)}
    file = io.BytesIO()
    optional("tifffile").imwrite(
        file, stack, imagej=True, photometric="minisblack", metadata=metadata
    )
    write_bytes(target, file.getvalue(), overwrite=overwrite)


def _write_map(
    file: io.BytesIO, label_map: npt.NDArray[np.int32], legend: list[dict[str, Any]]
) -> None:
    if len(legend) > MAX_16_BIT:
        raise ExportError(f"a label map can hold {MAX_16_BIT} objects, got {len(legend)}")
    small = len(legend) <= MAX_8_BIT
    metadata: dict[str, Any] = {"Info": _info(legend), "min": 0, "max": len(legend)}
    if not small:
        _save(file, label_map.astype(np.uint16), metadata)
        return
    # Of ImageJ's own tables, "LUTs", ImageJ heeds none where there is one channel.
    table = np.zeros((3, 256), np.uint16)
    colors = np.array(palette([entry["color"] for entry in legend]), np.uint16).reshape(-1, 3)
    table[:, : len(colors)] = 257 * colors.T
    _save(file, label_map.astype(np.uint8), {**metadata, "max": 255}, colormap=table)


def _write_stack(file: io.BytesIO, result: ResultLike) -> None:
    metadata = {
        "Labels": [label_of(found) for found in result.objects],
        "Info": _info(legend_of(result), STACK_KEY),
    }
    _save(file, full_masks(result).astype(np.uint8) * 255, metadata)


def _save(
    file: io.BytesIO,
    data: npt.NDArray[Any],
    metadata: dict[str, Any],
    colormap: npt.NDArray[np.uint16] | None = None,
) -> None:
    # All six axes, lest a width of 1 be taken for a channel.
    planes = data.reshape(1, -1, 1, *data.shape[-2:], 1)
    metadata = {**metadata, "axes": "TZCYXS"}
    optional("tifffile").imwrite(
        file,
        planes,
        imagej=True,
        photometric="minisblack" if colormap is None else "palette",
        colormap=colormap,
        metadata=metadata,
    )


def _info(legend: list[dict[str, Any]], key: str = KEY) -> str:
    """What ImageJ shows under Image > Show Info."""
    return f"{key} = {json.dumps(legend, ensure_ascii=False)}\n"


def read_tiff(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    classes: Sequence[str] | None = None,
) -> LabeledMasks:
    """Read a label map, or a stack of masks, from a TIFF of any program.

    A TIFF of several planes is a stack: each plane is one object.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        (height, width) that the image must have.
    classes : sequence of str, optional
        Labels of the numbers, from 1 on. Files of this package know them.

    Raises
    ------
    AnnotationError
        If the file is no such TIFF, or of another size.
    """
    name = name_of(source)
    data, text = decoded(lambda: _decode(read_bytes(source), size, name), name)
    legend = parsed_legend(text, classes)
    if data.ndim == 2:  # noqa: PLR2004
        return from_label_map(data, legend=legend, size=size, name=name)
    found_size = (data.shape[1], data.shape[2])
    entries = [*legend, *({} for _ in range(len(data) - len(legend)))]
    return LabeledMasks(
        tuple(
            described(crop_of(plane), found_size, entry)
            for plane, entry in zip(data, entries, strict=False)
        ),
        found_size,
    )


def _decode(
    data: bytes, size: tuple[int, int] | None, name: str
) -> tuple[npt.NDArray[Any], str | None]:
    """A map (H, W) or a stack (N, H, W), and the text that says what it means, if any."""
    check_pages(io.BytesIO(data))
    with optional("tifffile").TiffFile(io.BytesIO(data)) as file:
        series, page = file.series[0], file.pages[0]
        if page.samplesperpixel != 1 or page.imagedepth != 1:
            raise AnnotationError(
                f"{name} has the axes {series.axes} and shape {series.shape}: a label map is "
                "(H, W), a stack of masks (N, H, W)"
            )
        # Before the pixels are decoded: a small file can tell any size.
        found_size = checked_size((page.imagelength, page.imagewidth), size, name)
        info = str((file.imagej_metadata or {}).get("Info", ""))
        pixels = np.asarray(series.asarray()).reshape(-1, *found_size)
    key, _, text = info.partition(" = ")
    if key not in (KEY, STACK_KEY):
        text = ""
    return (pixels if len(pixels) > 1 or key == STACK_KEY else pixels[0]), text or None
