"""The static preview: a picture in the saved notebook for pages without a kernel.

It is a separate output below the widget's, as HTML and as an image. The HTML contains a key of the
widget: a page with the live widget hides it. Without a kernel the HTML hides JupyterLab's message
"model not found" above it. Pages without JupyterLab show one of the two. It is updated after each
cell, and a moment after edits in the page.
"""

from __future__ import annotations

import base64
import html
import logging
import os
import threading
import uuid
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod, WeakSet

from PIL import Image

from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.images.view import encode_jpeg

logger = logging.getLogger(__name__)

SIDE = 1024
"""Longer side of the picture in pixels."""

MAX_BYTES = 75_000
"""Largest size of the file in bytes: as base64, twice, it takes 200 kB in the notebook."""

DELAY = 2.0
"""Seconds after the last edit in the page until the picture is updated, so that drawing does not
delay clicks, and several edits need one update."""

STYLE = """
.sam2-picture img { max-width: 100%; height: auto; }
.jp-NotebookPanel .sam2-picture { animation: sam2-picture-waits 0s 2s backwards; }
.jp-NotebookPanel .sam2-picture::after {
  content: "Saved picture. Run the cell to edit it.";
  display: block;
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size1);
}
@keyframes sam2-picture-waits { from { max-height: 0; overflow: hidden; visibility: hidden; } }
.jp-OutputArea-child:has(> .jupyter-widgets):has(
  + .jp-OutputArea-child > .jp-OutputArea-output > .sam2-picture
) {
  display: none;
}
"""
"""In JupyterLab the picture appears after two seconds, unless the widget hides it before."""


class StaticPreview:
    """The pictures of one widget in a notebook's outputs.

    Parameters
    ----------
    draw : WeakMethod
        A method that returns the picture, with a longer side of at most `SIDE`, and an alternative
        text.
    enabled : bool
        Whether the notebook gets a picture; otherwise its output is empty.

    Attributes
    ----------
    key : str
        Identifies the widget in the HTML, see `js/src/ui/static-preview.js`.
    """

    def __init__(
        self, draw: WeakMethod[Callable[[], tuple[Image.Image, str]]], *, enabled: bool = True
    ) -> None:
        self.key = uuid.uuid4().hex
        self._draw = draw
        self._enabled = enabled
        self._ids: list[str] = []
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._update_lock = threading.Lock()
        self._dirty = False

    def show(self) -> None:
        """Display the picture in the output of the running cell."""
        publisher = _publisher()
        if publisher is None:
            return
        display_id = uuid.uuid4().hex
        bundle = self._bundle()
        if bundle is None:
            return
        publisher(bundle, display_id, update=False)
        self._ids.append(display_id)
        _previews.add(self)
        _watch_cells()

    def enable(self, enabled: bool) -> None:  # noqa: FBT001 - the value itself
        """Add the picture to the notebook or remove it, at once."""
        if enabled != self._enabled:
            self._enabled = enabled
            self._dirty = True
            self.update()

    def changed(self) -> None:
        """Schedule an update."""
        with self._lock:
            self._dirty = True
            if self._timer is not None:
                self._timer.cancel()
            if self._ids:
                self._timer = threading.Timer(DELAY, self.update)
                self._timer.daemon = True
                self._timer.start()

    def update(self) -> None:
        """Update the picture now.

        One thread at a time: drawing many masks takes seconds, and edits in the meantime would
        start more and more drawings. After waiting, mostly no further update is necessary.
        """
        with self._update_lock:
            self._update()

    def _update(self) -> None:
        publisher = _publisher()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            if publisher is None or not (self._dirty and self._ids):
                return
            self._dirty = False
        try:
            bundle = self._bundle()
            for display_id in self._ids if bundle else ():
                publisher(bundle, display_id, update=True)
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "the picture for the saved notebook could not be made", error)

    def close(self) -> None:
        """Stop updating the picture."""
        self.update()
        self._ids.clear()

    def close_without_widget(self) -> None:
        """Stop updating the picture of a widget that has been freed."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._ids.clear()

    def _bundle(self) -> dict[str, Any] | None:
        if not self._enabled:
            return {"text/html": self._html("", ""), "text/plain": ""}
        draw = self._draw()
        if draw is None:
            return None
        picture, text = draw()
        _, data = encode_jpeg(picture, MAX_BYTES)
        encoded = base64.b64encode(data).decode("ascii")
        image = f'<img alt="{html.escape(text)}" src="data:image/jpeg;base64,{encoded}">'
        return {
            "text/html": self._html(image, STYLE),
            "image/jpeg": encoded,
            "text/plain": text,
        }

    def _html(self, image: str, style: str) -> str:
        styles = f"<style>{style}</style>" if style else ""
        return f'<div class="sam2-picture" data-sam2-picture="{self.key}">{image}{styles}</div>'


_previews: WeakSet[StaticPreview] = WeakSet()
_watched: list[object] = []


def _shell() -> Any:
    """The running IPython shell with a kernel, or None."""
    # A Voila page always has a kernel, and it reports the hidden view as an error.
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return None
    try:
        from IPython import get_ipython  # noqa: PLC0415
    except ImportError:
        return None
    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


def _publisher() -> Callable[..., None] | None:
    shell = _shell()
    if shell is None:
        return None

    def publish(bundle: dict[str, Any], display_id: str, *, update: bool) -> None:
        transient = {"display_id": display_id}
        shell.display_pub.publish(data=bundle, metadata={}, transient=transient, update=update)

    return publish


def _watch_cells() -> None:
    """Update all pictures at the end of each cell; registered once per shell."""
    shell = _shell()
    if shell is not None and shell not in _watched:
        _watched.append(shell)
        shell.events.register("post_run_cell", lambda *_: _update_all())


def _update_all() -> None:
    for preview in list(_previews):
        preview.update()
