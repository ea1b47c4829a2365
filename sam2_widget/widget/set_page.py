"""The page of a set, above its widget: bar, strip of images, search and details."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import traitlets

from sam2_widget._utils.weakrefs import weak_callback
from sam2_widget.comm.review_requests import CropsRequest, ReviewRequest, RowsRequest
from sam2_widget.comm.set_messages import SetKernelMessage, SetTraits
from sam2_widget.comm.set_receiving import SetReceiver
from sam2_widget.comm.set_requests import ItemsRequest, SetAction, ThumbnailsRequest
from sam2_widget.widget.front_end import front_end
from sam2_widget.widget.page_widget import PageWidget


class SetPage(PageWidget):
    """What is shown above the widget of a set. Its traits are written by the kernel only.

    Parameters
    ----------
    state : SetTraits
        All traits.
    perform, items, thumbnails, review, crops : callable
        See `SetReceiver`.
    """

    _esm = front_end("set.js")
    _css = front_end("set.css")

    _images = traitlets.Dict().tag(sync=True)
    _shown = traitlets.Dict().tag(sync=True)
    _progress = traitlets.Dict().tag(sync=True)
    _search = traitlets.Dict().tag(sync=True)
    _review = traitlets.Dict().tag(sync=True)
    _declared = traitlets.Dict().tag(sync=True)
    _notice = traitlets.Dict().tag(sync=True)
    _acks = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        state: SetTraits,
        *,
        perform: Callable[[SetAction], object],
        items: Callable[[ItemsRequest], object],
        thumbnails: Callable[[ThumbnailsRequest], object],
        review: Callable[[ReviewRequest | RowsRequest], object],
        crops: Callable[[CropsRequest], object],
    ) -> None:
        self._receiver = SetReceiver(
            perform=perform,
            items=items,
            thumbnails=thumbnails,
            review=review,
            crops=crops,
            resend=weak_callback(self._resend),
            acknowledge=weak_callback(self._acknowledge),
            refuse=weak_callback(self.notify),
        )
        super().__init__(**state)
        self.on_msg(lambda page, content, _: page._receiver.message(content))  # noqa: SLF001

    def update(self, state: Mapping[str, Any]) -> None:
        """Send traits that have changed."""
        for name, value in state.items():
            setattr(self, name, value)

    def notify(self, client: str, text: str) -> None:
        """Show a sentence on the page `client`; "" stands for all pages."""
        self._notice = {"count": self._notice["count"] + 1, "client": client, "text": text}

    def send_answer(self, content: SetKernelMessage, buffers: list[bytes]) -> None:
        """Send the answer to a request, unless the page was closed."""
        if self.comm is not None:
            self.send(content, buffers)

    def _acknowledge(self, acks: dict[str, int]) -> None:
        self._acks = acks

    def _resend(self) -> None:
        self.send_state(list(SetTraits.__annotations__))

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Handle traits from a page: none is accepted."""

    def __repr__(self) -> str:
        shown, done = self._shown["name"], self._progress["done"]
        return f"SetPage({done} of {self._images['total']} done, {shown!r} is shown)"
