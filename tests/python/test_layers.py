"""Objects that are cut out of those below: the same as by asking each pair."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sam2_widget import MaskPrompt, ObjectPrompts, Prompts, Settings, segment
from sam2_widget.masks.layers import Layers
from sam2_widget.masks.logits import PixelMask
from sam2_widget.testing import FakePredictor

SIZE = (8, 9)
IMAGE = np.zeros((*SIZE, 3), np.uint8)
masks = st.lists(hnp.arrays(bool, SIZE, elements=st.sampled_from([False, False, True])), max_size=6)


@given(masks=masks, order=st.randoms())
def test_each_pixel_belongs_to_the_topmost_object(masks, order):
    objects = tuple(ObjectPrompts((MaskPrompt.from_mask(mask),)) for mask in masks)
    result = segment(IMAGE, Prompts(objects, Settings(overlap="cut out")), model=FakePredictor())
    places = list(range(len(masks)))
    order.shuffle(places)
    for place in places:
        above = np.zeros(SIZE, bool)
        for mask in masks[place + 1 :]:
            above |= mask
        np.testing.assert_array_equal(result.objects[place].mask, masks[place] & ~above)


def test_masks_below_are_not_computed():
    class Lower:
        uncut = property(lambda self: (_ for _ in ()).throw(AssertionError("was made")))

    class Upper:
        uncut = PixelMask.from_pixels(np.ones((2, 2), bool))

    layers = Layers()
    layers.objects += [Upper(), Upper(), Lower()]
    assert layers.above(0) == []
    assert layers.above(1) == [Upper.uncut]
