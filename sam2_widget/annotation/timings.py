"""Latency of a click by stage: timestamps taken in the page and in the kernel.

Each side measures with its own clock, and timestamps of the two are never compared: the time on the
comm is the page's round trip minus the time that the kernel measured itself.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TypedDict

MAX_CLICKS = 1000
"""Clicks whose timings are kept."""


class ClickTiming(TypedDict):
    """The kernel's share of a click, as it is sent to pages.

    Attributes
    ----------
    client : str
        The page that has sent the request.
    n : int
        The request's sequence number.
    kernel, decoder : int
        Microseconds: in total, and in the model.
    """

    client: str
    n: int
    kernel: int
    decoder: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one click went, in milliseconds.

    Attributes
    ----------
    browser : float or None
        From the event of pointer or key to the request; None until the page has reported it.
    comm : float or None
        In transit, in both directions together; None until the page has reported it.
    queue : float
        Until the model thread started.
    decoder : float
        In the model; 0 if the prediction was cached, and the remaining time if it was started
        speculatively when the button was pressed. All but `browser` and `paint` are 0 if the page
        had the mask before the click.
    kernel : float
        Everything else in the kernel.
    paint : float or None
        From the prediction to the painted frame; None until the page has reported it.
    """

    browser: float | None
    comm: float | None
    queue: float
    decoder: float
    kernel: float
    paint: float | None

    @property
    def total(self) -> float | None:
        """From event to paint; None until the page has reported it."""
        if self.browser is None or self.comm is None or self.paint is None:
            return None
        return self.browser + self.comm + self.queue + self.decoder + self.kernel + self.paint

    def __str__(self) -> str:
        inside = f"kernel {self.queue + self.kernel:.1f}, decoder {self.decoder:.1f}"
        if self.total is None:
            return f"click: {inside} (ms; the page has not reported the rest)"
        return (
            f"click {self.total:.0f} ms: browser {self.browser:.1f}, comm {self.comm:.1f}, "
            f"{inside}, paint {self.paint:.1f}"
        )


class Click:
    """The kernel's timestamps of one request, in seconds of `perf_counter`."""

    __slots__ = ("client", "decoder", "n", "page", "published", "received", "sent", "started")

    def __init__(self, client: str, n: int, received: float) -> None:
        self.client = client
        self.n = n
        self.received = received
        self.started: float | None = None
        self.decoder = 0.0
        self.published: float | None = None
        self.sent: float | None = None
        self.page: tuple[float, float, float] | None = None

    def start(self, *, model: float = 0.0) -> None:
        """Record that the model thread starts it, or did so speculatively `model` seconds ago."""
        if self.started is None:
            self.started = perf_counter() - model
            self.decoder += model

    def timing(self) -> Timing:
        """Its stages up to now."""
        end = self.sent or self.published or self.received
        queue = (self.started or self.received) - self.received
        own = end - self.received - queue - self.decoder
        inside = Timing(None, None, 1e3 * queue, 1e3 * self.decoder, 1e3 * max(own, 0.0), None)
        if self.page is None:
            return inside
        browser, trip, paint = self.page
        if trip == 0:
            # The page had the mask already and did not wait.
            return Timing(browser, 0.0, 0.0, 0.0, 0.0, paint)
        comm = max(trip - inside.queue - inside.decoder - inside.kernel, 0.0)
        return replace(inside, browser=browser, comm=comm, paint=paint)


class Timings:
    """The newest clicks of one widget. A timestamp costs a microsecond and is always taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clicks: deque[Click] = deque(maxlen=MAX_CLICKS)
        self._newest: Click | None = None

    @property
    def pending(self) -> Click | None:
        """The newest click, until its prediction is sent."""
        click = self._newest
        return click if click is not None and click.published is None else None

    def received(self, client: str, n: int, at: float) -> None:
        """Record that a request arrived, at the time `at`."""
        self._newest = Click(client, n, at)

    def publishing(self) -> ClickTiming | None:
        """The timing to send with the prediction of the newest click, once; durations in µs."""
        click = self.pending
        if click is None:
            return None
        click.published = perf_counter()
        with self._lock:
            self._clicks.append(click)
        inside, decoder = click.published - click.received, click.decoder
        return {
            "client": click.client,
            "n": click.n,
            "kernel": round(1e6 * inside),
            "decoder": round(1e6 * decoder),
        }

    def published(self) -> None:
        """Record that the prediction has been handed to the comm."""
        click = self._newest
        if click is not None and click.published is not None and click.sent is None:
            click.sent = perf_counter()

    def add_page_times(self, client: str, n: int, page: tuple[float, float, float]) -> None:
        """Record what a page measured: browser, round trip and paint, in milliseconds."""
        with self._lock:
            for click in reversed(self._clicks):
                if (click.client, click.n) == (client, n):
                    click.page = page
                    return

    def all(self) -> tuple[Timing, ...]:
        """All clicks, the newest last."""
        with self._lock:
            return tuple(click.timing() for click in self._clicks)
