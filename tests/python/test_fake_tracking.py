"""The fake tracker: what other tests rely on."""

from __future__ import annotations

import numpy as np

from sam2_widget.predictor import Frame, Keyframe, Track, TrackingPredictor, TrackMemory
from sam2_widget.testing import FakePredictor, FakeTrackingPredictor

RED = (220, 30, 30)


def film(corners: list[tuple[int, int] | None]) -> list[Frame]:
    """Frames of 64 x 64 with a red square of 16 at each of `corners`, (x, y), or none."""
    frames = []
    for index, corner in enumerate(corners):
        rgb = np.zeros((64, 64, 3), np.uint8)
        if corner is not None:
            x, y = corner
            rgb[y : y + 16, x : x + 16] = RED
        frames.append(Frame(index, len(corners), rgb, lambda: None))
    return frames


def keyframe(frame: Frame) -> Keyframe:
    mask = frame.rgb[..., 0] > 0
    return Keyframe(mask, np.where(mask, 8, -8).astype(np.float32))


def follow_all(frames: list[Frame], *, reverse: bool = False) -> list[tuple[np.ndarray, bool]]:
    tracker = FakeTrackingPredictor()
    frames = sorted(frames, key=lambda frame: frame.index, reverse=reverse)
    (start,) = tracker.remember(frames[0], [keyframe(frames[0])])
    memory, found = None, []
    for frame in frames[1:]:
        ((mask, memory),) = tracker.follow(frame, [Track((start,), memory, reverse)])
        found.append((mask.logits > 0, mask.presence > 0))
    return found


def test_the_fake_is_a_tracking_predictor_and_the_other_is_not():
    assert isinstance(FakeTrackingPredictor(), TrackingPredictor)
    assert not isinstance(FakePredictor(), TrackingPredictor)


def test_a_moving_square_is_followed_in_both_directions():
    frames = film([(4, 4), (8, 6), (12, 8), (16, 10)])
    for reverse in (False, True):
        found = follow_all(frames, reverse=reverse)
        wanted = frames[-2::-1] if reverse else frames[1:]
        for (mask, present), frame in zip(found, wanted, strict=True):
            assert present
            np.testing.assert_array_equal(mask, frame.rgb[..., 0] > 0)


def test_an_object_that_leaves_is_absent_and_is_found_again():
    found = follow_all(film([(4, 4), None, (6, 4)]))
    assert [present for _, present in found] == [False, True]
    assert not found[0][0].any()
    assert found[1][0].sum() == 256


def test_memories_are_counted_in_bytes():
    frames = film([(4, 4)])
    (memory,) = FakeTrackingPredictor().remember(frames[0], [keyframe(frames[0])])
    assert isinstance(memory, TrackMemory)
    assert memory.nbytes == 64 * 64 + 3 * 4
