"""Options of the toolbar, as traits that both the page and Python write.

They affect the display and the next gesture, never a mask.
"""

from __future__ import annotations

import math
from typing import Any, get_args

import traitlets

from sam2_widget.comm.messages import MaskStyle, Tool

TOOLS = get_args(Tool)
MASK_STYLES = get_args(MaskStyle)

MAX_HEIGHT = 10_000
MAX_BRUSH = 2**14
MIN_BRUSH = 0.1


class Options(traitlets.HasTraits):
    """The options of a widget.

    Attributes
    ----------
    tool : str
        ``"point"`` (a click is a point, a drag a box), ``"box"``, ``"scribble"``, ``"brush"``,
        ``"eraser"``, ``"propose"``, ``"select"`` or ``"pan"``.
    opacity : float
        Opacity of the masks' fill, 0..1.
    mask_style : str
        ``"fill"``, ``"contour"`` or ``"both"``.
    height : int
        Height of the image's stage, in CSS pixels; 0: as the image needs.
    brush_size : float
        Diameter of brush and eraser, in image pixels; 0: chosen by the zoom of the view.
    new_object_per_click : bool
        Whether in the page every click, box or scribble that adds starts a new object; removing
        prompts and the brush apply to the newest object. Methods such as `add_point` are not
        affected.
    hover_preview : bool
        Whether the mask that a click would give is shown under the pointer.
    brightness, contrast : float
        -1..1, 0 shows the image unchanged. For viewing only: the model gets the original image.
    retrack : bool
        Whether a tracked object is tracked again automatically where a correction has made its
        masks stale: in the background, starting at the plane of the correction.
    save_picture : bool
        Whether the saved notebook contains a picture of the image with its masks, for readers
        without a kernel.
    """

    tool = traitlets.Enum(TOOLS, "point").tag(sync=True)
    opacity = traitlets.Float(0.45, min=0.0, max=1.0).tag(sync=True)
    mask_style = traitlets.Enum(MASK_STYLES, "both").tag(sync=True)
    height = traitlets.Int(0, min=0, max=MAX_HEIGHT).tag(sync=True)
    brush_size = traitlets.Float(0.0, min=0.0, max=MAX_BRUSH).tag(sync=True)
    new_object_per_click = traitlets.Bool(default_value=False).tag(sync=True)
    hover_preview = traitlets.Bool(default_value=False).tag(sync=True)
    brightness = traitlets.Float(0.0, min=-1.0, max=1.0).tag(sync=True)
    contrast = traitlets.Float(0.0, min=-1.0, max=1.0).tag(sync=True)
    retrack = traitlets.Bool(default_value=False).tag(sync=True)
    save_picture = traitlets.Bool(default_value=True).tag(sync=True)

    @traitlets.validate("opacity", "brush_size", "brightness", "contrast")
    def _finite(self, proposal: Any) -> float:
        value = float(proposal["value"])
        if not math.isfinite(value):
            name = proposal["trait"].name
            raise traitlets.TraitError(f"{name} must be a finite number, got {value!r}")
        if proposal["trait"].name == "brush_size" and 0 < value < MIN_BRUSH:
            raise traitlets.TraitError(
                f"brush_size must be 0 or at least {MIN_BRUSH}, got {value!r}"
            )
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
