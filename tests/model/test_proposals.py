"""Proposals of SAM 2 compared with sam2's own generator, and of the bundled model."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import pytest
import torch
from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator
from sam2.build_sam import build_sam2

from sam2_widget import OutOfMemoryError, SegmentWidget, load_model, propose, segment
from sam2_widget.models.sam2.predictor import Sam2Predictor
from sam2_widget.predictor import PointsPredictor, PromptArrays
from tests.waiting import PATIENCE

SIDE = 256
"""Side of the network's input: smaller than the default, and so faster."""


class Local:
    """Keeps the masks of random weights near their point, so that they look like objects."""

    def __init__(self, model):
        model.sam_prompt_encoder.register_forward_hook(self._remember, with_kwargs=True)
        model.sam_mask_decoder.register_forward_hook(self._add_discs)

    def _remember(self, module, args, kwargs, output):
        self._points = kwargs["points"][0][:, 0]

    def around(self, predictor):
        """Do the same to the decoder that the predictor uses instead of the module."""
        decode = predictor._cpu_decoder
        predictor._cpu_decoder = lambda *args, **options: self._add_discs(
            None, args, decode(*args, **options)
        )
        return predictor

    def _add_discs(self, module, args, output):
        logits, *others = output
        side = logits.shape[-1]
        at = (torch.arange(side) + 0.5) * SIDE / side
        x, y = self._points[:, 0, None, None], self._points[:, 1, None, None]
        distance = torch.hypot(at[None, None, :] - x, at[None, :, None] - y)
        radii = torch.tensor([12.0, 24.0, 48.0])[: logits.shape[1], None, None]
        return (
            3 * logits / logits.std(dim=(1, 2, 3), keepdim=True)
            + 6 * (1 - distance[:, None] / radii),
            *others,
        )


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    overrides = [f"++model.image_size={SIDE}"]
    return build_sam2(
        "configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu", hydra_overrides_extra=overrides
    )


@pytest.fixture(scope="module")
def image():
    blobs = np.random.default_rng(1).integers(0, 255, (24, 32, 3), np.uint8)
    return cv2.resize(blobs, (320, 240), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def ours(model):
    predictor = Sam2Predictor(model, name="tiny", dtype=torch.float32, kept=torch.float32)
    return Local(model).around(predictor)


def generated(model, image, **options):
    with warnings.catch_warnings():
        # sam2 scripts its transforms, which torch has deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        generator = SAM2AutomaticMaskGenerator(model, **options)
    # sam2 hard-codes them for an input of 1024 pixels.
    generator.predictor._bb_feat_sizes = [(SIDE // n, SIDE // n) for n in (4, 8, 16)]
    return generator.generate(image)


def key(point, crop):
    return tuple(np.round(point, 2)), tuple(map(int, crop))


def test_the_result_is_that_of_sam2s_own_generator(model, ours, image):
    theirs = generated(
        model,
        image,
        points_per_side=6,
        points_per_batch=16,
        pred_iou_thresh=0.51,
        stability_score_thresh=0.6,
        crop_n_layers=1,
        crop_n_points_downscale_factor=1.5,
    )
    found = propose(
        image,
        model=ours,
        points_per_side=6,
        layers=1,
        points_downscale=1.5,
        min_score=0.51,
        min_stability=0.6,
        overlap_of="boxes",
    )
    chosen = found.filter(found.proposals)
    assert 30 < len(chosen) < len(found.proposals)  # some are filtered out, from several crops
    assert len({one.found.crop for one in chosen}) == 5
    expected = {(*key(o["point_coords"][0], o["crop_box"]), round(o["area"])): o for o in theirs}
    assert len(expected) == len(theirs) == len(chosen) == len(found.objects)
    for one, obj in zip(chosen, found.objects, strict=True):
        crop = one.found.crop
        xywh = (crop.x0, crop.y0, crop.width, crop.height)
        other = expected.pop((*key(one.point, xywh), one.area))
        assert one.score == pytest.approx(other["predicted_iou"], abs=1e-5)
        assert one.stability == pytest.approx(other["stability_score"], abs=1e-3)
        x0, y0, x1, y1 = one.box
        assert other["bbox"] == [x0, y0, x1 - 1 - x0, y1 - 1 - y0]
        # Logits are stored as bytes: some pixels along the outline differ.
        both, either = obj.mask & other["segmentation"], obj.mask | other["segmentation"]
        assert both.sum() >= 0.98 * either.sum()
    assert expected == {}


def test_points_decoded_together_get_the_masks_of_single_points(ours, image):
    embedding = ours.embed(image)
    points = np.array([(20, 30), (300, 40), (160, 120), (7, 231), (99, 5), (250, 3)], np.float32)
    together = ours.predict_points(embedding, points)
    assert len(together) == len(points)
    for point, found in zip(points, together, strict=True):
        prompts = PromptArrays(point[None], np.ones(1, np.int32))
        alone = ours.predict(embedding, prompts, multimask=True)
        np.testing.assert_allclose(found.logits, alone.logits, atol=2e-3)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)


@pytest.fixture(scope="module")
def bundled():
    return load_model("bundled")


def test_the_decoder_of_a_cpu_gives_the_masks_of_the_modules_for_many_points(bundled, monkeypatch):
    embedding = bundled.embed(circles())
    points = np.array([(50, 60), (150, 60), (299, 1), (90, 150), (210, 150)], np.float32)
    fast = bundled.predict_points(embedding, points)
    monkeypatch.setattr(bundled, "_cpu_decoder", None)
    plain = bundled.predict_points(embedding, points)
    for one, other in zip(fast, plain, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, atol=2e-3)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
    assert np.ptp([one.scores[0] for one in plain]) > 0.01


def circles():
    image = np.full((200, 300, 3), 200, np.uint8)
    rng = np.random.default_rng(0)
    for x, y in [(50, 60), (150, 60), (250, 60), (90, 150), (210, 150)]:
        cv2.circle(image, (x, y), 28, rng.integers(0, 120, 3).tolist(), -1, cv2.LINE_AA)
    return image


def test_the_bundled_model_proposes_what_is_no_object_yet(bundled):
    picture = circles()
    everything = propose(picture, model=bundled, points_per_side=8)
    widget = SegmentWidget(picture, model=bundled)
    x, y = max(everything.proposals, key=lambda one: one.score).point
    widget.add_point(x, y)
    widget.commit()
    widget.propose(points_per_side=8).wait(PATIENCE)
    assert 0 < len(widget.proposals) < len(everything.proposals)
    assert not any(widget.masks[0][int(p.point[1]), int(p.point[0])] for p in widget.proposals)


def test_the_bundled_model_finds_plain_discs(bundled):
    assert isinstance(bundled, PointsPredictor)
    result = propose(circles(), model=bundled, points_per_side=8)
    for x, y in [(50, 60), (150, 60), (250, 60), (90, 150), (210, 150)]:
        disc = cv2.circle(np.zeros((200, 300), np.uint8), (x, y), 28, 1, -1) > 0
        ious = [(m & disc).sum() / (m | disc).sum() for m in result.masks]
        assert max(ious) > 0.9


def test_proposals_of_the_bundled_model_replay_to_identical_masks(bundled):
    result = propose(circles(), model=bundled, points_per_side=6)
    again = segment(circles(), result.prompts, model=bundled)
    np.testing.assert_array_equal(again.masks, result.masks)
    np.testing.assert_array_equal(again.scores, result.scores)


class RunsOutOfMemory:
    """A decoder that torch has too little memory for after some calls."""

    def __init__(self, decode, calls):
        self._decode = decode
        self.left = calls

    def __call__(self, maps, sparse, dense, *, multimask):
        self.left -= 1
        if self.left < 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self._decode(maps, sparse, dense, multimask=multimask)


def test_torch_out_of_memory_in_the_middle_keeps_what_was_found(ours, image, monkeypatch):
    monkeypatch.setattr(ours, "_cpu_decoder", RunsOutOfMemory(ours._cpu_decoder, 4))
    widget = SegmentWidget(image, model=ours)
    job = widget.propose(points_per_side=6)
    with pytest.raises(OutOfMemoryError, match="there is too little memory on cpu"):
        job.wait(PATIENCE)
    assert "there is too little memory on cpu" in job.error
    assert "close other notebooks, or pass a smaller model" in job.error
    assert job.completed == 16
    found = len(widget.proposals)
    assert found > 16
    assert widget.accept_proposals([1, found]) == (1, found)
    # Once there is room again, the search can be repeated.
    ours._cpu_decoder.left = 100
    job = widget.propose(points_per_side=6)
    assert job.wait(PATIENCE)
    assert (job.error, job.completed > 16) == ("", True)
    widget.close()
