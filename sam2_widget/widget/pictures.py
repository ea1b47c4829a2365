"""Pictures of a widget: screenshots, and the static preview in the saved notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import traitlets
from PIL import Image

from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.session import AnnotatedObject
from sam2_widget.images.rendering import Layer, draw, size_at
from sam2_widget.masks.logits import LogitMask
from sam2_widget.masks.strokes import Mask, shrunk
from sam2_widget.results.segmentation import SegmentedObject
from sam2_widget.widget.options import Options
from sam2_widget.widget.static_preview import SIDE, StaticPreview

MAX_SCREENSHOT = 16_384
"""Longest side of a screenshot in pixels."""


class Pictures(Options):
    """The pictures of a widget."""

    _annotator: Annotator
    _static_preview: StaticPreview
    _name: str
    _repr_mimebundle_: Any

    def screenshot(self, size: int | None = None) -> Image.Image:
        """The image with its masks, as the widget draws them; without hidden objects.

        Parameters
        ----------
        size : int, optional
            Longer side of the picture in pixels; by default that of the image.
        """
        if size is not None and not 1 <= size <= MAX_SCREENSHOT:
            raise ValueError(f"size must be within 1..{MAX_SCREENSHOT} pixels, got {size!r}")
        active, hidden = self._annotator.session.annotation.active, self._hidden()
        layers = [
            Layer(found.crop, found.size, found.color, active=_is(found, active))
            for found in self._annotator.current_result().objects
            if found.id not in hidden
        ]
        return self._draw(layers, size)

    def _draw(self, layers: Iterable[Layer], side: int | None) -> Image.Image:
        rgb, opacity, style = self._annotator.rgb, self.opacity, self.mask_style
        return draw(rgb, layers, side=side, opacity=opacity, style=style)

    def _hidden(self) -> frozenset[int]:
        return self._annotator.session.hidden

    def _draw_preview(self) -> tuple[Image.Image, str]:
        """The static preview with the predictions that are finished now."""
        side = min(SIDE, max(self._annotator.rgb.shape[:2]))
        snapshot, hidden = self._annotator.snapshot(), self._hidden()
        pairs = [
            (o, p.mask) for o, p in snapshot.all_objects if p is not None and o.id not in hidden
        ]
        # A generator: the pixels of 500 masks together would take hundreds of MiB.
        layers = (self._preview_layer(*pair, side) for pair in pairs)
        masks = "1 mask" if len(pairs) == 1 else f"{len(pairs)} masks"
        return self._draw(layers, side), f"{self._name or 'Image'} with {masks}"

    def _title(self) -> str:
        height, width = self._annotator.rgb.shape[:2]
        return f"SegmentWidget({width} x {height})"

    def _preview_layer(self, annotated: AnnotatedObject, mask: Mask, side: int) -> Layer:
        session, rgb = self._annotator.session, self._annotator.rgb
        color = session.color(annotated)
        active = _is(annotated, session.annotation.active)
        size = (rgb.shape[0], rgb.shape[1])
        # Logits and strokes are rasterized at the picture's size; pixel masks have a fixed size.
        if isinstance(mask.base, LogitMask) and side < max(size):
            mask, size = shrunk(mask, side / max(size)), size_at(rgb, side)
        return Layer(mask.crop(*size), size, color, active=active)

    @traitlets.observe("save_picture")
    def _picture_switched(self, change: Any) -> None:
        if preview := getattr(self, "_static_preview", None):
            preview.enable(change["new"])

    def _ipython_display_(self) -> None:
        """Show the widget, and the static preview for pages without a kernel."""
        from IPython.display import display  # noqa: PLC0415 - only where there is IPython

        show: Any = display
        data, metadata = self._repr_mimebundle_()
        # `repr` is outdated when the notebook is read, unlike the picture, which is updated.
        data = {**data, "text/plain": "" if self.save_picture else self._title()}
        show(data, metadata=metadata, raw=True)
        self._static_preview.show()


def _is(one: AnnotatedObject | SegmentedObject, active: AnnotatedObject | None) -> bool:
    return active is not None and one.id == active.id
