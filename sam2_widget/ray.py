"""The model on a Ray cluster: a Ray Serve application, for those who run the cluster.

::

    serve run sam2_widget.ray:app model=tiny replicas=4 num_gpus=0.25

Kernels then use `sam2_widget.ray_model`. Only this module imports Ray; kernels do not need it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

from sam2_widget.errors import DeviceError, MessageError, MissingLibraryError, SettingError
from sam2_widget.models import worker
from sam2_widget.models.batches import DecodeRequest
from sam2_widget.models.cluster import protocol as remote
from sam2_widget.models.cluster import track_protocol as tracking
from sam2_widget.models.cluster import tracks
from sam2_widget.models.cluster.replica import DEFAULT_CAPACITY, ModelFaultError, Replica, Reply
from sam2_widget.predictor import Candidates, Embedding, Frame

try:
    from ray import serve
    from ray.serve.config import BackpressureConfig, RequestRouterConfig
    from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter
    from starlette.requests import Request
    from starlette.responses import Response
except ImportError as error:
    raise MissingLibraryError(
        f"Ray Serve is not installed ({error}): pip install 'sam2-widget[ray]'"
    ) from error

T = TypeVar("T")

RETRY_AFTER = 1.0
"""Seconds after which a kernel whose request was refused may retry."""

RECEIVE_TIMEOUT = 60.0
"""Seconds that a request may take to arrive."""

RECEIVED_AT_ONCE = 512 * 2**20
"""Bytes of requests that a replica holds; further requests are refused with a time to retry."""

_LIMITS = {
    "/embed": remote.MOST_IMAGE_BYTES,
    "/predict": remote.MOST_PROMPTS_BYTES,
    "/frame": remote.MOST_IMAGE_BYTES,
    "/remember": tracking.MOST_KEYFRAME_BYTES,
    "/follow": tracking.MOST_FOLLOW_BYTES,
}

_Positive = Annotated[int, msgspec.Meta(gt=0)]
_Share = Annotated[float, msgspec.Meta(ge=0)]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of `app`.

    Attributes
    ----------
    model : str
        As in `load_model`: a name, a hub id, or a path that all nodes of the cluster have.
    device : str or None
        As in `load_model`.
    replicas : int
        Number of processes that hold the model.
    max_replicas : int
        If larger, Ray adds replicas up to that many under load, and removes them again.
    num_gpus, num_cpus : float
        Number, or fraction, of a node's processors that a replica uses.
    cache_bytes : int
        Most bytes of embeddings that a replica caches on its device.
    track_bytes : int
        Most bytes of the model's memories of tracked objects, likewise.
    batch : int
        Number of clicks decoded in one run; with 1, masks are exactly those of a model in the
        kernel.
    ongoing : int
        Number of requests that a replica processes concurrently.
    queue : int
        Number of requests that may wait for it at each proxy; further ones are refused with a time
        to retry.
    image_size : int or None
        As in `load_model`.
    """

    model: str = "auto"
    device: str | None = None
    replicas: _Positive = 1
    max_replicas: _Positive = 1
    num_gpus: _Share = 0
    num_cpus: _Share = 1
    cache_bytes: _Positive = DEFAULT_CAPACITY
    track_bytes: _Positive = tracks.DEFAULT_CAPACITY
    batch: _Positive = 1
    ongoing: _Positive = 16
    queue: _Positive = 64
    image_size: int | None = None


class Segmenter:
    """A replica behind Ray Serve's HTTP proxy.

    Parameters
    ----------
    options : Options
    """

    def __init__(self, options: Options) -> None:
        self._replica = Replica(
            options.model,
            device=options.device,
            capacity=options.cache_bytes,
            batch=options.batch,
            image_size=options.image_size,
            track_capacity=options.track_bytes,
        )
        self._received = 0
        self._replicas = options.replicas
        # Only one image at a time is queued for encoding, so that a click waits for one at most.
        self._encoder = asyncio.Semaphore(1)
        # Ray's decorator adds this method, which its types do not show.
        self._decode.set_max_batch_size(options.batch)  # type: ignore[attr-defined]

    def check_health(self) -> None:
        """Health check of Ray Serve, which replaces this process if it raises."""
        self._replica.check_health()

    async def __call__(self, request: Request) -> Response:
        """Answer one message."""
        body = _Body(self)
        try:
            content = await asyncio.wait_for(body.read(request), RECEIVE_TIMEOUT)
            status, reply = await self._answer(request.url.path, content)
        except _BusyError:
            return Response(status_code=429)
        except asyncio.TimeoutError:
            late = MessageError(f"the request did not arrive within {RECEIVE_TIMEOUT:g} s")
            status, reply = self._replica.refused(late)
        except ModelFaultError as fault:
            status, reply = fault.reply
        except Exception as error:  # noqa: BLE001 - any failure must reach the user
            status, reply = self._replica.refused(error)
        finally:
            body.forget()
        return Response(remote.encode(reply), status, media_type="application/msgpack")

    def receive(self, count: int) -> None:
        """Add to the count of bytes of requests that are held; negative when they are released."""
        if count > 0 and self._received + count > RECEIVED_AT_ONCE:
            raise _BusyError
        self._received += count

    async def _answer(self, path: str, body: bytes) -> Reply:
        if path.endswith("/predict"):
            return await self._predict(remote.decode(body, remote.PromptsMessage))
        if path.endswith("/embed"):
            return await self._embed(remote.decode(body, remote.ImageMessage))
        if path.endswith("/frame"):
            return await self._frame(remote.decode(body, remote.ImageMessage))
        if path.endswith("/remember"):
            return await self._remember(remote.decode(body, tracking.RememberMessage))
        if path.endswith("/follow"):
            return await self._follow(remote.decode(body, tracking.FollowMessage))
        return self._replica.info(self._replicas)

    async def _embed(self, message: remote.ImageMessage) -> Reply:
        found = self._replica.held(message.key)
        if message.rgb is None or found[0] == 200:  # noqa: PLR2004 - HTTP's OK
            return found
        async with self._encoder:
            found = self._replica.held(message.key)
            if found[0] == 200:  # noqa: PLR2004 - another kernel has sent it meanwhile
                return found
            embedding = await self._encode(message)
        self._replica.answered()
        return self._replica.keep(message.key, embedding)

    async def _encode(self, message: remote.ImageMessage) -> Embedding:
        try:
            return await _on_model_thread(lambda: self._replica.embed(message))
        except DeviceError:
            # Out of memory: data that other users lose are computed again at their next click.
            self._replica.drop_all()
            return await _on_model_thread(lambda: self._replica.embed(message))

    async def _predict(self, message: remote.PromptsMessage) -> Reply:
        request = self._replica.decode_request(message)
        if not isinstance(request, DecodeRequest):
            return request
        candidates: Candidates = await self._decode(request)
        self._replica.answered()
        return 200, remote.pack_candidates(candidates)

    # --- tracks -----------------------------------------------------------------------------------

    async def _frame(self, message: remote.ImageMessage) -> Reply:
        """Store a frame: its embedding, and its pixels, which some trackers use."""
        if message.rgb is not None:
            rgb = await asyncio.to_thread(self._replica.image, message)
            self._replica.held_tracks.keep_pixels(message.key, rgb)
            found = await self._embed(message)
            if found[0] != 200:  # noqa: PLR2004 - HTTP's OK
                return found
        return self._replica.has_frame(message.key)

    async def _remember(self, message: tracking.RememberMessage) -> Reply:
        frame = self._replica.frame(message.frame)
        if not isinstance(frame, Frame):
            return frame
        keyframe = self._replica.keyframe(message)
        memory = await self._tracked(lambda: self._replica.remember(frame, keyframe))
        return 200, self._replica.held_tracks.keep([memory])[0]

    async def _follow(self, message: tracking.FollowMessage) -> Reply:
        frame = self._replica.frame(message.frame)
        if not isinstance(frame, Frame):
            return frame
        try:
            some = [self._replica.held_tracks.track(one) for one in message.tracks]
        except tracks.MemoryLostError:
            return self._replica.memory_lost()
        found = await self._tracked(lambda: self._replica.follow(frame, some))
        memories = self._replica.held_tracks.keep([memory for _, memory in found])
        return 200, tracking.pack_followed([mask for mask, _ in found], memories)

    async def _tracked(self, job: Callable[[], T]) -> T:
        """Run a job of the tracker, which itself goes to the model's thread for each object."""
        try:
            found = await asyncio.to_thread(job)
        except DeviceError:
            # Out of memory: data that other users lose are computed again at their next click.
            self._replica.drop_all()
            found = await asyncio.to_thread(job)
        self._replica.answered()
        return found

    # Without waiting for more: requests that arrived during the last run form the next batch.
    @serve.batch(max_batch_size=1, batch_wait_timeout_s=0)
    async def _decode(self, requests: list[DecodeRequest]) -> list[Candidates]:
        return await self._decode_all(requests)

    async def _decode_all(self, requests: list[DecodeRequest]) -> list[Candidates]:
        return await _on_model_thread(lambda: self._replica.predict(requests))


class _BusyError(Exception):
    """There is no room for another request."""


class _Body:
    """The body of one request, whose bytes are counted while it is held."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._count = 0

    async def read(self, request: Request) -> bytes:
        """The whole body; MessageError as soon as it is too long."""
        path = request.url.path
        limit = next((most for end, most in _LIMITS.items() if path.endswith(end)), 0)
        parts = []
        async for part in request.stream():
            if self._count + len(part) > limit:
                raise MessageError(f"a message to {path!r} may have {limit} bytes")
            self._segmenter.receive(len(part))
            self._count += len(part)
            parts.append(part)
        return b"".join(parts)

    def forget(self) -> None:
        """Subtract it from the count."""
        self._segmenter.receive(-self._count)
        self._count = 0


async def _on_model_thread(job: Callable[[], T]) -> T:
    return await asyncio.wrap_future(worker.local.submit(job))


def app(arguments: dict[str, Any]) -> serve.Application:
    """Build the application.

    Parameters
    ----------
    arguments : dict
        See `Options`; strings from the command line are converted to numbers where needed.

    Raises
    ------
    SettingError
        If an option does not exist, or its value is not valid.
    """
    try:
        options = msgspec.convert(arguments, Options, strict=False)
    except msgspec.ValidationError as error:
        raise SettingError(f"the options {arguments!r} are wrong: {error}") from error
    configured = serve.deployment(
        name="sam2-widget",
        max_ongoing_requests=options.ongoing,
        max_queued_requests=options.queue,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=RETRY_AFTER),
        ray_actor_options={"num_cpus": options.num_cpus, "num_gpus": options.num_gpus},
        request_router_config=_router(),
        **_size(options),
    )
    return configured(Segmenter).bind(options)


def _router() -> RequestRouterConfig:
    """Routes by the image's key, so that all requests for an image reach the same replica."""
    return RequestRouterConfig(
        # A class is allowed, too, which its types do not show.
        request_router_class=ConsistentHashRouter,  # type: ignore[arg-type]
        request_router_kwargs={"num_fallback_replicas": 0},
    )


def _size(options: Options) -> dict[str, Any]:
    if options.max_replicas <= options.replicas:
        return {"num_replicas": options.replicas}
    limits = {"min_replicas": options.replicas, "max_replicas": options.max_replicas}
    return {"autoscaling_config": limits}
