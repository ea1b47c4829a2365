"""Tracking in the widget: from Python and from a page, over a mock comm."""

import threading

import numpy as np
import pytest

from sam2_widget import (
    ImageError,
    ModelError,
    ObjectPrompts,
    PromptError,
    Prompts,
    SegmentWidget,
    StackPrompts,
    track,
)
from sam2_widget.annotation.session import tracked_id
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.testing import FakePredictor, FakeTrackingPredictor
from tests.waiting import PATIENCE, wait_until

from .conftest import Page, observed, point, served, settle

COUNT, H, W = 30, 64, 96
RED, BLUE = (220, 30, 30), (30, 30, 220)


def film(*, jump_at=None):
    """A red square that moves to the right, and a blue one below that stays."""
    frames = np.zeros((COUNT, H, W, 3), np.uint8)
    for index in range(COUNT):
        x = 4 + 2 * index + (0 if jump_at is None or index < jump_at else 12)
        frames[index, 20:36, x : x + 16] = RED
        frames[index, 44:56, 40:52] = BLUE
    return frames


FILM = film()


@pytest.fixture
def predictor():
    return FakeTrackingPredictor()


@pytest.fixture
def widget(predictor):
    embeddings.clear()
    widget = SegmentWidget(FILM, axes="TYXC", model=predictor)
    widget._annotator.model.wait()
    _ = widget.saved
    settle()
    yield widget
    predictor.gate.set()
    widget.close()


def draw_red(widget):
    widget.add_box(4, 20, 20, 36)


def tracked(widget, **options):
    job = widget.track(**options)
    assert job.wait(PATIENCE)
    assert job.error == ""
    return job


def lanes(page):
    """The timeline as a page puts it together from the messages."""
    found = {}
    for _, data, _ in page.published:
        content = data.get("content", {})
        if content.get("type") == "timeline":
            found = {} if content["reset"] else found
            found |= {lane["number"]: lane for lane in content["put"]}
            found = {n: lane for n, lane in found.items() if n not in content["drop"]}
    return found


def runs(page, number=1):
    return [tuple(run) for run in lanes(page)[number]["runs"]]


def turned(page, plane):
    page.act("plane", plane=plane)
    served()
    page.widget._annotator.model.wait()
    settle()


def frames_before_predictions(predictor, monkeypatch):
    """How many frames were tracked by the time of each click's prediction: a list that grows."""
    found, predict = [], predictor.predict

    def counting(*args, **options):
        found.append(len(predictor.followed))
        return predict(*args, **options)

    monkeypatch.setattr(predictor, "predict", counting)
    return found


# --- from Python ----------------------------------------------------------------------------------


def test_an_object_has_a_mask_and_the_same_id_on_every_plane(widget):
    draw_red(widget)
    widget.commit("car")
    job = tracked(widget)
    assert (job.done, job.progress, job.completed, job.total) == (True, 1.0, COUNT - 1, COUNT - 1)
    volume = widget.planes.label_map
    assert volume.shape == (COUNT, H, W)
    assert set(np.unique(volume)) == {0, 1}
    for index in range(COUNT):
        inside = (FILM[index] == RED).all(axis=-1)
        overlap = (inside & (volume[index] == 1)).sum() / (inside | (volume[index] == 1)).sum()
        assert overlap > 0.85
    there = widget.planes[9]
    assert there.numbers == (1,)
    assert there.objects[0].label == "car"
    assert there.objects[0].tracked
    np.testing.assert_array_equal(there.label_map, volume[9])
    np.testing.assert_array_equal(there.masks[0], volume[9] == 1)
    np.testing.assert_array_equal(widget.planes.masks[1][9], volume[9] == 1)
    np.testing.assert_array_equal(np.asarray(widget.planes.masks[1]), volume == 1)


def test_the_tracks_are_a_table(widget):
    draw_red(widget)
    widget.commit("car")
    tracked(widget, planes=(0, 4))
    table = widget.tracks
    assert [(row.frame, row.id, row.label) for row in table] == [(i, 1, "car") for i in range(4)]
    assert [row.state for row in table] == ["keyframe", "tracked", "tracked", "tracked"]
    row = table[2]
    assert row.present
    assert row.area == widget.planes[2].objects[0].area == 256
    assert row.box == widget.planes[2].objects[0].bbox == (8, 20, 24, 36)
    assert row.centroid == (16, 28)
    frame = table.to_frame()
    assert frame.shape == (4, 13)
    assert frame.loc[2, ["x0", "y0", "x1", "y1"]].tolist() == [8, 20, 24, 36]
    assert repr(table) == "TracksTable(4 rows, 1 objects on 4 frames)"


def test_an_object_that_leaves_the_picture_is_absent_in_the_table(predictor):
    frames = FILM.copy()
    frames[10:12] = 0
    widget = SegmentWidget(frames, axes="TYXC", model=predictor)
    draw_red(widget)
    tracked(widget, planes=range(14))
    rows = widget.tracks
    assert [row.frame for row in rows if not row.present] == [10, 11]
    assert [row.state for row in rows[10:12]] == ["absent", "absent"]
    assert rows[10].area == 0
    assert np.isnan(rows[10].score)
    assert widget.planes[10].numbers == ()
    widget.close()


def test_a_click_on_a_tracked_mask_makes_a_keyframe_and_one_undo_removes_it(widget, predictor):
    draw_red(widget)
    tracked(widget)
    before = widget.planes.label_map
    calls = len(predictor.followed)
    widget.plane = 20
    (there,) = widget.objects
    np.testing.assert_array_equal(widget.mask, before[20] == 1)
    widget.add_point(52, 28)
    own, click = widget.planes.prompts[20][0].prompts
    np.testing.assert_array_equal(own.pixels.crop(H, W).pixels, there.crop.pixels)
    assert (click.x, click.y) == (52, 28)
    assert widget.numbers == (1,)
    assert [row.state for row in widget.tracks].count("stale") == COUNT - 2
    assert widget.undo()
    assert list(widget.planes.prompts) == [0]
    np.testing.assert_array_equal(widget.planes.label_map, before)
    assert [row.state for row in widget.tracks].count("tracked") == COUNT - 1
    assert len(predictor.followed) == calls


def test_a_correction_changes_nothing_beyond_its_neighbours(widget, predictor):
    draw_red(widget)
    tracked(widget)
    for plane in (10, 20):
        widget.plane = plane
        widget.add_stroke([(50, 28)], 3)
    tracked(widget)
    before = widget.planes.label_map
    del predictor.followed[:]
    widget.plane = 20
    widget.add_stroke([(80, 5)], 2)
    tracked(widget)
    after = widget.planes.label_map
    np.testing.assert_array_equal(after[:11], before[:11])
    assert (after[20] != before[20]).any()
    assert min(predictor.followed) == 11, "planes before the keyframe at 10 are not tracked again"


def states(widget, number=1):
    return {row.frame: row.state for row in widget.tracks if row.id == number}


def test_an_object_ends_where_it_is_marked_as_absent_and_undo_takes_that_back(widget, predictor):
    draw_red(widget)
    tracked(widget)
    followed = len(predictor.followed)
    widget.set_absent(1, plane=20)
    tracked(widget)
    assert len(predictor.followed) == followed, "masks before the mark come from the same keyframe"
    assert [row.frame for row in widget.tracks if row.present] == list(range(20))
    assert set(list(states(widget).values())[20:]) == {"absent"}
    assert not np.asarray(widget.planes.masks[1])[20:].any()
    assert widget.undo()
    assert set(list(states(widget).values())[1:]) == {"tracked"}
    assert widget.redo()
    assert states(widget)[29] == "absent"
    widget.plane = 20
    widget.set_absent(1, absent=False)
    assert set(list(states(widget).values())[1:]) == {"tracked"}
    assert len(predictor.followed) == followed


def test_an_object_that_is_absent_for_a_while_comes_back(widget):
    draw_red(widget)
    widget.commit("car")
    widget.set_absent(1, plane=10)
    widget.set_absent(1, plane=20)
    widget.plane = 21
    widget.select(number=1)
    assert not widget.mask.any()
    widget.add_box(46, 20, 62, 36)
    widget.commit()
    tracked(widget)
    present = [row.frame for row in widget.tracks if row.present]
    assert present == [*range(10), *range(21, COUNT)]
    assert [row.label for row in widget.tracks] == ["car"] * COUNT
    assert states(widget)[21] == "keyframe"


def test_a_keyframe_that_is_marked_as_absent_loses_its_prompts(widget):
    draw_red(widget)
    tracked(widget)
    widget.plane = 10
    widget.add_point(30, 28)
    assert states(widget)[10] == "keyframe"
    widget.set_absent(widget.objects[0])
    assert widget.numbers == ()
    assert states(widget)[10] == "absent"
    widget.select(number=1)
    widget.add_point(30, 28)
    assert (widget.numbers, states(widget)[10]) == ((1,), "keyframe")
    assert [len(one.prompts) for one in widget.planes[10].prompts] == [1]


def test_absence_is_saved_with_the_prompts_and_replayed_headless(widget, predictor):
    draw_red(widget)
    widget.commit("car")
    widget.add_box(40, 44, 52, 56)
    widget.set_absent(1, plane=8)
    tracked(widget)
    prompts = StackPrompts.from_json(widget.planes.prompts.to_json())
    assert prompts[8].objects == (ObjectPrompts((), "car", 1),)
    again = SegmentWidget(FILM, axes="TYXC", model=predictor, prompts=prompts)
    tracked(again)
    for result in track(FILM, prompts, model=predictor):
        for other in (widget, again):
            plane = other.planes[result.frame]
            assert result.ids == plane.numbers == ((1, 2) if result.frame < 8 else (2,))
            np.testing.assert_array_equal(result.masks, plane.masks)
    assert again.planes.prompts == prompts
    again.close()


def test_label_and_deletion_of_a_track_are_those_of_its_absences_too(widget):
    draw_red(widget)
    widget.commit("car")
    widget.set_absent(1, plane=8)
    widget.rename(0, "lorry")
    assert widget.planes[8].prompts[0].label == "lorry"
    widget.delete(0, everywhere=True)
    assert not widget.planes.prompts
    widget.undo()
    assert widget.planes[8].prompts == Prompts((ObjectPrompts((), "lorry", 1),))


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (lambda w: w.set_absent(3), "no object has the number 3"),
        (lambda w: w.set_absent(1), "has prompts on this plane only: delete it instead"),
        (lambda w: w.set_absent(1, 2, absent=False), "object 1 is not marked as absent"),
        (lambda w: w.select(number=3), "no object has the id 3"),
        (lambda w: w.lock(0) or w.set_absent(1, 2), "is locked"),
    ],
)
def test_what_cannot_be_marked_as_absent_is_refused(widget, mark, message):
    draw_red(widget)
    widget.commit()
    before = widget.planes.prompts
    with pytest.raises(PromptError, match=message):
        mark(widget)
    assert widget.planes.prompts == before
    with pytest.raises(ImageError, match="no plane 30"):
        widget.set_absent(1, COUNT)


def retracked(widget):
    job = widget._planes.tracking.tracker.job
    assert job.wait(PATIENCE)
    assert job.error == ""
    return job


def test_a_corrected_object_is_tracked_again_by_itself_next_to_the_correction_first(
    widget, predictor
):
    draw_red(widget)
    widget.commit()
    widget.add_box(40, 44, 52, 56)
    widget.commit()
    tracked(widget, planes=(0, 25))
    widget.retrack = True
    done = len(predictor.followed)
    widget.plane = 18
    widget.select(0)
    widget.add_point(48, 28)
    assert retracked(widget).numbers == (1,)
    assert set(states(widget).values()) == {"keyframe", "tracked"}
    assert list(states(widget)) == list(range(25)), "planes that were not asked for stay without"
    order = predictor.followed[done:]
    assert order[:21] == [*range(19, 25), *range(17, 2, -1)]
    assert sorted(order[21:]) == sorted([1, 2, *range(1, 18)]), "and from the keyframe before"
    widget.undo()
    assert set(list(states(widget).values())[1:]) == {"tracked"}
    assert len(predictor.followed) == done + 6 + 17 + 17, "undo needs no model"


def test_only_the_stale_masks_of_a_cancelled_job_are_tracked_again(widget, predictor):
    draw_red(widget)
    tracked(widget, planes=(0, 10))
    widget.retrack = True
    predictor.gate.clear()
    job = widget.track()
    job.cancel()
    predictor.gate.set()
    assert job.wait(PATIENCE)
    known = [row.frame for row in widget.tracks]
    widget.add_point(30, 28, 0)
    retracked(widget)
    assert [row.frame for row in widget.tracks] == known
    assert set(list(states(widget).values())[1:]) == {"tracked"}


def test_what_is_stale_is_tracked_again_when_that_is_switched_on(page, widget):
    page.act("track", prompts=[BOX], active=True)
    ended(page)
    turned(page, 20)
    (mask,) = page.state["active"]["prompts"]
    page.prompts({"type": "known", "key": mask["key"]}, point(46, 28))
    settle()
    assert {run[2] for run in runs(page)} == {"stale"}
    page.update({"retrack": True})
    ended(page)
    assert {run[2] for run in runs(page)} == {"tracked"}
    page.update({"retrack": False})
    page.act("undo")
    settle()
    page.act("redo")
    settle()
    assert not widget._tracking["running"]


def test_without_tracking_nothing_is_tracked_by_itself(predictor):
    widget = SegmentWidget(FILM, axes="TYXC", model=predictor, retrack=True)
    draw_red(widget)
    widget.commit()
    assert widget.retrack
    assert widget._planes.tracking.tracker.job is None
    widget.close()
    plain = SegmentWidget(FILM[0], model=predictor, retrack=True)
    plain.add_box(4, 20, 20, 36)
    assert len(plain.masks) == 1
    plain.close()


def test_a_job_that_was_cancelled_resumes_where_it_was(widget, predictor):
    draw_red(widget)
    reference = SegmentWidget(FILM, axes="TYXC", model=FakeTrackingPredictor())
    draw_red(reference)
    tracked(reference)
    job = widget.track()
    wait_until(lambda: job.completed >= 5)
    job.cancel()
    assert job.wait(PATIENCE)
    assert job.cancelled
    done = len(predictor.followed)
    assert 5 <= done < COUNT - 1
    assert [row.frame for row in widget.tracks] == list(range(done + 1))
    again = tracked(widget)
    assert again is not job
    assert predictor.followed == list(range(1, COUNT)), "no frame was tracked twice"
    np.testing.assert_array_equal(widget.planes.label_map, reference.planes.label_map)
    reference.close()


def test_a_click_is_answered_before_the_frames_that_are_left(widget, predictor, monkeypatch):
    before = frames_before_predictions(predictor, monkeypatch)
    draw_red(widget)
    widget.commit()
    job = widget.track()
    wait_until(lambda: job.completed >= 3)
    predictor.gate.clear()
    widget.add_point(46, 50)
    seen = len(predictor.followed)
    predictor.gate.set()
    assert widget.masks.shape[0] == 2
    assert before[-1] <= seen + 2
    assert job.wait(PATIENCE)
    assert predictor.followed == list(range(1, COUNT))


def test_a_keyframe_that_is_changed_during_the_job_counts(widget, predictor):
    draw_red(widget)
    job = widget.track()
    wait_until(lambda: job.completed >= 3)
    widget.undo()
    widget.add_box(40, 44, 52, 56)
    number = widget.numbers[0]
    tracked(widget, objects=number)
    assert job.wait(PATIENCE)
    volume = widget.planes.label_map
    blue = (FILM[0] == BLUE).all(axis=-1)
    for index in range(1, COUNT):
        np.testing.assert_array_equal(volume[index], volume[1])
    assert ((volume[1] == number) & blue).sum() > 0.8 * (volume[1] > 0).sum() > 0


def test_objects_are_tracked_together_and_one_alone(widget):
    draw_red(widget)
    widget.commit()
    widget.add_box(40, 44, 52, 56)
    widget.commit()
    tracked(widget, objects=2)
    assert widget.planes[5].numbers == (2,)
    tracked(widget, objects=widget.objects[0])
    assert widget.planes[5].numbers == (1, 2)
    widget.untrack(2, planes=(5, 6))
    assert widget.planes[5].numbers == (1,)
    assert widget.planes[6].numbers == (1, 2)


def test_label_colour_and_visibility_are_those_of_the_whole_track(widget):
    draw_red(widget)
    widget.commit("car")
    tracked(widget)
    color = widget.objects[0].color
    widget.plane = 12
    assert widget.objects[0].color == color
    widget.rename(0, "lorry")
    widget.hide(0)
    assert {row.label for row in widget.tracks} == {"lorry"}
    widget.plane = 0
    assert widget.objects[0].label == "lorry"
    assert not widget.is_shown(0)
    widget.lock(0)
    widget.plane = 5
    assert widget.is_locked(0)
    with pytest.raises(PromptError, match="locked"):
        widget.select(0)
    widget.unlock(0)
    widget.plane = 12
    assert widget.undo()
    assert {row.label for row in widget.tracks} == {"car"}


def test_an_object_is_deleted_on_one_plane_or_on_all_and_comes_back_by_one_undo(widget):
    draw_red(widget)
    widget.commit()
    tracked(widget)
    widget.plane = 12
    widget.delete(0)
    assert widget.objects == ()
    assert widget.planes[11].numbers == (1,)
    widget.plane = 20
    widget.select(0)
    widget.add_point(52, 28)
    widget.commit()
    tracked(widget)
    before = widget.planes.label_map
    widget.plane = 5
    widget.delete(0, everywhere=True)
    assert not widget.planes.label_map.any()
    assert len(widget.planes.prompts) == 0
    assert widget.undo()
    np.testing.assert_array_equal(widget.planes.label_map, before)
    assert widget.redo()
    assert not widget.planes.label_map.any()
    widget.plane = 20
    assert widget.undo(), "on any of its planes"
    np.testing.assert_array_equal(widget.planes.label_map, before)


def test_functions_are_called_when_tracking_has_changed_the_plane_shown(widget):
    draw_red(widget)
    widget.commit()
    widget.plane = 2
    observed(widget)
    seen = []
    widget.on_change(lambda changed: seen.append(changed.numbers))
    tracked(widget)
    observed(widget)
    assert seen[-1] == (1,)


def test_an_imported_label_volume_is_corrected_on_any_plane(predictor):
    volume = np.zeros((COUNT, H, W), np.uint16)
    volume[:3, 20:36, 4:20] = 7
    widget = SegmentWidget(FILM, axes="TYXC", model=predictor, masks=volume)
    tracked(widget, objects=7)
    assert [row.id for row in widget.tracks] == [7] * COUNT
    assert [row.state for row in widget.tracks[:4]] == ["keyframe"] * 3 + ["tracked"]
    widget.plane = 1
    widget.select(0)
    widget.add_stroke([(50, 5)], 3)
    assert widget.planes.label_map[1, 5, 50] == 7
    assert widget.numbers == (7,)
    widget.close()


def test_an_image_that_is_no_stack_cannot_be_tracked(predictor):
    widget = SegmentWidget(FILM[0], model=predictor)
    with pytest.raises(ImageError, match="only one plane"):
        widget.track()
    assert widget.marks is None
    assert widget._tracking == {}
    widget.close()


def test_a_model_that_cannot_track_names_those_that_can():
    widget = SegmentWidget(FILM, axes="TYXC", model=FakePredictor())
    widget.add_box(4, 20, 20, 36)
    with pytest.raises(ModelError, match=r"the model fake cannot track: use .*'tiny'"):
        widget.track()
    assert "cannot track" in widget._tracking["unavailable"]
    widget.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "there are no objects"),
        ({"objects": 9}, "no object has the number 9"),
        ({"objects": "car"}, "objects must be ids"),
        ({"planes": (5, 3)}, r"within 0\.\.30"),
        ({"planes": (0, 31)}, r"within 0\.\.30"),
        ({"planes": range(0, 9, 2)}, "step of 1"),
        ({"direction": "up"}, "direction must be one of"),
    ],
)
def test_what_cannot_be_tracked_is_refused(widget, options, message):
    with pytest.raises(PromptError, match=message):
        widget.track(**options)


def test_a_frame_that_cannot_be_read_ends_the_job_and_what_was_found_stays(predictor):
    class Film:
        shape, dtype = FILM.shape, FILM.dtype
        broken = True

        def __getitem__(self, index):
            if index[0] == 12 and self.broken:
                raise OSError("the disk is gone")
            return FILM[index]

    source = Film()
    widget = SegmentWidget(source, axes="TYXC", model=predictor)
    draw_red(widget)
    job = widget.track()
    with pytest.raises(ImageError, match="frame 12 cannot be read: the disk is gone"):
        job.wait(PATIENCE)
    assert "failed" in repr(job)
    wait_until(lambda: widget._tracking["error"] == job.error)
    assert len(widget.tracks) == 12
    source.broken = False
    tracked(widget)
    assert predictor.followed == list(range(1, COUNT))
    widget.close()


def test_memory_that_runs_out_is_freed_and_the_job_continues(widget, predictor):
    draw_red(widget)
    follow = predictor.follow
    failures = iter([MemoryError("out of memory")])

    def failing(frame, tracks):
        if frame.index == 7 and (error := next(failures, None)):
            raise error
        return follow(frame, tracks)

    predictor.follow = failing
    tracked(widget)
    assert predictor.followed == list(range(1, COUNT))
    notices = [state["notices"] for state in Page(widget).updates("_state")]
    assert any("out of memory: making room" in text for one in notices for text in one.values())


def test_another_model_makes_masks_stale_and_a_running_job_continues_with_it(widget):
    draw_red(widget)
    job = widget.track()
    wait_until(lambda: job.completed >= 3)
    other = FakeTrackingPredictor(name="other tracker")
    widget.model = other
    assert job.wait(PATIENCE)
    assert job.error == ""
    assert [row.state for row in widget.tracks[1:]] == ["tracked"] * (COUNT - 1)
    assert other.followed == list(range(1, COUNT))


def test_prompts_of_the_keyframes_are_saved_and_give_the_same_masks(widget):
    draw_red(widget)
    tracked(widget)
    widget.fill_holes = 9
    widget.plane = 20
    widget.add_point(52, 28)
    tracked(widget)
    text = widget.planes.prompts.to_json()
    other = SegmentWidget(
        FILM, axes="TYXC", model=FakeTrackingPredictor(), prompts=StackPrompts.from_json(text)
    )
    assert other._planes.tracking.tracks[1].keyframe_ranges == [(0, 1), (20, 21)]
    tracked(other)
    np.testing.assert_array_equal(other.planes.label_map, widget.planes.label_map)
    other.close()
    alone = track(FILM, StackPrompts.from_json(text), model=FakeTrackingPredictor())
    for frame in alone:
        assert frame.ids == widget.planes[frame.frame].numbers
        np.testing.assert_array_equal(frame.masks, widget.planes[frame.frame].masks)


# --- from a page ----------------------------------------------------------------------------------


@pytest.fixture
def page(widget):
    return Page(widget)


BOX = {"type": "box", "x0": 4, "y0": 20, "x1": 20, "y1": 36}


def ended(page):
    job = page.widget._planes.tracking.tracker.job
    assert job.wait(PATIENCE)
    wait_until(lambda: not page.widget._tracking["running"])
    settle()


def test_a_click_and_track_arrive_together_and_the_lane_fills(page):
    page.act("track", prompts=[BOX], active=True)
    ended(page)
    assert lanes(page)[1]["keyframes"] == [(0, 1)]
    assert runs(page) == [(1, COUNT, "tracked")]
    tracking = page.widget._tracking
    assert (tracking["done"], tracking["total"], tracking["numbers"]) == (COUNT - 1, COUNT - 1, [1])
    assert tracking["error"] == ""
    assert any(one["running"] for one in page.updates("_tracking"))
    numbers = [
        data["content"]["n"]
        for _, data, _ in page.published
        if data.get("content", {}).get("type") == "timeline"
    ]
    assert numbers == list(range(1, tracking["timeline"] + 1))


def test_a_correction_on_frame_20_changes_only_the_stretches_beside_it(page):
    page.act("track", prompts=[BOX], active=True)
    ended(page)
    turned(page, 20)
    active = page.state["active"]
    assert active["tracked"]
    (mask,) = active["prompts"]
    page.prompts({"type": "known", "key": mask["key"]}, point(52, 28))
    settle()
    assert page.state["active"]["id"] != active["id"]
    assert lanes(page)[1]["keyframes"] == [(0, 1), (20, 21)]
    assert runs(page) == [(1, 20, "stale"), (21, COUNT, "stale")]
    page.act("track", numbers=None)
    ended(page)
    assert runs(page) == [(1, 20, "tracked"), (21, COUNT, "tracked")]
    page.act("undo")
    settle()
    assert runs(page) == [(1, COUNT, "tracked")]


def test_tracked_objects_are_sent_like_finished_ones_and_can_be_selected(page):
    page.act("commit", prompts=[BOX])
    page.act("track", numbers=[1])
    ended(page)
    turned(page, 9)
    (sent,) = page.objects()
    assert (sent["id"], sent["number"], sent["tracked"]) == (tracked_id(1), 1, True)
    assert sent["prompts"] == []
    assert sent["mask"]["kind"] == "logits"
    assert page.state["active"] is None
    page.act("select", object=sent["id"])
    settle()
    assert page.objects() == []
    assert page.state["active"]["id"] == tracked_id(1)
    assert not page.state["active"]["pending"]
    page.act("select")
    settle()
    assert page.state["active"] is None
    assert len(page.objects()) == 1
    page.act("split", object=sent["id"])
    assert "no prompts on this plane" in page.notice
    page.act("label", object=sent["id"], label="car")
    page.act("show", object=sent["id"], visible=False)
    settle()
    assert (lanes(page)[1]["label"], lanes(page)[1]["visible"]) == ("car", False)
    assert (page.objects()[0]["label"], page.objects()[0]["visible"]) == ("car", False)
    page.act("delete", object=sent["id"], everywhere=True)
    settle()
    assert page.objects() == []
    assert lanes(page) == {}
    page.act("undo")
    settle()
    assert lanes(page)[1]["keyframes"] == [(0, 1)]
    assert len(page.objects()) == 1


def test_a_plane_that_is_shown_during_the_job_gets_its_masks(page, predictor):
    page.act("track", prompts=[BOX], active=True)
    job = page.widget._planes.tracking.tracker.job
    wait_until(lambda: job.completed >= 3)
    turned(page, 25)
    ended(page)
    assert page.state["plane"] == 25
    wait_until(lambda: page.state["active"] is not None)
    assert page.state["active"]["number"] == 1
    assert page.state["active"]["tracked"]
    assert predictor.followed == list(range(1, COUNT))


def test_a_click_during_the_job_is_answered_before_the_frames_that_are_left(
    page, predictor, monkeypatch
):
    before = frames_before_predictions(predictor, monkeypatch)
    page.act("commit", prompts=[BOX])
    page.act("track", numbers=[1])
    job = page.widget._planes.tracking.tracker.job
    wait_until(lambda: job.completed >= 3)
    predictor.gate.clear()
    page.prompts(point(46, 50))
    seen = len(predictor.followed)
    predictor.gate.set()
    wait_until(lambda: page.state["active"] and not page.state["active"]["pending"])
    assert before[-1] <= seen + 2
    ended(page)
    assert runs(page) == [(1, COUNT, "tracked")]


def test_a_page_cancels_and_resumes(page, predictor):
    page.act("track", prompts=[BOX], active=True)
    job = page.widget._planes.tracking.tracker.job
    wait_until(lambda: job.completed >= 3)
    page.act("cancel_track")
    ended(page)
    assert job.cancelled
    (run,) = runs(page)
    assert run[2] == "tracked"
    assert 4 <= run[1] < COUNT
    page.act("track", numbers=[1])
    ended(page)
    assert predictor.followed == list(range(1, COUNT))


def test_a_page_marks_an_object_as_absent(page):
    page.act("track", prompts=[BOX], active=True)
    ended(page)
    turned(page, 20)
    page.act("absent", numbers=[1])
    settle()
    assert lanes(page)[1]["absent"] == [(20, 21)]
    assert runs(page) == [(1, 20, "tracked"), (21, COUNT, "absent")]
    assert page.state["active"] is None
    page.act("select", object=tracked_id(1))
    settle()
    assert page.state["active"]["prompts"] == []
    page.prompts(point(46, 28))
    settle()
    assert lanes(page)[1]["absent"] == []
    assert lanes(page)[1]["keyframes"] == [(0, 1), (20, 21)]
    for _ in range(2):
        page.act("undo")
        settle()
    assert runs(page) == [(1, COUNT, "tracked")]
    page.act("absent", numbers=[1])
    page.act("absent", numbers=[1], absent=False)
    settle()
    assert (lanes(page)[1]["absent"], runs(page)) == ([], [(1, COUNT, "tracked")])


def test_marks_limit_where_a_page_tracks(page):
    page.act("mark", planes=[3, 8])
    assert page.widget.marks == (3, 8)
    assert page.widget._tracking["marks"] == (3, 8)
    page.act("track", prompts=[BOX], active=True)
    ended(page)
    assert runs(page) == [(3, 8, "tracked")]
    page.act("untrack", numbers=[1], planes=[5, 30])
    settle()
    assert runs(page) == [(3, 5, "tracked")]
    page.act("mark", planes=[8, 3])
    assert "planes must be a range" in page.notice
    page.act("mark", planes=None)
    assert page.widget.marks is None


def test_a_page_that_opens_gets_all_lanes_and_one_that_has_them_none(page, widget):
    page.act("track", prompts=[BOX], active=True)
    ended(page)
    before = lanes(page)
    newest = widget._tracking["timeline"]
    count = len(page.published)
    page.send({"type": "hello", "objects": -1, "timeline": newest})
    assert not [d for _, d, _ in page.published[count:] if _is_timeline(d)]
    page.send({"type": "hello"})
    (again,) = [d["content"] for _, d, _ in page.published[count:] if _is_timeline(d)]
    assert again["reset"]
    assert again["n"] == newest + 1 == widget._tracking["timeline"]
    assert lanes(page) == before


def _is_timeline(data):
    return data.get("content", {}).get("type") == "timeline"


def test_a_click_sends_only_the_lanes_that_it_changes(page):
    for x in range(5, 90, 10):
        page.act("commit", prompts=[point(x, 5)])
    settle()
    count = len(page.published)
    page.act("commit", prompts=[point(46, 50)])
    settle()
    sent = [d["content"] for _, d, _ in page.published[count:] if _is_timeline(d)]
    assert [lane["number"] for one in sent for lane in one["put"]] == [10]


def test_requests_about_tracks_of_a_plain_image_are_refused(predictor):
    widget = SegmentWidget(FILM[0], model=predictor)
    page = Page(widget)
    page.act("track", prompts=[BOX], active=True)
    assert "nothing can be tracked" in page.notice
    assert len(widget.objects) == 1, "the prompts that came with it count"
    widget.close()


def frames(page, n):
    return [
        (data["content"], buffers)
        for _, data, buffers in list(page.published)
        if data.get("content", {}).get("type") == "frame" and data["content"]["n"] == n
    ]


def test_frames_are_played_with_their_masks(page):
    page.act("commit", prompts=[BOX])
    page.act("track", numbers=[1])
    ended(page)
    page.send({"type": "frames", "client": "page", "n": 1, "first": 4, "count": 3, "side": 64})
    wait_until(lambda: len(frames(page, 1)) == 3)
    assert [content["plane"] for content, _ in frames(page, 1)] == [4, 5, 6]
    content, buffers = frames(page, 1)[0]
    assert (content["width"], content["height"]) == (W, H)
    assert (content["view_width"], content["view_height"]) == (64, 43)
    assert buffers[content["buffer"]].startswith(b"\x89PNG")
    (there,) = content["objects"]
    assert (there["number"], there["tracked"]) == (1, True)
    assert len(buffers[there["mask"]["buffer"]]) > 0
    page.send({"type": "frames", "client": "page", "n": 2, "first": 28, "count": 9, "step": 4})
    wait_until(lambda: frames(page, 2))
    page.send({"type": "frames", "client": "page", "n": 3, "first": 0, "count": 1})
    wait_until(lambda: frames(page, 3))
    assert [content["plane"] for content, _ in frames(page, 2)] == [28], "the stack ends"
    assert not frames(page, 3)[0][0]["objects"][0]["tracked"]


def test_a_playhead_that_is_moved_drops_the_frames_that_were_requested(page, monkeypatch):
    entered, leave = threading.Event(), threading.Event()
    image = page.widget._planes.image

    def slow(index):
        entered.set()
        assert leave.wait(PATIENCE)
        return image(index)

    monkeypatch.setattr(page.widget._planes, "image", slow)
    for n in (1, 2):
        request = {"type": "frames", "client": "page", "n": n, "first": 0, "count": 30}
        page.send(request)
    assert entered.wait(PATIENCE)
    page.send({**request, "n": 3, "first": 20, "count": 2, "restart": True})
    leave.set()
    wait_until(lambda: len(frames(page, 3)) == 2)
    assert len(frames(page, 1)) == 1
    assert frames(page, 2) == []


def test_a_frame_that_cannot_be_read_is_answered_with_the_reason(page, monkeypatch):
    def broken(index):
        raise OSError("no such frame")

    monkeypatch.setattr(page.widget._planes, "image", broken)
    page.send({"type": "frames", "client": "page", "n": 1, "first": 3, "count": 1})
    wait_until(lambda: frames(page, 1))
    content, _ = frames(page, 1)[0]
    assert content["error"] == "no such frame"


def test_marks_limit_the_job_after_one_that_was_cancelled(widget, predictor):
    draw_red(widget)
    predictor.gate.clear()
    job = widget.track()
    job.cancel()
    predictor.gate.set()
    assert job.wait(PATIENCE)
    widget.marks = (0, 8)
    again = tracked(widget)
    assert again.total <= 7
    found = [row.frame for row in widget.tracks]
    assert found == list(range(8))
