"""A TCP proxy of our own: a line that delays, stalls, swallows and breaks."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from contextlib import contextmanager, suppress

CHUNK = 64 * 1024
# TCP sends again what is lost, and nothing behind it arrives before: loss is a stall.
STALL = (0.2, 0.4)


class Line:
    """Carries connections to 127.0.0.1:`target`.

    Parameters
    ----------
    target : int
        Port of the server.

    Attributes
    ----------
    delay : float
        Seconds in each direction.
    loss : float
        Share of chunks that stall.
    swallowing : frozenset of str
        Directions, of ``"up"`` (to the server) and ``"down"``, in which all is lost. A connection
        on which something was lost is of no use any more, so `cut` it then, which ends this.
    open : bool
        Whether new connections are taken.
    slow_to_acknowledge : bool
        What the server sends is acknowledged late (40 ms), unless something is sent to it before:
        what Linux does to a socket that writes soon after it has read, and others always.
    swallowed : int
        Chunks lost so far.
    """

    def __init__(self, target):
        self.target = target
        self.delay = self.loss = 0.0
        self.swallowing = frozenset()
        self.slow_to_acknowledge = False
        self.open = True
        self.swallowed = 0
        self._random = random.Random(7)
        self._loop = asyncio.new_event_loop()
        self._writers = set()
        self._server = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @contextmanager
    def running(self):
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
        """Break all connections; what is on its way is lost."""
        self._run(self._cut())

    async def _cut(self):
        writers, self._writers = self._writers, set()
        for writer in writers:
            writer.transport.abort()
        # The next connection may come at once, and of that nothing is lost.
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
