"""A set as a `Dataset` of Hugging Face: a row for each image, with its objects."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget.datasets.sources import SetImage
from sam2_widget.errors import SettingError
from sam2_widget.export import rle
from sam2_widget.export.notes import import_optional
from sam2_widget.export.values import UNLABELED
from sam2_widget.results.segmentation import Segmentation, SegmentedObject

MaskForm: TypeAlias = Literal["rle", "png"]
"""How masks are stored: COCO's RLE of each object, or a picture of all."""


def import_datasets() -> Any:
    """Hugging Face's library; MissingLibraryError if it is not installed."""
    return import_optional("datasets", extra="datasets")


@dataclass(frozen=True, slots=True)
class TableMaker:
    """Makes a `Dataset` of images and their masks.

    Parameters
    ----------
    classes : tuple of str
        The names of the classes, in order.
    masks : {"rle", "png"}
    read : callable
        Reads the pixels of an image, (H, W, 3) uint8.
    """

    classes: tuple[str, ...]
    masks: MaskForm
    read: Callable[[SetImage], UInt8Array]

    def __post_init__(self) -> None:
        if self.masks not in get_args(MaskForm):
            raise SettingError(f"masks must be one of {get_args(MaskForm)}, got {self.masks!r}")

    def make(self, results: Iterable[tuple[SetImage, Segmentation]]) -> Any:
        """The table."""
        datasets = import_datasets()
        rows = [self._row(image, result) for image, result in results]
        features = self._features(datasets)
        columns = {name: [row[name] for row in rows] for name in features}
        return datasets.Dataset.from_dict(columns, features=features)

    def _features(self, datasets: Any) -> Any:
        value, several = datasets.Value, datasets.Sequence
        objects = {
            "id": value("int64"),
            "bbox": several(value("float32"), length=4),
            "category": datasets.ClassLabel(names=list(self.classes)),
            "area": value("int64"),
            "iscrowd": value("bool"),
        }
        if self.masks == "rle":
            objects["segmentation"] = {
                "size": several(value("int32"), length=2),
                "counts": value("string"),
            }
        features = {
            "image": datasets.Image(),
            "name": value("string"),
            "width": value("int32"),
            "height": value("int32"),
            "objects": several(objects),
        }
        if self.masks == "png":
            features["mask"] = datasets.Image()
        return datasets.Features(features)

    def _row(self, image: SetImage, result: Segmentation) -> dict[str, Any]:
        objects = [one for one in result.objects if one.area]
        height, width = result.size
        row = {
            "image": self._file(image),
            "name": image.name,
            "width": width,
            "height": height,
            "objects": self._objects(objects, result.size),
        }
        if self.masks == "png":
            row["mask"] = {"path": None, "bytes": _label_map(objects, result.size)}
        return row

    def _objects(
        self, objects: list[SegmentedObject], size: tuple[int, int]
    ) -> Mapping[str, list[Any]]:
        names = [UNLABELED if one.label is None else one.label for one in objects]
        columns: dict[str, list[Any]] = {
            "id": list(range(1, len(objects) + 1)),
            "bbox": [_as_coco(one.bbox) for one in objects],
            "category": [self.classes.index(name) for name in names],
            "area": [one.area for one in objects],
            "iscrowd": [one.crowd for one in objects],
        }
        if self.masks == "rle":
            columns["segmentation"] = rle.encode_all((one.crop for one in objects), size)
        return columns

    def _file(self, image: SetImage) -> dict[str, Any]:
        if image.path is not None:
            return {"path": str(image.path.resolve()), "bytes": None}
        return {"path": None, "bytes": _png(Image.fromarray(self.read(image)))}


def _as_coco(box: tuple[int, int, int, int]) -> list[float]:
    """(x, y, width, height) of (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = box
    return [float(x0), float(y0), float(x1 - x0), float(y1 - y0)]


def _label_map(objects: list[SegmentedObject], size: tuple[int, int]) -> bytes:
    """PNG file with the id of the topmost object of each pixel; 0 is background."""
    canvas = np.zeros(size, np.uint8 if len(objects) <= np.iinfo(np.uint8).max else np.uint16)
    for number, one in enumerate(objects, start=1):
        one.crop.paste(canvas, number)
    return _png(Image.fromarray(canvas))


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
