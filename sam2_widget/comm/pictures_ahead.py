"""Sends pages the pictures of a set that will probably be shown next, while nobody waits."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget.annotation.pictures import ShownPlane
from sam2_widget.annotation.planes import Planes
from sam2_widget.comm import messages, wire
from sam2_widget.images.view import View

KEPT = 3
"""Pictures that a page keeps beside the one shown: `KEPT_PICTURES` of the front end."""

IDLE = 0.3
"""Seconds without a message of a page before a picture is sent: no answer waits behind it."""


class PicturesAhead:
    """Sends pictures ahead, and remembers which of them pages have.

    It only decides in which order a picture and its state are sent: every picture is sent again in
    the trait ``_image`` when it is shown, so that nothing depends on a message that was lost.

    Parameters
    ----------
    planes : Planes
    send : callable
        Sends a custom message: content and buffers.
    """

    def __init__(
        self, planes: Planes, send: Callable[[messages.PictureMessage, list[bytes]], None]
    ) -> None:
        self._planes = planes
        self._send = send
        self._kept: OrderedDict[int, View] = OrderedDict()
        self._last_message = monotonic()
        self._thread = TransientThreadExecutor("sam2-widget-pictures")
        self._pause = threading.Event()

    def __contains__(self, plane: object) -> bool:
        return plane in self._kept

    def message_arrived(self) -> None:
        """Send nothing for a moment: a page waits, or will soon."""
        self._last_message = monotonic()

    def prepared(self, picture: ShownPlane) -> None:
        """Send the picture of a plane that was prepared, as soon as pages are idle."""
        self._thread.submit(self._send_when_idle, self._planes.index, picture)

    def _send_when_idle(self, shown: int, picture: ShownPlane) -> None:
        while (wait := self._until_idle()) > 0:
            self._pause.wait(wait)
            if self._is_over(shown):
                return
        with self._planes.lock:
            if self._is_over(shown) or self._has(picture):
                return
            self._keep(picture)
            self._send(wire.picture_message(picture), [picture.view.data])

    def _is_over(self, shown: int) -> bool:
        return self._planes.index != shown or self._planes.shown.model.is_closed

    def _until_idle(self) -> float:
        """Seconds until a picture may be sent, as far as is known."""
        if not self._planes.shown.snapshot().is_complete:
            return IDLE
        return self._last_message + IDLE - monotonic()

    def shown(self, before: ShownPlane, after: ShownPlane) -> bool:
        """Record that pages show another plane; returns whether they have its picture already."""
        if self._planes.collection is None:
            return False
        is_there = self._has(after)
        self._keep(before)
        return is_there

    def forget(self) -> None:
        """A page has opened, or has missed messages."""
        self._kept.clear()

    def _has(self, picture: ShownPlane) -> bool:
        return self._kept.get(picture.index) is picture.view

    def _keep(self, picture: ShownPlane) -> None:
        self._kept[picture.index] = picture.view
        self._kept.move_to_end(picture.index)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
