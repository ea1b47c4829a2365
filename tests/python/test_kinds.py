import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from sam2_widget import (
    Box,
    Choice,
    MaskPrompt,
    ObjectPrompts,
    Point,
    PromptError,
    Prompts,
    Scribble,
    Settings,
    Stroke,
)
from sam2_widget.masks import rle
from sam2_widget.prompts.collections import add_prompt

finite = st.floats(-(2**20), 2**20, width=32)
lines = st.lists(st.tuples(finite, finite), min_size=2, max_size=6)
masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
labels = st.sampled_from([0, 1])
heavy = (
    st.builds(Scribble, lines, labels)
    | st.builds(Stroke, lines, st.floats(0.01, 1000), labels)
    | st.builds(Choice, st.integers(0, 2))
)
documents = st.builds(
    lambda first, rest, fill: Prompts(
        (ObjectPrompts((*first, *rest), "x"),), Settings(fill_holes=fill)
    ),
    st.lists(st.builds(MaskPrompt.from_mask, masks), max_size=1),
    st.lists(heavy, max_size=5),
    st.integers(0, 9),
)


@given(documents)
def test_json_round_trip(prompts):
    assert Prompts.from_json(prompts.to_json()) == prompts


def test_documented_json():
    prompts = (Scribble([(1, 2), (3, 4)], 0), Choice(2), Stroke([(5, 6)], 1.5))
    text = Prompts((ObjectPrompts(prompts),), Settings(overlap="cut out", drop_specks=9)).to_json()
    document = json.loads(text)
    assert document["version"] == 1
    assert document["settings"] == {"overlap": "cut out", "drop_specks": 9}
    assert document["objects"][0]["prompts"] == [
        {"type": "scribble", "points": [[1.0, 2.0], [3.0, 4.0]], "label": 0},
        {"type": "choice", "index": 2},
        {"type": "stroke", "points": [[5.0, 6.0]], "radius": 1.5, "label": 1},
    ]


@pytest.mark.parametrize(
    "bad", [None, "ab", 5, [], [1, 2], [(1, 2, 3)], [("a", "b")], [[1, 2], [3]], [(True, False)]]
)
def test_line_must_be_pairs_of_numbers(bad):
    with pytest.raises(PromptError, match=r"pairs \(x, y\)"):
        Scribble(bad)
    with pytest.raises(PromptError, match=r"pairs \(x, y\)"):
        Stroke(bad, 1)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_line_must_be_finite(bad):
    with pytest.raises(PromptError, match="finite"):
        Stroke([(1, bad)], 1)
    with pytest.raises(PromptError, match="finite"):
        Scribble([(1, 1), (bad, 1)])


def test_number_of_vertices_is_limited():
    Scribble([(0, 0)] * 256)
    Stroke([(0, 0)] * 2048, 1)
    for make in (
        lambda: Scribble([(0, 0)]),
        lambda: Scribble([(0, 0)] * 257),
        lambda: Stroke(np.zeros((0, 2)), 1),
        lambda: Stroke([(0, 0)] * 2049, 1),
    ):
        with pytest.raises(PromptError, match="a line can have"):
            make()


@pytest.mark.parametrize("bad", [0, -1, math.nan, "1", 2.0**25])
def test_radius_must_be_positive(bad):
    with pytest.raises(PromptError, match="radius"):
        Stroke([(1, 1)], bad)


def test_a_stroke_must_touch_the_image_and_may_leave_it():
    Stroke([(-5, 5), (20, 5)], 1).check_inside(10, 10)
    Stroke([(-0.5, 5)], 1).check_inside(10, 10)
    with pytest.raises(PromptError, match="outside the image of 10 x 10"):
        Stroke([(-5, 5)], 1).check_inside(10, 10)
    with pytest.raises(PromptError, match="outside the image"):
        Scribble([(5, 5), (10, 5)]).check_inside(10, 10)


@pytest.mark.parametrize("bad", [3, -1, 0.5, "1", None, True])
def test_choice_must_be_0_1_or_2(bad):
    with pytest.raises(PromptError, match="0, 1 or 2"):
        Choice(bad)


def test_lines_from_arrays():
    assert Stroke(np.array([[1, 2], [3, 4]], np.uint8), np.float32(2)) == Stroke(
        [(1, 2), (3, 4)], 2
    )


@given(lines)
def test_a_scribble_is_sampled_evenly_along_its_line(points):
    samples = Scribble(points, 0).samples
    length = sum(math.dist(a, b) for a, b in pairwise(points))
    assert 1 <= len(samples) <= 8
    assert len(samples) <= max(length, 1)
    assert {p.label for p in samples} == {0}
    xs, ys = zip(*points, strict=True)
    assert all(min(xs) <= p.x <= max(xs) and min(ys) <= p.y <= max(ys) for p in samples)


def test_the_samples_of_a_straight_line():
    assert [p.x for p in Scribble([(0, 5), (80, 5)]).samples] == [5, 15, 25, 35, 45, 55, 65, 75]


def test_new_choice_replaces_only_the_previous_one():
    point = Point(1, 1)
    assert add_prompt((point, Choice(0)), Choice(2)) == (point, Choice(2))
    chosen = (point, Choice(0), point)
    assert add_prompt(chosen, Choice(1)) == (*chosen, Choice(1))
    assert add_prompt((Stroke([(1, 1)], 1), Box(0, 0, 1, 1)), Box(0, 0, 2, 2)) == (
        Stroke([(1, 1)], 1),
        Box(0, 0, 2, 2),
    )


@given(masks)
def test_mask_prompts_are_stored_as_coco_rle(mask):
    prompt = MaskPrompt.from_mask(mask)
    np.testing.assert_array_equal(rle.decode(prompt.counts, prompt.size), mask)
    encoded = coco.encode(np.asfortranarray(mask, np.uint8))
    assert encoded == {"size": list(mask.shape), "counts": prompt.counts.encode()}
    crop = prompt.pixels.crop(*mask.shape)
    assert crop.area == mask.sum()
    assert prompt.pixels.whole == mask.all()


@given(masks, st.integers(1, 20), st.integers(1, 20))
def test_a_mask_of_another_size_is_refused(mask, height, width):
    prompt = MaskPrompt.from_mask(mask)
    if (height, width) == mask.shape:
        prompt.check_inside(width, height)
    else:
        with pytest.raises(PromptError, match="size of the image"):
            prompt.check_inside(width, height)


@given(st.text(max_size=12) | st.text("0123456789:;<=>?@oONPQ", max_size=30), st.integers(-1, 9))
def test_malformed_run_lengths_are_decoded_or_refused(counts, side):
    try:
        prompt = MaskPrompt((side, 7), counts)
    except PromptError:
        return
    assert rle.decode(prompt.counts, prompt.size).shape == (side, 7)


@pytest.mark.parametrize("counts", ["", "o" * 50 + "0", "P", "0O", "é", "7" * 9])
def test_damaged_run_lengths_are_refused(counts):
    with pytest.raises(PromptError, match="the mask cannot be read"):
        MaskPrompt((2, 3), counts)


def test_huge_mask_size_is_refused():
    with pytest.raises(PromptError, match="the limit is"):
        MaskPrompt((10**6, 10**6), "0")


@pytest.mark.parametrize("bad", [None, "mask", np.zeros(3), np.zeros((2, 2, 2)), np.zeros((0, 4))])
def test_invalid_masks_are_refused(bad):
    with pytest.raises(PromptError, match=r"shape \(H, W\)"):
        MaskPrompt.from_mask(bad)


def test_a_mask_comes_first():
    mask = MaskPrompt.from_mask(np.ones((2, 2)))
    ObjectPrompts((mask, Point(1, 1)))
    with pytest.raises(PromptError, match="first"):
        ObjectPrompts((Point(1, 1), mask))


def test_keys_depend_on_the_content():
    assert Stroke([(1, 1)], 1).key == Stroke([(1, 1)], 1.0).key != Stroke([(1, 1)], 2).key
    ones, zeros = (MaskPrompt.from_mask(np.full((2, 2), n)) for n in (1, 0))
    assert ones.key != zeros.key
