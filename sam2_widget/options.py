"""What the user sets in the toolbar or in Python, and sees at once: traits that both may write.

They change how things look and what the next gesture does, never a mask.
"""

from __future__ import annotations

import math
from typing import Any

import traitlets

TOOLS = ("point", "box", "scribble", "brush", "eraser", "select", "pan")
MASK_STYLES = ("fill", "contour", "both")

MAX_HEIGHT = 10_000
MAX_BRUSH = 2**14


class Options(traitlets.HasTraits):
    """The options of a widget.

    Attributes
    ----------
    tool : str
        ``"point"`` (a click is a point, a drag a box), ``"box"``, ``"scribble"``, ``"brush"``,
        ``"eraser"``, ``"select"`` or ``"pan"``.
    opacity : float
        Of the masks' fill, 0..1.
    mask_style : str
        ``"fill"``, ``"contour"`` or ``"both"``.
    height : int
        Of the image's stage, in CSS pixels; 0: as the image needs.
    brush_size : float
        Diameter of brush and eraser, in image pixels.
    hover_preview : bool
        Whether the mask that a click would give is shown under the pointer.
    brightness, contrast : float
        -1..1, 0 shows the image as it is. For viewing only: the model sees the image itself.
    """

    tool = traitlets.Enum(TOOLS, "point").tag(sync=True)
    opacity = traitlets.Float(0.45, min=0.0, max=1.0).tag(sync=True)
    mask_style = traitlets.Enum(MASK_STYLES, "both").tag(sync=True)
    height = traitlets.Int(0, min=0, max=MAX_HEIGHT).tag(sync=True)
    brush_size = traitlets.Float(20.0, min=0.1, max=MAX_BRUSH).tag(sync=True)
    hover_preview = traitlets.Bool(default_value=False).tag(sync=True)
    brightness = traitlets.Float(0.0, min=-1.0, max=1.0).tag(sync=True)
    contrast = traitlets.Float(0.0, min=-1.0, max=1.0).tag(sync=True)

    @traitlets.validate("opacity", "brush_size", "brightness", "contrast")
    def _finite(self, proposal: Any) -> float:
        value = float(proposal["value"])
        if not math.isfinite(value):
            name = proposal["trait"].name
            raise traitlets.TraitError(f"{name} must be a finite number, got {value!r}")
        return value

    def accepts(self, name: str, value: object) -> bool:
        """Whether the option `name` can have that value."""
        if isinstance(value, float) and not math.isfinite(value):
            return False
        try:
            self.traits()[name]._validate(self, value)  # noqa: SLF001 - there is no public way
        except (traitlets.TraitError, OverflowError):
            return False
        return True


NAMES = frozenset(Options.class_own_traits(sync=True))
"""The traits that a browser may set."""
