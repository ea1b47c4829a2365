"""Embeddings made ahead: of a whole set, or of the image that comes next."""

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

from sam2_widget.errors import ImageError
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.images.sources import ImageLike, load_image
from sam2_widget.images.stacks import ImageStack
from sam2_widget.models import worker
from sam2_widget.models.cache import embeddings
from sam2_widget.models.checkpoints import ModelLike, check_device, check_model, load_model
from sam2_widget.predictor import Predictor, RemotePredictor
from sam2_widget.tracebacks import log_failure

logger = logging.getLogger(__name__)

AnyImage: TypeAlias = "ImageLike | LoadedImage"

_Job: TypeAlias = tuple[str, Callable[[], LoadedImage]]
"""Name of an image, and what loads it."""

TOLD = 5
"""Failures that a warning names."""


@dataclass(frozen=True, slots=True)
class Precomputed:
    """What became of the images that `precompute` was given.

    Attributes
    ----------
    encoded, known : int
        How many were encoded, and how many embeddings were there before.
    failures : dict of str to Exception
        Why the others were not, by file name, or by ``"image 3"``, counted from 0.
    """

    encoded: int
    known: int
    failures: dict[str, Exception]


def precompute(
    images: Iterable[AnyImage],
    *,
    model: ModelLike = "auto",
    device: str | None = None,
    progress: bool = True,
    **options: Any,
) -> Precomputed:
    """Encode all images of a set, so that none of them has to be waited for later.

    An image that cannot be read does not keep the others from being encoded. What has an embedding
    is skipped. With ``configure(store=True)`` the embeddings outlive the kernel.

    Parameters
    ----------
    images : iterable of what `load_image` takes, or an ImageStack
    model, device
        See `load_model`.
    progress : bool
        Whether to show a progress bar.
    **options
        For `load_image`; the same as for the widget, or it shows other pixels.

    Returns
    -------
    Precomputed

    Raises
    ------
    ModelError
        If the model cannot be loaded.

    Warns
    -----
    UserWarning
        If an image could not be encoded, or there is no room for all embeddings.

    Examples
    --------
    >>> from sam2_widget import precompute
    >>> precompute(["a.jpg", "b.jpg"], model="tiny")  # doctest: +SKIP
    Precomputed(encoded=2, known=0, failures={})
    """
    from tqdm.auto import tqdm  # noqa: PLC0415 - on demand

    if isinstance(images, (str, os.PathLike)):
        raise ImageError(f"images must be several, got {images!r}: pass a list, e.g. of a glob")
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
    """Whether the image had to be encoded, or why it could not be."""
    calls: list[None] = []
    try:
        encode = embeddings.source(predictor, load().rgb, after=partial(calls.append, None))
        worker.local.run(encode)
    except Exception as error:  # noqa: BLE001 - of one image only; the others go on
        return error.with_traceback(None)  # which would keep the pixels
    return bool(calls)


def _encoded_elsewhere(
    predictor: RemotePredictor, jobs: Iterator[_Job]
) -> Iterator[tuple[str, bool | Exception]]:
    """As `_encoded`, several at once, and no more of them in memory than that."""

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
    """Encode the image that comes next, in the background, while another is being annotated.

    Clicks go first. A widget with the same pixels and model then need not wait for the encoder.
    What goes wrong is logged, and told when the image is opened.

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
                worker.local.submit_idle(partial(_logged, embeddings.source(predictor, rgb)))
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
    """The same jobs, begun one before they are asked for: one is read while another is encoded."""
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
        some = "; ".join(f"{name}: {error}" for name, error in list(failures.items())[:TOLD])
        more = f"; and {len(failures) - TOLD} more" if len(failures) > TOLD else ""
        warnings.warn(f"{len(failures)} not encoded: {some}{more}", stacklevel=3)
    if forgotten:
        warnings.warn(
            f"there was no room for {forgotten} of the embeddings: use configure(store=True), or "
            "a larger host_memory",
            stacklevel=3,
        )
