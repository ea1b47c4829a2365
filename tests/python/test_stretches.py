"""Which frames follow which keyframes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget.annotation.stretches import (
    KeyframeMark,
    absences,
    agreement,
    context_of,
    forward_share,
    stretches,
)
from sam2_widget.masks.logits import LogitMask
from sam2_widget.masks.settings import Settings
from sam2_widget.prompts.types import Box, Point, Stroke
from sam2_widget.testing import FakeTrackingPredictor


def mark(key="a", *, absent=False):
    return KeyframeMark(key, absent)


def plan(keyframes, wanted, **options):
    found = stretches(1, keyframes, wanted, **options)
    return [(one.left, one.right, one.frames) for one in found]


def test_frames_outside_the_keyframes_follow_the_nearest_and_those_between_follow_both():
    marks = {4: mark(), 8: mark()}
    assert plan(marks, range(12)) == [
        (None, 4, range(4)),
        (4, 8, range(5, 8)),
        (8, None, range(9, 12)),
    ]


def test_forward_masks_come_from_earlier_keyframes_only_and_backward_ones_from_later_only():
    marks = {4: mark(), 8: mark()}
    assert plan(marks, range(12), direction="forward") == [
        (4, None, range(5, 8)),
        (8, None, range(9, 12)),
    ]
    assert plan(marks, range(12), direction="backward") == [
        (None, 4, range(4)),
        (None, 8, range(5, 8)),
    ]


def test_an_absent_keyframe_ends_a_track():
    marks = {4: mark(), 8: mark(absent=True), 10: mark()}
    assert plan(marks, range(12)) == [
        (None, 4, range(4)),
        (4, None, range(5, 8)),
        (None, 10, range(9, 10)),
        (10, None, range(11, 12)),
    ]


def test_only_wanted_frames_are_in_a_stretch_and_keyframes_outside_count():
    assert plan({0: mark(), 90: mark()}, range(40, 50)) == [(0, 90, range(40, 50))]
    assert plan({0: mark()}, range(0)) == []
    assert plan({}, range(9)) == []


def test_the_signature_depends_on_both_keyframes_and_on_nothing_further():
    def signatures(marks, wanted=range(30), context=""):
        return [one.signature for one in stretches(1, marks, wanted, context=context)]

    before = signatures({4: mark("a"), 8: mark("b"), 20: mark("c")})
    after = signatures({4: mark("a"), 8: mark("b"), 20: mark("d")})
    assert before[:2] == after[:2]
    assert before[2] != after[2]
    assert before[3] != after[3]
    assert signatures({4: mark()}, range(5, 9)) == signatures({4: mark()}, range(6, 30))
    assert signatures({4: mark()}) != signatures({4: mark()}, context="another model")
    assert len(set(before)) == 4


@given(
    keyframes=st.dictionaries(st.integers(0, 40), st.booleans(), max_size=6),
    start=st.integers(0, 40),
    length=st.integers(0, 41),
    direction=st.sampled_from(["both", "forward", "backward"]),
)
def test_every_wanted_frame_follows_its_neighbours(keyframes, start, length, direction):
    wanted = range(start, start + length)
    marks = {index: mark(absent=absent) for index, absent in keyframes.items()}
    found = stretches(1, marks, wanted, direction=direction)
    by_frame = {index: one for one in found for index in one.frames}
    without = {i for some in absences(marks, wanted, direction=direction) for i in some}
    assert sum(len(one.frames) for one in found) == len(by_frame)
    for index in wanted:
        before = max((k for k in marks if k < index), default=None)
        after = min((k for k in marks if k > index), default=None)
        counting = [None if direction == "backward" else before]
        counting += [None if direction == "forward" else after]
        left, right = (None if at is None or keyframes[at] else at for at in counting)
        is_said = index not in marks and counting != [None, None]
        assert (index in without) == (is_said and (left, right) == (None, None))
        if index in marks or (left is None and right is None):
            assert index not in by_frame
        else:
            assert (by_frame[index].left, by_frame[index].right) == (left, right)


def test_prompts_that_select_nothing_make_an_absent_keyframe():
    assert KeyframeMark.of(()).absent
    assert KeyframeMark.of((Point(1, 1, label=0),)).absent
    assert not KeyframeMark.of((Point(1, 1),)).absent
    assert not KeyframeMark.of((Box(0, 0, 4, 4),)).absent
    assert not KeyframeMark.of((Stroke(((1, 1),), 2, label=1),)).absent
    assert KeyframeMark.of((Stroke(((1, 1),), 2, label=0),)).absent


def test_the_key_follows_prompts_and_cleaning():
    key = KeyframeMark.of((Point(1, 1),)).key
    assert key == KeyframeMark.of((Point(1, 1),), Settings(overlap="cut out")).key
    assert key != KeyframeMark.of((Point(1, 1),), Settings(fill_holes=9)).key
    assert key != KeyframeMark.of((Point(1, 2),)).key


@pytest.mark.parametrize(
    ("agreements", "share"),
    [
        ([0.5], 1),
        ([0.1, 0.9, 0.2], 2),
        ([1.0, 0.5, 0.5, 0.5, 1.0], 1),  # as near to the middle: the earlier one
        ([1.0, 0.5, 0.5, 1.0, 0.5], 4),  # nearer to the middle
        ([0.0, 0.0, 0.0, 0.0], 2),
    ],
)
def test_runs_are_joined_where_they_agree_most(agreements, share):
    assert forward_share(agreements, [(True, True)] * len(agreements)) == share


def test_where_no_run_agrees_the_object_stays_on_as_many_frames_as_possible():
    forward_lost_it = [(True, False)] * 2 + [(False, True)] * 6
    assert forward_share([0.0] * 8, forward_lost_it) == 2


def square(side, inside):
    logits = np.full((side, side), -8, np.float32)
    logits[:, : int(side * inside)] = 8
    return LogitMask.from_logits(logits)


def test_agreement_is_the_overlap_of_both_masks():
    assert agreement(square(16, 0.5), square(16, 0.25)) == 0.5
    assert agreement(square(16, 0), square(16, 0)) == 1
    assert agreement(square(16, 0), square(16, 1)) == 0
    assert agreement(square(8, 0.5), square(16, 0.5)) == pytest.approx(1, abs=0.1)


def test_the_context_is_that_of_the_model_and_of_the_frames():
    one, other = FakeTrackingPredictor(), FakeTrackingPredictor(name="another")
    assert context_of(one, 9) == context_of(FakeTrackingPredictor(), 9)
    assert len({context_of(one, 9), context_of(one, 8), context_of(other, 9)}) == 3
