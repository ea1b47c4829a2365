"""Windows and refined outlines of the bundled model, and its contract as a `Predictor`."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget import Box, Point, load_model, segment
from sam2_widget.annotation.predictions import PredictionCache, to_arrays
from sam2_widget.masks.logits import LogitMask
from sam2_widget.models.bundled import predictor as bundled
from sam2_widget.models.bundled.crops import (
    CELLS,
    SIZES,
    WHOLE,
    Window,
    cut,
    enforce_prompts,
    is_cut_off,
    paste,
    window_of,
)
from sam2_widget.models.bundled.outlines import refine, without_islands
from sam2_widget.models.bundled.predictor import CompactEmbedding, CompactPredictor
from sam2_widget.predictor import Candidates

SIDES = st.integers(1, 5000)
SHARES = st.floats(0, 1, width=32)


@st.composite
def points_of(draw, width: int, height: int):
    """1 to 4 points in an image, including its borders."""
    shares = draw(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=4))
    return [(x * width, y * height) for x, y in shares]


@given(st.data(), SIDES, SIDES)
def test_a_window_lies_in_the_image_and_contains_all_positive_points(data, width, height) -> None:
    points = data.draw(points_of(width, height))
    prompts = to_arrays(tuple(Point(x, y) for x, y in points))
    window = window_of(prompts, width, height, None)
    assert 0 <= window.x0 < window.x1 <= CELLS
    assert 0 <= window.y0 < window.y1 <= CELLS
    assert {window.x1 - window.x0, window.y1 - window.y0} <= set(SIZES)
    moved = window.inside(prompts, width, height, 256).points
    assert len(moved) == len(points)
    assert moved.min() >= 0
    assert moved.max() <= 256


@given(st.data(), st.integers(100, 5000), st.integers(100, 5000))
def test_windows_are_nearly_square_unless_the_image_is_smaller(data, width, height) -> None:
    prompts = to_arrays(tuple(Point(x, y) for x, y in data.draw(points_of(width, height))))
    x0, y0, x1, y1 = window_of(prompts, width, height, None).pixels(width, height)
    across, down = (x1 - x0, width), (y1 - y0, height)
    for (side, most), (other, its_most) in ((across, down), (down, across)):
        smallest = other == pytest.approx(its_most * SIZES[0] / CELLS)
        assert side > 0.49 * other or side == pytest.approx(most) or smallest


def test_a_window_around_a_mask_is_larger_than_the_mask() -> None:
    logits = np.full((64, 64), -5, np.float32)
    logits[20:30, 40:48] = 5
    window = window_of(to_arrays(()), 640, 480, logits)
    assert window != WHOLE
    assert cut(logits, window, 64).max() > 4
    assert paste(cut(logits, window, 64), window).shape == (CELLS, CELLS)
    x0, y0, x1, y1 = window.pixels(64, 64)
    assert x0 < 40
    assert y0 < 20
    assert x1 > 48
    assert y1 > 30


def test_negative_points_far_away_do_not_widen_the_window() -> None:
    logits = np.full((64, 64), -5, np.float32)
    logits[20:30, 20:30] = 5
    one = to_arrays((Point(250, 250),))
    other = to_arrays((Point(250, 250), Point(990, 990, 0)))
    windows = {window_of(prompts, 1000, 1000, logits) for prompts in (one, other)}
    assert len(windows) == 1
    (window,) = windows
    assert len(window.inside(other, 1000, 1000, 256).points) == 1


def test_a_small_move_of_the_mask_keeps_the_window() -> None:
    logits = np.full((CELLS, CELLS), -5, np.float32)
    logits[100:140, 100:140] = 5
    first = window_of(to_arrays((Point(120, 120),)), 256, 256, logits)
    logits[140:142, 110:130] = 5
    assert window_of(to_arrays((Point(120, 120),)), 256, 256, logits) == first


def test_without_positive_prompts_the_window_is_the_whole_image() -> None:
    assert window_of(to_arrays(()), 30, 40, np.full((4, 4), -1, np.float32)) == WHOLE


def test_a_mask_is_cut_off_only_at_edges_inside_the_image() -> None:
    logits = np.full((64, 64), -1, np.float32)
    logits[10:30, 60:] = 1
    assert is_cut_off(logits, Window(50, 0, 178, 128))
    assert not is_cut_off(logits, Window(128, 0, 256, 128))
    assert not is_cut_off(np.roll(logits, -5, axis=1), Window(50, 0, 178, 128))


def test_masks_extend_beyond_the_edge_of_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = []

    def fake_network(self, embedding, prompts, window, **_options) -> Candidates:
        """Every bright pixel of the window belongs to the object."""
        windows.append(window)
        red = self._view(embedding.image, window)[::4, ::4, 0].astype(np.float32)
        return Candidates((red - 130)[None] / 10, np.ones(1, np.float32))

    monkeypatch.setattr(CompactPredictor, "_predict_in_window", fake_network)
    image = np.full((300, 300, 3), 60, np.uint8)
    image[:, 120:170] = (210, 60, 50)
    small = np.full((CELLS, CELLS), -5, np.float32)
    small[20:60, 105:145] = 5  # a piece of the bar that was found before
    prompts = to_arrays((Point(145, 40), Point(145, 75)), small)
    predictor = load_model("bundled")
    found = predictor.predict(predictor.embed(image), prompts, multimask=False)
    first, second = windows
    assert second.y1 > first.y1
    rows = np.flatnonzero((found.logits[0] > 0).any(axis=1))
    assert rows[-1] == second.y1 - 1


@given(st.integers(0, 75), st.integers(0, 75), st.sampled_from(SIZES[:-1]))
def test_cutting_reverses_pasting(x, y, side) -> None:
    window = Window(x, y, x + side, y + side)
    logits = np.random.default_rng(x + y).normal(size=(side, side)).astype(np.float32)
    np.testing.assert_allclose(cut(paste(logits, window), window, side), logits, atol=1e-5)


@given(st.data(), st.integers(1, 600), st.integers(1, 600))
def test_every_clicked_pixel_has_the_label_of_its_click(data, width, height) -> None:
    x, y = data.draw(points_of(width, height))[0]
    label = data.draw(st.sampled_from([0, 1]))
    logits = np.full((CELLS, CELLS), -9.0 if label else 9.0, np.float32)
    enforce_prompts(logits, to_arrays((Point(x, y, label),)), width, height)
    crop = LogitMask.from_logits(logits).crop(height, width)
    mask = np.zeros((height, width), np.uint8)
    crop.paste(mask, 1)
    assert mask[min(int(y), height - 1), min(int(x), width - 1)] == label


def _two_colours() -> tuple[np.ndarray, np.ndarray]:
    image = np.full((128, 128, 3), 40, np.uint8)
    image[40:90, 30:80] = (200, 120, 60)
    return image, image[..., 0] > 100


def test_the_outline_follows_edges_of_the_image() -> None:
    image, target = _two_colours()
    vague = np.full((128, 128), -0.5, np.float32)
    vague[44:94, 34:84] = 0.5
    vague[:20], vague[60:70, 50:60] = -5, 5
    mask = refine(image, vague, to_arrays(())) > 0
    assert (mask ^ target).sum() < 0.25 * ((vague > 0) ^ target).sum()


def test_refinement_keeps_the_class_of_certain_pixels() -> None:
    image, target = _two_colours()
    sure = np.where(target, -6, 6).astype(np.float32)
    np.testing.assert_array_equal(refine(image, sure, to_arrays(())) > 0, ~target)


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize("level", [-9, -1, 1, 9])
def test_refinement_works_on_images_of_one_colour(colour, level) -> None:
    image = np.full((128, 128, 3), colour, np.uint8)
    logits = np.full((128, 128), level, np.float32)
    refined = refine(image, logits, to_arrays((Point(5, 5), Point(100, 128, 0))))
    assert np.isfinite(refined).all()
    assert refined[5, 5] > 0


def _islands(sure: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a large square and a small one, (128, 128), and the small one alone."""
    logits = np.full((128, 128), -6, np.float32)
    logits[20:60, 20:60], logits[90:100, 90:110] = 4, sure
    island = np.zeros((128, 128), bool)
    island[90:100, 90:110] = True
    return logits, island


def test_an_island_is_kept_only_with_high_logits_or_a_click() -> None:
    click = to_arrays((Point(40, 40),))
    both = to_arrays((Point(40, 40), Point(95, 95)))
    beside = to_arrays((Point(95, 95),))
    unsure, island = _islands(1)
    sure, _ = _islands(3)
    masks = [without_islands(*2 * (unsure,), prompts) > 0 for prompts in (click, both, beside)]
    np.testing.assert_array_equal(masks[0], (unsure > 0) & ~island)
    np.testing.assert_array_equal(masks[1], unsure > 0)
    np.testing.assert_array_equal(masks[2], unsure > 0)
    np.testing.assert_array_equal(without_islands(sure, sure, click), sure)


def test_the_largest_region_is_kept_without_clicks() -> None:
    unsure, island = _islands(1)
    np.testing.assert_array_equal(
        without_islands(unsure, unsure, to_arrays(())) > 0, (unsure > 0) & ~island
    )


@pytest.fixture(scope="module")
def predictor():
    return load_model("bundled")


@pytest.fixture(scope="module")
def coffee():
    return skimage.data.coffee()


CUP, BESIDE, SPOON = Point(310, 150), Point(60, 350, 0), Point(480, 320)
DIALOGUES = [(CUP,), (CUP, BESIDE), (CUP, BESIDE, SPOON), (Box(150, 45, 470, 300), BESIDE)]


def test_masks_do_not_depend_on_earlier_predictions(predictor, coffee) -> None:
    shared = predictor.embed(coffee)
    busy = PredictionCache(predictor, lambda: shared, coffee.shape[:2])
    for x, y in np.random.default_rng(0).integers(0, 400, (12, 2)).tolist():
        busy((Point(x, y),))
    for prompts in DIALOGUES:
        alone = predictor.embed(coffee)
        fresh = PredictionCache(predictor, lambda alone=alone: alone, coffee.shape[:2])
        assert busy(prompts) == fresh(prompts)


def test_a_later_click_on_the_same_object_needs_no_encoder(predictor, coffee, monkeypatch) -> None:
    embedding = predictor.embed(coffee)
    answers = PredictionCache(predictor, lambda: embedding, coffee.shape[:2])
    answers((Point(480, 320),))
    encoded = []
    encode = predictor._encode
    monkeypatch.setattr(predictor, "_encode", lambda view: encoded.append(1) or encode(view))
    answers((Point(480, 320), Point(300, 100, 0)))
    assert not encoded


def test_the_embedding_size_includes_a_full_window_cache(predictor, coffee) -> None:
    embedding = predictor.embed(coffee)
    assert isinstance(embedding, CompactEmbedding)
    before = embedding.nbytes
    answers = PredictionCache(predictor, lambda: embedding, coffee.shape[:2])
    for x, y in np.random.default_rng(1).integers(0, 400, (30, 2)).tolist():
        answers((Point(x, y),))
    assert embedding.nbytes == before
    held = sum(features.nbytes for features in embedding.windows.values())
    assert coffee.nbytes + embedding.whole.nbytes + held <= before


def test_large_images_are_stored_scaled_down(predictor) -> None:
    embedding = predictor.embed(np.zeros((1500, 3000, 3), np.uint8))
    assert embedding.image.shape == (512, 1024, 3)
    assert (embedding.width, embedding.height) == (3000, 1500)


@pytest.mark.parametrize("size", [(40, 60), (300, 90), (1400, 2000)])
def test_clicks_at_the_border_and_in_the_middle_have_their_label(size) -> None:
    height, width = size
    image = skimage.data.chelsea()[:height, :width]
    image = np.pad(image, [(0, s - n) for s, n in zip((*size, 3), image.shape, strict=True)])
    corners = [(0, 0, 1), (width - 0.1, height - 0.1, 1), (width - 1, 0, 0), (0, height / 2, 0)]
    prompts = [Point(width / 2, height / 2), *(Point(x, y, n) for x, y, n in corners)]
    (mask,) = segment(image, prompts, model="bundled").masks
    for p in prompts:
        assert mask[min(int(p.y), height - 1), min(int(p.x), width - 1)] == p.label


def test_a_box_contains_its_mask(coffee) -> None:
    (mask,) = segment(coffee, [Box(150, 45, 470, 300)], model="bundled").masks
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    cell = np.array([400, 600]) / CELLS
    assert rows[0] >= 45 - cell[0]
    assert rows[-1] < 300 + cell[0]
    assert columns[0] >= 150 - cell[1]
    assert columns[-1] < 470 + cell[1]


def test_an_image_of_one_colour_gets_a_mask_and_a_score(predictor) -> None:
    result = segment(np.full((200, 300, 3), 90, np.uint8), [Point(150, 100)], model="bundled")
    assert result.masks.shape == (1, 200, 300)
    assert 0 <= result.scores[0] <= 1
    assert np.isfinite(result.scores).all()


def test_an_embedding_of_another_kind_is_refused(predictor) -> None:
    with pytest.raises(TypeError, match="what embed"):
        predictor.predict(object(), to_arrays((CUP,)), multimask=False)


def test_a_small_object_gets_a_finer_mask_than_the_whole_image_allows(predictor) -> None:
    image = np.full((1024, 1024, 3), 30, np.uint8)
    rows, columns = np.indices((1024, 1024))
    disk = (rows - 600) ** 2 + (columns - 300) ** 2 < 30**2
    image[disk] = (230, 180, 40)
    (mask,) = segment(image, [Box(268, 568, 332, 632)], model="bundled").masks
    assert (mask & disk).sum() / (mask | disk).sum() > 0.9


def test_only_the_best_candidate_gets_an_outline_in_full_resolution(predictor, coffee, monkeypatch):
    sides = []

    def recorded(pixels, logits, prompts):
        sides.append(logits.shape)
        return refine(pixels, logits, prompts)

    monkeypatch.setattr(bundled, "refine", recorded)
    embedding, prompts = predictor.embed(coffee), to_arrays((CUP,))
    found = predictor.predict(embedding, prompts, multimask=True)
    side = bundled.OUTLINE_SIDE
    assert sorted(sides) == [(side // 2, side // 2)] * 2 + [(side, side)]
    monkeypatch.setattr(bundled, "OTHERS_SIDE", side)
    full = predictor.predict(embedding, prompts, multimask=True)
    best = found.best
    np.testing.assert_array_equal(found.scores, full.scores)
    np.testing.assert_array_equal(found.logits[best], full.logits[best])
    for one, other in zip(found.logits > 0, full.logits > 0, strict=True):
        assert (one & other).sum() > 0.9 * (one | other).sum()


def test_scores_of_the_three_candidates_are_comparable(predictor, coffee) -> None:
    found = predictor.predict(predictor.embed(coffee), to_arrays((CUP,)), multimask=True)
    assert found.logits.shape == (3, CELLS, CELLS)
    assert found.scores.shape == (3,)
    assert torch.as_tensor(found.scores).isfinite().all()
