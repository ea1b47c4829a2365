"""Messages between a kernel and a replica of the model: MessagePack over HTTP.

There are no pickles: neither side can make the other run code. Every message is validated.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.limits import MAX_PIXELS
from sam2_widget.errors import MessageError
from sam2_widget.predictor import Candidates, PromptArrays

M = TypeVar("M", bound=msgspec.Struct)
S = TypeVar("S", bound=np.generic)

KEY_HEADER = "x-session-id"
"""Header by which Ray Serve selects a replica; its value is the key of the image."""

NOT_HELD = 410
"""HTTP status of a reply if the replica does not have the image's embedding."""
MEMORY_LOST = 424
"""HTTP status of the answer of a replica that does not hold what a track goes on with."""
FAILED = 422
"""HTTP status of a reply if the model failed; the body is a `Failure`."""

MOST_PIXELS = MAX_PIXELS
"""Largest image that a replica accepts, in pixels: the limit of a widget."""
MOST_POINTS = 4096
"""Most points of one object: some 4 s of SAM 2 on one core."""
MOST_LOGITS_SIDE = 1024
"""Largest side of logits, four times that of SAM 2."""
MOST_IMAGE_BYTES = 3 * MOST_PIXELS + 2**12
"""Largest message with an image, in bytes."""
MOST_PROMPTS_BYTES = 12 * MOST_POINTS + 4 * MOST_LOGITS_SIDE**2 + 2**12
"""Largest message with prompts, in bytes."""
MOST_REPLY_BYTES = 16 * 2**20
"""Largest reply in bytes: three masks with logits of 1024 x 1024 have 12 MiB."""

Key = Annotated[str, msgspec.Meta(max_length=128)]
"""See `image_key`."""
_Name = Annotated[str, msgspec.Meta(max_length=200)]
_Text = Annotated[str, msgspec.Meta(max_length=4000)]
_Side = Annotated[int, msgspec.Meta(ge=1, le=MOST_LOGITS_SIDE)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_PIXELS)]


class Array(msgspec.Struct, frozen=True):
    """The bytes of a C-ordered array, and its shape."""

    shape: Annotated[list[_Count], msgspec.Meta(max_length=3)]
    data: bytes


class Info(msgspec.Struct, frozen=True):
    """What runs on the cluster.

    `note` is one sentence that the user must know, or empty; `tracks` whether the model finds
    objects again on other frames.
    """

    name: _Name
    device: _Name
    logits_size: tuple[_Side, _Side]
    version: _Name
    replicas: Annotated[int, msgspec.Meta(ge=1, le=2**20)]
    note: _Text = ""
    tracks: bool = False


class ImageMessage(msgspec.Struct, frozen=True):
    """An image to be encoded, (H, W, 3) uint8; without it, a query whether it has been encoded."""

    key: Key
    rgb: Array | None = None


class PromptsMessage(msgspec.Struct, frozen=True):
    """The arguments of `Predictor.predict`."""

    key: Key
    points: Array
    labels: Array
    box: Array | None
    logits: Array | None
    multimask: bool


class CandidatesMessage(msgspec.Struct, frozen=True):
    """The result of `Predictor.predict`."""

    logits: Array
    scores: Array


class Held(msgspec.Struct, frozen=True):
    """The embedding is available: its size in bytes, and the replica that has it."""

    nbytes: int
    replica: _Name


class Failure(msgspec.Struct, frozen=True):
    """The model failed: the name of an exception of `sam2_widget.errors`, and its message."""

    kind: _Name
    message: _Text


def encode(message: msgspec.Struct) -> bytes:
    """Write a message."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, kind: type[M]) -> M:
    """Read a message; MessageError if it is not of that kind."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    # RecursionError: the message is nested too deeply.
    except (msgspec.MsgspecError, RecursionError) as error:
        raise MessageError(f"the other side sent no {kind.__name__}: {error}") from error


def printable(text: str) -> str:
    """`text` without control characters."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def presentable_info(info: Info) -> Info:
    """`info` with `printable` texts."""
    texts = {name: printable(getattr(info, name)) for name in ("name", "device", "note")}
    return msgspec.structs.replace(info, **texts)


def pack(array: npt.NDArray[Any]) -> Array:
    """Convert an array to a message."""
    return Array(list(array.shape), np.ascontiguousarray(array).tobytes())


def unpack(array: Array, dtype: type[S], ndim: int) -> npt.NDArray[S]:
    """Convert a message to a read-only array; MessageError if its type or shape differs."""
    expected = int(np.prod(array.shape, dtype=object)) * np.dtype(dtype).itemsize
    if len(array.shape) != ndim or len(array.data) != expected:
        raise MessageError(
            f"{len(array.data)} bytes with the shape {array.shape} are no array of {ndim} axes of "
            f"{np.dtype(dtype)}: send C-ordered data"
        )
    return np.frombuffer(array.data, dtype).reshape(array.shape)


def pack_prompts(key: str, prompts: PromptArrays, *, multimask: bool) -> PromptsMessage:
    """Convert prompts to a message."""
    return PromptsMessage(
        key,
        pack(prompts.points),
        pack(prompts.labels),
        None if prompts.box is None else pack(prompts.box),
        None if prompts.logits is None else pack(prompts.logits),
        multimask,
    )


def unpack_prompts(message: PromptsMessage) -> PromptArrays:
    """Convert a message to prompts; MessageError if they are invalid."""
    points = unpack(message.points, np.float32, 2)
    labels = unpack(message.labels, np.int32, 1)
    box = None if message.box is None else unpack(message.box, np.float32, 1)
    logits = None if message.logits is None else unpack(message.logits, np.float32, 2)
    if points.shape != (len(labels), 2) or (box is not None and box.shape != (4,)):
        raise MessageError(f"{points.shape} points with {labels.shape} labels are no prompts")
    if len(labels) > MOST_POINTS:
        raise MessageError(f"an object may have {MOST_POINTS} points, got {len(labels)}")
    given = [points] + [each for each in (box, logits) if each is not None]
    if not (all(np.isfinite(each).all() for each in given) and np.isin(labels, (0, 1)).all()):
        raise MessageError("points, box and logits must be finite, and labels 0 or 1")
    return PromptArrays(points, labels, box, logits)


def unpack_image(array: Array) -> UInt8Array:
    """Convert a message to an image; MessageError if it is invalid."""
    rgb = unpack(array, np.uint8, 3)
    if rgb.size == 0 or rgb.shape[2] != 3 or rgb.size > 3 * MOST_PIXELS:  # noqa: PLR2004 - RGB
        raise MessageError(
            f"an image must be of (height, width, 3) with at most {MOST_PIXELS} pixels, got "
            f"{rgb.shape}"
        )
    return rgb


def pack_candidates(candidates: Candidates) -> CandidatesMessage:
    """Convert candidates to a message."""
    return CandidatesMessage(pack(candidates.logits), pack(candidates.scores))


def unpack_candidates(message: CandidatesMessage) -> Candidates:
    """Convert a message to candidates; MessageError if they are invalid."""
    logits, scores = unpack(message.logits, np.float32, 3), unpack(message.scores, np.float32, 1)
    if len(logits) != len(scores) or not len(scores):
        raise MessageError(f"{len(logits)} masks with {len(scores)} scores are no answer")
    if not logits.size or max(logits.shape[1:]) > MOST_LOGITS_SIDE:
        raise MessageError(f"logits must have sides of 1 to {MOST_LOGITS_SIDE}, got {logits.shape}")
    if not (np.isfinite(logits).all() and np.isfinite(scores).all()):
        raise MessageError("logits and scores must be finite")
    return Candidates(logits, scores)
