"""Encodes images before they are opened: a whole set, or the next image."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from sam2_widget._utils.text import shown
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.errors import ImageError
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.images.sources import ImageLike, load_image
from sam2_widget.images.stacks import ImageStack
from sam2_widget.models import worker
from sam2_widget.models.checkpoints import ModelLike, check_device, check_model, load_model
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.predictor import Predictor, RemotePredictor

logger = logging.getLogger(__name__)

AnyImage: TypeAlias = "ImageLike | LoadedImage"

_Job: TypeAlias = tuple[str, Callable[[], LoadedImage]]
"""Name of an image, and a function that loads it."""

MAX_LISTED = 5
"""Failures that are listed in a warning."""


@dataclass(frozen=True, slots=True)
class Precomputed:
    """Result of `precompute`.

    Attributes
    ----------
    encoded, known : int
        Number of images that were encoded, and that had an embedding before.
    failures : dict of str to Exception
        Errors of the others, by file name, or by ``"image 3"``, counted from 0.
    """

    encoded: int
    known: int
    failures: dict[str, Exception]


def encode_all(
    images: Iterable[AnyImage],
    *,
    model: ModelLike = "auto",
    device: str | None = None,
    progress: bool = True,
    **options: Any,
) -> Precomputed:
    """Encode images that have no embedding yet; see `sam2_widget.precompute`."""
    from tqdm.auto import tqdm  # noqa: PLC0415 - on demand

    if isinstance(images, bytes) or hasattr(images, "read"):
        raise ImageError(f"images must be several, got {shown(images)}: pass a list of them")
    predictor, forgotten = _predictor(model, device), embeddings.forgotten
    total = len(images) if isinstance(images, Sized) else None
    found: dict[str, bool | Exception] = {}
    jobs = tqdm(_jobs(images, options), total=total, unit="image", disable=not progress)
    if isinstance(predictor, RemotePredictor):
        found.update(_encoded_elsewhere(predictor, iter(jobs)))
    else:
        for name, load in _read_ahead(iter(jobs)):
            found[name] = _encoded(predictor, load)
    failures = {name: one for name, one in found.items() if isinstance(one, Exception)}
    _warn(failures, embeddings.forgotten - forgotten)
    done = list(found.values())
    return Precomputed(done.count(True), done.count(False), failures)


def _encoded(predictor: Predictor, load: Callable[[], LoadedImage]) -> bool | Exception:
    """Encode an image unless it is cached; returns whether it was encoded, or the error."""
    calls: list[None] = []
    try:
        encode = embeddings.source(predictor, load().rgb, after=partial(calls.append, None))
        # Read here: the models' thread must not wait for a disk.
        encode.fetch()
        embeddings.wait_for_writer()
        worker.local.run(encode)
    except Exception as error:  # noqa: BLE001 - of one image only; the others go on
        return error.with_traceback(None)  # which would keep the pixels
    return bool(calls)


def _encoded_elsewhere(
    predictor: RemotePredictor, jobs: Iterator[_Job]
) -> Iterator[tuple[str, bool | Exception]]:
    """As `_encoded`, for several images concurrently, with only these in memory."""

    def encode(load: Callable[[], LoadedImage]) -> bool | Exception:
        try:
            return predictor.embed_ahead(load().rgb)
        except Exception as error:  # noqa: BLE001 - of one image only; the others go on
            return error.with_traceback(None)

    started: deque[tuple[str, Future[bool | Exception]]] = deque()
    with ThreadPoolExecutor(predictor.parallel, thread_name_prefix="sam2-widget-ahead") as pool:
        for name, load in jobs:
            started.append((name, pool.submit(encode, load)))
            if len(started) > predictor.parallel:
                first, outcome = started.popleft()
                yield first, outcome.result()
        for name, outcome in started:
            yield name, outcome.result()


def prefetch(
    image: AnyImage, *, model: ModelLike = "auto", device: str | None = None, **options: Any
) -> None:
    """Encode the next image in the background, while another is being annotated.

    Clicks have priority. A widget with the same pixels and model then need not wait for the
    encoder. Errors are logged, and shown when the image is opened.

    Parameters
    ----------
    image : see `load_image`
    model, device
        See `load_model`.
    **options
        For `load_image`, the same as for the widget.
    """
    check_model(model)
    check_device(device)

    def encode() -> None:
        try:
            rgb, predictor = _loaded(image, options).rgb, _predictor(model, device)
            if isinstance(predictor, RemotePredictor):
                predictor.embed_ahead(rgb)
            else:
                source = embeddings.source(predictor, rgb)
                source.fetch()
                worker.local.submit_idle(partial(_logged, source))
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "the image was not encoded ahead", error)

    threading.Thread(target=encode, name="sam2-widget-prefetch", daemon=True).start()


def _logged(job: Callable[[], object]) -> None:
    try:
        job()
    except Exception as error:  # noqa: BLE001 - logged
        log_failure(logger, "the image was not encoded ahead", error)


def _predictor(model: ModelLike, device: str | None) -> Predictor:
    check_model(model)
    if isinstance(model, (str, os.PathLike)):
        return load_model(model, device=device)
    return model


def _loaded(image: AnyImage, options: dict[str, Any]) -> LoadedImage:
    return image if isinstance(image, LoadedImage) else load_image(image, **options)


def _jobs(images: Iterable[AnyImage], options: dict[str, Any]) -> Iterator[_Job]:
    """Name and loader of each image."""
    if isinstance(images, ImageStack):
        for index in range(len(images)):
            yield f"image {index}", partial(images.__getitem__, index)
        return
    for index, image in enumerate(images):
        name = os.fspath(image) if isinstance(image, (str, os.PathLike)) else f"image {index}"
        yield name, partial(_loaded, image, options)


def _read_ahead(jobs: Iterator[_Job]) -> Iterator[_Job]:
    """The same jobs, each started one ahead: an image is read while another is encoded."""
    with ThreadPoolExecutor(1, thread_name_prefix="sam2-widget-reader") as reader:
        last: _Job | None = None
        for name, load in jobs:
            current = name, reader.submit(load).result
            if last is not None:
                yield last
            last = current
        if last is not None:
            yield last


def _warn(failures: dict[str, Exception], forgotten: int) -> None:
    if failures:
        some = "; ".join(f"{name}: {error}" for name, error in list(failures.items())[:MAX_LISTED])
        more = f"; and {len(failures) - MAX_LISTED} more" if len(failures) > MAX_LISTED else ""
        warnings.warn(f"{len(failures)} not encoded: {some}{more}", stacklevel=4)
    if forgotten:
        warnings.warn(
            f"there was no room for {forgotten} of the embeddings: use configure(store=True), or "
            "a larger host_memory",
            stacklevel=4,
        )
