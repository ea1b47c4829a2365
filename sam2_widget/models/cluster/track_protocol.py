"""What a kernel and a replica exchange to track objects; see `sam2_widget.models.cluster.protocol`.

What the model remembers of objects stays on the replica: it is named by ids that nobody can guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from sam2_widget._utils.arrays import BoolArray
from sam2_widget.errors import MessageError
from sam2_widget.models.cluster import protocol as remote
from sam2_widget.predictor import Decoding, Keyframe, TrackedMask

TRACKS_AT_ONCE = 3
"""Objects in one request: their masks fit into a reply, and their time into its deadline."""

MOST_KEYFRAME_BYTES = remote.MOST_PIXELS // 8 + remote.MOST_PROMPTS_BYTES + 2**22
"""Largest message with a keyframe."""
MOST_FOLLOW_BYTES = 2**16
"""Largest message that names tracks."""

MOST_KEYFRAMES = 16
"""Most keyframes that one track goes by."""

MemoryId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
_Keyframes = Annotated[tuple[MemoryId, ...], msgspec.Meta(min_length=1, max_length=MOST_KEYFRAMES)]
_FrameNumber = Annotated[int, msgspec.Meta(ge=0, lt=2**40)]
_Side = Annotated[int, msgspec.Meta(ge=1, le=remote.MOST_PIXELS)]


class FrameName(msgspec.Struct, frozen=True):
    """A frame of a film by the key of its image, its number, and how many frames there are."""

    key: remote.Key
    index: _FrameNumber
    count: _FrameNumber


class RememberMessage(msgspec.Struct, frozen=True):
    """An object on a frame where it has prompts: its mask, as packed bits, and its logits.

    `prompts` and `choice` are those of the run of the decoder that it comes from, if there is one.
    """

    frame: FrameName
    size: tuple[_Side, _Side]
    mask: bytes
    logits: remote.Array
    prompts: remote.PromptsMessage | None = None
    choice: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0


class Remembered(msgspec.Struct, frozen=True):
    """What the model remembers, which is kept on the replica: its id, and its size in bytes."""

    memory: MemoryId
    nbytes: int


class TrackName(msgspec.Struct, frozen=True):
    """A track, by the ids of what the model remembers."""

    keyframes: _Keyframes
    memory: MemoryId | None
    reverse: bool


class FollowMessage(msgspec.Struct, frozen=True):
    """Tracks that have come to a frame."""

    frame: FrameName
    tracks: Annotated[tuple[TrackName, ...], msgspec.Meta(min_length=1, max_length=TRACKS_AT_ONCE)]


class Followed(msgspec.Struct, frozen=True):
    """Masks of objects on a frame, their scores and presences, and what their tracks go on with."""

    logits: remote.Array
    scores: remote.Array
    presences: remote.Array
    memories: tuple[Remembered, ...]


def pack_keyframe(frame: FrameName, keyframe: Keyframe) -> RememberMessage:
    """A keyframe, to be sent."""
    height, width = keyframe.mask.shape
    message = RememberMessage(
        frame,
        (height, width),
        np.packbits(keyframe.mask).tobytes(),
        remote.pack(keyframe.logits.astype(np.float32)),
    )
    if (run := keyframe.decoding) is None:
        return message
    prompts = remote.pack_prompts("", run.prompts, multimask=run.multimask)
    return msgspec.structs.replace(message, prompts=prompts, choice=run.choice)


def unpack_keyframe(message: RememberMessage, logits_size: tuple[int, int]) -> Keyframe:
    """A keyframe that was sent; MessageError if it cannot be one."""
    logits = remote.unpack(message.logits, np.float32, 2)
    if logits.shape != logits_size or not np.isfinite(logits).all():
        raise MessageError(f"logits must be finite and of {logits_size}, got {logits.shape}")
    decoding = None
    if message.prompts is not None:
        prompts = remote.unpack_prompts(message.prompts)
        decoding = Decoding(prompts, message.prompts.multimask, message.choice)
    return Keyframe(_unpacked_mask(message), logits, decoding)


def _unpacked_mask(message: RememberMessage) -> BoolArray:
    count = message.size[0] * message.size[1]
    if count > remote.MOST_PIXELS or len(message.mask) != -(-count // 8):
        raise MessageError(f"{len(message.mask)} bytes are no mask of {message.size} pixels")
    bits = np.unpackbits(np.frombuffer(message.mask, np.uint8), count=count)
    return bits.reshape(message.size).astype(bool)


def pack_followed(masks: Sequence[TrackedMask], memories: Sequence[Remembered]) -> Followed:
    """Tracked masks, to be sent."""
    logits = np.stack([one.logits for one in masks]).astype(np.float32)
    scores = np.array([one.score for one in masks], np.float64)
    presences = np.array([one.presence for one in masks], np.float64)
    packed = remote.pack(logits), remote.pack(scores), remote.pack(presences)
    return Followed(*packed, tuple(memories))


def unpack_followed(message: Followed, count: int) -> list[TrackedMask]:
    """`count` tracked masks that were sent; MessageError if they cannot be any."""
    logits = remote.unpack(message.logits, np.float32, 3)
    scores = remote.unpack(message.scores, np.float64, 1)
    presences = remote.unpack(message.presences, np.float64, 1)
    lengths = [len(logits), len(scores), len(presences), len(message.memories)]
    if lengths != [count] * len(lengths):
        raise MessageError(f"{lengths} masks, scores, presences and memories, not {count}")
    if not (np.isfinite(logits).all() and np.isfinite([*scores, *presences]).all()):
        raise MessageError("logits, scores and presences must be finite")
    if not logits.size or max(logits.shape[1:]) > remote.MOST_LOGITS_SIDE:
        raise MessageError(f"logits must have sides of 1 to {remote.MOST_LOGITS_SIDE}")
    found = zip(logits, scores.tolist(), presences.tolist(), strict=True)
    return [TrackedMask(one, score, presence) for one, score, presence in found]
