"""A model on a Ray cluster as a `sam2_widget.predictor.Predictor`.

The cluster's side is `sam2_widget.ray`. The kernel uses HTTP and needs neither torch nor Ray. Ray
Serve routes all requests about an image to the same replica, which caches the embedding. If that
replica is lost, or has evicted it, the image is sent again, without an error for the user.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from sam2_widget import errors
from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.weakrefs import WeakCallbacks
from sam2_widget.errors import (
    ClusterError,
    DeviceError,
    MessageError,
    ModelError,
    TrackLostError,
)
from sam2_widget.models.cluster import protocol as remote
from sam2_widget.models.embeddings.cache import image_key
from sam2_widget.predictor import Candidates, Embedding, PromptArrays

if TYPE_CHECKING:
    import httpx

M = TypeVar("M", bound=msgspec.Struct)

DEFAULT_TIMEOUT = 30.0
ENCODED_AT_ONCE = 2
"""Images that are sent to each replica at a time: one arrives while another is encoded."""
MOST_AT_ONCE = 64
"""Largest number of images that are sent at a time, for any number of replicas."""
CONNECT_TIMEOUT = 5.0
"""Time-out of a connection in seconds; connecting is retried until the deadline."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two attempts, of which each is twice the one before, up to a limit."""

_OK = 200
_WAITING = {
    404: "Waiting for the cluster: the model is being started",
    429: "Waiting for the cluster: it is busy with other users",
}
_LOST = "Waiting for the cluster: a part of it was lost, and the click goes to another"
_SLOW = "Waiting for the cluster: it answers too slowly"
_UNREACHABLE = "Waiting for the cluster: it cannot be reached"
_REFUSED = {401, 403}


@dataclass(frozen=True, slots=True, eq=False)
class RayEmbedding:
    """Key of an embedding on the cluster, and the image, to encode it again if it is lost."""

    key: str
    rgb: UInt8Array

    @property
    def nbytes(self) -> int:
        """Memory in this kernel in bytes."""
        return self.rgb.nbytes


@dataclass(frozen=True, slots=True)
class _Reply:
    """HTTP status and body."""

    status: int
    content: bytes


class RayPredictor:
    """A model on a Ray cluster; get it from `ray_model`.

    Calls may come from any thread, and several at once. Each ends within `timeout`.

    Parameters
    ----------
    client : httpx.Client
        With the base URL, headers and certificates to use.
    timeout : float
        Seconds for one call, including all waits and attempts.
    connect : callable, optional
        Creates another client when the previous one is closed.
    info : Info, optional
        Description of the cluster, if it was requested before.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        timeout: float,
        connect: Callable[[], httpx.Client] | None = None,
        info: remote.Info | None = None,
    ) -> None:
        from sam2_widget.models.cluster import deadlines  # noqa: PLC0415 - imports httpcore

        deadlines.enforce(client)
        self._client = client
        self._connect = connect
        self._lock = threading.Lock()
        self._timeout = timeout
        self._process = os.getpid()
        self._watchers = WeakCallbacks()
        self._waiting = ""
        info = info or self._call("info", None, "", remote.Info, self._deadline())
        if info is None:
            raise ClusterError(f"{client.base_url} is no cluster with a model of sam2-widget")
        self._info = remote.presentable_info(info)

    @property
    def name(self) -> str:
        """Name of the model, as the cluster loaded it."""
        return self._info.name

    @property
    def device(self) -> str:
        """Device that it computes on."""
        return f"{self._info.device} at {self._client.base_url.netloc.decode()}"

    @property
    def logits_size(self) -> tuple[int, int]:
        """(h, w) of the logits that it returns and accepts."""
        return self._info.logits_size

    @property
    def note(self) -> str:
        """A sentence on the model for the user, or empty."""
        return self._info.note

    @property
    def info(self) -> remote.Info:
        """Description of the cluster by itself."""
        return self._info

    @property
    def waiting(self) -> str:
        """Why a call is waiting now, or empty."""
        return self._waiting

    @property
    def parallel(self) -> int:
        """Number of images to encode at a time, so that all replicas are busy."""
        return min(ENCODED_AT_ONCE * self._info.replicas, MOST_AT_ONCE)

    def watch(self, changed: Callable[[], None]) -> None:
        """Call a bound method when `waiting` changes, as long as its object exists."""
        self._watchers.add(changed)

    def embed(self, image: UInt8Array) -> Embedding:
        """Encode an RGB image, (H, W, 3) uint8, on the cluster.

        Raises
        ------
        ClusterError
            If the cluster does not answer in time.
        ModelError
            If the model there fails.
        """
        embedding = RayEmbedding(image_key(image), image)
        self._embed(embedding, self._deadline())
        return embedding

    def predict(
        self, embedding: Embedding, prompts: PromptArrays, *, multimask: bool
    ) -> Candidates:
        """Decode masks on the cluster, one, or three if `multimask`.

        Raises
        ------
        ClusterError
            If the cluster does not answer in time.
        ModelError
            If the model there fails.
        """
        if not isinstance(embedding, RayEmbedding):
            raise TypeError(f"embedding must be what embed() returned, got {embedding!r}")
        key, deadline = embedding.key, self._deadline()
        body = remote.encode(remote.pack_prompts(key, prompts, multimask=multimask))
        while True:
            found = self._call("predict", body, key, remote.CandidatesMessage, deadline)
            if found is not None:
                return self._candidates(found, 3 if multimask else 1)
            self._embed(embedding, deadline)

    def _candidates(self, message: remote.CandidatesMessage, count: int) -> Candidates:
        try:
            found = remote.unpack_candidates(message)
        except MessageError as error:
            raise self._no_reply(error) from error
        if len(found.scores) != count:
            raise self._no_reply(f"{len(found.scores)} masks, not {count}")
        return found

    def embed_ahead(self, image: UInt8Array) -> bool:
        """Encode an image for later; nothing is stored in this kernel.

        Returns
        -------
        bool
            False if the cluster held it already.

        Raises
        ------
        ClusterError
            If the cluster does not answer in time.
        ModelError
            If the model there fails.
        """
        return self._embed(RayEmbedding(image_key(image), image), self._deadline())

    def close(self) -> None:
        """Close the connections; the next call opens others."""
        self._client.close()

    def _connected(self) -> httpx.Client:
        from sam2_widget.models.cluster import deadlines  # noqa: PLC0415 - imports httpcore

        with self._lock:
            if self._client.is_closed and self._connect is not None:
                self._client = self._connect()
                deadlines.enforce(self._client)
            return self._client

    def _embed(self, embedding: RayEmbedding, deadline: float) -> bool:
        """Encode an image on the cluster; False if that had been done, and no image was sent."""
        for rgb in (None, remote.pack(embedding.rgb)):
            message = remote.encode(remote.ImageMessage(embedding.key, rgb))
            if self._call("embed", message, embedding.key, remote.Held, deadline) is not None:
                return rgb is not None
        raise ClusterError("the cluster did not keep the image: raise cache_bytes there")

    def _call(
        self, path: str, body: bytes | None, key: str, kind: type[M], deadline: float
    ) -> M | None:
        """Repeat a request until a reply or the deadline; None if the embedding is missing."""
        pause = FIRST_PAUSE
        try:
            while True:
                reply, reason = self._send(path, body, key, deadline)
                if reply is not None and reply.status == remote.NOT_HELD:
                    return None
                if reply is not None and reply.status == remote.MEMORY_LOST:
                    raise TrackLostError(
                        "a part of the cluster was lost, and with it what the model remembers of "
                        "an object: track it again"
                    )
                if reply is not None and reply.status == _OK:
                    return self._read(reply.content, kind)
                if reply is not None and reply.status == remote.FAILED:
                    raise _failure(self._read(reply.content, remote.Failure))
                self._wait(reason, min(pause, LONGEST_PAUSE), deadline)
                pause *= 2
        finally:
            self._set_waiting("")

    def _send(
        self, path: str, body: bytes | None, key: str, deadline: float
    ) -> tuple[_Reply | None, str]:
        """One attempt: the reply or None, and the reason to wait if there is no result."""
        import httpx  # noqa: PLC0415 - not where the widget is imported

        if os.getpid() != self._process:
            raise ClusterError(
                "this process was forked from the one that connected to the cluster, and cannot "
                "share its connections: call ray_model here, too"
            )
        client = self._connected()
        try:
            reply = self._http_reply(client, path, body, key, deadline)
        except RuntimeError:
            if not client.is_closed or self._connect is None:
                raise
            return None, _LOST  # another thread has just closed it
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return None, _UNREACHABLE
        except httpx.TimeoutException:
            return None, _SLOW
        except httpx.TransportError:
            return None, _LOST
        if reply.status in _REFUSED:
            raise ClusterError(
                f"{self._client.base_url} refused the request ({reply.status}): pass the "
                "headers that it requires, ray_model(url, headers={'Authorization': …})"
            )
        return reply, _WAITING.get(reply.status, _LOST)

    def _http_reply(
        self, client: httpx.Client, path: str, body: bytes | None, key: str, deadline: float
    ) -> _Reply:
        import httpx  # noqa: PLC0415

        from sam2_widget.models.cluster import deadlines  # noqa: PLC0415

        left = max(deadline - time.monotonic(), 0.001)
        times = httpx.Timeout(left, connect=min(left, CONNECT_TIMEOUT))
        # Not compressed: a compressed reply may expand without a limit.
        headers = {"Accept-Encoding": "identity", **({remote.KEY_HEADER: key} if key else {})}
        method = "GET" if body is None else "POST"
        with (
            deadlines.until(deadline),
            client.stream(method, path, content=body, headers=headers, timeout=times) as reply,
        ):
            return _Reply(reply.status_code, self._content(reply, deadline))

    def _content(self, reply: httpx.Response, deadline: float) -> bytes:
        """Body of a reply, within limits of size and time."""
        import httpx  # noqa: PLC0415

        if reply.headers.get("Content-Encoding", "identity") != "identity":
            raise self._no_reply("it is compressed, which was not asked for")
        content = bytearray()
        for part in reply.iter_bytes():
            content += part
            if len(content) > remote.MOST_REPLY_BYTES:
                raise self._no_reply(f"it has more than {remote.MOST_REPLY_BYTES} bytes")
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("the deadline has passed")
        return bytes(content)

    def _read(self, content: bytes, kind: type[M]) -> M:
        try:
            return remote.decode(content, kind)
        except MessageError as error:
            raise self._no_reply(error) from error

    def _no_reply(self, reason: object) -> ClusterError:
        return ClusterError(
            f"{self._client.base_url} answers with something else: {reason}; is it the URL of "
            "sam2-widget, in the version that is installed here?"
        )

    def _wait(self, reason: str, pause: float, deadline: float) -> None:
        if time.monotonic() + pause >= deadline:
            raise ClusterError(
                f"no answer from {self._client.base_url} within {self._timeout:g} s "
                f"({reason.removeprefix('Waiting for the cluster: ')})"
            )
        self._set_waiting(reason)
        time.sleep(pause)

    def _set_waiting(self, waiting: str) -> None:
        if waiting == self._waiting:
            return
        self._waiting = waiting
        self._watchers()

    def _deadline(self) -> float:
        return time.monotonic() + self._timeout


def _failure(failure: remote.Failure) -> ModelError:
    """The exception for an error of the model on the cluster."""
    kind, message = getattr(errors, failure.kind, ModelError), remote.printable(failure.message)
    if not (isinstance(kind, type) and issubclass(kind, ModelError)):
        return ModelError(message)
    # The memory is not this kernel's, so that freeing memory here would not help.
    return ClusterError(message) if issubclass(kind, DeviceError) else kind(message)
