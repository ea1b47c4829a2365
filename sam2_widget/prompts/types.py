"""The kinds of prompts: what a user can say about one object, as frozen values.

Coordinates are (x, y) in image pixels everywhere in this package. The origin is the top-left corner
of the image and pixel column ``i`` covers ``[i, i + 1)``: the centre of the first pixel is
(0.5, 0.5), and a point lies in the pixel ``mask[int(y), int(x)]``.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence
from functools import cached_property
from numbers import Real
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import force_setattr

from sam2_widget.errors import PromptError
from sam2_widget.masks import rle
from sam2_widget.masks.logits import MaskCrop, PixelMask, tight

Vertices: TypeAlias = tuple[tuple[float, float], ...]

MAX_SCRIBBLE = 256
MAX_STROKE = 2048
"""Most vertices of a line."""

MAX_SAMPLES = 8
"""Points that stand for a scribble: more give the model nothing new and cost time."""

FAR = 2.0**24
"""Largest coordinate of a stroke, in pixels: beyond it a distance would lose its precision."""

MIN_VERTICES = 2


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise PromptError(
            f"{name} must be a number, got {value!r}: give coordinates in image pixels"
        )
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PromptError(f"{name} must be finite, got {value!r}: give coordinates in image pixels")
    return number


def _score(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise PromptError(f"score must be a finite number or None, got {value!r}")
    return float(value)


def _label(value: object) -> int:
    if not isinstance(value, (Real, np.bool_)) or value not in (0, 1):
        raise PromptError(
            f"label must be 1 (part of the object) or 0 (not part of it), got {value!r}"
        )
    return 1 if value == 1 else 0


def _vertices(value: object, least: int, most: int) -> Vertices:
    """Check a line of (x, y): any sequence of pairs, an (N, 2) array too."""
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iuf":  # noqa: PLR2004
        raise PromptError("points must be pairs (x, y) of numbers, e.g. [(10, 20), (30, 25)]")
    if not least <= len(array) <= most:
        raise PromptError(f"a line can have {least} to {most} points, got {len(array)}")
    if not np.isfinite(array).all():
        raise PromptError("points must be finite: give coordinates in image pixels")
    return tuple((x, y) for x, y in array.astype(np.float64).tolist())


class Point(msgspec.Struct, frozen=True, tag_field="type", tag="point", forbid_unknown_fields=True):
    """A click.

    Parameters
    ----------
    x, y : float
        Image pixels, see the module's convention.
    label : {1, 0}
        1: this belongs to the object. 0: this does not.

    Raises
    ------
    PromptError
        If a coordinate is not a finite number or the label is neither 0 nor 1.
    """

    x: float
    y: float
    label: int = 1

    def __post_init__(self) -> None:
        x, y, label = self.x, self.y, self.label
        # Most are from files, in these types already: a set may have 100,000 objects.
        are_exact = type(x) is type(y) is float and type(label) is int and label in (0, 1)
        if are_exact and math.isfinite(x) and math.isfinite(y):
            return
        force_setattr(self, "x", _number(x, "x"))
        force_setattr(self, "y", _number(y, "y"))
        force_setattr(self, "label", _label(label))

    def check_inside(self, width: int, height: int) -> None:
        """Raise `PromptError` unless the point lies in an image of `width` x `height` pixels."""
        if not (0 <= self.x < width and 0 <= self.y < height):
            raise PromptError(
                f"the point (x={self.x:g}, y={self.y:g}) is outside the image of {width} x {height}"
                f" pixels: x must be in [0, {width}) and y in [0, {height})"
            )


class Box(msgspec.Struct, frozen=True, tag_field="type", tag="box", forbid_unknown_fields=True):
    """A rectangle around the object; a box drawn right to left or upwards is turned around.

    Parameters
    ----------
    x0, y0, x1, y1 : float
        Two opposite corners in image pixels, see the module's convention. After construction
        ``x0 < x1`` and ``y0 < y1``.

    Raises
    ------
    PromptError
        If a coordinate is not a finite number or the box has no area.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        for low, high in (("x0", "x1"), ("y0", "y1")):
            a, b = _number(getattr(self, low), low), _number(getattr(self, high), high)
            if a == b:
                raise PromptError(
                    f"the box has no area, got {low} = {high} = {a:g}: give two opposite corners"
                )
            force_setattr(self, low, min(a, b))
            force_setattr(self, high, max(a, b))

    def check_inside(self, width: int, height: int) -> None:
        """Raise `PromptError` unless the box lies in an image of `width` x `height` pixels."""
        if self.x0 < 0 or self.y0 < 0 or self.x1 > width or self.y1 > height:
            raise PromptError(
                f"the box ({self.x0:g}, {self.y0:g}, {self.x1:g}, {self.y1:g}) reaches outside the "
                f"image of {width} x {height} pixels: x must be in [0, {width}], y in [0, {height}]"
            )


class Scribble(
    msgspec.Struct,
    frozen=True,
    tag_field="type",
    tag="scribble",
    forbid_unknown_fields=True,
    dict=True,
    cache_hash=True,
):
    """A freehand line over the object, or over what is not part of it: many clicks in one.

    Parameters
    ----------
    points : sequence of (x, y), or (N, 2) ndarray
        2 to 256 vertices in image pixels, see the module's convention.
    label : {1, 0}
        1: the line runs over the object. 0: it runs over what is not part of it.

    Raises
    ------
    PromptError
        If the vertices are no pairs of finite numbers, or too few or too many.
    """

    points: Vertices
    label: int = 1

    def __post_init__(self) -> None:
        force_setattr(self, "points", _vertices(self.points, MIN_VERTICES, MAX_SCRIBBLE))
        force_setattr(self, "label", _label(self.label))

    def check_inside(self, width: int, height: int) -> None:
        """Raise `PromptError` unless the line lies in an image of `width` x `height` pixels."""
        for x, y in self.points:
            Point(x, y).check_inside(width, height)

    @cached_property
    def samples(self) -> tuple[Point, ...]:
        """The clicks that the model is given instead: evenly spaced, at least a pixel apart."""
        line = np.array(self.points)
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        count = int(np.clip(along[-1], 1, MAX_SAMPLES))
        at = (np.arange(count) + 0.5) / count * along[-1]
        xs, ys = np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])
        return tuple(Point(x, y, self.label) for x, y in zip(xs.tolist(), ys.tolist(), strict=True))


class Choice(
    msgspec.Struct, frozen=True, tag_field="type", tag="choice", forbid_unknown_fields=True
):
    """Which candidate is meant, where the model's answer to the prompts before it is ambiguous.

    Parameters
    ----------
    index : {0, 1, 2}
        Position among the candidates. Ignored where the answer has fewer.

    Raises
    ------
    PromptError
        If the index is none of these.
    """

    index: int

    def __post_init__(self) -> None:
        usable = isinstance(self.index, (Real, np.integer)) and not isinstance(self.index, bool)
        if not usable or self.index not in (0, 1, 2):
            raise PromptError(f"index must be 0, 1 or 2, the candidate's place; got {self.index!r}")
        force_setattr(self, "index", int(self.index))

    def check_inside(self, width: int, height: int) -> None:
        """Do nothing: a choice lies nowhere."""


class Stroke(
    msgspec.Struct,
    frozen=True,
    tag_field="type",
    tag="stroke",
    forbid_unknown_fields=True,
    dict=True,
    weakref=True,
    cache_hash=True,
):
    """An edit by hand: a brush or an eraser drawn along a line sets the pixels under it.

    A pixel is set if its centre is at most `radius` away from the line.

    Parameters
    ----------
    points : sequence of (x, y), or (N, 2) ndarray
        1 to 2048 vertices in image pixels; a single one is a disc. The line may leave the image.
    radius : float
        In image pixels, above 0.
    label : {1, 0}
        1: brush, the pixels become part of the object. 0: eraser.

    Raises
    ------
    PromptError
        If the vertices are no pairs of finite numbers, or too few or too many, or the radius is
        not above 0.
    """

    points: Vertices
    radius: float
    label: int = 1

    def __post_init__(self) -> None:
        force_setattr(self, "points", _vertices(self.points, 1, MAX_STROKE))
        force_setattr(self, "radius", _number(self.radius, "radius"))
        force_setattr(self, "label", _label(self.label))
        if not 0 < self.radius <= FAR or np.abs(self.vertices).max() > FAR:
            raise PromptError(
                f"the stroke needs a radius above 0 and coordinates in image pixels, got "
                f"radius={self.radius:g} and points up to {np.abs(self.vertices).max():g}"
            )

    def check_inside(self, width: int, height: int) -> None:
        """Raise `PromptError` unless the stroke touches an image of `width` x `height` pixels."""
        x0, y0, x1, y1 = self.bounds
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            raise PromptError(f"the stroke is outside the image of {width} x {height} pixels")

    @cached_property
    def vertices(self) -> npt.NDArray[np.float64]:
        """(N, 2) float64, (x, y) in image pixels."""
        return np.array(self.points, np.float64)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 of what the stroke can reach, in image pixels."""
        (x0, y0), (x1, y1) = self.vertices.min(0).tolist(), self.vertices.max(0).tolist()
        return x0 - self.radius, y0 - self.radius, x1 + self.radius, y1 + self.radius

    @cached_property
    def key(self) -> str:
        """Short name of the content: a page that has the stroke is not sent it again."""
        return _content_key(self)


class MaskPrompt(
    msgspec.Struct,
    frozen=True,
    tag_field="type",
    tag="mask",
    forbid_unknown_fields=True,
    omit_defaults=True,
    dict=True,
    weakref=True,
    cache_hash=True,
):
    """A mask to start from, kept exactly until a click corrects a part of it.

    Parameters
    ----------
    size : (int, int)
        (height, width) of the mask in pixels: that of the image.
    counts : str
        COCO's compressed run-length encoding; see `from_mask`.
    score : float, optional
        The score in the file that the mask comes from, until it is corrected.

    Raises
    ------
    PromptError
        If `counts` is no encoding of a mask of that size, or the score is not finite.
    """

    size: tuple[int, int]
    counts: str
    score: float | None = None

    def __post_init__(self) -> None:
        if self.score is not None:
            force_setattr(self, "score", _score(self.score))
        try:
            rle.checked_runs(self.counts, self.size)
        except ValueError as error:
            raise PromptError(f"the mask cannot be read: {error}") from error

    @classmethod
    def from_mask(cls, mask: object) -> MaskPrompt:
        """Encode a mask, (H, W) bool; PromptError if it is not of that shape and type."""
        array = np.asarray(mask)
        if array.ndim != 2 or array.dtype.kind not in "biuf" or 0 in array.shape:  # noqa: PLR2004
            raise PromptError(
                f"a mask must be an array of shape (H, W) and of bool, got shape {array.shape} and "
                f"dtype {array.dtype}: pass one mask, e.g. label_map == 3"
            )
        if np.isnan(array.min()):
            raise PromptError("a mask must not hold NaN: pass e.g. np.nan_to_num(mask) > 0.5")
        return cls((array.shape[0], array.shape[1]), rle.encode(array != 0))

    def check_inside(self, width: int, height: int) -> None:
        """Raise `PromptError` unless the mask has the size of the image."""
        if tuple(self.size) != (height, width):
            raise PromptError(
                f"a mask must have the size of the image, (H, W) = ({height}, {width}), "
                f"got {tuple(self.size)}"
            )

    @classmethod
    def from_crops(
        cls,
        crops: Sequence[MaskCrop],
        size: tuple[int, int],
        scores: Sequence[float | None],
    ) -> list[MaskPrompt]:
        """Encode masks of an image of `size`, (height, width), each given by its crop.

        The time grows with the crops, not with the image.
        """
        blank = cls(size, rle.encode_crops([MaskCrop(0, 0, np.zeros((0, 0), bool))], size)[0])
        texts = rle.encode_crops(crops, size)
        found = zip(crops, texts, scores, strict=True)
        return [blank._filled(crop, counts, score) for crop, counts, score in found]

    def _filled(self, crop: MaskCrop, counts: str, score: float | None) -> MaskPrompt:
        """A copy with other content, written here: no need to check it as a stranger's."""
        made = copy.copy(self)
        force_setattr(made, "counts", counts)
        force_setattr(made, "score", None if score is None else _score(score))
        made.__dict__["pixels"] = PixelMask.from_crop(crop, self.size)
        return made

    @cached_property
    def pixels(self) -> PixelMask:
        """The mask as it is kept and sent."""
        found = rle.decode_crop(self.counts, self.size)
        return PixelMask.from_crop(tight(found.x, found.y, found.pixels), self.size)

    @cached_property
    def key(self) -> str:
        """Short name of the content."""
        return _content_key(self)


Prompt: TypeAlias = Point | Box | Scribble | Choice | Stroke | MaskPrompt

KINDS = (Point, Box, Scribble, Choice, Stroke, MaskPrompt)


def _content_key(prompt: Stroke | MaskPrompt) -> str:
    return hashlib.blake2b(msgspec.json.encode(prompt), digest_size=12).hexdigest()


def is_flat(value: Sequence[object]) -> bool:
    """Whether `value` lists prompts and nothing else."""
    return all(isinstance(item, KINDS) for item in value)
