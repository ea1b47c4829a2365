"""Pictures of a widget: screenshots, and the one in the saved notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from PIL import Image

from sam2_widget.annotator import Annotator
from sam2_widget.drawing import Layer, draw, size_at
from sam2_widget.masks.logits import LogitMask
from sam2_widget.masks.strokes import Mask, shrunk
from sam2_widget.options import Options
from sam2_widget.poster import SIDE, Poster
from sam2_widget.session import AnnotatedObject

MAX_SCREENSHOT = 16_384
"""Longest side of a screenshot in pixels."""


class Pictures(Options):
    """The pictures of a widget."""

    _annotator: Annotator
    _poster: Poster
    _name: str
    _repr_mimebundle_: Any

    def screenshot(self, size: int | None = None) -> Image.Image:
        """The image with the masks on it, as the widget draws them; hidden objects are left out.

        Parameters
        ----------
        size : int, optional
            Longer side of the picture in pixels; by default that of the image.
        """
        if size is not None and not 1 <= size <= MAX_SCREENSHOT:
            raise ValueError(f"size must be within 1..{MAX_SCREENSHOT} pixels, got {size!r}")
        active_id, hidden = self._annotator.session.annotation.active_id, self._hidden()
        layers = [
            Layer(found.crop, found.size, found.color, active=found.id == active_id)
            for found in self._annotator.current_result().objects
            if found.id not in hidden
        ]
        return self._draw(layers, size)

    def _draw(self, layers: Iterable[Layer], side: int | None) -> Image.Image:
        rgb, opacity, style = self._annotator.rgb, self.opacity, self.mask_style
        return draw(rgb, layers, side=side, opacity=opacity, style=style)

    def _hidden(self) -> frozenset[int]:
        return self._annotator.session.hidden

    def _draw_poster(self) -> tuple[Image.Image, str]:
        """The picture for the saved notebook: what is known now, quickly and without waiting."""
        side = min(SIDE, max(self._annotator.rgb.shape[:2]))
        shown = tuple(
            o for o in self._annotator.session.annotation.objects if o.id not in self._hidden()
        )
        # One by one: what clicks look up all together must stay as it is.
        answers = [self._annotator.answered(o) for o in shown]
        pairs = [(o, a.mask) for o, a in zip(shown, answers, strict=True) if a is not None]
        # One after the other: the pixels of 500 masks together are hundreds of MiB.
        layers = (self._poster_layer(*pair, side) for pair in pairs)
        return self._draw(layers, side), f"{self._name or 'Image'} with {len(pairs)} masks"

    def _poster_layer(self, annotated: AnnotatedObject, mask: Mask, side: int) -> Layer:
        session, rgb = self._annotator.session, self._annotator.rgb
        color = session.color(annotated)
        active = annotated.id == session.annotation.active_id
        size = (rgb.shape[0], rgb.shape[1])
        # Logits and strokes give a small mask as easily as a large one; pixels are what they are.
        if isinstance(mask.base, LogitMask) and side < max(size):
            mask, size = shrunk(mask, side / max(size)), size_at(rgb, side)
        return Layer(mask.crop(*size), size, color, active=active)

    def _ipython_display_(self) -> None:
        """Show the widget, and beside it the picture for pages without a kernel."""
        from IPython.display import display  # noqa: PLC0415 - only where there is IPython

        show: Any = display
        data, metadata = self._repr_mimebundle_()
        show(data, metadata=metadata, raw=True)
        self._poster.show()
