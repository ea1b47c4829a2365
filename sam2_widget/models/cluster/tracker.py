"""Tracking by a model on a Ray cluster: what it remembers of objects stays on a replica.

All requests of a job go to the replica that their session's id belongs to, whatever the frame: it
encodes the frames and keeps the memories, of which the kernel has the names. If that replica is
lost, `TrackLostError` is raised, and tracks go on from their last masks.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from secrets import token_hex
from typing import Any, TypeVar

import msgspec

from sam2_widget.errors import ClusterError, MessageError
from sam2_widget.models.cluster import protocol as remote
from sam2_widget.models.cluster import track_protocol as tracking
from sam2_widget.models.cluster.client import RayPredictor
from sam2_widget.models.embeddings.cache import image_key
from sam2_widget.predictor import Frame, Keyframe, Track, TrackedMask, TrackMemory

M = TypeVar("M", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, eq=False)
class RayTrackMemory:
    """The name of what the model remembers of an object, and whose replica holds it.

    Attributes
    ----------
    session, name : str
    held_bytes : int
        Memory there in bytes.
    """

    session: str
    name: str
    held_bytes: int

    @property
    def nbytes(self) -> int:
        """Memory in this kernel in bytes."""
        return len(self.session) + len(self.name)


class RayTracker(RayPredictor):
    """A model on a Ray cluster that finds objects again on other frames; see `RayPredictor`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._of_thread = threading.local()

    def remember(self, frame: Frame, keyframes: Sequence[Keyframe]) -> list[RayTrackMemory]:
        """Have the model remember objects that have prompts on `frame`.

        Raises
        ------
        ClusterError
            If the cluster does not answer in time.
        ModelError
            If the model there fails, or cannot track.
        """
        name, session = _name_of(frame), self._session
        messages = (tracking.pack_keyframe(name, one) for one in keyframes)
        found = [
            self._call_with_frame("remember", frame, one, session, tracking.Remembered)
            for one in messages
        ]
        return [RayTrackMemory(session, one.memory, one.nbytes) for one in found]

    def follow(
        self, frame: Frame, tracks: Sequence[Track]
    ) -> list[tuple[TrackedMask, RayTrackMemory]]:
        """Have the objects found on `frame`; raises as `remember`.

        Raises
        ------
        TrackLostError
            If the replica that held the tracks is lost.
        """
        name = _name_of(frame)
        found: list[tuple[TrackedMask, RayTrackMemory]] = []
        for session, group in groupby(tracks, lambda one: _own(one.keyframes[0]).session):
            some = list(group)
            for start in range(0, len(some), tracking.TRACKS_AT_ONCE):
                part = some[start : start + tracking.TRACKS_AT_ONCE]
                message = tracking.FollowMessage(name, tuple(_named(one) for one in part))
                reply = self._call_with_frame("follow", frame, message, session, tracking.Followed)
                found += self._followed(reply, session, len(part))
        return found

    def _followed(
        self, reply: tracking.Followed, session: str, count: int
    ) -> list[tuple[TrackedMask, RayTrackMemory]]:
        try:
            masks = tracking.unpack_followed(reply, count)
        except MessageError as error:
            raise self._no_reply(error) from error
        memories = [RayTrackMemory(session, one.memory, one.nbytes) for one in reply.memories]
        return list(zip(masks, memories, strict=True))

    @property
    def _session(self) -> str:
        """The key by which requests of a job reach the same replica: one for each job's thread."""
        if not hasattr(self._of_thread, "session"):
            self._of_thread.session = token_hex(16)
        session: str = self._of_thread.session
        return session

    def _call_with_frame(
        self, path: str, frame: Frame, message: msgspec.Struct, session: str, kind: type[M]
    ) -> M:
        """The replica's answer, after it has been sent the frame, if it does not hold it."""
        body, deadline = remote.encode(message), self._deadline()
        for _ in range(2):
            found = self._call(path, body, session, kind, deadline)
            if found is not None:
                return found
            image = remote.ImageMessage(image_key(frame.rgb), remote.pack(frame.rgb))
            self._call("frame", remote.encode(image), session, remote.Held, deadline)
        raise ClusterError("the cluster did not keep the frame: raise cache_bytes there")


def _name_of(frame: Frame) -> tracking.FrameName:
    return tracking.FrameName(image_key(frame.rgb), frame.index, frame.count)


def _named(track: Track) -> tracking.TrackName:
    memory = None if track.memory is None else _own(track.memory).name
    return tracking.TrackName(
        tuple(_own(one).name for one in track.keyframes), memory, track.reverse
    )


def _own(memory: TrackMemory) -> RayTrackMemory:
    if not isinstance(memory, RayTrackMemory):
        raise TypeError(f"a track must hold what remember() or follow() returned, got {memory!r}")
    return memory
