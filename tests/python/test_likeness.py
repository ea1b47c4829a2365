"""How much masks are like examples."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget import AnnotationError, PromptError, ProposalFilter, SettingError, propose
from sam2_widget.masks.logits import LogitMask, MaskCrop, tight
from sam2_widget.proposals.grid import Crop
from sam2_widget.proposals.likeness import Describer, likeness
from sam2_widget.proposals.measure import ruler_for
from sam2_widget.proposals.proposal import PointMasks, Proposal
from sam2_widget.testing import FakePredictor

GROUND, RED, GREEN = (40, 40, 40), (200, 60, 60), (60, 200, 60)
SIZE = (300, 400)


def disc(x, y, radius, size=SIZE):
    return cv2.circle(np.zeros(size, np.uint8), (x, y), radius, 1, -1) > 0


def painted(*discs, size=SIZE):
    """A picture of discs (x, y, radius, colour)."""
    image = np.full((*size, 3), GROUND, np.uint8)
    for x, y, radius, color in discs:
        image[disc(x, y, radius, size)] = color
    return image


def like(image, masks, examples):
    describer = Describer(image)
    found, known = (
        np.array([describer.mask(tight(0, 0, mask)) for mask in some]) for some in (masks, examples)
    )
    return likeness(found, known)


PICTURE = painted((60, 60, 20, RED), (160, 60, 20, RED), (260, 60, 40, RED), (60, 200, 20, GREEN))
FIRST, SAME, LARGE, OTHER_COLOUR = (
    disc(60, 60, 20), disc(160, 60, 20), disc(260, 60, 40), disc(60, 200, 20)
)  # fmt: skip


def test_the_same_object_is_like_itself_and_its_like_and_others_less():
    itself, same, large, other = like(PICTURE, [FIRST, SAME, LARGE, OTHER_COLOUR], [FIRST])
    assert itself == 1
    assert same > 0.98
    assert 0.3 < large < 0.8
    assert other < 0.5


def test_the_nearest_of_several_examples_counts():
    masks = [FIRST, SAME, LARGE, OTHER_COLOUR]
    assert min(like(PICTURE, masks, [FIRST, OTHER_COLOUR, LARGE])) > 0.98


def test_the_more_the_size_differs_the_less_alike():
    radii = [20, 24, 30, 40, 60, 100]
    image = painted((200, 150, 120, RED))
    found = like(image, [disc(200, 150, radius) for radius in radii], [disc(200, 150, 20)])
    assert list(found) == sorted(found, reverse=True)
    assert found[0] == 1
    assert found[-1] < 0.3


def test_a_part_of_an_object_is_less_alike_than_a_whole_one():
    image = painted((100, 150, 40, RED), (300, 150, 22, RED), (100, 60, 22, RED))
    part = disc(116, 150, 22)
    whole, partly = like(image, [disc(300, 150, 22), part], [disc(100, 60, 22)])
    assert whole > 0.95
    assert partly < 0.6


def test_other_shapes_are_less_alike():
    bar = np.zeros(SIZE, bool)
    bar[190:202, 100:205] = True  # about as large as the disc
    image = painted((60, 60, 20, RED))
    image[bar] = RED
    assert like(image, [bar], [FIRST])[0] < 0.7


def test_an_empty_mask_and_the_whole_image_are_described():
    nothing, everything = np.zeros(SIZE, bool), np.ones(SIZE, bool)
    assert list(like(PICTURE, [nothing, FIRST], [FIRST, nothing])) == [0, 1]
    assert like(PICTURE, [everything, FIRST], [everything])[0] == 1


def test_in_an_image_of_one_colour_size_and_shape_are_compared():
    plain = painted()
    same, large = like(plain, [SAME, LARGE], [FIRST])
    assert same == 1
    assert large < 0.9


DESCRIBED = np.array(
    [Describer(PICTURE).mask(tight(0, 0, one)) for one in (FIRST, SAME, LARGE, OTHER_COLOUR)]
)


@given(st.permutations(range(4)), st.permutations(range(1, 4)))
def test_the_order_does_not_matter(order, examples):
    expected = likeness(DESCRIBED, DESCRIBED[1:])
    found = likeness(DESCRIBED[order], DESCRIBED[examples])
    np.testing.assert_array_equal(found, expected[order])


@given(st.integers(20, 380), st.integers(20, 280), st.integers(3, 18))
def test_where_an_object_is_does_not_matter(x, y, radius):
    image = painted((60, 60, radius, RED))
    image[disc(x, y, radius)] = RED
    (found,) = like(image, [disc(x, y, radius)], [disc(60, 60, radius)])
    touches = np.hypot(x - 60, y - 60) < 4 * radius + 8
    assert touches or found == 1


def proposal(number, mask, crop):
    """A proposal whose logits cover a crop, of a mask of the image."""
    part = mask[crop.pixels].astype(np.float32)
    logits = cv2.resize(part, (64, 64), interpolation=cv2.INTER_AREA) * 8 - 4
    low = LogitMask.from_logits(logits)
    measures = ruler_for((64, 64), part.shape)(low.logits).moved(crop.x0, crop.y0)
    return Proposal(number, PointMasks((0.0, 0.0), crop, (low,), (0.9,), 0), 0, measures)


@pytest.mark.parametrize("size", [(300, 400), (1500, 2000), (3000, 4000)])
@pytest.mark.parametrize("crop", [(0, 0, 1, 1), (0.1, 0.1, 0.6, 0.6)])
def test_proposals_of_crops_and_of_large_images_are_like_their_own_masks(size, crop):
    height, width = size
    x, y, radius = width // 3, height // 3, height // 8
    image = painted((x, y, radius, RED), size=size)
    x0, y0, x1, y1 = (round(c * n) for c, n in zip(crop, (width, height) * 2, strict=True))
    one = proposal(1, disc(x, y, radius, size), Crop(x0, y0, x1, y1))
    describer = Describer(image)
    found = describer.proposal(one)[None]
    assert likeness(found, describer.mask(one.pixels())[None])[0] > 0.95
    assert likeness(found, describer.mask(tight(0, 0, disc(x, y, radius, size)))[None])[0] > 0.8


def test_masks_as_small_as_a_pixel():
    describer = Describer(PICTURE)
    dot = MaskCrop(60, 60, np.ones((1, 1), bool))
    found = describer.mask(dot)[None]
    assert np.isfinite(found).all()
    assert likeness(found, found)[0] == 1


# --- results of `propose` -------------------------------------------------------------------------

HALVES = np.full((96, 128, 3), RED, np.uint8)
HALVES[:, 64:] = GREEN
HALVES += np.random.default_rng(3).integers(0, 9, HALVES.shape, np.uint8)


@pytest.fixture(scope="module")
def result():
    """Discs of three sizes at 4 x 4 points."""
    found = propose(HALVES, model=FakePredictor(radius=0.06), points_per_side=4)
    return found.filtered(min_score=0, min_stability=0)


def test_like_keeps_what_is_like_an_example_by_number(result):
    found = result.like([5], 0.8)  # of medium size, in the red half
    kept = [one for one in result.proposals if found.likeness[one.number] >= 0.8]
    assert {one.choice for one in kept} == {1}
    assert {one.point[0] < 64 for one in kept} == {True}
    assert len(found.objects) == len(kept) == 8
    assert found.likeness[5] == 1
    assert found.filter.min_likeness == 0.8


def test_other_limits_need_no_examples_again(result):
    found = result.like([5], 0.8)
    every = found.filtered(min_likeness=0)
    assert len(found.objects) < len(found.filtered(min_likeness=0.3).objects)
    assert len(every.objects) == len(result.objects)
    assert every.likeness == found.likeness


def test_examples_may_be_masks_or_a_result(result):
    expected = result.like([5])
    masks = np.zeros((1, 96, 128), bool)
    pixels = result.proposals[4].pixels()
    pixels.paste(masks[0], value=True)
    for examples in (masks, masks[0], [masks[0]], masks[0].astype(np.uint8), expected):
        found = result.like(examples)
        assert found.likeness[5] > 0.95
        assert len(found.objects) >= len(expected.objects)


@pytest.mark.parametrize(
    ("examples", "error", "message"),
    [
        ([], PromptError, "at least one example"),
        ([99], PromptError, "no proposal 99"),
        (np.zeros((1, 96, 128), bool), PromptError, "at least one example"),
        (np.ones((1, 50, 50), bool), AnnotationError, "50"),
        (None, AnnotationError, "None"),
    ],
    ids=repr,
)
def test_without_an_example_there_is_an_error(result, examples, error, message):
    with pytest.raises(error, match=message):
        result.like(examples)


def test_a_limit_without_examples_is_refused(result):
    with pytest.raises(SettingError, match="needs examples"):
        result.filtered(min_likeness=0.5)
    with pytest.raises(SettingError, match="needs examples"):
        ProposalFilter(min_likeness=0.5)(result.proposals)
    with pytest.raises(SettingError, match="min_likeness"):
        result.like([5], 1.5)


def test_without_proposals_nothing_can_be_alike():
    plain = np.full((64, 64, 3), 90, np.uint8)
    with pytest.warns(UserWarning, match="nothing to propose"):
        empty = propose(plain, model=FakePredictor(), points_per_side=2)
    with pytest.raises(PromptError, match="no proposals"):
        empty.like([1])
