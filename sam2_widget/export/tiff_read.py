"""Read label maps, label stacks and stacks of masks from TIFFs of any program."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from sam2_widget._utils.files import Source, decoded, name_of, read_bytes
from sam2_widget.errors import AnnotationError
from sam2_widget.export.label_map import (
    LEGEND_KEY,
    from_label_map,
    labeled_mask,
    parse_legend,
    with_labels,
)
from sam2_widget.export.notes import import_optional
from sam2_widget.export.sizes import Budget, check_bytes, checked_size
from sam2_widget.export.values import LabeledMasks, crop_of
from sam2_widget.images.mask_files import tiff_numbers, upright_tiff_size
from sam2_widget.images.tiff import check_pages

STACK_KEY = f"{LEGEND_KEY} stack"
"""Used instead of `LEGEND_KEY` if each plane is one object."""

VOLUME_KEY = f"{LEGEND_KEY} volume"
"""Used instead of `LEGEND_KEY` if each plane is a label map."""

SEPARATE_PLANES = 2
"""Value of TIFF's PlanarConfiguration for samples that are stored in separate planes."""

KEYS = (LEGEND_KEY, STACK_KEY, VOLUME_KEY)


def read_tiff(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    classes: Sequence[str] | None = None,
    plane: int | None = None,
) -> LabeledMasks:
    """Read a label map, one plane of a label stack, or a stack of masks from a TIFF.

    If no plane of a TIFF with several planes has more than one number above 0, the TIFF is a stack
    of masks: each plane is one object.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        Expected (height, width) of the image.
    classes : sequence of str, optional
        Labels of the numbers 1, 2, …; files written by this package have their own.
    plane : int, optional
        Index of the plane of a label stack to read, from 0.

    Raises
    ------
    AnnotationError
        If the file is not such a TIFF, has another size, or is a label stack and `plane` is not
        given.
    """
    name, content = name_of(source), decode_tiff(source, size)
    if plane is not None:
        return _plane_of(content, plane, classes, name)
    if len(content.planes) == 1 and content.key not in (STACK_KEY, VOLUME_KEY):
        legend = parse_legend(content.text)
        return from_label_map(content.planes[0], legend=legend, classes=classes, name=name)
    if content.key == VOLUME_KEY or (content.key != STACK_KEY and _is_label_stack(content.planes)):
        raise AnnotationError(
            f"{name} is a label stack of {len(content.planes)} planes: open it in the widget of a "
            "stack with as many planes, or pass plane= (from 0) to read one plane"
        )
    return _masks(content, classes, name)


def _plane_of(
    content: TiffPlanes, plane: int, classes: Sequence[str] | None, name: str
) -> LabeledMasks:
    if not 0 <= plane < len(content.planes):
        raise AnnotationError(
            f"{name} has {len(content.planes)} planes, got plane={plane}: pass 0 to "
            f"{len(content.planes) - 1}"
        )
    legend = parse_volume_legend(content).get(plane, [])
    return from_label_map(content.planes[plane], legend=legend, classes=classes, name=name)


def _is_label_stack(planes: npt.NDArray[Any]) -> bool:
    """Whether any plane has more than one number besides 0."""
    for plane in planes:
        inside = plane[plane != 0]
        if inside.size and (inside != inside[0]).any():
            return True
    return False


def _masks(content: TiffPlanes, classes: Sequence[str] | None, name: str) -> LabeledMasks:
    """The objects of a stack of masks: one per plane."""
    size = (content.planes.shape[1], content.planes.shape[2])
    entries = with_labels(parse_legend(content.text), classes)
    entries += [{} for _ in range(len(content.planes) - len(entries))]
    budget = Budget(name)
    objects = []
    for plane, entry in zip(content.planes, entries, strict=False):
        budget.charge_object()
        crop = crop_of(plane)
        budget.charge_box(crop.pixels.size)
        objects.append(labeled_mask(crop, size, entry))
    return LabeledMasks(tuple(objects), size)


@dataclass(frozen=True, slots=True, eq=False)
class TiffPlanes:
    """The decoded content of a TIFF.

    Attributes
    ----------
    planes : (N, H, W) ndarray
    key : str
        `LEGEND_KEY`, `STACK_KEY` or `VOLUME_KEY` if this package wrote it, else "".
    text : str or None
        The legend as JSON, if this package wrote the file.
    """

    planes: npt.NDArray[Any]
    key: str
    text: str | None


def decode_tiff(source: Source, size: tuple[int, int] | None) -> TiffPlanes:
    """Decode a TIFF; AnnotationError if it is not one, has colours, or has another size."""
    name = name_of(source)
    return decoded(lambda: _decode(read_bytes(source), size, name), name)


def _decode(data: bytes, size: tuple[int, int] | None, name: str) -> TiffPlanes:
    check_pages(io.BytesIO(data))
    with import_optional("tifffile").TiffFile(io.BytesIO(data), _multifile=False) as file:
        series, page = file.series[0], file.pages[0]
        # tifffile writes stacks of 3 and 4 planes as samples in separate planes by default.
        is_grey = page.samplesperpixel == 1 or page.planarconfig == SEPARATE_PLANES
        if not is_grey or page.imagedepth != 1:
            raise AnnotationError(
                f"{name} must be a label map (H, W) or a stack of masks (N, H, W), got the axes "
                f"{series.axes} and the shape {series.shape}"
            )
        # Before the pixels are decoded: a small file can state any size.
        image_size = checked_size(upright_tiff_size(page), size, name)
        check_bytes(math.prod(series.shape) * series.dtype.itemsize, name)
        info = str((file.imagej_metadata or {"Info": page.description}).get("Info", ""))
    pixels = tiff_numbers(data).reshape(-1, *image_size)
    key, _, text = info.partition(" = ")
    return TiffPlanes(pixels, key, text) if key in KEYS else TiffPlanes(pixels, "", None)


def parse_volume_legend(content: TiffPlanes) -> dict[int, list[dict[str, Any]]]:
    """The legend entries of each plane; {} if this package did not write the TIFF."""
    legends: dict[int, list[dict[str, Any]]] = {}
    for entry in parse_legend(content.text) if content.key == VOLUME_KEY else ():
        if isinstance(entry.get("plane"), int) and isinstance(entry.get("number"), int):
            legends.setdefault(entry["plane"], []).append(entry)
    return legends
