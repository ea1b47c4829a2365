"""The model that needs no download, on a real photograph."""

from typing import cast

import numpy as np
import pytest
import skimage.data
import torch

from sam2_widget import Box, Point, SegmentWidget, available_models, load_model, segment
from sam2_widget.annotation.predictions import to_arrays
from sam2_widget.models.bundled.predictor import CompactPredictor
from sam2_widget.models.checkpoints import BUNDLED


@pytest.fixture(scope="module")
def coffee():
    return skimage.data.coffee()  # (400, 600, 3), CC0, a cup of espresso on a table


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_loading_twice_returns_the_same_instance():
    assert load_model("bundled") is load_model("bundled")
    assert "bundled" in available_models()


def test_the_checkpoint_file_is_small():
    assert BUNDLED.stat().st_size <= 16e6


def test_a_box_finds_the_cup(coffee):
    box = Box(150, 45, 470, 300)
    mask = segment(coffee, [box], model="bundled").masks[0]
    y, x = np.nonzero(mask)
    assert mask[170, 310]
    assert mask[:30].mean() < 0.02
    filled = np.zeros_like(mask)
    filled[45:300, 150:470] = True
    assert iou(mask, filled) > 0.5
    assert x.min() > 100
    assert y.max() < 350


def test_different_prompts_get_different_masks(coffee):
    prompts = [[Box(150, 45, 470, 300)], [Box(20, 280, 250, 395)], [Box(400, 5, 595, 120)]]
    masks = segment(coffee, prompts, model="bundled").masks
    assert iou(masks[0], masks[1]) < 0.3
    assert iou(masks[0], masks[2]) < 0.3


def test_widget_and_script_give_identical_masks(coffee):
    w = SegmentWidget(coffee, model="bundled")
    w.add_point(310, 150)
    w.add_point(60, 350, 0)
    w.commit()
    w.add_box(20, 280, 250, 395)
    result = segment(coffee, w.prompts, model="bundled")
    np.testing.assert_array_equal(w.masks, result.masks)
    np.testing.assert_array_equal(w.scores, result.scores)
    w.close()


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3000, 2), (17, 13)])
def test_images_of_any_shape_are_segmented(size):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    result = segment(image, [Point(0, 0)], model="bundled")
    assert result.masks.shape == (1, *size)


def test_a_torch_tensor_is_segmented(coffee):
    tensor = torch.from_numpy(coffee).permute(2, 0, 1)
    prompts = [Point(310, 150)]
    one = segment(tensor, prompts, model="bundled").masks
    np.testing.assert_array_equal(one, segment(coffee, prompts, model="bundled").masks)
    floats = segment(tensor.float() / 255, prompts, model="bundled").masks
    assert iou(one, floats) > 0.98
    bfloat = segment(tensor.bfloat16() / 255, prompts, model="bundled").masks
    assert iou(one, bfloat) > 0.9


@pytest.mark.parametrize("box", [(75, 15, 480, 380), (180, 20, 410, 210)], ids=["saucer", "cup"])
def test_bfloat16_gives_nearly_the_masks_of_float32(coffee, box):
    model = cast(CompactPredictor, load_model("bundled"))._model
    prompts = to_arrays((Box(*box),))
    masks = []
    for dtype in (torch.float32, torch.bfloat16):
        predictor = CompactPredictor(model, name="bundled", dtype=dtype)
        masks.append(
            predictor.predict(predictor.embed(coffee), prompts, multimask=False).logits > 0
        )
    assert iou(*masks) > 0.97
    assert cast(CompactPredictor, load_model("bundled"))._dtype == torch.float32


def test_every_kind_of_prompt_gives_a_mask_and_replays(coffee):
    w = SegmentWidget(coffee, model="bundled")
    w.add_point(310, 170)
    w.choose(0)
    w.add_stroke([(500, 350), (560, 380)], 8)
    w.add_scribble([(20, 380), (100, 390)], 0)
    w.commit("cup")
    given = np.zeros(coffee.shape[:2], bool)
    given[5:25, 5:25] = given[100:250, 200:300] = True
    w.add_mask(given)
    w.select(1)
    w.add_point(15, 15, 0)
    w.fill_holes = w.drop_specks = 40
    w.overlap = "cut out"
    masks = w.masks
    assert masks[0][365, 530]
    assert not masks[1][5:25, 5:25].any()
    # Other regions stay, except for pixels that belong to the object above.
    np.testing.assert_array_equal(masks[1][50:], given[50:])
    assert not (masks[0] & masks[1]).any()
    replayed = segment(coffee, type(w.prompts).from_json(w.prompts.to_json()), model="bundled")
    np.testing.assert_array_equal(replayed.masks, masks)
    w.close()
