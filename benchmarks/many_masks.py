"""Opening and writing label maps of many objects: ``python -m benchmarks.many_masks``.

The seconds are those of the processor for one thread, least of several runs: what a user of a quiet
machine waits. The last column is the time of the same with four times the pixels around the same
objects, as a ratio: near 1 where the work grows with the objects, near 4 where it grows with the
image.
"""

from __future__ import annotations

import functools
import io
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam2_widget import SegmentWidget, read_masks
from sam2_widget.errors import LossWarning
from sam2_widget.export.coco import write_coco
from sam2_widget.export.geojson import write_geojson
from sam2_widget.export.label_map import write_png
from sam2_widget.export.labelme import write_labelme
from sam2_widget.export.tiff import write_tiff
from sam2_widget.export.yolo import write_yolo
from sam2_widget.testing import FakePredictor

CASES = {"441 objects, 4000²": (4000, 21), "3,364 cells, 2000²": (2000, 58)}
"""Side of the image in pixels, and objects in a row and in a column."""

COMPARED = 2000
"""Side of the largest image that is also made four times as large."""

REPEATS = 3

LabelMap = NDArray[np.uint16]


def cells(side: int, count: int) -> LabelMap:
    """A label map (side, side) of `count`² discs, which nearly touch."""
    pitch = side / count
    centre = (np.floor(np.arange(side) / pitch) + 0.5) * pitch
    away = (np.arange(side) + 0.5 - centre) ** 2
    inside = away[:, None] + away[None] < (0.45 * pitch) ** 2
    place = np.floor(np.arange(side) / pitch).astype(np.int64)
    numbers = place[:, None] * count + place[None] + 1
    return np.where(inside, numbers, 0).astype(np.uint16)


def padded(label_map: LabelMap) -> LabelMap:
    """The same objects in an image of twice the side."""
    return np.pad(label_map, (0, label_map.shape[0]))


def seconds(job: Callable[[], object]) -> float:
    """Least processor time of a job."""
    taken = []
    for _ in range(REPEATS):
        start = time.process_time()
        job()
        taken.append(time.process_time() - start)
    return min(taken)


def _open(label_map: LabelMap) -> None:
    image = np.zeros((*label_map.shape, 3), np.uint8)
    SegmentWidget(image, model=FakePredictor(), masks=label_map).close()


def _open_nothing(label_map: LabelMap) -> None:
    image = np.zeros((*label_map.shape, 3), np.uint8)
    SegmentWidget(image, model=FakePredictor()).close()


WRITERS: dict[str, Callable[..., None]] = {
    "PNG": write_png,
    "TIFF": write_tiff,
    "COCO, RLE": write_coco,
    "COCO, polygons": lambda result, file: write_coco(result, file, segmentation="polygons"),
    "YOLO": write_yolo,
    "GeoJSON": write_geojson,
    "LabelMe": write_labelme,
}


def jobs(label_map: LabelMap) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    image = np.zeros((*label_map.shape, 3), np.uint8)
    w = SegmentWidget(image, model=FakePredictor(), masks=label_map)
    result: Any = w._planes.result(0)  # noqa: SLF001 - what the widget's methods write
    made: dict[str, Callable[[], object]] = {
        "read the array": lambda: read_masks(label_map),
        "open in a widget": lambda: _open(label_map),
        "(a widget without masks)": lambda: _open_nothing(label_map),
    }
    for name, write in WRITERS.items():
        made[f"write {name}"] = functools.partial(_write, write, result)
    return made


def _write(write: Callable[..., None], result: Any) -> None:
    write(result, io.BytesIO())


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore", LossWarning)
    for case, (side, count) in CASES.items():
        label_map = cells(side, count)
        wide = jobs(padded(label_map)) if side <= COMPARED else {}
        print(f"\n{case}\n")
        for name, job in jobs(label_map).items():
            taken = seconds(job)
            ratio = f"{seconds(wide[name]) / taken:.1f}" if name in wide else ""
            print(f"{name:26} {taken:7.3f} s  {ratio}")


if __name__ == "__main__":
    main()
