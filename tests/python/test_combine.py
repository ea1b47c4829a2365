"""Masks put together and taken apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sam2_widget.masks.combine import parts, union
from sam2_widget.masks.logits import tight

SIZE = (12, 15)
masks = arrays(bool, SIZE, elements=st.booleans())


def full(crop):
    mask = np.zeros(SIZE, bool)
    crop.paste(mask, value=True)
    return mask


@given(st.lists(masks, max_size=4))
def test_union_has_the_pixels_of_all_masks(several):
    found = union([tight(0, 0, mask) for mask in several])
    np.testing.assert_array_equal(full(found), np.any([np.zeros(SIZE, bool), *several], axis=0))


@given(masks)
def test_parts_are_disjoint_connected_and_complete(mask):
    found = parts(tight(0, 0, mask), most=200)
    together = np.sum([np.zeros(SIZE, int), *(full(part) for part in found)], axis=0)
    np.testing.assert_array_equal(together, mask.astype(int))
    assert all(len(parts(part, most=1)) == 1 for part in found)
    areas = [part.area for part in found]
    assert areas == sorted(areas, reverse=True)


def test_pixels_that_touch_at_a_corner_are_one_part():
    assert len(parts(tight(0, 0, np.eye(5, dtype=bool)), most=9)) == 1
    assert parts(tight(0, 0, np.zeros((3, 3), bool)), most=9) == []


def test_too_many_parts_are_refused():
    dots = np.zeros((9, 9), bool)
    dots[::2, ::2] = True
    with pytest.raises(ValueError, match="25 parts"):
        parts(tight(0, 0, dots), most=24)
