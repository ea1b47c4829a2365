"""A cluster with wrong, slow and oversized replies, over true sockets."""

import gzip
import itertools
import os
import resource
import socket
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import msgspec
import numpy as np
import pytest

from sam2_widget import ClusterError, Point, ray_model
from sam2_widget.annotation.predictions import to_arrays
from sam2_widget.models.cluster import protocol as remote
from sam2_widget.models.cluster.client import MOST_AT_ONCE, RayPredictor
from sam2_widget.predictor import Candidates
from tests.waiting import PATIENCE

IMAGE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
CLICK = to_arrays((Point(1, 2),))
INFO = remote.Info("tiny", "cuda:0", (256, 256), "0.1", 3)
TIMEOUT = 0.8


def head(body, *more):
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


GOOD = head(remote.encode(INFO))


class HostileServer:
    """Answers the first request, for `Info`, well, and each other by what `reply` yields."""

    def __init__(self, reply, pause=0.0):
        self.reply, self.pause = reply, pause
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.ended = threading.Event()
        self.first = True

    def serve(self):
        while not self.ended.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection:
            try:
                while connection.recv(2**16):
                    self.answer(connection)
            except OSError:
                return  # the kernel has left

    def answer(self, connection):
        if self.first:
            self.first = False
            connection.sendall(GOOD)
            return
        for part in self.reply():
            connection.sendall(part)
            if self.ended.wait(self.pause):
                return

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self.serve, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.ended.set()
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            thread.join()


def byte_by_byte(data):
    return lambda: (bytes([one]) for one in itertools.chain(data, itertools.repeat(0)))


DRIPPING = {
    "body": byte_by_byte(head(b"", "Content-Type: a").replace(b": 0", b": 100000")),
    "head": byte_by_byte(b"HTTP/1.1 200 OK\r\nX-Long: "),
    "early hints": lambda: itertools.repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "chunks": lambda: itertools.chain(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"1\r\na\r\n")
    ),
}


@pytest.mark.parametrize("what", DRIPPING)
def test_slow_server_times_out(what):
    with HostileServer(DRIPPING[what], pause=0.05).running() as server:
        model = ray_model(server.url, timeout=TIMEOUT)
        started = time.monotonic()
        with pytest.raises(ClusterError, match=r"within 0\.8 s \(it answers too slowly\)"):
            model.embed(IMAGE)
        # Each byte came long before a time-out of its own, and all of them take far longer.
        assert time.monotonic() - started < PATIENCE
        model.close()


def test_server_that_does_not_read_times_out():
    never = threading.Event()
    with HostileServer(lambda: [b""] if never.wait(2 * PATIENCE) else []).running() as server:
        model = ray_model(server.url, timeout=TIMEOUT)
        started = time.monotonic()
        with pytest.raises(ClusterError, match=r"within 0\.8 s"):
            model.embed(np.zeros((3000, 3000, 3), np.uint8))
        assert time.monotonic() - started < PATIENCE
        never.set()
        model.close()


def bomb():
    """1.5 MB that become 1.5 GB."""
    return gzip.compress(b"\0" * 2**20, mtime=0) * 1500


FLOODING = {
    "compressed": (lambda: [head(bomb(), "Content-Encoding: gzip")], "is compressed"),
    "deflated": (lambda: [head(b"a", "Content-Encoding: deflate")], "is compressed"),
    "endless": (
        lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b"\0" * 2**16)),
        "more than 16777216 bytes",
    ),
    "a lie of its size": (
        lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", *[b"\0" * 2**20] * 20],
        "more than 16777216 bytes",
    ),
    "nesting": (lambda: [head(b"\x81\xa1x" + b"\x91" * 10**6 + b"\xc0")], "sent no Held"),
}


@pytest.mark.parametrize("what", FLOODING)
def test_oversized_response_is_refused_with_little_memory(what):
    reply, expected = FLOODING[what]
    with HostileServer(reply).running() as server:
        model = ray_model(server.url, timeout=60)
        before = peak()
        with pytest.raises(ClusterError, match=expected):
            model.embed(IMAGE)
        assert peak() - before < 128 * 2**20
        model.close()


def peak():
    """Most memory that this process has had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


@contextmanager
def answering(**replies):
    """A model on a cluster that gives these replies by the last part of the path."""

    def reply(request):
        given = {"info": INFO, "embed": remote.Held(8, "a:1"), **replies}
        message = given[request.url.path.strip("/")]
        status = remote.FAILED if isinstance(message, remote.Failure) else 200
        return httpx.Response(status, content=remote.encode(message))

    with httpx.Client(base_url="http://head", transport=httpx.MockTransport(reply)) as client:
        yield RayPredictor(client, timeout=3)


def candidates(logits, scores):
    given = Candidates(np.asarray(logits, np.float32), np.asarray(scores, np.float32))
    return remote.pack_candidates(given)


ONES = np.ones((3, 4, 4))
NO_CANDIDATES = {
    "NaN logits": (candidates(ONES * np.nan, [1, 1, 1]), "must be finite"),
    "infinite logits": (candidates(ONES * np.inf, [1, 1, 1]), "be finite"),
    "NaN scores": (candidates(ONES, [1, np.nan, 1]), "must be finite"),
    "no pixels": (candidates(np.ones((3, 0, 0)), [1, 1, 1]), "sides of 1 to 1024"),
    "no rows": (candidates(np.ones((3, 0, 5)), [1, 1, 1]), "sides of 1 to 1024"),
    "a long row": (candidates(np.ones((3, 1, 4096)), [1, 1, 1]), "sides of 1 to 1024"),
    "no masks": (candidates(np.ones((0, 4, 4)), []), "no answer"),
    "two masks": (candidates(np.ones((2, 4, 4)), [1, 1]), "2 masks, not 3"),
    "a score too few": (candidates(ONES, [1, 1]), "no answer"),
}


@pytest.mark.parametrize("what", NO_CANDIDATES)
def test_invalid_candidates_are_refused(what):
    message, expected = NO_CANDIDATES[what]
    with answering(predict=message) as model:
        embedding = model.embed(IMAGE)
        with pytest.raises(ClusterError, match=expected):
            model.predict(embedding, CLICK, multimask=True)


@pytest.mark.parametrize(
    "change",
    [
        {"logits_size": (0, 256)},
        {"logits_size": (2**30, 2**30)},
        {"replicas": 0},
        {"name": "a" * 201},
        {"note": "a" * 4001},
    ],
)
def test_invalid_model_description_is_refused(change):
    with pytest.raises(ClusterError, match="sent no Info"):
        answering(info=msgspec.structs.replace(INFO, **change)).__enter__()


def test_number_of_threads_per_cluster_is_limited():
    with answering(info=msgspec.structs.replace(INFO, replicas=2**20)) as model:
        assert model.parallel == MOST_AT_ONCE == 64


def test_control_characters_from_a_cluster_are_removed():
    evil = "\x1b[2J\x1b]0;owned\x07 red"
    info = msgspec.structs.replace(INFO, name=evil, note=evil, device=evil)
    with answering(info=info, embed=remote.Failure("ModelError", evil)) as model:
        with pytest.raises(Exception, match="red") as caught:
            model.embed(IMAGE)
        for text in (model.name, model.note, model.device, str(caught.value)):
            assert "red" in text
            assert text.isprintable()


def test_connections_are_refused_after_a_fork(monkeypatch):
    with answering() as model:
        assert model.embed(IMAGE).nbytes == IMAGE.nbytes
        parent = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: parent + 1)
        with pytest.raises(ClusterError, match=r"forked.*call ray_model here, too"):
            model.embed(IMAGE)
