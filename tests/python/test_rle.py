"""Many masks encoded at once: each as pycocotools encodes it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from sam2_widget import MaskPrompt
from sam2_widget.masks import rle
from sam2_widget.masks.logits import MaskCrop, tight

SIZE = (7, 9)


def expected(mask):
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


@pytest.mark.parametrize("at_once", [1, 40, 2**24])
@given(masks=st.lists(hnp.arrays(bool, SIZE), max_size=6), loose=st.booleans())
def test_crops_are_encoded_as_whole_masks(monkeypatch_module, at_once, masks, loose):
    monkeypatch_module.setattr(rle, "_AT_ONCE", at_once)
    crops = [MaskCrop(0, 0, mask) if loose else tight(0, 0, mask) for mask in masks]
    assert rle.encode_crops(crops, SIZE) == [expected(mask) for mask in masks]


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@given(masks=st.lists(hnp.arrays(bool, SIZE), max_size=4))
def test_prompts_from_crops_equal_those_from_masks(masks):
    scores = [None, 0.5, 1, 0.25][: len(masks)]
    made = MaskPrompt.from_crops([tight(0, 0, mask) for mask in masks], SIZE, scores)
    alone = [
        MaskPrompt(SIZE, MaskPrompt.from_mask(mask).counts, score)
        for mask, score in zip(masks, scores, strict=True)
    ]
    assert made == alone
    assert [hash(one) for one in made] == [hash(one) for one in alone]
    assert [one.pixels for one in made] == [one.pixels for one in alone]
    assert [one.key for one in made] == [one.key for one in alone]


@pytest.mark.parametrize("height", [1, 2, 3000])
def test_full_columns_are_one_run(height):
    mask = np.zeros((height, 5), bool)
    mask[:, 1:4] = True
    (text,) = rle.encode_crops([tight(0, 0, mask)], mask.shape)
    assert text == expected(mask)
    assert rle.read_runs(text).tolist() == [height, 3 * height, height]
    np.testing.assert_array_equal(rle.decode(text, mask.shape), mask)


def test_runs_longer_than_any_image_are_refused():
    with pytest.raises(ValueError, match="a run is too long"):
        rle.read_runs("o" * 6 + "0")
