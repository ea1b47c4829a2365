"""The usual design (`peer_server`), clicked in the same Chromium at the same places."""

from __future__ import annotations

import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page

from benchmarks.fast.browser import Traffic
from benchmarks.fast.ours import CLICKS_AN_OBJECT, ROOT
from benchmarks.fast.pictures import places
from deploy.try_hub import free_port
from tests.browser.lab import serving


@contextmanager
def server() -> Iterator[str]:
    """The peer's server on loopback; yields its address."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        command = ["benchmarks.fast.peer_server", str(port)]
        with serving(command, Path(name), port, python_path=ROOT) as base:
            yield base


def clicks(
    page: Page,
    base: str,
    size: tuple[int, int],
    canvas: tuple[float, float],
    count: int,
    *,
    held: float = 0,
) -> list[dict[str, float]]:
    """Click `count` times on an image of `size`; the parts of each click in ms, and its bytes.

    `held` is for how many milliseconds the button is down; a click begins when it is released.
    """
    request = urllib.request.Request(f"{base}/open/{size[0]}/{size[1]}", method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=300):  # noqa: S310 - our own address
        pass
    traffic = Traffic(page)
    (width, height), (image_width, image_height) = canvas, size
    query = {
        "width": width,
        "height": height,
        "imageWidth": image_width,
        "imageHeight": image_height,
    }
    page.goto(f"{base}/?{urlencode(query)}")
    page.wait_for_function("() => window.state?.ready")
    return [_click(page, traffic, at, canvas, k, held=held) for k, at in enumerate(places(count))]


def _click(
    page: Page,
    traffic: Traffic,
    at: tuple[float, float],
    canvas: tuple[float, float],
    k: int,
    *,
    held: float,
) -> dict[str, float]:
    page.mouse.move(at[0] * canvas[0], at[1] * canvas[1])
    page.wait_for_timeout(250)
    if k % CLICKS_AN_OBJECT == 0:
        page.evaluate("() => { state.isNew = true; }")
    traffic.reset()
    page.mouse.down()
    if held:
        page.wait_for_timeout(held)
    page.mouse.up()
    page.wait_for_function("() => !state.pending && state.times.length", timeout=120_000)
    page.wait_for_function("n => state.times.length > n", arg=k, timeout=120_000)
    found: dict[str, Any] = page.evaluate("() => state.times.at(-1)")
    page.wait_for_timeout(150)
    return {**parts(found), "bytes": traffic.both}


def parts(times: dict[str, float]) -> dict[str, float]:
    """The marks of the peer's page as the parts of ours."""
    trip = times["received"] - times["sent"]
    return {
        "browser": times["sent"] - times["event"],
        "comm": max(trip - times["server"], 0.0),
        "decoder": times["decoder"],
        "kernel": times["server"] - times["decoder"],
        "paint": times["painted"] - times["received"],
        "total": times["painted"] - times["event"],
    }
