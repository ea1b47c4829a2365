"""One Chromium for both sides, and the bytes on its WebSockets."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.browser.lab import chromium

VIEWPORT: ViewportSize = {"width": 1280, "height": 900}


@contextmanager
def open_page() -> Iterator[Page]:
    """A page of a fresh headless Chromium, which has no GPU."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"],
            env={**os.environ, "LANG": "C.UTF-8"},
        )
        yield browser.new_context(viewport=VIEWPORT).new_page()
        browser.close()


class Traffic:
    """Bytes of WebSocket frames, both ways, since `reset`.

    The picture for the saved notebook comes after a rest and is counted apart.
    """

    def __init__(self, page: Page) -> None:
        self.up = self.down = self.saved_picture = 0
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.webSocketFrameSent", lambda event: self._add(event, up=True))
        session.on("Network.webSocketFrameReceived", lambda event: self._add(event, up=False))

    def reset(self) -> None:
        """Count from 0."""
        self.up = self.down = self.saved_picture = 0

    @property
    def both(self) -> int:
        """Bytes up and down together."""
        return self.up + self.down

    def _add(self, event: dict[str, Any], *, up: bool) -> None:
        response = event["response"]
        text = response["payloadData"]
        # Binary frames come in base64.
        frame = base64.b64decode(text) if response["opcode"] == 2 else text.encode()  # noqa: PLR2004
        if b'"update_display_data"' in frame[:600]:
            self.saved_picture += len(frame)
        elif up:
            self.up += len(frame)
        else:
            self.down += len(frame)


def heap_bytes(page: Page) -> int:
    """JavaScript heap of the page after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    session.detach()
    return next(int(each["value"]) for each in metrics if each["name"] == "JSHeapUsedSize")
