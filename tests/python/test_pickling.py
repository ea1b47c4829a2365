"""Results, objects, provenance and images go through pickle and deepcopy, to other processes."""

import copy
import pickle

import numpy as np
import pytest

from sam2_widget import (
    Box,
    Categories,
    LoadedImage,
    MaskPrompt,
    ObjectPrompts,
    Point,
    Prompts,
    Scribble,
    Settings,
    StackPrompts,
    Stroke,
    load_image,
    memory,
    read_masks,
    segment,
)
from sam2_widget.testing import FakePredictor

IMAGE = np.random.default_rng(3).integers(0, 255, (60, 80, 3), np.uint8)
GIVEN = MaskPrompt.from_mask(np.eye(60, 80, dtype=bool))
PROMPTS = Prompts(
    (
        ObjectPrompts((Point(40, 30), Stroke([(30, 30), (50, 31)], 3.0)), "cell"),
        ObjectPrompts((Box(30, 20, 60, 50), Scribble([(35, 25), (50, 40)])), "nucleus", number=7),
        ObjectPrompts((GIVEN,), color="#123456", crowd=True),
    ),
    Settings(overlap="cut out"),
    Categories(("cell", "nucleus"), (4, 9)),
)

WAYS = [
    copy.deepcopy,
    copy.copy,
    *(
        lambda value, p=p: pickle.loads(pickle.dumps(value, p))
        for p in (2, pickle.HIGHEST_PROTOCOL)
    ),
]


@pytest.fixture(scope="module")
def result():
    return segment(IMAGE, PROMPTS, model=FakePredictor())


@pytest.mark.parametrize("again", WAYS)
def test_a_segmentation(result, again):
    found = again(result)
    np.testing.assert_array_equal(found.masks, result.masks)
    np.testing.assert_array_equal(found.scores, result.scores)
    np.testing.assert_array_equal(found.image, result.image)
    assert found.prompts == result.prompts == PROMPTS
    assert found.numbers == result.numbers == (8, 7, 9)
    assert found.provenance == result.provenance
    assert [o.color for o in found.objects] == [o.color for o in result.objects]


@pytest.mark.parametrize("again", WAYS)
def test_object_with_and_without_cached_mask(result, again):
    before = again(result.objects[0])
    _ = result.objects[0].crop, result.objects[0].polygon
    for found in (before, again(result.objects[0])):
        np.testing.assert_array_equal(found.mask, result.objects[0].mask)
        assert found.polygon.equals(result.objects[0].polygon)
        assert (found.label, found.bbox) == ("cell", result.objects[0].bbox)
        assert found.score == result.objects[0].score


@pytest.mark.parametrize("again", WAYS)
def test_a_provenance_stays_read_only(result, again):
    found = again(result.provenance)
    assert found == result.provenance
    assert found.to_dict() == result.provenance.to_dict()
    with pytest.raises(TypeError):
        found.image["shape"] = 3


@pytest.mark.parametrize("again", WAYS)
def test_an_image(again):
    loaded = load_image(np.arange(48, dtype=np.uint16).reshape(6, 8))
    found = again(loaded)
    assert isinstance(found, LoadedImage)
    np.testing.assert_array_equal(found.rgb, loaded.rgb)
    np.testing.assert_array_equal(found.values, loaded.values)
    assert (found.name, dict(found.record)) == (loaded.name, dict(loaded.record))


@pytest.mark.parametrize("again", WAYS)
def test_labeled_masks_prompts_and_memory_report(again):
    read = read_masks(np.eye(5, 6, dtype=np.uint8) * 9)
    found = again(read)
    np.testing.assert_array_equal(found.label_map, read.label_map)
    assert found.numbers == (9,)
    for value in (PROMPTS, StackPrompts({3: PROMPTS}, "Z"), StackPrompts(), Categories(("a",))):
        assert again(value) == value
    assert again(memory()).models == memory().models
