"""What a kernel and a replica of the model say to each other: MessagePack over HTTP.

No pickles: neither side can make the other run code. Every message is validated when it is read.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from sam2_widget.errors import MessageError
from sam2_widget.predictor import Candidates, PromptArrays, UInt8Array

M = TypeVar("M", bound=msgspec.Struct)
S = TypeVar("S", bound=np.generic)

KEY_HEADER = "x-session-id"
"""Ray Serve's own name of what says which replica is asked: here the key of the image."""

NOT_HELD = 410
"""HTTP status of the answer of a replica that does not hold the image's embedding."""
FAILED = 422
"""HTTP status of the answer of a replica whose model failed: a `Failure`."""

MOST_PIXELS = 2**28
"""Largest image that a replica takes."""
MOST_POINTS = 100_000

_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_PIXELS)]


class Array(msgspec.Struct, frozen=True):
    """The bytes of a C-ordered array, and its shape."""

    shape: Annotated[list[_Count], msgspec.Meta(max_length=3)]
    data: bytes


class Info(msgspec.Struct, frozen=True):
    """What runs on the cluster; `note` is one sentence that the user must know, or empty."""

    name: str
    device: str
    logits_size: tuple[int, int]
    version: str
    replicas: int
    note: str = ""


class ImageMessage(msgspec.Struct, frozen=True):
    """An image to be encoded, (H, W, 3) uint8; without it, a question whether it is already."""

    key: str
    rgb: Array | None = None


class PromptsMessage(msgspec.Struct, frozen=True):
    """What `Predictor.predict` is asked."""

    key: str
    points: Array
    labels: Array
    box: Array | None
    logits: Array | None
    multimask: bool


class CandidatesMessage(msgspec.Struct, frozen=True):
    """What it answers."""

    logits: Array
    scores: Array


class Held(msgspec.Struct, frozen=True):
    """Tells that an embedding is there: its size in bytes, and who holds it."""

    nbytes: int
    replica: str


class Failure(msgspec.Struct, frozen=True):
    """Tells that the model failed: the name of one of our errors, and its message."""

    kind: str
    message: str


def encode(message: msgspec.Struct) -> bytes:
    """Write a message."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, kind: type[M]) -> M:
    """Read a message; MessageError if it is not of that kind."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise MessageError(f"the other side sent no {kind.__name__}: {error}") from error


def pack(array: npt.NDArray[Any]) -> Array:
    """An array, to be sent."""
    return Array(list(array.shape), np.ascontiguousarray(array).tobytes())


def unpack(array: Array, dtype: type[S], ndim: int) -> npt.NDArray[S]:
    """An array that was sent, read-only; MessageError if it is not what it should be."""
    expected = int(np.prod(array.shape, dtype=object)) * np.dtype(dtype).itemsize
    if len(array.shape) != ndim or len(array.data) != expected:
        raise MessageError(
            f"{len(array.data)} bytes with the shape {array.shape} are no array of {ndim} axes of "
            f"{np.dtype(dtype)}: send C-ordered data"
        )
    return np.frombuffer(array.data, dtype).reshape(array.shape)


def pack_prompts(key: str, prompts: PromptArrays, *, multimask: bool) -> PromptsMessage:
    """Prompts, to be sent."""
    return PromptsMessage(
        key,
        pack(prompts.points),
        pack(prompts.labels),
        None if prompts.box is None else pack(prompts.box),
        None if prompts.logits is None else pack(prompts.logits),
        multimask,
    )


def unpack_prompts(message: PromptsMessage) -> PromptArrays:
    """Prompts that were sent; MessageError if they cannot be prompts."""
    points = unpack(message.points, np.float32, 2)
    labels = unpack(message.labels, np.int32, 1)
    box = None if message.box is None else unpack(message.box, np.float32, 1)
    logits = None if message.logits is None else unpack(message.logits, np.float32, 2)
    fits = points.shape == (len(labels), 2) and (box is None or box.shape == (4,))
    if not fits or len(labels) > MOST_POINTS:
        raise MessageError(f"{points.shape} points with {labels.shape} labels are no prompts")
    if not (np.isfinite(points).all() and np.isin(labels, (0, 1)).all()):
        raise MessageError("points must be finite, and labels 0 or 1")
    return PromptArrays(points, labels, box, logits)


def unpack_image(array: Array) -> UInt8Array:
    """An image that was sent; MessageError if it cannot be one."""
    rgb = unpack(array, np.uint8, 3)
    if rgb.size == 0 or rgb.shape[2] != 3 or rgb.size > 3 * MOST_PIXELS:  # noqa: PLR2004 - RGB
        raise MessageError(
            f"an image must be of (height, width, 3) with at most {MOST_PIXELS} pixels, got "
            f"{rgb.shape}"
        )
    return rgb


def pack_candidates(candidates: Candidates) -> CandidatesMessage:
    """Candidates, to be sent."""
    return CandidatesMessage(pack(candidates.logits), pack(candidates.scores))


def unpack_candidates(message: CandidatesMessage) -> Candidates:
    """Candidates that were sent; MessageError if they cannot be any."""
    logits, scores = unpack(message.logits, np.float32, 3), unpack(message.scores, np.float32, 1)
    if len(logits) != len(scores) or not len(scores):
        raise MessageError(f"{len(logits)} masks with {len(scores)} scores are no answer")
    return Candidates(logits, scores)
