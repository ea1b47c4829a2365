"""Parse the lines of YOLO label files: boxes and polygons, in labels and predictions.

Ultralytics writes predictions as labels followed by a confidence, a track id, or both. A single
line does not show which of these it has, so all lines of a file are examined together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sam2_widget._utils.text import shortened
from sam2_widget.errors import AnnotationError
from sam2_widget.export.outlines import Ring

BOX = 4
"""Number of values of a box: x and y of its centre, width and height."""

TRIANGLE = 6
"""Number of values of the smallest polygon."""


class Line(NamedTuple):
    """A parsed line.

    Attributes
    ----------
    where : str
        Line number and file, for messages.
    number : int
        Number of the class.
    ring : (N, 2) float64 ndarray
        (x, y) in fractions of the image's width and height.
    score : float or None
        The confidence of a prediction.
    """

    location: str
    number: int
    ring: Ring
    score: float | None


def parsed_lines(text: str, name: str) -> list[Line]:
    """Parse the lines of a label file; AnnotationError if one is invalid."""
    parsed = [
        (f"line {number} of {name}", *_numbers(line, f"line {number} of {name}"))
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]
    trailing = _trailing_values([values for _, _, values in parsed])
    return [_line(location, number, values, trailing) for location, number, values in parsed]


def _numbers(line: str, location: str) -> tuple[int, list[float]]:
    try:
        number, *values = (float(word) for word in line.split())
    except ValueError as error:
        raise AnnotationError(
            f"{location} must contain only numbers: {shortened(str(error))}"
        ) from error
    if not number.is_integer() or number < 0 or len(values) < BOX:
        raise _invalid_line(location, number, values)
    return int(number), values


def _invalid_line(location: str, number: float, values: Sequence[float]) -> AnnotationError:
    return AnnotationError(
        f"{location} must be 'class x y x y …', got class {number:g} and {len(values)} numbers"
    )


class _TrailingValues(NamedTuple):
    """How the values at the end of lines are interpreted.

    Attributes
    ----------
    odd_is_track : bool
        Whether lines with an odd number of values end with a track id; else with a confidence.
    even_is_pair : bool
        Whether lines with an even number of values end with a confidence and a track id; else they
        end with the last vertex.
    """

    odd_is_track: bool
    even_is_pair: bool


def _trailing_values(lines: Sequence[Sequence[float]]) -> _TrailingValues:
    odd = [values[-1] for values in lines if len(values) % 2]
    even = [values for values in lines if len(values) % 2 == 0]
    pairs = all(len(values) >= TRIANGLE and 0 <= values[-2] <= 1 for values in even)
    return _TrailingValues(_are_tracks(odd), pairs and _are_tracks([values[-1] for values in even]))


def _are_tracks(values: Sequence[float]) -> bool:
    """Whether these are track ids: unique positive integers, not all valid as other values."""
    whole = all(value >= 1 and value.is_integer() for value in values)
    return whole and len({*values}) == len(values) and max(values, default=0) > 1


def _line(location: str, number: int, values: list[float], trailing: _TrailingValues) -> Line:
    score = None
    if len(values) % 2:
        *values, last = values
        score = None if trailing.odd_is_track else last
    elif trailing.even_is_pair:
        *values, score, _ = values
    is_box = len(values) == BOX
    if score is not None and not (0 <= score <= 1 and (not is_box or min(values[2:]) > 0)):
        raise _invalid_line(location, number, [*values, score])
    ring = np.array(values).reshape(-1, 2)
    return Line(location, number, _box_ring(ring) if is_box else ring, score)


def _box_ring(centre_and_size: Ring) -> Ring:
    centre, half = centre_and_size[0], centre_and_size[1] / 2
    return np.asarray(centre + half * [(-1, -1), (1, -1), (1, 1), (-1, 1)])
