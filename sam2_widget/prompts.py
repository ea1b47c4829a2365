"""Prompts: what the user said, as frozen values.

Coordinates are (x, y) in image pixels everywhere in this package. The origin is the top-left corner
of the image and pixel column ``i`` covers ``[i, i + 1)``: the centre of the first pixel is
(0.5, 0.5), and a point lies in the pixel ``mask[int(y), int(x)]``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias, overload

import msgspec
import numpy as np
from msgspec.structs import force_setattr

from sam2_widget.errors import PromptError

FORMAT: Literal["sam2-widget-prompts"] = "sam2-widget-prompts"
VERSION = 1

MAX_PROMPTS = 1000
"""Most prompts that one object may have; more is a program gone wrong, not a user."""


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
        force_setattr(self, "x", _number(self.x, "x"))
        force_setattr(self, "y", _number(self.y, "y"))
        if not isinstance(self.label, (Real, np.bool_)) or self.label not in (0, 1):
            raise PromptError(
                f"label must be 1 (part of the object) or 0 (not part of it), got {self.label!r}"
            )
        force_setattr(self, "label", int(self.label))

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


Prompt: TypeAlias = Point | Box


def add_prompt(prompts: tuple[Prompt, ...], prompt: Prompt) -> tuple[Prompt, ...]:
    """`prompts` with `prompt` at the end; an object has one box, so a new box replaces the old."""
    if isinstance(prompt, Box):
        prompts = tuple(p for p in prompts if not isinstance(p, Box))
    return (*prompts, prompt)


def check_prompts(prompts: Iterable[Prompt], width: int, height: int) -> None:
    """Raise `PromptError` unless all `prompts` lie in an image of `width` x `height` pixels."""
    for prompt in prompts:
        prompt.check_inside(width, height)


class ObjectPrompts(msgspec.Struct, frozen=True):
    """The prompts of one object in the order in which they were given, and its label.

    Raises
    ------
    PromptError
        If a prompt is neither `Point` nor `Box`, or there are more than `MAX_PROMPTS`.
    """

    prompts: tuple[Prompt, ...]
    label: str | None = None

    def __post_init__(self) -> None:
        for prompt in self.prompts:
            if not isinstance(prompt, (Point, Box)):
                raise PromptError(f"a prompt must be a Point or a Box, got {prompt!r}")
        if len(self.prompts) > MAX_PROMPTS:
            raise PromptError(
                f"an object can have {MAX_PROMPTS} prompts, got {len(self.prompts)}: use fewer"
            )


class _Header(msgspec.Struct):
    format: Literal["sam2-widget-prompts"]
    version: int


class _File(_Header):
    objects: tuple[ObjectPrompts, ...]


@dataclass(frozen=True, slots=True)
class Prompts(Sequence[ObjectPrompts]):
    """All prompts of one image: a sequence with one `ObjectPrompts` per object.

    The same prompts on the same image with the same model give the same masks, see
    `sam2_widget.segment`.

    Examples
    --------
    >>> prompts = Prompts((ObjectPrompts((Point(12, 8), Point(30, 9, label=0)), label="cell"),))
    >>> Prompts.from_json(prompts.to_json()) == prompts
    True
    """

    objects: tuple[ObjectPrompts, ...] = ()

    @overload
    def __getitem__(self, index: int) -> ObjectPrompts: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ObjectPrompts, ...]: ...
    def __getitem__(self, index: int | slice) -> ObjectPrompts | tuple[ObjectPrompts, ...]:
        return self.objects[index]

    def __len__(self) -> int:
        return len(self.objects)

    def to_json(self) -> str:
        """JSON text that `from_json` reads."""
        return msgspec.json.encode(_File(FORMAT, VERSION, self.objects)).decode()

    @classmethod
    def from_json(cls, text: str) -> Prompts:
        """Read what `to_json` wrote.

        Raises
        ------
        PromptError
            If the text is not JSON, of another version or malformed.
        """
        try:
            version = msgspec.json.decode(text, type=_Header).version
            if version != VERSION:
                raise PromptError(f"prompts must be of version {VERSION}, got {version}")
            return cls(msgspec.json.decode(text, type=_File).objects)
        except (msgspec.MsgspecError, RecursionError, TypeError, UnicodeError) as error:
            raise PromptError(f"these are no prompts: {error}") from error


def as_prompts(value: Any) -> Prompts:
    """Make `Prompts` of what a user may pass.

    Parameters
    ----------
    value : Prompts, Point, Box, sequence of Point or Box, or sequence of such sequences
        A flat sequence describes one object, a nested one several.

    Raises
    ------
    PromptError
        If `value` is none of these.
    """
    if isinstance(value, Prompts):
        return value
    if isinstance(value, (Point, Box)):
        return Prompts((ObjectPrompts((value,)),))
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise PromptError(
            f"prompts must be w.prompts, a Point, a Box or lists of them, got {value!r}"
        )
    if value and all(isinstance(item, (Point, Box)) for item in value):
        return Prompts((ObjectPrompts(tuple(value)),))
    return Prompts(tuple(_as_object(item) for item in value))


def _as_object(item: object) -> ObjectPrompts:
    if isinstance(item, ObjectPrompts):
        return item
    if isinstance(item, Sequence) and not isinstance(item, (str, bytes)):
        return ObjectPrompts(tuple(item))
    raise PromptError(f"an object's prompts must be a list of Point and Box, got {item!r}")
