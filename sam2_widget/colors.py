"""Colours of objects and classes, ``"#rrggbb"``.

cmap is imported late, because that costs 0.1 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import cycle

from sam2_widget.errors import LabelError, SettingError
from sam2_widget.text import is_sendable

PALETTE = "tol:vibrant"
"""Name of the colour map in `cmap`: colours that colour-blind people can tell apart."""

GREY = "#bbbbbb"
"""The one colour of the palette that is none on a photograph."""

FIRST_COLOR = "#ee3377"
"""Where the palette starts: hardly anything in a photograph has this colour."""

MAX_STOPS = 32
"""A colour map with more is a gradient, of which some colours are taken."""

FROM_GRADIENT = 10

MAX_LABEL_LENGTH = 200
"""Characters."""


@cache
def default_palette() -> tuple[str, ...]:
    """The colours of objects, the first object's first."""
    colors = [color for color in _stops(PALETTE) if color != GREY]
    first = colors.index(FIRST_COLOR)
    turned = (*colors[first:], *colors[:first])
    # Every other one: neighbours in the palette are two blues.
    return (*turned[::2], *turned[1::2])


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
    """Labels with their colours, from what a user may pass.

    Parameters
    ----------
    labels : None, iterable of str, or mapping of str to colour
        Labels without colours get those of the palette in turn.

    Raises
    ------
    LabelError
        If the labels are not distinct, short, non-empty texts.
    SettingError
        If a colour is none.
    """
    if labels is None:
        return {}
    if isinstance(labels, str):
        raise LabelError(f"labels must be a list of texts, got {labels!r}: write [{labels!r}]")
    if isinstance(labels, Mapping):
        return {_name(name): checked_color(color) for name, color in labels.items()}
    if not isinstance(labels, Iterable):
        raise LabelError(f"labels must be a list of texts, got {labels!r}")
    names = [_name(name) for name in labels]
    if len(set(names)) != len(names):
        raise LabelError(f"labels must be distinct texts and not empty, got {names}")
    return dict(zip(names, cycle(default_palette()), strict=False))


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
