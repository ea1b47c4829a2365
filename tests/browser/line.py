"""A TCP proxy that simulates a bad connection: delays, stalls, drops data and disconnects."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

CHUNK = 64 * 1024
# TCP resends lost data, and later data arrives only after it: loss becomes a stall.
STALL = (0.2, 0.4)


class Line:
    """Forwards connections to 127.0.0.1:`target`.

    Parameters
    ----------
    target : int
        Port of the server.

    Attributes
    ----------
    delay : float
        Seconds in each direction.
    loss : float
        Fraction of chunks that stall.
    swallowing : frozenset of str
        Directions, ``"up"`` (to the server) or ``"down"``, in which all data is dropped. After that
        a connection cannot be used any more: call `cut`, which also ends the dropping.
    open : bool
        Whether new connections are accepted.
    slow_to_acknowledge : bool
        Data from the server is acknowledged late (after 40 ms), unless data is sent to it before.
        Linux does so for sockets that write soon after reading, other systems for all sockets.
    swallowed : int
        Chunks dropped so far.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = self.loss = 0.0
        self.swallowing = frozenset()
        self.slow_to_acknowledge = False
        self.open = True
        self.swallowed = 0
        self._random = random.Random(7)
        self._loop = asyncio.new_event_loop()
        self._writers = set()
        self._server: Any = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @contextmanager
    def running(self) -> Iterator[Line]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self._server = self._run(asyncio.start_server(self._carry, "127.0.0.1", 0))
        try:
            yield self
        finally:
            self._server.close()
            self.cut()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def cut(self):
        """Break all connections; data in transit is lost."""
        self._run(self._cut())

    async def _cut(self):
        writers, self._writers = self._writers, set()
        for writer in writers:
            writer.transport.abort()
        # The next connection may be opened at once, and none of its data must be dropped.
        self.swallowing = frozenset()

    async def _carry(self, reader, writer):
        if not self.open:
            writer.transport.abort()
            return
        with suppress(OSError):
            there, out = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers |= {writer, out}
            source = out.get_extra_info("socket")
            await asyncio.gather(
                self._pump(reader, out, "up"), self._pump(there, writer, "down", source)
            )

    async def _pump(self, reader, writer, way, source=None):
        queue = asyncio.Queue()
        writing = asyncio.ensure_future(self._write(queue, writer, way))
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if source and self.slow_to_acknowledge:
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
                stall = self._random.uniform(*STALL) if self._random.random() < self.loss else 0
                queue.put_nowait((self._loop.time() + self.delay + stall, chunk))
        queue.put_nowait((0, b""))
        await writing
        writer.close()

    async def _write(self, queue, writer, way):
        while (item := await queue.get())[1]:
            due, chunk = item
            await asyncio.sleep(max(due - self._loop.time(), 0))
            if way in self.swallowing:
                self.swallowed += 1
            else:
                with suppress(OSError):
                    writer.write(chunk)
                    await writer.drain()
