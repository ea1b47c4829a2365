"""Colours of objects and classes, ``"#rrggbb"``.

cmap is imported late, because that costs 0.1 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import Any, Literal, TypeAlias

from sam2_widget._utils.text import is_sendable
from sam2_widget.errors import LabelError, SettingError
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories
from sam2_widget.prompts.label_text import MAX_LABEL_LENGTH

ColorBy: TypeAlias = Literal["class", "object"]
"""Whether objects of a class have its colour, or each its own."""

PALETTE = "tol:vibrant"
"""Name of the colour map in `cmap`: colours that colour-blind people can tell apart."""

GREY = "#bbbbbb"
"""The one colour of the palette that is none on a photograph."""

FIRST_COLOR = "#ee3377"
"""Where the palette starts: hardly anything in a photograph has this colour."""

MORE_COLORS = (
    "#c8ff00", "#ab00ff", "#ffacfd", "#0000ff", "#8d2a87", "#575f01",
    "#abbc00", "#69ffdc", "#ff03f8", "#a285cc", "#ffce71", "#02ad24",
    "#7366ff", "#00ee46", "#02ce94", "#ff6fd3", "#868930", "#7500d7",
)  # fmt: skip
"""For more objects than the palette has colours: each is the one of the colour map ``glasbey``, of
those neither dark nor pale nor grey, that is farthest in OKLab from all before it. No two are
nearer than the two blues of the palette."""

MAX_STOPS = 32
"""A colour map with more is a gradient, of which some colours are taken."""

FROM_GRADIENT = 10


@cache
def default_palette() -> tuple[str, ...]:
    """The colours of objects, the first object's first."""
    colors = [color for color in _stops(PALETTE) if color != GREY]
    first = colors.index(FIRST_COLOR)
    turned = (*colors[first:], *colors[:first])
    # Every other one: neighbours in the palette are two blues.
    return (*turned[::2], *turned[1::2], *MORE_COLORS)


def _stops(name: str) -> list[str]:
    from cmap import Colormap  # noqa: PLC0415

    try:
        colormap = Colormap(name)
    except ValueError as error:
        raise SettingError(
            f"there is no palette {name!r}: use the name of a colour map of cmap, e.g. 'tab10', "
            "or a list of colours"
        ) from error
    if len(colormap.color_stops) > MAX_STOPS:
        return [color.hex[:7].lower() for color in colormap.iter_colors(FROM_GRADIENT)]
    return [stop.color.hex[:7].lower() for stop in colormap.color_stops]


def checked_palette(palette: object) -> tuple[str, ...]:
    """Colours of the name of a colour map of cmap, or of a list of colours.

    Raises
    ------
    SettingError
        If it is neither.
    """
    if isinstance(palette, str):
        return default_palette() if palette == PALETTE else tuple(_stops(palette))
    if not isinstance(palette, Iterable):
        raise SettingError(f"a palette must be a name or a list of colours, got {palette!r}")
    colors = tuple(checked_color(color) for color in palette)
    if not colors:
        raise SettingError("a palette needs at least one colour, got an empty list")
    return colors


def checked_color(color: object) -> str:
    """``"#rrggbb"`` of anything that cmap takes for a colour; SettingError if it does not."""
    from cmap import Color  # noqa: PLC0415

    try:
        # cmap would take None and plain numbers, too.
        return str(Color(color if isinstance(color, (str, tuple)) else "").hex[:7].lower())
    except (TypeError, ValueError) as error:
        raise SettingError(f"{color!r} is no colour: write '#rrggbb' or a CSS name") from error


def checked_classes(labels: object) -> dict[str, str]:
    """Labels with their colours, from what a user may pass; see `checked_labels`."""
    return checked_labels(labels)[0]


def checked_labels(labels: object) -> tuple[dict[str, str], Categories]:
    """Labels with their colours, and their numbers, from what a user may pass.

    Parameters
    ----------
    labels : None, iterable of str, mapping, iterable of COCO categories, or Categories
        A mapping is of labels to colours, to numbers, or to pairs of number and colour; or of
        numbers to labels, as in YOLO's ``data.yaml``. Labels without colours get those of the
        palette in turn, labels without numbers are numbered by their order.

    Raises
    ------
    LabelError
        If the labels are not distinct, short, non-empty texts, or the numbers not distinct, or
        only some labels have one.
    SettingError
        If a colour is none.
    """
    if labels is None:
        return {}, NO_CATEGORIES
    declared = [_declared(item) for item in _items(labels)]
    names = [one.name for one in declared]
    if len(set(names)) != len(names):
        raise LabelError(f"labels must be distinct texts and not empty, got {names}")
    colors = zip(declared, cycle(default_palette()), strict=False)
    return (
        {one.name: one.color or color for one, color in colors},
        Categories(tuple(names), _numbers(declared)),
    )


@dataclass(frozen=True, slots=True)
class _Declared:
    """A label as the user declared it."""

    name: str
    color: str | None = None
    number: int | None = None


def _items(labels: object) -> list[object]:
    if isinstance(labels, str) or not isinstance(labels, (Iterable, Categories)):
        raise LabelError(f"labels must be a list of texts, got {labels!r}: write [{labels!r}]")
    if isinstance(labels, Categories):
        return list(labels.names if labels.ids is None else labels.numbers(first=0).items())
    return list(labels.items() if isinstance(labels, Mapping) else labels)


def _declared(item: object) -> _Declared:
    if isinstance(item, Mapping):
        return _category(item)
    match item:
        case (int() as number, str() as name):
            return _Declared(_name(name), None, number)
        case (name, (int() as number, str() as color)):
            return _Declared(_name(name), checked_color(color), number)
        case (name, int() as number):
            return _Declared(_name(name), None, number)
        case (name, color):
            return _Declared(_name(name), checked_color(color))
    return _Declared(_name(item))


def _category(item: Mapping[str, Any]) -> _Declared:
    """A category as COCO files have it."""
    color = item.get("color")
    known = None if color is None else checked_color(color)
    return _Declared(_name(item.get("name")), known, item.get("id"))


def _numbers(declared: Sequence[_Declared]) -> tuple[int, ...] | None:
    numbers = [one.number for one in declared if one.number is not None]
    if not numbers:
        return None
    if len(numbers) < len(declared):
        without = [one.name for one in declared if one.number is None]
        raise LabelError(f"either all labels have a number or none has, got none for {without}")
    return tuple(numbers)


def _name(name: object) -> str:
    if not is_name(name):
        raise LabelError(
            f"labels must be distinct texts and not empty, of at most {MAX_LABEL_LENGTH} "
            f"characters, got {name!r}"
        )
    return str(name)


def is_name(name: object) -> bool:
    """Whether a label may be called so."""
    if not isinstance(name, str) or not name.strip():
        return False
    return len(name) <= MAX_LABEL_LENGTH and is_sendable(name)
