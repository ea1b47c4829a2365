"""What is known of objects over all planes of a stack, without a model."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget.annotation.found_masks import FoundMask, FoundMasks
from sam2_widget.annotation.propagation import FrameMask
from sam2_widget.annotation.provenance import Maker
from sam2_widget.annotation.session import AnnotatedObject, tracked_id
from sam2_widget.annotation.tracks import Tracks
from sam2_widget.masks.logits import LogitMask
from sam2_widget.masks.settings import DEFAULTS, Settings
from sam2_widget.prompts.types import Point

COUNT = 30
SIZE = (32, 32)
MAKER = Maker("fake")


def found(x=8, y=8, side=8, score=0.9, *, hole=0, present=True, final=True):
    """A square of `side` cells of 32, perhaps with a hole."""
    logits = np.full((32, 32), -8, np.float32)
    if present:
        logits[y : y + side, x : x + side] = 8
        logits[y + 3 : y + 3 + hole, x + 3 : x + 3 + hole] = -8
    mask = LogitMask.from_logits(logits)
    frame = FrameMask(1, 0, mask, score, 5.0 if present else -5.0, "", final)
    return FoundMask.of(frame, MAKER, SIZE)


def drawn(number=1, x=10, label=None):
    return AnnotatedObject(0, (Point(x, 10),), label, number)


def put_all(tracks, make=lambda _: found()):
    """Find all that is wanted; returns the planes that had to be."""
    planes = []
    for stretch in tracks.unfinished(tracks.numbers):
        for plane in stretch.frames:
            planes.append(plane)
            tracks.put(stretch.number, stretch.signature, plane, make(plane))
    return planes


@pytest.fixture
def tracks():
    """One object, drawn on plane 0 and tracked to all others."""
    tracks = Tracks(COUNT, SIZE)
    tracks.set_context("model")
    tracks.set_objects(0, (drawn(),), DEFAULTS)
    tracks.request([1], 0, COUNT, "both")
    put_all(tracks)
    return tracks


def test_an_object_is_found_on_the_planes_without_its_prompts(tracks):
    assert tracks.numbers == [1]
    assert tracks[1].keyframe_ranges == [(0, 1)]
    assert tracks[1].runs == [(1, COUNT, "tracked")]
    assert tracks.on_plane(0) == ()
    (there,) = tracks.on_plane(7)
    assert there.annotated.id == tracked_id(1)
    assert there.annotated.number == 1
    assert there.prediction.score == 0.9
    assert not there.stale
    assert tracks.on_plane(7)[0] is there
    assert tracks.unfinished([1]) == []


def test_a_correction_makes_only_what_depends_on_it_stale(tracks):
    tracks.set_objects(20, (drawn(x=5),), DEFAULTS)
    assert tracks[1].runs == [(1, 20, "stale"), (21, COUNT, "stale")]
    assert put_all(tracks) == [*range(1, 20), *range(21, COUNT)]
    tracks.set_objects(10, (drawn(x=6),), DEFAULTS)
    assert tracks[1].keyframe_ranges == [(0, 1), (10, 11), (20, 21)]
    assert tracks[1].runs == [(1, 10, "stale"), (11, 20, "stale"), (21, COUNT, "tracked")]
    (there,) = tracks.on_plane(12)
    assert there.stale


def test_undo_brings_earlier_masks_back_and_redo_the_later_ones(tracks):
    before = [tracks[1].found(plane) for plane in range(1, COUNT)]
    corrected = (drawn(x=5),)
    tracks.set_objects(20, corrected, DEFAULTS)
    put_all(tracks, lambda _: found(x=4))
    after = [tracks[1].found(plane) for plane in range(1, COUNT)]
    tracks.set_objects(20, (), DEFAULTS)
    assert [tracks[1].found(plane) for plane in range(1, COUNT)] == before
    assert tracks[1].runs == [(1, COUNT, "tracked")]
    tracks.set_objects(20, corrected, DEFAULTS)
    assert [tracks[1].found(plane) for plane in range(1, COUNT)] == after
    assert tracks.unfinished([1]) == []


def test_a_setting_that_changes_the_mask_of_a_keyframe_makes_its_masks_stale(tracks):
    objects = (drawn(),)
    tracks.set_objects(0, objects, Settings(overlap="cut out"))
    assert tracks[1].runs == [(1, COUNT, "tracked")]
    tracks.set_objects(0, objects, Settings(fill_holes=5))
    assert tracks[1].runs == [(1, COUNT, "stale")]


def test_tracked_masks_are_cleaned_by_the_settings_of_the_first_plane_with_prompts():
    tracks = Tracks(COUNT, SIZE)
    tracks.set_objects(3, (drawn(),), Settings(fill_holes=10))
    tracks.request([1], 0, COUNT, "both")
    put_all(tracks, lambda _: found(hole=2))

    def area(plane):
        return tracks.on_plane(plane)[0].prediction.mask.crop(*SIZE).area

    assert area(7) == 64
    tracks.set_objects(7, (drawn(number=2),), DEFAULTS)
    assert area(7) == 60, "that plane has settings of its own"
    assert area(8) == 64


def test_another_label_makes_nothing_stale(tracks):
    tracks.set_objects(0, (drawn(label="cell"),), DEFAULTS)
    assert tracks[1].runs == [(1, COUNT, "tracked")]
    assert tracks.on_plane(3)[0].annotated.label == "cell"


def test_masks_of_another_model_are_stale_until_that_one_is_used_again(tracks):
    tracks.set_context("other")
    assert tracks[1].runs == [(1, COUNT, "stale")]
    tracks.set_context("model")
    assert tracks[1].runs == [(1, COUNT, "tracked")]


def test_an_object_that_is_deleted_has_no_masks_and_gets_them_back(tracks):
    tracks.set_objects(0, (), DEFAULTS)
    assert tracks.numbers == []
    assert tracks.on_plane(7) == ()
    assert tracks[1].runs == []
    tracks.set_objects(0, (drawn(),), DEFAULTS)
    assert tracks[1].runs == [(1, COUNT, "tracked")]


def test_object_is_tracked_on_requested_planes_only():
    tracks = Tracks(COUNT, SIZE)
    tracks.set_objects(10, (drawn(),), DEFAULTS)
    tracks.request([1], 5, 15, "forward")
    assert put_all(tracks) == [11, 12, 13, 14]
    tracks.request([1], 5, 10, "backward")
    assert put_all(tracks) == [5, 6, 7, 8, 9]
    tracks.forget([1], 12, COUNT)
    assert tracks[1].runs == [(5, 10, "tracked"), (11, 12, "tracked")]
    tracks.request([1], 12, 15, "forward")
    assert tracks[1].runs[-1] == (11, 15, "tracked"), "the masks were kept"


def test_absent_and_doubtful_masks_are_distinguished(tracks):
    masks = {
        4: found(score=0.3),
        10: found(side=16),
        16: found(x=20, y=20),
        24: found(present=False),
    }
    tracks.set_context("other")
    put_all(tracks, lambda plane: masks.get(plane, found()))
    runs = [run for run in tracks[1].runs if run[2] != "tracked"]
    assert runs == [
        (4, 5, "doubtful"),
        (9, 12, "doubtful"),
        (15, 18, "doubtful"),
        (24, 25, "absent"),
    ]
    assert tracks.on_plane(24) == ()
    assert tracks.states(24) == {1: ("absent", None)}


def test_places_are_compared_in_pixels_on_images_that_are_not_square():
    frame = FrameMask(1, 0, found().mask, 0.9, 5.0, "")
    wide = FoundMask.of(frame, MAKER, (10, 1000))
    assert wide.x == pytest.approx(12 / 32 * 10)
    assert wide.y == pytest.approx(12 / 32 / 10)
    assert wide.area == pytest.approx(64 / 1024)


def test_a_preliminary_mask_is_shown_and_still_has_to_be_found():
    tracks = Tracks(5, SIZE)
    tracks.set_objects(0, (drawn(),), DEFAULTS)
    tracks.request([1], 0, 5, "both")
    (stretch,) = tracks.unfinished([1])
    tracks.put(1, stretch.signature, 2, found(final=False))
    assert tracks[1].runs == [(2, 3, "tracked")]
    assert tracks.is_pending([1], 2)
    final = found()
    tracks.put(1, stretch.signature, 2, final)
    assert tracks[1].found(2) is final
    assert not tracks.is_pending([1], 2)
    tracks.put(1, stretch.signature, 2, found())
    assert tracks[1].found(2) is final


def test_a_mask_whose_keyframe_was_changed_meanwhile_is_only_kept(tracks):
    objects = (drawn(x=20),)
    first = tracks[1].stretches[0].signature
    tracks.set_objects(0, objects, DEFAULTS)
    tracks.put(1, first, 5, found(x=1))
    assert tracks[1].runs == [(1, COUNT, "stale")]


def test_masks_of_earlier_keyframes_are_dropped_when_there_is_no_room():
    one = found()
    tracks = Tracks(COUNT, SIZE, FoundMasks(max_earlier_bytes=COUNT * one.nbytes))
    for x in (1, 2, 3):
        tracks.set_objects(0, (drawn(x=x),), DEFAULTS)
        tracks.request([1], 0, COUNT, "both")
        put_all(tracks)
    tracks.set_objects(0, (drawn(x=2),), DEFAULTS)
    assert tracks.unfinished([1]) == [], "the last but one is kept"
    tracks.set_objects(0, (drawn(x=1),), DEFAULTS)
    assert tracks.unfinished([1]) != []


def test_masks_that_come_too_late_are_counted_among_the_earlier_ones():
    one = found()
    kept = FoundMasks(max_earlier_bytes=2 * one.nbytes)
    kept.use({"now"}, set())
    for name in ("a", "b", "c"):
        kept.put(name, 0, one)
    kept.put("now", 0, one)
    kept.use({"now"}, {"now"})
    there = [name for name in ("a", "b", "c", "now") if kept.get(name, 0)]
    assert there == ["b", "c", "now"]


def test_changes_are_reported_by_object_number(tracks):
    tracks.take_changed()
    tracks.set_objects(3, (drawn(number=2), drawn(number=5)), DEFAULTS)
    assert tracks.take_changed() == {2, 5}
    assert tracks.take_changed() == set()


planes = st.sets(st.integers(0, COUNT - 1), max_size=4)


@given(planes, planes, st.integers(0, COUNT - 1), st.integers(1, COUNT))
def test_runs_are_in_order_and_leave_out_keyframes(first, second, start, length):
    tracks = Tracks(COUNT, SIZE)
    for keyframes in (first, second):
        for plane in range(COUNT):
            tracks.set_objects(plane, (drawn(x=plane),) if plane in keyframes else (), DEFAULTS)
        if tracks.numbers:
            tracks.request([1], start, min(start + length, COUNT), "both")
            put_all(tracks)
    if 1 not in tracks:
        return
    known = [p for a, b, _ in tracks[1].runs for p in range(a, b)]
    assert known == sorted(set(known))
    assert second.isdisjoint(known)
    wanted = set(range(start, min(start + length, COUNT))) - second if second else set()
    assert wanted == set(known) & set(range(start, min(start + length, COUNT)))


@given(planes, planes)
def test_planes_beside_marks_alone_are_absent_and_marks_can_be_taken_back(keyframes, marks):
    marks -= keyframes
    tracks = Tracks(COUNT, SIZE)

    def describe(absent):
        for plane in range(COUNT):
            here = (drawn(x=plane),) if plane in keyframes else ()
            gone = (replace(drawn(), prompts=()),) if plane in absent else ()
            tracks.set_objects(plane, here, DEFAULTS, gone)

    def states():
        return [tracks.states(plane).get(1, (None,))[0] for plane in range(COUNT)]

    describe(set())
    if not tracks.numbers:
        return
    tracks.request([1], 0, COUNT, "both")
    put_all(tracks)
    before = states()
    assert before == [None if plane in keyframes else "tracked" for plane in range(COUNT)]
    describe(marks)
    put_all(tracks)
    for plane, state in enumerate(states()):
        left = max((p for p in keyframes | marks if p < plane), default=None)
        right = min((p for p in keyframes | marks if p > plane), default=None)
        if plane in keyframes:
            assert state is None
        elif plane in marks or {left, right} - {None} <= marks:
            assert state == "absent"
            assert all(one.annotated.number != 1 for one in tracks.on_plane(plane))
        else:
            assert state == "tracked"
    describe(set())
    assert states() == before
    assert tracks.unfinished([1]) == []
