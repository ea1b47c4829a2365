"""Masks from arrays (NumPy or convertible to NumPy): label maps, single masks, stacks of masks."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.files import Source, name_of, read_npy_array
from sam2_widget.errors import AnnotationError
from sam2_widget.export.label_map import from_label_map
from sam2_widget.export.sizes import Budget, checked_size
from sam2_widget.export.values import LabeledMask, LabeledMasks, crop_of


def read_npy(source: Source, *, size: tuple[int, int] | None = None) -> LabeledMasks:
    """Read masks or a label map from an NPY file; pickled objects are never loaded."""
    return from_array(read_npy_array(source), size, name_of(source))


def from_array(
    array: npt.NDArray[Any], size: tuple[int, int] | None, name: str = "the array"
) -> LabeledMasks:
    """Convert a label map (H, W) of integers, or masks (H, W) or (N, H, W) of bool."""
    if array.ndim == 2 and array.dtype != np.bool_:  # noqa: PLR2004
        return from_label_map(array, size=size, name=name)
    planes = array[None] if array.ndim == 2 else array  # noqa: PLR2004
    if planes.ndim != 3:  # noqa: PLR2004
        raise AnnotationError(f"{name} must be (H, W) or (N, H, W), got the shape {array.shape}")
    image_size = checked_size((planes.shape[1], planes.shape[2]), size, name)
    budget = Budget(name)
    objects = []
    for i, plane in enumerate(planes):
        budget.charge_object()
        budget.charge_plane(plane.size)
        objects.append(LabeledMask(crop_of(as_bool(plane, f"mask {i} of {name}")), image_size))
    return LabeledMasks(tuple(objects), image_size)


def as_array(value: Any) -> npt.NDArray[Any]:
    """Convert torch tensors, xarray and dask arrays, nested lists and the like to a NumPy array."""
    try:
        array = np.asarray(without_torch(value))
    except (TypeError, ValueError) as error:
        raise AnnotationError(f"cannot read masks from {type(value).__name__}: {error}") from error
    if array.dtype == object or array.ndim == 0:
        raise AnnotationError(
            f"masks must be a path, an array, a mapping label → mask or a list of masks, got "
            f"{type(value).__name__}"
        )
    return array


def without_torch(value: Any) -> Any:
    """Convert a torch tensor, on any device, to a NumPy array; return other values unchanged."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def read_npy_header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an NPY: shape, whether it is in Fortran order, and dtype.

    Raises
    ------
    AnnotationError
        If it has an unknown version.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise AnnotationError(
        f"{name} holds an array of NPY version {version}: save it with np.save or np.savez"
    )


def as_bool(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.bool_]:
    """Convert a mask to bool; other types may hold at most two values, one of which is 0."""
    if array.dtype == np.bool_:
        return array
    values = np.unique(array) if array.dtype.kind in "iuf" else np.zeros(9)
    if len(values) == 1 or (len(values) == 2 and values[0] == 0):  # noqa: PLR2004
        return np.asarray(array != 0)
    raise AnnotationError(
        f"{name} must have dtype bool, got {array.dtype}: for probabilities pass e.g. mask > 0.5"
    )
