"""Sends the timeline of a stack and the progress of tracking to pages.

The timeline has one lane for each object: a row that shows on which planes it has prompts, was
tracked or is absent. Only lanes that have changed are sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from sam2_widget._utils.text import presentable
from sam2_widget.annotation.planes import Planes
from sam2_widget.annotation.stack_tracks import StackTracks
from sam2_widget.comm import messages
from sam2_widget.comm.timeline import Lane, TimelineMessage, TrackingTrait

EVERY = 0.2
"""Smallest number of seconds between two messages while a job runs."""

MAX_LANES = 2000
"""Largest number of lanes in a message: a huge message blocks the page."""

BYTES_PER_SECOND = 256 * 1024
"""Limit of the data rate while a job runs: larger messages are sent less often."""


class LanePublisher:
    """Sends changed lanes and the trait ``_tracking``, less often while a job runs.

    Parameters
    ----------
    planes : Planes
    send : callable
        Sends a custom message: content and buffers.
    set_tracking : callable
        Sets the trait ``_tracking``.
    publish_later : callable
        Called with a number of seconds, after which `publish` must be called again.

    Attributes
    ----------
    tracking : dict
        The newest ``_tracking``; empty for a plain image.
    """

    def __init__(
        self,
        planes: Planes,
        *,
        send: Callable[[messages.KernelMessage, list[bytes]], None],
        set_tracking: Callable[[TrackingTrait], None],
        publish_later: Callable[[float], object],
    ) -> None:
        self._planes = planes
        self._send = send
        self._set_tracking = set_tracking
        self._publish_later = publish_later
        self._sent: dict[int, Lane] = {}
        self._pending: set[int] = set()
        self._looks: object = None
        self._count = 0
        self._next = 0.0
        self.tracking = self._trait()

    def publish(self) -> None:
        """Send what has changed; the caller holds the annotators' lock."""
        tracking = self._planes.tracking
        if tracking is None:
            return
        if self._is_too_early(tracking):
            self._publish_later(self._next - time.monotonic())
            return
        self._pending |= tracking.tracks.take_changed()
        looks = self._planes.shown.session.looks
        if looks != self._looks:
            self._looks = looks
            self._pending.update(tracking.tracks.numbers)
        self._send_lanes(tracking)
        self._publish_trait()

    def publish_again(self, seen: int) -> None:
        """Send all lanes, unless a page has received everything up to `seen`, the last message."""
        if self._planes.tracking is None:
            return
        if seen != self._count:
            self._put(list(self._sent.values()), [], reset=True)
        self._publish_trait()
        self._next = 0.0
        self.publish()

    def _is_too_early(self, tracking: StackTracks) -> bool:
        """Whether a job is running, and the last message was sent a moment ago."""
        is_running = tracking.tracker.is_running and bool(self.tracking["running"])
        return is_running and time.monotonic() < self._next

    def _send_lanes(self, tracking: StackTracks) -> None:
        put, drop = [], []
        tracks, pending = tracking.tracks, sorted(self._pending)
        self._pending = set()
        for number in pending:
            has_lane = number in tracks and bool(tracks[number].keyframes)
            if not has_lane:
                if self._sent.pop(number, None) is not None:
                    drop.append(number)
                continue
            lane = self._lane(tracking, number)
            if self._sent.get(number) != lane:
                self._sent[number] = lane
                put.append(lane)
        self._next = time.monotonic() + EVERY
        if put or drop:
            self._put(put, drop)

    def _put(self, put: list[Lane], drop: list[int], *, reset: bool = False) -> None:
        for start in range(0, max(len(put), 1), MAX_LANES):
            self._put_some(put[start : start + MAX_LANES], drop, reset=reset)
            drop, reset = [], False

    def _put_some(self, put: list[Lane], drop: list[int], *, reset: bool) -> None:
        self._count += 1
        message: TimelineMessage = {
            "type": "timeline",
            "n": self._count,
            "reset": reset,
            "put": put,
            "drop": drop,
        }
        size = len(msgspec.json.encode(message))
        self._next = max(self._next, time.monotonic() + size / BYTES_PER_SECOND)
        self._send(message, [])

    def _lane(self, tracking: StackTracks, number: int) -> Lane:
        track, session = tracking.tracks[number], self._planes.shown.session
        described = track.described
        return {
            "number": number,
            "label": described.label,
            "color": session.color(described),
            "visible": not session.is_hidden(described),
            "locked": session.is_locked(described),
            "keyframes": track.keyframe_ranges,
            "absent": track.absent_ranges,
            "runs": track.runs,
        }

    def _publish_trait(self) -> None:
        trait = self._trait()
        if trait != self.tracking:
            self.tracking = trait
            self._set_tracking(trait)

    def _trait(self) -> TrackingTrait:
        tracking = self._planes.tracking
        if tracking is None:
            return {}
        job = tracking.tracker.job
        return {
            "timeline": self._count,
            "marks": tracking.marks,
            "unavailable": presentable(tracking.unavailable),
            "running": tracking.tracker.is_running,
            "numbers": list(job.numbers) if job else [],
            "done": job.completed if job else 0,
            "total": job.total if job else 0,
            "plane": job.plane if job else None,
            "fps": job.fps if job else None,
            "seconds_left": job.seconds_left if job else None,
            "error": presentable(job.error) if job else "",
        }
