"""Results as values of other libraries: pandas, supervision, scikit-image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sam2_widget.export.label_map import warn_of_overlaps
from sam2_widget.export.notes import optional
from sam2_widget.export.values import ResultLike, class_names, full_masks, label_of, paint
from sam2_widget.masks.logits import MaskCrop

if TYPE_CHECKING:
    import pandas as pd


def to_frame(result: ResultLike, *, model: str | None = None) -> pd.DataFrame:
    """A table with a row an object.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``object``, which is 1, 2, … as in the label map, with the columns label, score,
        area (pixels), x0, y0, x1, y1 (the box, upper ends exclusive), centroid_x, centroid_y
        (image pixels), color and model.
    """
    pandas = optional("pandas")
    rows = [_row(found, model) for found in result.objects]
    index = pandas.RangeIndex(1, len(rows) + 1, name="object")
    frame: pd.DataFrame = pandas.DataFrame(rows, index=index, columns=list(COLUMNS))
    typed: pd.DataFrame = frame.astype(COLUMNS)
    return typed


COLUMNS: dict[str, type] = {
    "label": object,
    "score": np.float64,
    "area": np.int64,
    **dict.fromkeys(("x0", "y0", "x1", "y1"), np.int64),
    **dict.fromkeys(("centroid_x", "centroid_y"), np.float64),
    "color": object,
    "model": object,
}


def _row(found: Any, model: str | None) -> dict[str, Any]:
    x, y = centroid(found.crop)
    return {
        "label": found.label,
        "score": np.nan if found.score is None else found.score,
        "area": found.crop.area,
        **dict(zip(("x0", "y0", "x1", "y1"), found.crop.bbox, strict=True)),
        "centroid_x": x,
        "centroid_y": y,
        "color": found.color,
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

    ``class_id`` numbers the labels in the order they appear; their names are in
    ``data["class_name"]``.
    """
    supervision = optional("supervision")
    if not result.objects:
        return supervision.Detections.empty()
    names = class_names(result)
    labels = [label_of(found) for found in result.objects]
    scores = [np.nan if o.score is None else o.score for o in result.objects]
    return supervision.Detections(
        xyxy=np.array([found.crop.bbox for found in result.objects], np.float32),
        mask=full_masks(result),
        confidence=np.array(scores, np.float32),
        class_id=np.array([names.index(label) for label in labels]),
        data={"class_name": np.array(labels)},
    )


def to_labels(result: ResultLike) -> npt.NDArray[np.int32]:
    """Label map (H, W) int32 as scikit-image's ``regionprops`` expects it: 0 is background.

    Objects are 1, 2, …, later ones on top; a `LossWarning` says how many pixels that hides.
    """
    warn_of_overlaps(result)
    return paint(result)
