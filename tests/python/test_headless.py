import numpy as np
import pytest

from sam2_widget import Box, ObjectPrompts, Point, PromptError, Prompts, segment
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.testing import FakePredictor

IMAGE = np.random.default_rng(3).integers(0, 255, (60, 80, 3), np.uint8)


def test_one_object():
    result = segment(IMAGE, [Point(40, 30)], model=FakePredictor())
    assert result.masks.shape == (1, 60, 80)
    assert result.masks.dtype == bool
    assert result.masks[0, 30, 40]
    assert not result.masks[0, 0, 0]
    assert result.scores.dtype == np.float32
    assert result.model == "fake"


def test_later_objects_lie_on_top():
    prompts = Prompts(
        (ObjectPrompts((Point(40, 30),), "below"), ObjectPrompts((Box(38, 28, 80, 60),), "above"))
    )
    result = segment(IMAGE, prompts, model=FakePredictor())
    assert result.label_map.dtype == np.int32
    assert result.label_map[30, 36] == 1
    assert result.label_map[31, 41] == 2
    assert result.label_map[0, 0] == 0
    assert [o.label for o in result.objects] == ["below", "above"]
    assert result.prompts == prompts
    np.testing.assert_array_equal(result.objects[1].mask, result.masks[1])
    assert result.objects[1].area == result.masks[1].sum()


def test_no_prompts_give_no_masks():
    result = segment(IMAGE, [], model=FakePredictor())
    assert result.masks.shape == (0, 60, 80)
    assert result.label_map.max() == 0


def test_prompt_outside_is_refused_before_loading_the_model():
    with pytest.raises(PromptError, match="outside"):
        segment(IMAGE, [Point(80, 0)], model="large")


def test_identical_images_are_encoded_once():
    predictor = FakePredictor()
    segment(IMAGE, [Point(1, 1)], model=predictor)
    segment(IMAGE.copy(), [Point(2, 2)], model=predictor)
    assert predictor.embedded == 1
    segment(255 - IMAGE, [Point(2, 2)], model=predictor)
    assert predictor.embedded == 2
    embeddings.clear()
    segment(IMAGE, [Point(3, 3)], model=predictor)
    assert predictor.embedded == 3
