"""The picture in the saved notebook: what a page without a kernel shows instead of the widget.

It is a display of its own beside the widget's. To a live page it says that it is the view of a
widget that was removed, which JupyterLab hides; nbconvert finds no state of such a widget and falls
back to the picture. It is brought up to date after each cell, and a moment after edits in the page.
"""

from __future__ import annotations

import base64
import logging
import os
import threading
import uuid
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod, WeakSet

from PIL import Image

from sam2_widget.images.view import encode_jpeg
from sam2_widget.tracebacks import log_failure

logger = logging.getLogger(__name__)

SIDE = 1024
"""Longest side of the picture in pixels."""

MAX_BYTES = 150_000
"""Of the file: 200 kB as base64, which is what a notebook holds."""

DELAY = 2.0
"""Seconds of rest after an edit in the page until the new picture is made: drawing it would slow
the clicks that follow, and many edits cost one picture."""

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

NO_VIEW = {"version_major": 2, "version_minor": 0, "model_id": ""}
"""The view of a widget that was removed."""


class Poster:
    """The pictures of one widget in a notebook's outputs.

    Parameters
    ----------
    draw : WeakMethod
        Of a method that returns the picture, with a longer side of `SIDE` at most, and a text that
        says what it shows.
    """

    def __init__(self, draw: WeakMethod[Callable[[], tuple[Image.Image, str]]]) -> None:
        self._draw = draw
        self._ids: list[str] = []
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._dirty = False

    def show(self) -> None:
        """Put the picture into the output of the running cell."""
        publisher = _publisher()
        if publisher is None:
            return
        display_id = uuid.uuid4().hex
        bundle = self._bundle()
        if bundle is None:
            return
        publisher(bundle, display_id, update=False)
        self._ids.append(display_id)
        _posters.add(self)
        _watch_cells()

    def changed(self) -> None:
        """Have the picture made anew soon."""
        with self._lock:
            self._dirty = True
            if self._timer is not None:
                self._timer.cancel()
            if self._ids:
                self._timer = threading.Timer(DELAY, self.update)
                self._timer.daemon = True
                self._timer.start()

    def update(self) -> None:
        """Bring the picture up to date now.

        One thread at a time: many masks take seconds, and edits in the meantime would start more
        and more drawings, each with its memory. Who has waited finds mostly nothing left to do.
        """
        with self._turn:
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
        """Leave the picture as it is from now on."""
        self.update()
        self._ids.clear()

    def forget(self) -> None:
        """Leave the picture as it is, for the widget is gone."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._ids.clear()

    def _bundle(self) -> dict[str, Any] | None:
        draw = self._draw()
        if draw is None:
            return None
        picture, text = draw()
        _, data = encode_jpeg(picture, MAX_BYTES)
        encoded = base64.b64encode(data).decode("ascii")
        return {WIDGET_VIEW: NO_VIEW, "image/jpeg": encoded, "text/plain": text}


_posters: WeakSet[Poster] = WeakSet()
_watched: list[object] = []


def _shell() -> Any:
    """The running IPython shell with a kernel, or None."""
    # A Voila page is always live: it needs no picture, and takes the removed view for an error.
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
    """Have all pictures brought up to date at the end of each cell, once per shell."""
    shell = _shell()
    if shell is not None and shell not in _watched:
        _watched.append(shell)
        shell.events.register("post_run_cell", lambda *_: _update_all())


def _update_all() -> None:
    for poster in list(_posters):
        poster.update()
