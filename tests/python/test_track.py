"""Tracking without a browser."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sam2_widget import (
    ImageError,
    ImageStack,
    MaskPrompt,
    ModelError,
    ObjectPrompts,
    OutOfMemoryError,
    Point,
    PromptError,
    Prompts,
    SettingError,
    StackPrompts,
    Stroke,
    segment,
    track,
)
from sam2_widget.masks.settings import Settings
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.testing import FakePredictor, FakeTrackingPredictor

from .films import SIDE, Film


def volume(film: Film) -> np.ndarray:
    return np.stack([film(index) for index in range(film.count)])


def given(film: Film, number: int, index: int, label: str | None = None) -> ObjectPrompts:
    """An object whose mask on a frame is given."""
    prompt = MaskPrompt.from_mask(film.mask(number, index))
    return ObjectPrompts((prompt,), label=label, number=number)


def tracked(film, objects_of_planes, **options):
    prompts = StackPrompts({i: Prompts(tuple(some)) for i, some in objects_of_planes.items()})
    options.setdefault("model", FakeTrackingPredictor(size=SIDE))
    return list(track(volume(film), prompts, axes="TYXC", **options))


def test_each_frame_has_a_result_with_the_same_ids():
    film = Film(8)
    found = tracked(film, {0: [given(film, 2, 0, "cell")], 3: [given(film, 1, 3)]})
    assert [one.frame for one in found] == list(range(8))
    for one in found:
        assert one.ids == (2, 1)
        assert one.labels == ("cell", None)
        assert one.masks.shape == (2, SIDE, SIDE)
        assert one.scores.shape == (2,)
        for number, mask in zip(one.ids, one.masks, strict=True):
            np.testing.assert_array_equal(mask, film.mask(number, one.frame))
            np.testing.assert_array_equal(one.label_map == number, mask)
        np.testing.assert_array_equal(one.image, film(one.frame))


def test_on_a_keyframe_the_mask_is_that_of_segment():
    film = Film(4)
    prompts = Prompts((ObjectPrompts((Point(20, 30), Stroke(((50, 50),), 4)), number=5),))
    model = FakeTrackingPredictor(size=SIDE)
    found = list(track(volume(film), StackPrompts({2: prompts}), axes="TYXC", model=model))
    wanted = segment(film(2), prompts, model=model)
    np.testing.assert_array_equal(found[2].masks, wanted.masks)
    assert found[2].prompts == prompts
    assert found[1].prompts == Prompts()


def test_an_object_ends_at_an_empty_keyframe_and_an_absent_one_is_not_there():
    film = Film(10, gone=range(2, 4))
    ended = ObjectPrompts((), number=1)
    found = tracked(film, {0: [given(film, 1, 0)], 6: [ended]}, direction="forward")
    assert [one.ids for one in found] == [(1,)] * 2 + [()] * 2 + [(1,)] * 2 + [()] * 4
    assert not found[3].label_map.any()


def test_only_the_wanted_frames_objects_and_direction():
    film = Film(9)
    planes = {4: [given(film, 1, 4), given(film, 3, 4)]}
    whole = tracked(film, planes)
    part = tracked(film, planes, planes=range(2, 7), objects=[3])
    assert [one.frame for one in part] == [2, 3, 4, 5, 6]
    for one in part:
        assert one.ids == (3,)
        np.testing.assert_array_equal(one.masks[0], whole[one.frame].masks[1])
    assert [one.frame for one in tracked(film, planes, planes=slice(-2, None))] == [7, 8]
    forward = tracked(film, planes, direction="forward")
    assert [len(one.ids) for one in forward] == [0] * 4 + [2] * 5


def test_objects_without_a_number_are_one_each():
    film = Film(5)
    first = ObjectPrompts(given(film, 1, 0).prompts)
    second = ObjectPrompts(given(film, 2, 2).prompts)
    found = tracked(film, {0: [first, given(film, 3, 0)], 2: [second]})
    assert {one.ids for one in found} == {(4, 3, 5)}


def test_settings_hold_for_tracked_masks_too():
    film = Film(4)
    prompts = StackPrompts(
        {0: Prompts((given(film, 1, 0), given(film, 2, 0)), Settings(overlap="cut out"))}
    )
    found = list(track(volume(film), prompts, axes="TYXC", model=FakeTrackingPredictor(size=SIDE)))
    assert {one.settings.overlap for one in found} == {"cut out"}


def test_results_come_as_they_are_taken():
    film = Film(30)
    model = FakeTrackingPredictor(size=SIDE)
    stack = volume(film)
    results = track(stack, {0: Prompts((given(film, 1, 0),))}, axes="TYXC", model=model)
    assert model.followed == []
    for expected in range(4):
        assert next(results).frame == expected
    assert len(model.followed) <= 5


def test_a_file_of_prompts_and_plain_lists_are_taken(tmp_path):
    film = Film(4)
    prompts = StackPrompts({0: Prompts((given(film, 1, 0),))}, along="T")
    prompts.save(tmp_path / "p.json")
    model = FakeTrackingPredictor(size=SIDE)
    frames = volume(film)
    from_file = list(track(frames, tmp_path / "p.json", axes="TYXC", model=model))
    from_value = list(track(frames, prompts, axes="TYXC", model=model))
    for one, other in zip(from_file, from_value, strict=True):
        np.testing.assert_array_equal(one.masks, other.masks)
    listed = list(track(frames, {1: [Point(10, 10)]}, axes="TYXC", model=model))
    assert listed[1].ids == (1,)


def test_a_frame_that_cannot_be_read_ends_the_results_and_keeps_those_before():
    film = Film(6)

    class Broken(ImageStack):
        def __getitem__(self, index):
            if index == 4:
                raise ImageError("frame 4 is broken")
            return super().__getitem__(index)

    stack = Broken(volume(film), axes="TYXC")
    results = track(
        stack, {0: Prompts((given(film, 1, 0),))}, model=FakeTrackingPredictor(size=SIDE)
    )
    assert [next(results).frame for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ImageError, match="frame 4 is broken"):
        next(results)


@pytest.mark.parametrize("shape", [(5, 20, 30), (5, 20, 30, 3), (5, 20, 30, 4)])
def test_an_array_without_axes_has_the_frames_first(shape):
    found = track(np.zeros(shape, np.uint8), {1: [Point(3, 3)]}, model=FakeTrackingPredictor())
    assert [one.masks.shape[1:] for one in found] == [(20, 30)] * 5


def test_a_list_of_paths_and_a_folder_are_films(tmp_path):
    film = Film(5)
    for index in range(5):
        Image.fromarray(film(index)).save(tmp_path / f"{index}.png")
    prompts = StackPrompts({2: Prompts((given(film, 1, 2),))})
    for source in (sorted(tmp_path.iterdir()), tmp_path):
        found = list(track(source, prompts, model=FakeTrackingPredictor(size=SIDE)))
        for index, one in enumerate(found):
            np.testing.assert_array_equal(one.masks, film.mask(1, index)[None])


def test_out_of_memory_is_reported_and_tracking_continues():
    film = Film(6)
    planes = {0: [given(film, 1, 0)]}
    wanted = tracked(film, planes)

    class Tight(FakeTrackingPredictor):
        failed = False

        def follow(self, frame, tracks):
            if frame.index == 3 and not self.failed:
                self.failed = True
                raise OutOfMemoryError("cpu is out of memory")
            return super().follow(frame, tracks)

    model = Tight(size=SIDE)
    with pytest.warns(UserWarning, match="out of memory: making room and trying again"):
        found = tracked(film, planes, model=model)
    assert model.followed == [1, 2, 3, 4, 5]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.masks, other.masks)


def test_embeddings_go_through_the_cache():
    embeddings.clear()
    film = Film(6)

    class Encoding(FakeTrackingPredictor):
        def follow(self, frame, tracks):
            assert frame.embedding.width == SIDE
            return super().follow(frame, tracks)

    model = Encoding(size=SIDE)
    for _ in range(2):
        tracked(film, {0: [given(film, 1, 0)]}, model=model)
        assert model.embedded == 5


FRAMES = np.zeros((5, 8, 8), np.uint8)


@pytest.mark.parametrize(
    ("source", "prompts", "options", "error", "match"),
    [
        (FRAMES[0], {0: [Point(1, 1)]}, {"axes": None}, ImageError, "is taken for one"),
        (FRAMES, {5: [Point(1, 1)]}, {}, PromptError, "frame 5: there are frames 0 to 4"),
        (FRAMES, {0: [Point(9, 1)]}, {}, PromptError, "outside"),
        (FRAMES, [Point(1, 1)], {}, PromptError, "on which frame"),
        (FRAMES, {-1: [Point(1, 1)]}, {}, PromptError, "from 0"),
        (FRAMES, {0: [Point(1, 1)]}, {"objects": [7]}, PromptError, "no object 7"),
        (FRAMES, {0: [Point(1, 1)]}, {"direction": "up"}, SettingError, "direction"),
        (FRAMES, {0: [Point(1, 1)]}, {"planes": range(9)}, SettingError, r"some of 0\.\.4"),
        (FRAMES, {0: [Point(1, 1)]}, {"planes": slice(0, 4, 2)}, SettingError, "step of 1"),
        (FRAMES, {0: [Point(1, 1)]}, {"model": FakePredictor()}, ModelError, "does not track"),
    ],
)
def test_bad_input_is_refused_at_once(source, prompts, options, error, match):
    options = {"model": FakeTrackingPredictor(), "axes": "TYX", **options}
    with pytest.raises(error, match=match):
        track(source, prompts, **options)


def test_two_objects_of_one_frame_cannot_have_one_number():
    twice = ObjectPrompts((Point(1, 1),), number=3)
    with pytest.raises(PromptError, match="two objects of plane 0 have the number 3"):
        track(
            FRAMES,
            StackPrompts({0: Prompts((twice, twice))}),
            axes="TYX",
            model=FakeTrackingPredictor(),
        )
