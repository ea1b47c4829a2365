"""The model on a Ray cluster: a Ray Serve application, for those who run the cluster.

::

    serve run sam2_widget.ray:app model=tiny replicas=4 num_gpus=0.25

Kernels then use `sam2_widget.ray_model`. The only module that imports Ray; kernels need it not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

from sam2_widget.errors import DeviceError, MissingLibraryError, SettingError
from sam2_widget.models import remote, worker
from sam2_widget.models.batches import Ask
from sam2_widget.models.replica import DEFAULT_CAPACITY, Replica, Reply
from sam2_widget.predictor import Candidates, Embedding

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
"""Seconds after which a kernel that was turned away may ask again."""

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
        How many processes hold the model.
    max_replicas : int
        If larger, Ray adds replicas up to that many under load, and removes them again.
    num_gpus, num_cpus : float
        Share of a node's processors that a replica takes.
    cache_bytes : int
        Most bytes of embeddings that a replica keeps on its device.
    batch : int
        How many clicks are decoded in one run; 1 answers to the bit as a model in the kernel does.
    ongoing : int
        How many requests a replica has at hand.
    queue : int
        How many more wait in front of it, at each proxy; who comes then is told to wait.
    """

    model: str = "auto"
    device: str | None = None
    replicas: _Positive = 1
    max_replicas: _Positive = 1
    num_gpus: _Share = 0
    num_cpus: _Share = 1
    cache_bytes: _Positive = DEFAULT_CAPACITY
    batch: _Positive = 1
    ongoing: _Positive = 16
    queue: _Positive = 64


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
        )
        self._replicas = options.replicas
        # Only one at a time queues for the model: a click waits for one encoder at most.
        self._encoder = asyncio.Semaphore(1)
        # Ray's decorator has added it, which its types do not tell.
        self._decode.set_max_batch_size(options.batch)  # type: ignore[attr-defined]

    def check_health(self) -> None:
        """Tell Ray Serve whether to replace this process."""
        self._replica.check_health()

    async def __call__(self, request: Request) -> Response:
        """Answer one message."""
        try:
            status, reply = await self._answer(request.url.path, await request.body())
        except Exception as error:  # noqa: BLE001 - whatever it was, it must reach the user
            status, reply = self._replica.failed(error)
        return Response(remote.encode(reply), status, media_type="application/msgpack")

    async def _answer(self, path: str, body: bytes) -> Reply:
        if path.endswith("/predict"):
            return await self._predict(remote.decode(body, remote.PromptsMessage))
        if path.endswith("/embed"):
            return await self._embed(remote.decode(body, remote.ImageMessage))
        return self._replica.info(self._replicas)

    async def _embed(self, message: remote.ImageMessage) -> Reply:
        found = self._replica.held(message.key)
        if message.rgb is None or found[0] == 200:  # noqa: PLR2004 - HTTP's OK
            return found
        async with self._encoder:
            found = self._replica.held(message.key)
            if found[0] == 200:  # noqa: PLR2004 - somebody else has sent it meanwhile
                return found
            embedding = await self._encode(message)
        self._replica.answered()
        return self._replica.keep(message.key, embedding)

    async def _encode(self, message: remote.ImageMessage) -> Embedding:
        try:
            return await _on_model_thread(lambda: self._replica.embed(message))
        except DeviceError:
            # Out of memory. What others lose is made again when they click.
            self._replica.drop_all()
            return await _on_model_thread(lambda: self._replica.embed(message))

    async def _predict(self, message: remote.PromptsMessage) -> Reply:
        ask = self._replica.ask(message)
        if not isinstance(ask, Ask):
            return ask
        candidates: Candidates = await self._decode(ask)
        self._replica.answered()
        return 200, remote.pack_candidates(candidates)

    # Without a wait: those that came during the last run are the next batch.
    @serve.batch(max_batch_size=1, batch_wait_timeout_s=0)
    async def _decode(self, asks: list[Ask]) -> list[Candidates]:
        return await _on_model_thread(lambda: self._replica.predict(asks))


async def _on_model_thread(job: Callable[[], T]) -> T:
    return await asyncio.wrap_future(worker.local.submit(job))


def app(arguments: dict[str, Any]) -> serve.Application:
    """Build the application.

    Parameters
    ----------
    arguments : dict
        See `Options`; texts as the command line gives them are numbers where numbers are meant.

    Raises
    ------
    SettingError
        If there is no such option, or it has no such value.
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
    """Always to the replica that the image's key belongs to: encoding elsewhere costs more."""
    return RequestRouterConfig(
        # A name or a class, which its types do not tell.
        request_router_class=ConsistentHashRouter,  # type: ignore[arg-type]
        request_router_kwargs={"num_fallback_replicas": 0},
    )


def _size(options: Options) -> dict[str, Any]:
    if options.max_replicas <= options.replicas:
        return {"num_replicas": options.replicas}
    limits = {"min_replicas": options.replicas, "max_replicas": options.max_replicas}
    return {"autoscaling_config": limits}
