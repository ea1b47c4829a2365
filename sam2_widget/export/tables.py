"""Convert results for other libraries: pandas, supervision, scikit-image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.files import Target, write_bytes
from sam2_widget.export.label_map import warn_of_overlaps
from sam2_widget.export.notes import import_optional
from sam2_widget.export.values import (
    ResultLike,
    categories_of,
    full_masks,
    label_of,
    numbers_of,
    paint,
)
from sam2_widget.masks.logits import MaskCrop

if TYPE_CHECKING:
    import pandas as pd


def to_frame(result: ResultLike, *, model: str | None = None) -> pd.DataFrame:
    """A table with one row per object.

    Returns
    -------
    pandas.DataFrame
        The index ``object`` is the value of the object in the label map. Columns: label, score,
        area (pixels), x0, y0, x1, y1 (bounding box, upper ends exclusive), centroid_x, centroid_y
        (image pixels), color and model.
    """
    pandas = import_optional("pandas")
    index = pandas.Index(numbers_of(result), dtype=np.int64, name="object")
    return typed_frame([_row(obj, model) for obj in result.objects], COLUMNS, index)


def typed_frame(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, type], index: pd.Index | None = None
) -> pd.DataFrame:
    """A pandas.DataFrame of `rows` with the given columns and types, also if there is no row.

    Raises
    ------
    MissingLibraryError
        If pandas is not installed.
    """
    pandas = import_optional("pandas")
    frame: pd.DataFrame = pandas.DataFrame(rows, index=index, columns=list(columns))
    typed: pd.DataFrame = frame.astype(dict(columns))
    return typed


def write_csv(result: ResultLike, target: Target, *, overwrite: bool = False) -> None:
    """Write the table of `to_frame` as CSV in UTF-8."""
    frame = to_frame(result, model=getattr(result, "model", None))
    write_bytes(target, frame.to_csv().encode(), overwrite=overwrite)


COLUMNS: dict[str, type] = {
    "label": object,
    "score": np.float64,
    "area": np.int64,
    **dict.fromkeys(("x0", "y0", "x1", "y1"), np.int64),
    **dict.fromkeys(("centroid_x", "centroid_y"), np.float64),
    "color": object,
    "model": object,
}


def _row(obj: Any, model: str | None) -> dict[str, Any]:
    x, y = centroid(obj.crop)
    return {
        "label": obj.label,
        "score": np.nan if obj.score is None else obj.score,
        "area": obj.crop.area,
        **dict(zip(("x0", "y0", "x1", "y1"), obj.crop.bbox, strict=True)),
        "centroid_x": x,
        "centroid_y": y,
        "color": obj.color,
        "model": model,
    }


def centroid(crop: MaskCrop) -> tuple[float, float]:
    """Centre of mass (x, y) in image pixels, NaN for an empty mask.

    Pixel ``i`` has its centre at ``i + 0.5``, as everywhere in this package; scikit-image's
    ``regionprops`` counts from the centre of the first pixel and gives 0.5 less.
    """
    area = crop.area
    if not area:
        return np.nan, np.nan
    columns, rows = crop.pixels.sum(axis=0), crop.pixels.sum(axis=1)
    x = float(columns @ (np.arange(columns.size) + 0.5)) / area
    y = float(rows @ (np.arange(rows.size) + 0.5)) / area
    return crop.x + x, crop.y + y


def to_supervision(result: ResultLike) -> Any:
    """A `supervision.Detections` with boxes, masks, scores and classes.

    ``class_id`` is the number of the class, counted from 0 as in YOLO unless the classes have
    numbers; ``data["class_name"]`` has the names.
    """
    supervision = import_optional("supervision")
    if not result.objects:
        return supervision.Detections.empty()
    ids = categories_of(result).numbers(first=0)
    labels = [label_of(obj) for obj in result.objects]
    scores = [np.nan if o.score is None else o.score for o in result.objects]
    return supervision.Detections(
        xyxy=np.array([obj.crop.bbox for obj in result.objects], np.float32),
        mask=full_masks(result),
        confidence=np.array(scores, np.float32),
        class_id=np.array([ids[label] for label in labels]),
        data={"class_name": np.array(labels)},
    )


def to_labels(result: ResultLike) -> npt.NDArray[np.int32]:
    """Label map (H, W) int32 as scikit-image's ``regionprops`` expects it: 0 is background.

    Objects have the values 1, 2, … unless they already have numbers. Later objects lie on top; a
    `LossWarning` counts the pixels that they cover.
    """
    warn_of_overlaps(result)
    return paint(result)
