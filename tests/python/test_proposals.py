"""The search for proposals, and the filters over what it has found; no model."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sam2_widget import Box, OutOfMemoryError, Point, PromptError, ProposalFilter, SettingError
from sam2_widget.masks.logits import LogitMask, MaskCrop, taps
from sam2_widget.predictor import Candidates, PromptArrays
from sam2_widget.prompts.types import Choice, MaskPrompt
from sam2_widget.proposals.edges import EdgeMap
from sam2_widget.proposals.filters import suppress
from sam2_widget.proposals.grid import Crop, Grid, checked_region, crops_of, points_in
from sam2_widget.proposals.measure import Measures, Ruler
from sam2_widget.proposals.prompts import object_prompts
from sam2_widget.proposals.proposal import PointMasks, Proposal, mask_iou
from sam2_widget.proposals.search import ProposalSearch
from sam2_widget.testing import FakePredictor

IMAGE = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
WHOLE = Crop(0, 0, 128, 96)


def run(search):
    while not search.is_done:
        search.step()
    return search.proposals


class BatchPredictor(FakePredictor):
    """A fake that decodes points together, and records how many at once."""

    refines_points = False

    def __init__(self, **options):
        super().__init__(**options)
        self.batches = []

    def predict_points(self, embedding, points):
        self.batches.append(len(points))
        self._called()
        return [self._candidates(embedding, point) for point in points]

    def _candidates(self, embedding, point):
        prompts = PromptArrays(point[None], np.ones(1, np.int32))
        return self._predict(embedding, prompts, multimask=True)


class RefiningPredictor(BatchPredictor):
    """Its quick look gives logits of another size."""

    refines_points = True

    def _candidates(self, embedding, point):
        found = super()._candidates(embedding, point)
        return Candidates(found.logits[:, ::2, ::2], found.scores)


# --- the grid -------------------------------------------------------------------------------------


def test_points_are_the_centres_of_equal_parts():
    points = points_in(Crop(10, 20, 30, 40), Grid(2))
    np.testing.assert_allclose(points, [[15, 25], [25, 25], [15, 35], [25, 35]])


def test_deeper_layers_can_have_fewer_points():
    grid = Grid(9, 2, points_downscale=2)
    assert [len(points_in(Crop(0, 0, 50, 50, layer), grid)) for layer in range(4)] == [81, 16, 4, 1]


@given(st.integers(16, 400), st.integers(16, 400), st.integers(0, 3), st.floats(0, 0.9))
def test_crops_cover_the_region_and_do_not_leave_it(width, height, layers, ratio):
    region = (7, 5, 7 + width, 5 + height)
    crops = crops_of(region, Grid(1, layers, overlap_ratio=ratio))
    assert len(crops) == sum(4**layer for layer in range(layers + 1))
    for layer in range(layers + 1):
        covered = np.zeros((5 + height, 7 + width), bool)
        for crop in (one for one in crops if one.layer == layer):
            assert crop.x0 >= 7
            assert crop.y0 >= 5
            assert crop.x1 <= 7 + width
            assert crop.y1 <= 5 + height
            covered[crop.pixels] = True
        assert covered[5:, 7:].all()


@pytest.mark.parametrize(
    "settings",
    [
        {"points_per_side": 0},
        {"points_per_side": 1000},
        {"points_per_side": 4.5},
        {"layers": -1},
        {"layers": True},
        {"points_downscale": 0},
        {"overlap_ratio": "half"},
    ],
)
def test_wrong_grids_are_refused(settings):
    (name,) = settings
    with pytest.raises(SettingError, match=name):
        Grid(**settings)


def test_a_region_is_a_box_or_four_numbers():
    assert checked_region(None, (96, 128)) == (0, 0, 128, 96)
    assert checked_region(Box(30.5, 10, 8.2, 50.1), (96, 128)) == (8, 10, 31, 51)
    assert checked_region(np.array([0, 0, 128, 96]), (96, 128)) == (0, 0, 128, 96)


@pytest.mark.parametrize("region", ["all", (1, 2, 3), 5, (0, 0, np.nan, 4), (0, 0, 129, 96)])
def test_other_regions_are_refused(region):
    with pytest.raises(PromptError, match="region"):
        checked_region(region, (96, 128))


# --- numbers of a mask ----------------------------------------------------------------------------


def upsampled(logits, size):
    """All pixels, in float64."""
    j0, j1, fy = taps(size[0], logits.shape[0])
    i0, i1, fx = taps(size[1], logits.shape[1])
    rows = logits[:, i0] * (1 - fx) + logits[:, i1] * fx
    return rows[j0] * (1 - fy[:, None]) + rows[j1] * fy[:, None]


@given(
    arrays.arrays(
        np.int8, st.tuples(st.integers(2, 9), st.integers(2, 9)), elements=st.integers(-4, 4)
    ),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_a_mask_is_measured_as_if_it_was_up_sampled(cells, size):
    # Odd thirds: no pixel comes to lie on a threshold, where roundings decide.
    logits = cells.astype(np.float32) + np.float32(0.3141)
    full = upsampled(logits.astype(np.float64), size)
    found = Ruler(logits.shape, size)(logits)
    close = np.count_nonzero(np.abs(full[..., None] - [-1, 0, 1]).min(axis=-1) < 1e-5)
    assert abs(found.area - np.count_nonzero(full > 0)) <= close
    inner, outer = np.count_nonzero(full > 1), np.count_nonzero(full > -1)
    if not close:
        assert found.stability == (inner / outer if outer else 0)
        rows, columns = np.nonzero(full > 0)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else ()
        assert found.box == (box or (0, 0, 0, 0))


def test_a_large_image_costs_no_array_of_its_size():
    y, x = np.mgrid[:64, :64] + 0.5
    disc = (20 - np.hypot(x - 32, y - 32)).astype(np.float32)
    found = Ruler((64, 64), (64_000, 64_000))(disc)
    assert found.area == pytest.approx(np.pi * 20_000**2, rel=0.01)
    assert found.box == pytest.approx((12_000, 12_000, 52_000, 52_000), abs=200)


# --- edges ----------------------------------------------------------------------------------------


def box_logits(x0, y0, x1, y1, cells=(48, 64)):
    logits = np.full(cells, -4, np.float32)
    logits[y0:y1, x0:x1] = 4
    return logits


def test_an_outline_along_edges_is_told_from_one_on_plain_ground():
    image = np.full((480, 640, 3), 180, np.uint8)
    image[100:300, 80:240] = (40, 90, 150)
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    edges = EdgeMap(np.clip(image + noise, 0, 255).astype(np.uint8), (48, 64))
    assert edges.share(box_logits(8, 10, 24, 30)) > 0.95
    assert edges.share(box_logits(30, 8, 60, 40)) < 0.1
    half = edges.share(box_logits(8, 20, 24, 46))  # ends in the middle of the thing, and below it
    assert 0.2 < half < 0.6


def test_the_whole_image_has_no_outline_but_ends_with_the_picture():
    edges = EdgeMap(np.full((48, 64, 3), 9, np.uint8), (48, 64))
    assert edges.share(np.ones((48, 64), np.float32)) == 1


def test_a_model_can_have_proposals_left_out_that_follow_no_edge():
    image = np.full((96, 128, 3), 200, np.uint8)
    # The fake model's masks are discs around the point: this thing is one of them.
    cv2.circle(image, (64, 48), 19, (20, 60, 120), -1)
    predictor: Any = FakePredictor()
    everything = run(ProposalSearch(image, predictor, Grid(3)))
    predictor.proposal_edges = 0.5
    left = run(ProposalSearch(image, predictor, Grid(3)))
    assert 0 < len(left) < len(everything)
    assert {one.point for one in left} == {(64.0, 48.0)}


# --- filters --------------------------------------------------------------------------------------


def proposal(number, score=0.9, stability=0.9, box=(10, 10, 30, 30), crop=WHOLE):
    """A full box as mask, at one cell to a pixel."""
    x0, y0, x1, y1 = box
    logits = np.full((crop.height, crop.width), -5, np.float32)
    logits[y0 - crop.y0 : y1 - crop.y0, x0 - crop.x0 : x1 - crop.x0] = 5
    found = PointMasks(
        ((x0 + x1) / 2, (y0 + y1) / 2), crop, (LogitMask.from_logits(logits),), (score,), 0
    )
    return Proposal(number, found, 0, Measures((x1 - x0) * (y1 - y0), box, stability))


def numbers(proposals):
    return [one.number for one in proposals]


def test_each_threshold_leaves_out_what_is_beyond_it():
    some = [
        proposal(1, score=0.7, box=(0, 0, 10, 10)),
        proposal(2, stability=0.5, box=(20, 0, 30, 10)),
        proposal(3, box=(40, 0, 45, 5)),
        proposal(4, box=(50, 0, 90, 40)),
    ]
    assert numbers(ProposalFilter()(some)) == [2, 3, 4, 1]
    assert numbers(ProposalFilter(min_score=0.8)(some)) == [2, 3, 4]
    assert numbers(ProposalFilter(min_stability=0.6)(some)) == [3, 4, 1]
    assert numbers(ProposalFilter(min_area=26)(some)) == [2, 4, 1]
    assert numbers(ProposalFilter(max_area=100)(some)) == [2, 3, 1]
    assert ProposalFilter()([]) == []


def test_of_duplicates_the_best_stays():
    some = [
        proposal(1, score=0.8, box=(10, 10, 30, 30)),
        proposal(2, score=0.9, box=(11, 10, 31, 30)),
        proposal(3, score=0.7, box=(60, 10, 80, 30)),
    ]
    assert numbers(ProposalFilter(max_overlap=0.7)(some)) == [2, 3]
    assert numbers(ProposalFilter(max_overlap=0.95)(some)) == [2, 1, 3]


def ring(number, score):
    """A frame around its box."""
    found = proposal(number, score, box=(10, 10, 50, 50))
    logits = np.full((96, 128), -5, np.float32)
    logits[10:50, 10:50] = 5
    logits[15:45, 15:45] = -5
    masks = (LogitMask.from_logits(logits),)
    ring = PointMasks(found.point, WHOLE, masks, (score,), 0)
    return Proposal(number, ring, 0, Measures(700, (10, 10, 50, 50), 0.9))


def test_what_fills_a_ring_is_a_duplicate_by_its_box_only():
    some = [ring(1, 0.9), proposal(2, 0.8, box=(15, 15, 45, 45))]
    strict = {"max_overlap": 0.3}
    assert numbers(ProposalFilter(**strict)(some)) == [1, 2]
    assert numbers(ProposalFilter(**strict, overlap_of="boxes")(some)) == [1]


def test_between_crops_the_smaller_crop_wins_whatever_the_score():
    small = Crop(0, 0, 64, 48, 1)
    some = [proposal(1, score=0.95), proposal(2, score=0.6, crop=small)]
    assert numbers(ProposalFilter()(some)) == [2]


@pytest.mark.parametrize(
    "thresholds",
    [
        {"min_score": 2},
        {"min_stability": -0.1},
        {"min_area": "small"},
        {"max_area": -1},
        {"max_overlap": None},
        {"overlap_of": "circles"},
        {"max_area": 5, "min_area": 6},
    ],
)
def test_wrong_thresholds_are_refused(thresholds):
    with pytest.raises(SettingError, match=next(iter(thresholds))):
        ProposalFilter(**thresholds)


boxes = st.tuples(
    st.integers(0, 100), st.integers(0, 70), st.integers(2, 26), st.integers(2, 26)
).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
unit = st.integers(0, 20).map(lambda n: n / 20)
some_proposals = st.lists(st.tuples(unit, unit, boxes), max_size=12).map(
    lambda found: [proposal(n, *one) for n, one in enumerate(found, 1)]
)


@given(some_proposals, unit, unit, unit, st.sampled_from(["masks", "boxes"]))
def test_filtering_keeps_a_largest_set_without_duplicates(some, score, stability, overlap, of):
    chosen = ProposalFilter(score, stability, max_overlap=overlap, overlap_of=of)
    kept = chosen(some)
    assert numbers(kept) == numbers(sorted(kept, key=lambda one: (-one.score, one.number)))
    assert chosen(kept) == kept
    assert all(chosen._passes(one, {}) for one in kept)
    if of == "masks":
        ious = [mask_iou(a.cells, b.cells) for a in kept for b in kept if a is not b]
        assert max(ious, default=0) <= overlap
        for left_out in (one for one in some if chosen._passes(one, {}) and one not in kept):
            rivals = [one for one in kept if one.score >= left_out.score]
            assert max(mask_iou(left_out.cells, one.cells) for one in rivals) > overlap


@given(some_proposals, unit)
def test_a_lower_threshold_for_overlap_never_keeps_a_worse_best(some, overlap):
    strict, lax = (ProposalFilter(max_overlap=o)(some) for o in (overlap / 2, overlap))
    assert numbers(strict[:1]) == numbers(lax[:1])
    assert len(ProposalFilter(max_overlap=1)(some)) == len(some)


@given(arrays.arrays(np.float64, (8, 8), elements=st.floats(0, 1)), st.floats(0, 1))
def test_suppression_leaves_out_what_overlaps_something_kept(ious, most):
    ious = np.maximum(ious, ious.T)
    kept = suppress(8, lambda index, others: ious[index, others], most)
    for index in range(8):
        rivals = [other for other in kept if other < index]
        assert (index in kept) == all(ious[index, other] <= most for other in rivals)


# --- the search -----------------------------------------------------------------------------------


def test_every_mask_of_every_point_is_kept_once():
    search = ProposalSearch(IMAGE, FakePredictor(), Grid(3))
    found = run(search)
    assert numbers(found) == list(range(1, 28))
    assert (search.completed, search.total) == (9, 9)
    assert {one.point for one in found} == {
        (float(x), float(y)) for x, y in points_in(WHOLE, Grid(3)).astype(np.float32)
    }
    assert [one.score for one in found[:3]] == pytest.approx([0.7, 0.9, 0.8])
    assert found[1].found.best == 1
    for one in found:
        pixels = one.pixels()
        assert one.area == pytest.approx(pixels.area, rel=0.05, abs=12)
        np.testing.assert_allclose(one.box, pixels.bbox, atol=1)


def test_points_are_decoded_in_batches_where_the_model_can():
    predictor = BatchPredictor()
    found = run(ProposalSearch(IMAGE, predictor, Grid(5), points_at_once=10))
    assert predictor.batches == [10, 10, 5]
    single = run(ProposalSearch(IMAGE, FakePredictor(), Grid(5)))
    assert [(o.point, o.choice, o.box) for o in found] == [
        (o.point, o.choice, o.box) for o in single
    ]


def test_a_model_that_refines_looks_again_at_what_its_quick_look_has_shown():
    predictor = RefiningPredictor(radius=0.4)
    search = ProposalSearch(IMAGE, predictor, Grid(12), points_at_once=144)
    assert search.step() == []
    found = run(search)
    assert predictor.batches == [144]
    looked_again = {one.point for one in found}
    assert 0 < len(looked_again) < 144
    assert predictor.predicted == 144 + len(looked_again)
    assert (search.completed, search.total) == (144 + len(looked_again),) * 2
    assert {one.mask.width for one in found} == {64}


def test_existing_objects_are_left_out():
    taken = MaskCrop(0, 0, np.ones((96, 64), bool))
    search = ProposalSearch(IMAGE, FakePredictor(radius=0.1), Grid(8), existing=[taken])
    found = run(search)
    assert search.completed == search.total == 32
    assert min(one.point[0] for one in found) > 64
    assert all(one.pixels().pixels.any() for one in found)


def test_existing_objects_are_left_out_by_a_model_with_a_coarser_quick_look():
    taken = MaskCrop(0, 0, np.ones((96, 64), bool))
    predictor = RefiningPredictor(radius=0.1)
    found = run(ProposalSearch(IMAGE, predictor, Grid(8), existing=[taken], points_at_once=64))
    assert found
    assert min(one.point[0] for one in found) > 64


def test_a_region_of_a_small_image_is_seen_with_the_whole_image():
    predictor = FakePredictor(radius=0.05)
    found = run(ProposalSearch(IMAGE, predictor, Grid(4), region=(20, 30, 100, 90)))
    assert {one.found.crop for one in found} == {WHOLE}
    assert found
    for one in found:
        assert one.box[0] > 20
        assert one.box[1] > 30
        assert one.box[2] < 100
        assert one.box[3] < 90


def test_a_region_of_a_large_image_is_encoded_by_itself():
    image = np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8)
    predictor = FakePredictor(radius=0.1, size=64)
    found = run(ProposalSearch(image, predictor, Grid(4), region=(200, 100, 400, 300)))
    assert {one.found.crop for one in found} == {Crop(200, 100, 400, 300)}
    x, y = found[1].point
    inside = found[1].pixels()
    assert inside.pixels[int(y) - inside.y, int(x) - inside.x]
    np.testing.assert_allclose(inside.bbox, (x - 20, y - 20, x + 20, y + 20), atol=2)
    assert not found[1].sees_whole((600, 800))


def test_what_ends_near_an_inner_edge_of_a_crop_is_left_out():
    image = np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8)
    found = run(ProposalSearch(image, FakePredictor(radius=0.03), Grid(6, 1)))
    crops = {one.found.crop for one in found}
    assert len(crops) == 5
    for one in found:
        crop = one.found.crop
        if crop.layer == 1:
            assert crop.x1 == 800 or one.box[2] < crop.x1 - 20
            assert crop.x0 == 0 or one.box[0] > crop.x0 + 20


@pytest.mark.parametrize(
    ("image", "region", "reason"),
    [
        (np.full((50, 60, 3), 7, np.uint8), None, "same colour"),
        (IMAGE, (3, 3, 9, 90), "6 x 87 pixels is too small"),
        (IMAGE[:5], None, "too small"),
    ],
)
def test_the_reason_is_noted_where_there_can_be_none(image, region, reason):
    predictor = FakePredictor()
    search = ProposalSearch(image, predictor, Grid(4), region=region)
    assert search.is_done
    assert reason in search.note
    assert predictor.embedded == predictor.predicted == 0


def test_when_memory_runs_out_fewer_points_are_decoded_at_once_and_nothing_is_lost():
    predictor = BatchPredictor()
    search = ProposalSearch(IMAGE, predictor, Grid(4), points_at_once=8)
    search.advance(lambda _: None)
    predictor.fail_with = MemoryError()
    reported = []

    def free_memory(step):
        reported.append(step)
        predictor.fail_with = None

    search.advance(free_memory)
    assert predictor.batches == [8, 8, 2]
    assert "out of memory" in reported[0]
    run(search)
    assert len({one.point for one in search.proposals}) == 16
    predictor.fail_with = MemoryError()
    again = ProposalSearch(IMAGE, predictor, Grid(4))
    with pytest.raises(OutOfMemoryError):
        again.advance(lambda _: None)


def test_another_model_continues_where_the_one_before_was():
    first, second = FakePredictor(size=64), FakePredictor(size=32)
    search = ProposalSearch(IMAGE, first, Grid(4))
    for _ in range(6):
        search.step()
    search.predictor = second
    found = run(search)
    assert (first.predicted, second.predicted) == (6, 10)
    assert [one.mask.width for one in found[::3]] == [64] * 6 + [32] * 10


# --- what becomes of them -------------------------------------------------------------------------


def test_an_object_is_the_point_that_found_it_and_the_choice():
    found = run(ProposalSearch(IMAGE, FakePredictor(), Grid(1)))
    prompts = object_prompts(found, (96, 128), "cell")
    point = Point(64, 48)
    assert [one.prompts for one in prompts] == [(point, Choice(0)), (point,), (point, Choice(2))]
    assert {one.label for one in prompts} == {"cell"}


def test_an_object_of_a_crop_starts_from_its_mask():
    (prompts,) = object_prompts([proposal(1, crop=Crop(5, 5, 45, 45, 1))], (96, 128))
    (mask,) = prompts.prompts
    assert isinstance(mask, MaskPrompt)
    assert (mask.size, mask.score) == ((96, 128), 0.9)
    crop = mask.pixels.crop(96, 128)
    assert (crop.bbox, crop.area) == ((10, 10, 30, 30), 400)
