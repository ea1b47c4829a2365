"""Tracking by the bundled model, on cut-outs that move over a photograph."""

from __future__ import annotations

from functools import cache
from typing import cast

import numpy as np
import pytest
import skimage.data

from sam2_widget import (
    Box,
    MaskPrompt,
    ObjectPrompts,
    Point,
    Prompts,
    SegmentWidget,
    StackPrompts,
    load_model,
    track,
)
from sam2_widget.annotation.keyframes import certain_logits
from sam2_widget.predictor import Frame, Keyframe, Track, TrackingPredictor

HEIGHT, WIDTH, RADIUS = 180, 240, 28
COUNT = 10
HIDDEN = -100
"""Coordinate at which the ball is completely outside the frame."""


@cache
def textures():
    ground = skimage.data.coffee()[:HEIGHT, :WIDTH]
    cat = skimage.data.chelsea()[60 : 60 + 2 * RADIUS, 150 : 150 + 2 * RADIUS]
    rocket = skimage.data.rocket()[200 : 200 + 2 * RADIUS, 280 : 280 + 2 * RADIUS]
    return ground, [cat, rocket]


def disc(x, y):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (columns - x) ** 2 + (rows - y) ** 2 < RADIUS**2


def scene(*places, alike=False):
    """A frame with a cut-out at each of several places, the last in front, and their masks."""
    ground, cut_outs = textures()
    cut_outs = [cut_outs[0]] * len(places) if alike else cut_outs
    frame, masks = ground.copy(), []
    for (x, y), cut_out in zip(places, cut_outs, strict=False):
        mask = disc(x, y)
        rows, columns = np.nonzero(mask)
        frame[mask] = cut_out[rows - (y - RADIUS), columns - (x - RADIUS)]
        masks = [*(one & ~mask for one in masks), mask]
    return frame, masks


def film(*paths, alike=False):
    """Frames, and for each of them the masks, of cut-outs on their paths."""
    scenes = [scene(*places, alike=alike) for places in zip(*paths, strict=True)]
    return [frame for frame, _ in scenes], [masks for _, masks in scenes]


def line(start, step, count=COUNT):
    return [(start[0] + step[0] * i, start[1] + step[1] * i) for i in range(count)]


def iou(one, other):
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def prompts_at(frame, *masks):
    objects = [
        ObjectPrompts((MaskPrompt.from_mask(one),), number=i + 1) for i, one in enumerate(masks)
    ]
    return StackPrompts({frame: Prompts(tuple(objects))})


def ious(images, prompts, truth, number=1):
    """IoU of an object with the ground truth by frame; None where it is not found."""
    found = {}
    for result in track(np.stack(images), prompts, model="bundled", axes="TYXC"):
        there = dict(zip(result.ids, result.masks, strict=True))
        expected = truth[result.frame][number - 1]
        found[result.frame] = iou(there[number], expected) if number in there else None
    return found


def test_the_bundled_model_tracks():
    assert isinstance(load_model("bundled"), TrackingPredictor)


def test_an_object_is_tracked_forward_and_backward():
    images, truth = film(line((60, 60), (12, 6)))
    found = ious(images, prompts_at(5, truth[5][0]), truth)
    assert found.pop(5) == 1
    assert sorted(found) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert min(found.values()) > 0.85


def test_two_objects_that_pass_each_other_keep_their_ids():
    images, truth = film(line((50, 70), (14, 0)), line((190, 110), (-14, 0)))
    prompts = prompts_at(0, *truth[0])
    assert min(ious(images, prompts, truth, 1).values()) > 0.7
    assert min(ious(images, prompts, truth, 2).values()) > 0.85


def test_a_similar_object_next_to_the_object_is_not_included():
    images, truth = film(line((50, 50), (10, 0)), line((60, 135), (8, 0)), alike=True)
    assert min(ious(images, prompts_at(0, truth[0][0]), truth).values()) > 0.85


def test_an_object_that_leaves_is_absent_and_found_again_on_return():
    path = [*line((60, 60), (6, 4), 4), *[(HIDDEN, HIDDEN)] * 3, *line((150, 100), (6, 4), 4)]
    images, truth = film(path)
    found = ious(images, prompts_at(0, truth[0][0]), truth)
    assert [index for index, one in found.items() if one is None] == [4, 5, 6]
    assert min(found[index] for index in (1, 2, 3, 7, 8, 9, 10)) > 0.8


def test_the_masks_do_not_depend_on_other_objects_and_are_reproducible():
    images, truth = film(line((50, 60), (10, 0), 5), line((180, 120), (-10, 0), 5))
    both = list(track(np.stack(images), prompts_at(0, *truth[0]), model="bundled", axes="TYXC"))
    again = list(track(np.stack(images), prompts_at(0, *truth[0]), model="bundled", axes="TYXC"))
    alone = list(track(np.stack(images), prompts_at(0, truth[0][0]), model="bundled", axes="TYXC"))
    for one, same, first in zip(both, again, alone, strict=True):
        np.testing.assert_array_equal(one.masks, same.masks)
        np.testing.assert_array_equal(one.scores, same.scores)
        np.testing.assert_array_equal(one.masks[:1], first.masks)


def test_a_track_resumed_from_its_memory_has_the_same_masks():
    images, truth = film(line((60, 60), (12, 6), 5))
    model = cast(TrackingPredictor, load_model("bundled"))
    frames = [Frame(i, len(images), rgb, lambda: None) for i, rgb in enumerate(images)]
    mask = truth[0][0]
    given = Keyframe(mask, certain_logits(mask, model.logits_size))

    def follow(first, memory=None):
        (keyframe,) = model.remember(frames[0], [given])
        for frame in frames[first:]:
            ((found, memory),) = model.follow(frame, [Track((keyframe,), memory)])
            yield found, memory

    whole = list(follow(1))
    rest = list(follow(3, whole[1][1]))
    for (one, _), (other, _) in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(one.logits, other.logits)
        assert (one.score, one.presence) == (other.score, other.presence)


def test_memory_does_not_grow_with_the_frames():
    images, truth = film(line((60, 60), (12, 6), 6))
    model = cast(TrackingPredictor, load_model("bundled"))
    frames = [Frame(i, len(images), rgb, lambda: None) for i, rgb in enumerate(images)]
    mask = truth[0][0]
    given = Keyframe(mask, certain_logits(mask, model.logits_size))
    (keyframe,) = model.remember(frames[0], [given])
    memory, sizes = None, []
    for frame in frames[1:]:
        ((_, memory),) = model.follow(frame, [Track((keyframe,), memory)])
        sizes.append(memory.nbytes)
    assert len(set(sizes)) == 1
    assert keyframe.nbytes + sizes[0] < 5e6


def test_a_correction_improves_the_frames_after_it():
    # The tracked object is the wrong one from the start: the mask of a similar object.
    images, truth = film(line((60, 60), (12, 6)), line((60, 145), (-2, 0)))
    wrong = prompts_at(0, truth[0][1])
    right = prompts_at(4, truth[4][0])
    corrected = ious(images, StackPrompts({**wrong, **right}), truth)
    assert min(corrected[index] for index in range(5, COUNT)) > 0.85


@pytest.mark.parametrize("prompt", [Point(60, 60), Box(30, 30, 90, 90)])
def test_points_and_boxes_start_a_track(prompt):
    images, truth = film(line((60, 60), (12, 6), 4))
    prompts = {0: [prompt]}
    results = list(track(np.stack(images), prompts, model="bundled", axes="TYXC"))
    start = results[0].masks[0]
    assert iou(start, truth[0][0]) > 0.5
    for result in results[1:]:
        # It tracks the region selected by the click, which need not be the whole cut-out.
        x, y = 60 + 12 * result.frame, 60 + 6 * result.frame
        moved = np.roll(start, (y - 60, x - 60), axis=(0, 1))
        assert iou(result.masks[0], moved) > 0.7


def test_a_16_bit_grey_volume_is_tracked():
    images, truth = film(line((100, 80), (2, 1), 6))
    volume = np.stack([image.mean(axis=-1) * 200 for image in images]).astype(np.uint16)
    prompts = prompts_at(2, truth[2][0])
    found = {
        result.frame: iou(result.masks[0], truth[result.frame][0])
        for result in track(volume, prompts, model="bundled")
    }
    assert sorted(found) == list(range(6))
    assert min(found.values()) > 0.85


def test_an_object_is_absent_after_an_empty_keyframe():
    images, _ = film(line((60, 60), (12, 6), 3))
    nothing = np.zeros((HEIGHT, WIDTH), bool)
    model = cast(TrackingPredictor, load_model("bundled"))
    frames = [Frame(i, len(images), rgb, lambda: None) for i, rgb in enumerate(images)]
    given = Keyframe(nothing, certain_logits(nothing, model.logits_size))
    (keyframe,) = model.remember(frames[0], [given])
    ((found, _),) = model.follow(frames[1], [Track((keyframe,))])
    assert found.presence <= 0
    assert not (found.logits > 0).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (300, 2), (17, 13)])
def test_frames_of_any_shape_are_tracked(size):
    frames = np.random.default_rng(0).integers(0, 255, (3, *size, 3), np.uint8)
    results = list(track(frames, {0: [Point(0, 0)]}, model="bundled", axes="TYXC"))
    assert [result.masks.shape[1:] for result in results] == [size] * 3


def test_the_widget_and_a_script_track_identical_masks():
    images, truth = film(line((60, 60), (12, 6), 4))
    prompts = prompts_at(0, truth[0][0])
    w = SegmentWidget(np.stack(images), axes="TYXC", model="bundled", prompts=prompts)
    w.track().wait()
    alone = list(track(np.stack(images), prompts, model="bundled", axes="TYXC"))
    for result in alone:
        np.testing.assert_array_equal(w.planes.masks[1][result.frame], result.masks[0])
    w.close()
