"""A model on a Ray cluster behind `sam2_widget.predictor.Predictor`.

The cluster's side is `sam2_widget.ray`. The kernel needs neither torch nor Ray: it speaks HTTP. Ray
Serve sends all that is said of one image to one replica, which keeps the embedding. If that replica
is lost, or has dropped it, the image is sent again, and the click goes on.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import msgspec

from sam2_widget import errors
from sam2_widget.errors import ClusterError, DeviceError, MessageError, ModelError
from sam2_widget.models import remote
from sam2_widget.models.cache import image_key
from sam2_widget.predictor import Candidates, Embedding, PromptArrays, UInt8Array
from sam2_widget.weak import Watchers

if TYPE_CHECKING:
    import httpx

M = TypeVar("M", bound=msgspec.Struct)

DEFAULT_TIMEOUT = 30.0
ENCODED_AT_ONCE = 2
"""Images on their way to each replica: one arrives while another is encoded."""
CONNECT_TIMEOUT = 5.0
"""Seconds after which nobody is there; it is tried again as long as there is time."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two tries; each pause is twice the one before."""

_OK = 200
_WAITING = {
    404: "Waiting for the cluster: the model is being started",
    429: "Waiting for the cluster: it is busy with other users",
}
_LOST = "Waiting for the cluster: a part of it was lost, and the click goes to another"
_UNREACHABLE = "Waiting for the cluster: it cannot be reached"
_REFUSED = {401, 403}


@dataclass(frozen=True, slots=True, eq=False)
class RayEmbedding:
    """An image whose embedding is on the cluster, and the image, to make it anew if it is lost."""

    key: str
    rgb: UInt8Array

    @property
    def nbytes(self) -> int:
        """Memory in this kernel in bytes."""
        return self.rgb.nbytes


class RayPredictor:
    """A model on a Ray cluster; get it from `ray_model`.

    Calls may come from any thread, and several at once. Each ends within `timeout`.

    Parameters
    ----------
    client : httpx.Client
        With the base URL, headers and certificates to use.
    timeout : float
        Seconds for one answer, waits and tries included.
    """

    def __init__(self, client: httpx.Client, *, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self._watchers = Watchers()
        self._waiting = ""
        info = self._ask("info", None, "", remote.Info, self._deadline())
        if info is None:
            raise ClusterError(f"{client.base_url} is no cluster with a model of sam2-widget")
        self._info = info

    @property
    def name(self) -> str:
        """Name of the model, as the cluster loaded it."""
        return self._info.name

    @property
    def device(self) -> str:
        """Where it computes."""
        return f"{self._info.device} at {self._client.base_url.netloc.decode()}"

    @property
    def logits_size(self) -> tuple[int, int]:
        """(h, w) of the logits that it gives and takes."""
        return self._info.logits_size

    @property
    def note(self) -> str:
        """One sentence that the user must know of the model, or empty."""
        return self._info.note

    @property
    def waiting(self) -> str:
        """What is waited for at this moment, or empty."""
        return self._waiting

    @property
    def parallel(self) -> int:
        """How many images to have encoded at once, for all replicas to be at work."""
        return ENCODED_AT_ONCE * self._info.replicas

    def watch(self, changed: Callable[[], None]) -> None:
        """Have a bound method called when `waiting` changes, for as long as its object lives."""
        self._watchers.add(changed)

    def embed(self, image: UInt8Array) -> Embedding:
        """Have an RGB image encoded, (H, W, 3) uint8.

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
        """Have masks decoded, one, or three if `multimask`.

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
        question = remote.encode(remote.pack_prompts(key, prompts, multimask=multimask))
        while True:
            found = self._ask("predict", question, key, remote.CandidatesMessage, deadline)
            if found is not None:
                return remote.unpack_candidates(found)
            self._embed(embedding, deadline)

    def embed_ahead(self, image: UInt8Array) -> bool:
        """Have an image encoded for later; nothing is kept in this kernel.

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

    def _embed(self, embedding: RayEmbedding, deadline: float) -> bool:
        """Have the cluster hold an embedding; False if it did so before, and no image was sent."""
        for rgb in (None, remote.pack(embedding.rgb)):
            message = remote.encode(remote.ImageMessage(embedding.key, rgb))
            if self._ask("embed", message, embedding.key, remote.Held, deadline) is not None:
                return rgb is not None
        raise ClusterError("the cluster did not keep the image: raise cache_bytes there")

    def _ask(
        self, path: str, body: bytes | None, key: str, kind: type[M], deadline: float
    ) -> M | None:
        """Ask until there is an answer or no time; None if the embedding is not there."""
        pause = FIRST_PAUSE
        try:
            while True:
                reply, reason = self._send(path, body, key, deadline)
                if reply is not None and reply.status_code == remote.NOT_HELD:
                    return None
                if reply is not None and reply.status_code == _OK:
                    return self._read(reply.content, kind)
                if reply is not None and reply.status_code == remote.FAILED:
                    raise _failure(self._read(reply.content, remote.Failure))
                self._wait(reason, min(pause, LONGEST_PAUSE), deadline)
                pause *= 2
        finally:
            self._say("")

    def _send(
        self, path: str, body: bytes | None, key: str, deadline: float
    ) -> tuple[httpx.Response | None, str]:
        """One try: the reply, or None, and what there is to wait for if it is no answer."""
        import httpx  # noqa: PLC0415 - not where the widget is imported

        left = max(deadline - time.monotonic(), 0.001)
        times = httpx.Timeout(left, connect=min(left, CONNECT_TIMEOUT))
        method, headers = "GET" if body is None else "POST", {remote.KEY_HEADER: key}
        try:
            reply = self._client.request(
                method, path, content=body, headers=headers if key else None, timeout=times
            )
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return None, _UNREACHABLE
        except httpx.TransportError:
            return None, _LOST
        if reply.status_code in _REFUSED:
            raise ClusterError(
                f"{self._client.base_url} refused the request ({reply.status_code}): pass what it "
                "asks for, ray_model(url, headers={'Authorization': …})"
            )
        return reply, _WAITING.get(reply.status_code, _LOST)

    def _read(self, content: bytes, kind: type[M]) -> M:
        try:
            return remote.decode(content, kind)
        except MessageError as error:
            raise ClusterError(
                f"{self._client.base_url} answers with something else: {error}; is it the URL of "
                "sam2-widget, in the version that is installed here?"
            ) from error

    def _wait(self, reason: str, pause: float, deadline: float) -> None:
        if time.monotonic() + pause >= deadline:
            raise ClusterError(
                f"no answer from {self._client.base_url} within {self._timeout:g} s "
                f"({reason.removeprefix('Waiting for the cluster: ')})"
            )
        self._say(reason)
        time.sleep(pause)

    def _say(self, waiting: str) -> None:
        if waiting == self._waiting:
            return
        self._waiting = waiting
        self._watchers()

    def _deadline(self) -> float:
        return time.monotonic() + self._timeout


def _failure(told: remote.Failure) -> ModelError:
    """An error of the model on the cluster, as this package's own."""
    kind = getattr(errors, told.kind, ModelError)
    if not (isinstance(kind, type) and issubclass(kind, ModelError)):
        return ModelError(told.message)
    # Its devices are not this kernel's, which has nothing to free for them.
    return ClusterError(told.message) if issubclass(kind, DeviceError) else kind(told.message)


def ray_model(
    url: str = "http://localhost:8000",
    *,
    timeout: float = DEFAULT_TIMEOUT,
    headers: Mapping[str, str] | None = None,
    verify: bool | str = True,
) -> RayPredictor:
    """Use a model that runs on a Ray cluster, started there by `sam2_widget.ray`.

    Parameters
    ----------
    url : str
        Of the cluster's Ray Serve, or of the proxy that guards it.
    timeout : float
        Seconds to wait for one answer before the widget tells that there is none.
    headers : mapping, optional
        What the guard asks for, e.g. ``{"Authorization": "Bearer …"}``.
    verify : bool or str
        Whether to check the certificate of an ``https`` URL, or the path of those to trust.

    Returns
    -------
    RayPredictor
        To be passed to `segment` and `SegmentWidget` as `model`. The same for the same arguments.

    Raises
    ------
    ClusterError
        If there is no such cluster, or it does not answer in time.
    """
    return _connected(url, timeout, tuple(sorted((headers or {}).items())), verify=verify)


@cache
def _connected(
    url: str, timeout: float, headers: tuple[tuple[str, str], ...], *, verify: bool | str
) -> RayPredictor:
    import httpx  # noqa: PLC0415 - takes 0.1 s, which importing the package need not wait for

    try:
        client = httpx.Client(base_url=url, headers=list(headers), verify=verify)
    except (httpx.InvalidURL, OSError, ValueError) as error:
        raise ClusterError(f"{url!r} cannot be used: {error}; pass 'http://head:8000'") from error
    try:
        predictor = RayPredictor(client, timeout=timeout)
    except BaseException:
        client.close()
        raise
    if predictor.note:
        warnings.warn(predictor.note, stacklevel=3)
    return predictor
