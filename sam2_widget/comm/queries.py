"""Answers queries of pages, which change nothing: previews, tiles, frames, pixel values."""

from __future__ import annotations

import numpy as np

from sam2_widget.annotation.planes import Planes
from sam2_widget.comm import wire
from sam2_widget.comm.frames import FrameServer
from sam2_widget.comm.previews import Previews
from sam2_widget.comm.publishing import Publisher, Send
from sam2_widget.comm.requests import Frames, Hover, Press, Probe, Query, Tiles
from sam2_widget.comm.tiles import TileServer


class QueryHandler:
    """Answers the queries of pages.

    Parameters
    ----------
    planes : Planes
    publisher : Publisher
    send : callable
        Sends a custom message: content and buffers.
    """

    def __init__(
        self,
        planes: Planes,
        publisher: Publisher,
        *,
        send: Send,
    ) -> None:
        self._previews = Previews(planes, publisher, send)
        self._tiles = TileServer(planes, send)
        self._frames = FrameServer(planes, send)
        self._planes = planes
        self._send = send

    def handle(self, query: Query) -> None:
        """Answer a query, at once or in the background."""
        if isinstance(query, Press):
            self._previews.predict_press(query)
        elif isinstance(query, Hover):
            self._previews.request(query)
        elif isinstance(query, Tiles):
            self._tiles.request(query)
        elif isinstance(query, Frames):
            self._frames.request(query)
        else:
            self._send_values(query)

    def _send_values(self, probe: Probe) -> None:
        shown = self._planes.picture
        numbers = shown.image.values
        height, width = numbers.shape[:2]
        values: list[float] = []
        if shown.index == probe.plane and 0 <= probe.x < width and 0 <= probe.y < height:
            values = np.atleast_1d(numbers[int(probe.y), int(probe.x)]).tolist()
        self._send(wire.probe_message(probe, values).content, [])
