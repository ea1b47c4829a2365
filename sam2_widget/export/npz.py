"""NPZ: arrays for `numpy.load` that keep everything."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest
from typing import IO, Any

import msgspec
import numpy as np
import numpy.typing as npt

from sam2_widget._utils.files import Source, Target, decoded, name_of, read_bytes, writing
from sam2_widget.errors import AnnotationError
from sam2_widget.export.archives import open_archive
from sam2_widget.export.arrays import read_npy_header
from sam2_widget.export.label_map import labeled_mask, legend_of, with_labels
from sam2_widget.export.sizes import MAX_OBJECTS, Budget, checked_size
from sam2_widget.export.values import (
    LabeledMasks,
    ResultLike,
    crop_of,
    label_of,
    provenance_record,
)
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories
from sam2_widget.prompts.collections import Class, Prompts, categories_from, classes_of


def write_npz(result: ResultLike, target: Target, *, overwrite: bool = False) -> None:
    """Write an NPZ file, which keeps everything.

    Its arrays are ``masks`` (N, H, W) bool, ``boxes`` (N, 4) int64 of x0, y0, x1, y1 with upper
    ends exclusive, ``labels`` (N,) str and ``scores`` (N,) float32 (NaN where unknown). JSON texts
    are ``legend`` (label, score, colour and number of each object), ``categories`` (the classes and
    their numbers), ``provenance`` and ``prompts``, which `Prompts.from_json` reads. Masks are
    compressed one after the other, so only one is in memory at a time.
    """
    objects = result.objects
    scores = [np.nan if obj.score is None else obj.score for obj in objects]
    boxes = np.array([obj.crop.bbox for obj in objects], np.int64).reshape(-1, 4)
    with (
        writing(target, overwrite=overwrite) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        _write_masks(archive, result)
        _write(archive, "boxes", boxes)
        _write(archive, "labels", np.array([label_of(obj) for obj in objects], np.str_))
        _write(archive, "scores", np.array(scores, np.float32))
        _write(archive, "legend", _text(json.dumps(legend_of(result), ensure_ascii=False)))
        _write(archive, "categories", _text(_categories_json(result)))
        _write(archive, "provenance", _text(json.dumps(provenance_record(result), default=str)))
        if isinstance(prompts := getattr(result, "prompts", None), Prompts):
            _write(archive, "prompts", _text(prompts.to_json()))


def _categories_json(result: ResultLike) -> str:
    known: Categories = getattr(result, "categories", NO_CATEGORIES)
    return msgspec.json.encode(classes_of(known)).decode()


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
        for obj in result.objects:
            mask[:] = False
            obj.crop.paste(mask, value=True)
            member.write(mask.data)


def read_npz(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    classes: Sequence[str] | None = None,
) -> LabeledMasks:
    """Read ``masks`` (N, H, W), and if present ``legend``, or ``labels`` and ``scores``.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        Expected (height, width) of the masks.
    classes : sequence of str, optional
        Labels of the masks, instead of those in the file.

    Raises
    ------
    AnnotationError
        If the file is not such an NPZ, or its masks have another size. Pickled objects are never
        loaded.
    """
    name = name_of(source)
    return decoded(lambda: _read(read_bytes(source), size, classes, name), name)


def _read(
    data: bytes, size: tuple[int, int] | None, classes: Sequence[str] | None, name: str
) -> LabeledMasks:
    with open_archive(data) as archive:
        members = {info.filename for info in archive.infolist()}
        if "masks.npy" not in members:
            raise AnnotationError(f"{name} must have an array 'masks', got {sorted(members)[:10]}")
        read_array = partial(_text_array, archive)
        legend = with_labels(_stored_legend(members, read_array), classes)
        categories = _categories(members, read_array)
        with archive.open("masks.npy") as member:
            count, image_size = _checked_header(member, size, name)
            budget = Budget(name)
            objects = tuple(
                labeled_mask(
                    _crop(member, image_size, budget, name),
                    image_size,
                    legend[i] if i < len(legend) else {},
                )
                for i in range(count)
            )
    return LabeledMasks(objects, image_size, categories)


MAX_TEXT = 64 * 2**20
"""Largest size of labels or a legend in bytes: a small file may decompress to gigabytes."""


def _checked_header(
    member: IO[bytes], size: tuple[int, int] | None, name: str
) -> tuple[int, tuple[int, int]]:
    """Read the header of the masks: their number and (height, width); the planes follow it."""
    shape, fortran, dtype = read_npy_header(member, name)
    if len(shape) != 3 or fortran or dtype not in (np.dtype(bool), np.dtype(np.uint8)):  # noqa: PLR2004
        raise AnnotationError(
            f"{name}: 'masks' must be an array (N, H, W) of bool in C order, got {shape} of {dtype}"
        )
    if shape[0] > MAX_OBJECTS:
        raise AnnotationError(f"{name} has {shape[0]} masks, the limit is {MAX_OBJECTS}")
    return shape[0], checked_size((shape[1], shape[2]), size, name)


def _crop(member: IO[bytes], size: tuple[int, int], budget: Budget, name: str) -> MaskCrop:
    """Read the next mask in the file."""
    budget.charge_plane(size[0] * size[1])
    data = member.read(size[0] * size[1])
    if len(data) < size[0] * size[1]:
        raise AnnotationError(f"{name} is truncated, masks are missing: copy or download it again")
    crop = crop_of(np.frombuffer(data, np.uint8).reshape(size))
    budget.charge_box(crop.pixels.size)
    return crop


def _text_array(archive: zipfile.ZipFile, key: str) -> list[Any]:
    if archive.getinfo(f"{key}.npy").file_size > MAX_TEXT:
        raise AnnotationError(f"its {key!r} decompresses to more than {MAX_TEXT // 2**20} MiB")
    with archive.open(f"{key}.npy") as member:
        values: list[Any] = np.atleast_1d(
            np.lib.format.read_array(member, allow_pickle=False)
        ).tolist()
    return values


def _stored_legend(
    members: set[str], read_array: Callable[[str], list[Any]]
) -> list[dict[str, Any]]:
    """The legend in the file, or one made of its labels and scores."""
    if "legend.npy" in members:
        legend = json.loads(read_array("legend")[0])
        return [entry if isinstance(entry, dict) else {} for entry in legend]
    labels, scores = (
        read_array(key) if f"{key}.npy" in members else [] for key in ("labels", "scores")
    )
    return [
        {"label": None if label is None else str(label), "score": score}
        for label, score in zip_longest(labels, scores)
    ]


def _categories(members: set[str], read_array: Callable[[str], list[Any]]) -> Categories:
    if "categories.npy" not in members:
        return NO_CATEGORIES
    classes = msgspec.json.decode(str(read_array("categories")[0]), type=tuple[Class, ...])
    return categories_from(classes)
