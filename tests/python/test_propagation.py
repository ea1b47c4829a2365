"""Tracking along stretches, with the fake tracker."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_widget.annotation import propagation as propagation_
from sam2_widget.annotation.stretches import agreement, forward_share
from sam2_widget.predictor import Keyframe
from sam2_widget.testing import FakeTrackingPredictor

from .films import COLORS, SIDE, Film, masks_of, plan, propagation


def cells(mask):
    return mask.mask.logits > 0


@pytest.mark.parametrize("direction", ["both", "forward", "backward"])
def test_masks_are_those_of_the_moving_squares(direction):
    film, tracker = Film(20), FakeTrackingPredictor(size=SIDE)
    todo = plan({1: [0, 9], 2: [5], 3: [19]}, range(20), direction)
    found = [one for one in propagation(film, tracker, todo) if one.final]
    assert {(one.number, one.index) for one in found} == {
        (stretch.number, index) for stretch in todo for index in stretch.frames
    }
    for one in found:
        assert one.present
        np.testing.assert_array_equal(cells(one), film.mask(one.number, one.index))


def test_objects_that_have_come_to_one_frame_are_followed_in_one_call():
    film, tracker = Film(10), FakeTrackingPredictor(size=SIDE)
    calls = []
    follow = tracker.follow
    tracker.follow = lambda frame, tracks: calls.append(len(tracks)) or follow(frame, tracks)
    list(propagation(film, tracker, plan({1: [0], 2: [0], 3: [4]}, range(10))))
    assert calls == [1] * 4 + [2] * 4 + [3] * 5
    assert sorted(tracker.remembered) == [0, 0, 4]
    # Each frame once for the runs forward, and those up to frame 4 for that backward.
    assert len(film.read) == 5 + 9


def test_an_absent_object_has_an_empty_mask_and_is_found_again():
    film, tracker = Film(12, gone=range(4, 7)), FakeTrackingPredictor(size=SIDE, reach=20)
    found = list(propagation(film, tracker, plan({1: [0]}, range(12))))
    assert [one.index for one in found if not one.present] == [4, 5, 6]
    assert all(one.mask.empty for one in found if not one.present)
    np.testing.assert_array_equal(cells(found[7]), film.mask(1, 8))


def test_between_keyframes_the_first_run_is_given_out_at_once_and_replaced_at_the_end():
    film, tracker = Film(9), FakeTrackingPredictor(size=SIDE)
    found = list(propagation(film, tracker, plan({1: [0, 8]}, range(9))))
    assert [(one.index, one.final) for one in found] == [
        *[(index, False) for index in range(7, 0, -1)],
        *[(index, False) for index in range(1, 8)],
        *[(index, True) for index in range(1, 8)],
    ]


class Jump(Film):
    """The first square is elsewhere from frame 4 on, farther than the tracker looks."""

    def corner(self, number, index):
        if number > 1:
            return 0, 24
        return (40 + index % 2, 48) if index >= 4 else (2 + index, 2)


def test_a_correction_heals_what_the_run_forward_had_lost():
    film, tracker = Jump(12), FakeTrackingPredictor(size=SIDE, reach=3)
    lost = list(propagation(film, tracker, plan({1: [0]}, range(12))))
    assert [one.present for one in lost] == [True] * 3 + [False] * 8
    found = [one for one in propagation(film, tracker, plan({1: [0, 11]}, range(12))) if one.final]
    assert len(found) == 10
    for one in found:
        np.testing.assert_array_equal(cells(one), film.mask(1, one.index))


class Distractor(Film):
    """From frame 5 to 8 a square of the same colour is where the run forward looks first."""

    def __call__(self, index):
        rgb = super().__call__(index)
        if 5 <= index <= 8:
            rgb[2:14, 40:52] = COLORS[0]
        return rgb


def test_two_runs_are_joined_where_they_agree_most():
    film, tracker = Distractor(12), FakeTrackingPredictor(size=SIDE, reach=1)
    runs = propagation(film, tracker, plan({1: [0, 11]}, range(12)))
    found = list(runs)
    backward, forward, final = (found[start : start + 10] for start in (0, 10, 20))
    backward.reverse()
    overlap = [
        agreement(one.mask, other.mask) for one, other in zip(forward, backward, strict=True)
    ]
    share = forward_share(overlap, [(True, True)] * 10)
    assert [one.mask for one in final] == [
        *(one.mask for one in forward[:share]),
        *(one.mask for one in backward[share:]),
    ]


def test_what_is_settled_is_all_that_a_frame_will_have():
    film, tracker = Film(16), FakeTrackingPredictor(size=SIDE)
    todo = plan({1: [0, 7], 2: [11], 3: [3]}, range(16))
    run, settled, seen = propagation(film, tracker, todo), 0, []
    for one in run:
        assert not (one.final and one.index < settled)
        assert run.settled >= settled
        settled = run.settled
        seen.append(settled)
    assert run.settled == 16
    assert 0 < len(set(seen)) > 8


def test_keyframes_outside_the_wanted_frames_are_run_from():
    film, tracker = Film(30), FakeTrackingPredictor(size=SIDE)
    whole = masks_of(propagation(film, tracker, plan({1: [2, 25]}, range(30))))
    part = masks_of(propagation(film, tracker, plan({1: [2, 25]}, range(10, 14))))
    assert part == {at: whole[at] for at in ((1, index) for index in range(10, 14))}


keyframes = st.dictionaries(
    st.integers(1, 3), st.sets(st.integers(0, 13), min_size=1, max_size=4), min_size=1
)
directions = st.sampled_from(["both", "forward", "backward"])


def test_masks_next_to_a_frame_are_found_first(monkeypatch):
    monkeypatch.setattr(propagation_, "FRAMES_ON_A_SIDE", 3)
    film, tracker = Film(14), FakeTrackingPredictor(size=SIDE)
    todo = plan({1: [0, 7], 2: [7]}, range(14))
    found = list(propagation(film, tracker, todo, nearest_to=7))
    assert len([one for one in found if one.final]) == 12 + 13
    order = list(dict.fromkeys(tracker.followed))
    assert order == [8, 9, 6, 5, 10, 11, 12, 4, 3, 2, 1, 13, 0]


@settings(max_examples=25, deadline=None)
@given(keyframes, directions, st.integers(0, 13))
def test_the_order_of_frames_changes_no_mask(keyframes, direction, nearest_to):
    film, todo = Film(14), plan(keyframes, range(14), direction)
    tracker = FakeTrackingPredictor(size=SIDE)
    whole = masks_of(propagation(film, tracker, todo))
    assert masks_of(propagation(film, tracker, todo, nearest_to=nearest_to)) == whole


@settings(max_examples=25, deadline=None)
@given(keyframes, directions, st.lists(st.integers(0, 12), max_size=4))
def test_resumed_job_equals_one_run(keyframes, direction, stops):
    film, tracker = Film(14), FakeTrackingPredictor(size=SIDE)
    todo = plan({n: sorted(k) for n, k in keyframes.items()}, range(14), direction)
    whole, unfinished, parts = masks_of(propagation(film, tracker, todo)), {}, {}
    known = {(s.number, i): s.signature for s in todo for i in s.frames}
    followed = len(tracker.followed)
    for stop in [*stops, None]:
        left = [s for s in todo if any(at not in parts for at in known if known[at] == s.signature)]
        run = propagation(film, tracker, left, unfinished=unfinished)
        parts |= masks_of(islice(run, stop))
    assert parts == whole
    assert not unfinished
    # Nothing was followed twice.
    assert len(tracker.followed) == 2 * followed


@settings(max_examples=25, deadline=None)
@given(keyframes, directions, st.integers(1, 3), st.integers(0, 13))
def test_a_correction_changes_nothing_beyond_its_neighbouring_keyframes(
    keyframes, direction, number, at
):
    film, tracker = Film(14), FakeTrackingPredictor(size=SIDE)
    before = {n: sorted(k) for n, k in keyframes.items()}
    after = {**before, number: sorted({*before.get(number, []), at})}

    def corrected(one, frame):
        if (one, frame.index) != (number, at):
            return film.keyframe(one, frame)
        mask = np.zeros((SIDE, SIDE), bool)
        mask[50:60, 50:60] = True
        return Keyframe(mask, np.where(mask, 8, -8).astype(np.float32))

    old = masks_of(propagation(film, tracker, plan(before, range(14), direction)))
    run = propagation_.Propagation(
        plan(after, range(14), direction), tracker, count=14, read=film, keyframe=corrected
    )
    new = masks_of(run)
    left = max((k for k in before.get(number, []) if k < at), default=-1)
    right = min((k for k in before.get(number, []) if k > at), default=14)
    for key in old.keys() | new.keys():
        if key[0] != number or not left < key[1] < right:
            assert old[key] == new[key]


def test_memory_is_bounded_by_the_last_frames_and_the_cap():
    film, tracker = Film(200), FakeTrackingPredictor(size=SIDE)
    unfinished = {}
    run = propagation(film, tracker, plan({1: [0], 2: [0]}, range(200)), unfinished=unfinished)
    for _ in islice(run, 300):
        held = [one for runs in unfinished.values() for one in runs]
        assert sum(len(one.found) for one in held) == 0
        assert len(held) == 2


def test_a_call_that_fails_is_tried_again_and_changes_nothing():
    film, tracker = Film(8), FakeTrackingPredictor(size=SIDE)
    todo = plan({1: [0, 7], 2: [3]}, range(8))
    whole = masks_of(propagation(film, tracker, todo))
    run, found, failed = propagation(film, tracker, todo), [], 0
    while True:
        tracker.fail_with = RuntimeError("broken") if failed % 2 == 0 else None
        failed += 1
        try:
            found.append(next(run))
        except RuntimeError:
            continue
        except StopIteration:
            break
    assert masks_of(found) == whole


def test_another_model_continues_from_the_last_mask():
    film = Film(10)
    first, second = (FakeTrackingPredictor(size=size) for size in (SIDE, SIDE // 2))
    run = propagation(film, first, plan({1: [0], 2: [0]}, range(10)))
    found = list(islice(run, 8))
    run.replace_predictor(second)
    found += list(run)
    assert second.remembered == [4, 4]
    assert [one.index for one in found] == [index for index in range(1, 10) for _ in range(2)]
    for one in found:
        crop = one.mask.crop(SIDE, SIDE)
        mask = np.zeros((SIDE, SIDE), bool)
        crop.paste(mask, 1)
        true = film.mask(one.number, one.index)
        assert (mask & true).sum() / (mask | true).sum() > 0.6


def test_progress_counts_each_object_and_direction():
    film, tracker = Film(10), FakeTrackingPredictor(size=SIDE)
    run = propagation(film, tracker, plan({1: [0], 2: [4, 9]}, range(10)))
    assert (run.done, run.total) == (0, 9 + 4 + 2 * 4)
    list(run)
    assert run.done == run.total
