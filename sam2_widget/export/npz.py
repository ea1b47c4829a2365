"""NPZ: arrays for `numpy.load`, nothing lost."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sam2_widget.errors import AnnotationError
from sam2_widget.export.label_map import described, legend_of
from sam2_widget.export.sizes import MAX_OBJECTS, checked_size
from sam2_widget.export.values import (
    LabeledMasks,
    ResultLike,
    crop_of,
    label_of,
    told_provenance,
)
from sam2_widget.files import Source, Target, decoded, name_of, read_bytes, writing
from sam2_widget.prompts import Prompts


def write_npz(result: ResultLike, target: Target, *, overwrite: bool = False) -> None:
    """Write an NPZ, which keeps everything.

    Its arrays are ``masks`` (N, H, W) bool, ``boxes`` (N, 4) int of x0, y0, x1, y1 with upper ends
    exclusive, ``labels`` (N,) text, ``scores`` (N,) float32 (NaN where unknown), and as JSON texts
    ``legend``, what is known of each object, ``provenance`` and ``prompts``, which
    `Prompts.from_json` reads. The masks are deflated one by one: only one is in memory at a time.
    """
    objects = result.objects
    scores = [np.nan if found.score is None else found.score for found in objects]
    boxes = np.array([found.crop.bbox for found in objects], np.int64).reshape(-1, 4)
    with (
        writing(target, overwrite=overwrite) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        _write_masks(archive, result)
        _write(archive, "boxes", boxes)
        _write(archive, "labels", np.array([label_of(found) for found in objects], np.str_))
        _write(archive, "scores", np.array(scores, np.float32))
        _write(archive, "legend", _text(json.dumps(legend_of(result), ensure_ascii=False)))
        _write(archive, "provenance", _text(json.dumps(told_provenance(result), default=str)))
        if isinstance(prompts := getattr(result, "prompts", None), Prompts):
            _write(archive, "prompts", _text(prompts.to_json()))


def _text(value: str) -> npt.NDArray[Any]:
    return np.array(value, np.str_)


def _write(archive: zipfile.ZipFile, name: str, array: npt.NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def _write_masks(archive: zipfile.ZipFile, result: ResultLike) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(bool)),
        "fortran_order": False,
        "shape": (len(result.objects), *result.size),
    }
    with archive.open("masks.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_2_0(member, header)
        mask = np.zeros(result.size, bool)
        for found in result.objects:
            mask[:] = False
            found.crop.paste(mask, value=True)
            member.write(mask.data)


def read_npz(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    classes: Sequence[str] | None = None,
) -> LabeledMasks:
    """Read ``masks`` (N, H, W), and ``legend`` or ``labels`` and ``scores`` if there are any.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        (height, width) that the masks must have.
    classes : sequence of str, optional
        Labels of the masks, instead of the file's own.

    Raises
    ------
    AnnotationError
        If the file is no such NPZ, or of another size. Pickled objects are never loaded.
    """
    name = name_of(source)
    return decoded(lambda: _read(read_bytes(source), size, classes, name), name)


def _read(
    data: bytes, size: tuple[int, int] | None, classes: Sequence[str] | None, name: str
) -> LabeledMasks:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename for info in archive.infolist()}
        if "masks.npy" not in members:
            raise AnnotationError(f"{name} has no array 'masks', it has {sorted(members)[:10]}")
        legend = _legend(archive, members, classes)
        with archive.open("masks.npy") as member:
            count, found_size = _checked_header(member, size, name)
            planes = (_plane(member, found_size, name) for _ in range(count))
            objects = tuple(
                described(crop_of(plane), found_size, legend[i] if i < len(legend) else {})
                for i, plane in enumerate(planes)
            )
    return LabeledMasks(objects, found_size)


MAX_TEXT = 64 * 2**20
"""Bytes of labels or a legend: a small file may unpack to gigabytes."""


def _checked_header(
    member: IO[bytes], size: tuple[int, int] | None, name: str
) -> tuple[int, tuple[int, int]]:
    """Number and size of the masks; the planes follow in the file."""
    version = np.lib.format.read_magic(member)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise AnnotationError(f"{name} holds an array of the unknown version {version}")
    shape, fortran, dtype = read[version](member)
    if len(shape) != 3 or fortran or dtype not in (np.dtype(bool), np.dtype(np.uint8)):  # noqa: PLR2004
        raise AnnotationError(
            f"{name}: 'masks' must be (N, H, W) of bool in C order, got {shape} of {dtype}"
        )
    if shape[0] > MAX_OBJECTS:
        raise AnnotationError(f"{name} has {shape[0]} masks, the limit is {MAX_OBJECTS}")
    return shape[0], checked_size((shape[1], shape[2]), size, name)


def _plane(member: IO[bytes], size: tuple[int, int], name: str) -> npt.NDArray[np.uint8]:
    data = member.read(size[0] * size[1])
    if len(data) < size[0] * size[1]:
        raise AnnotationError(f"{name} is cut off: masks are missing")
    return np.frombuffer(data, np.uint8).reshape(size)


def _legend(
    archive: zipfile.ZipFile, members: set[str], classes: Sequence[str] | None
) -> list[dict[str, Any]]:
    def array(key: str) -> list[Any]:
        if archive.getinfo(f"{key}.npy").file_size > MAX_TEXT:
            raise AnnotationError(f"its {key!r} unpacks to more than {MAX_TEXT // 2**20} MiB")
        with archive.open(f"{key}.npy") as member:
            found: list[Any] = np.atleast_1d(
                np.lib.format.read_array(member, allow_pickle=False)
            ).tolist()
        return found

    if classes is not None:
        return [{"label": str(name)} for name in classes]
    if "legend.npy" in members:
        legend = json.loads(array("legend")[0])
        return [entry if isinstance(entry, dict) else {} for entry in legend]
    if "labels.npy" in members:
        return [{"label": str(label)} for label in array("labels")]
    return []
