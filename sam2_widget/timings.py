"""What a click costs, part by part: marks set on its way through page and kernel.

Each side measures with its own clock, and no time of one is ever compared with one of the other:
the comm's share is the page's round trip without what the kernel says it needed itself.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from time import perf_counter

KEPT = 1000
"""Clicks that are remembered."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one click went, in milliseconds.

    Attributes
    ----------
    browser : float or None
        From the event of pointer or key to the request; None until the page has told.
    comm : float or None
        On the way, both ways together; None until the page has told.
    queue : float
        Until the model thread began.
    decoder : float
        In the model; 0 where the answer was known, and what remained of it if a press foretold it.
        All but `browser` and `paint` are 0 where the page had the mask before it was clicked for.
    kernel : float
        All else in the kernel.
    paint : float or None
        From the answer to the painted frame; None until the page has told.
    """

    browser: float | None
    comm: float | None
    queue: float
    decoder: float
    kernel: float
    paint: float | None

    @property
    def total(self) -> float | None:
        """From event to paint; None until the page has told."""
        if self.browser is None or self.comm is None or self.paint is None:
            return None
        return self.browser + self.comm + self.queue + self.decoder + self.kernel + self.paint

    def __str__(self) -> str:
        inside = f"kernel {self.queue + self.kernel:.1f}, decoder {self.decoder:.1f}"
        if self.total is None:
            return f"click: {inside} (ms; the page has not told the rest)"
        return (
            f"click {self.total:.0f} ms: browser {self.browser:.1f}, comm {self.comm:.1f}, "
            f"{inside}, paint {self.paint:.1f}"
        )


class Click:
    """The kernel's marks of one request, in seconds of `perf_counter`."""

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
        """The model thread begins with it, or did so `model` seconds ago, foreseeing it."""
        if self.started is None:
            self.started = perf_counter() - model
            self.decoder += model

    def timing(self) -> Timing:
        """Its parts; as far as it has come."""
        end = self.sent or self.published or self.received
        queue = (self.started or self.received) - self.received
        own = end - self.received - queue - self.decoder
        inside = Timing(None, None, 1e3 * queue, 1e3 * self.decoder, 1e3 * max(own, 0.0), None)
        if self.page is None:
            return inside
        browser, trip, paint = self.page
        if trip == 0:
            # The page had foreseen it, and waited for nothing.
            return Timing(browser, 0.0, 0.0, 0.0, 0.0, paint)
        comm = max(trip - inside.queue - inside.decoder - inside.kernel, 0.0)
        return replace(inside, browser=browser, comm=comm, paint=paint)


class Timings:
    """The newest clicks of one widget. Marks cost a microsecond each and are always set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clicks: deque[Click] = deque(maxlen=KEPT)
        self._newest: Click | None = None

    @property
    def unanswered(self) -> Click | None:
        """The newest click, until its answer has left."""
        click = self._newest
        return click if click is not None and click.published is None else None

    def received(self, client: str, n: int, at: float) -> None:
        """Note a request that arrived `at`."""
        self._newest = Click(client, n, at)

    def publishing(self) -> dict[str, str | int] | None:
        """What a page is told with the answer to the newest click, once; durations in µs."""
        click = self.unanswered
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
        """The answer has been handed to the comm."""
        click = self._newest
        if click is not None and click.published is not None and click.sent is None:
            click.sent = perf_counter()

    def told(self, client: str, n: int, page: tuple[float, float, float]) -> None:
        """Note what a page tells of its click: browser, round trip and paint, in milliseconds."""
        with self._lock:
            for click in reversed(self._clicks):
                if (click.client, click.n) == (client, n):
                    click.page = page
                    return

    def all(self) -> tuple[Timing, ...]:
        """Clicks in their order, the newest last."""
        with self._lock:
            return tuple(click.timing() for click in self._clicks)
