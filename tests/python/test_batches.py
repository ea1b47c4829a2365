"""Crops of masks are put together in batches of so many pixels, none left out."""

import hashlib
import io
import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sam2_widget._utils import hashing
from sam2_widget.masks import rle
from sam2_widget.masks.batches import batches
from sam2_widget.masks.logits import MaskCrop


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(1, 40))
def test_batches_keep_the_order_and_the_limit(sizes, limit):
    crops = [MaskCrop(i, 0, np.ones((1, size), bool)) for i, size in enumerate(sizes)]
    found = list(batches(iter(crops), limit))
    assert [crop.x for batch in found for crop in batch] == list(range(len(sizes)))
    for batch in found:
        assert len(batch) == 1 or sum(crop.pixels.size for crop in batch) <= limit
    for batch, following in itertools.pairwise(found):
        assert sum(c.pixels.size for c in batch) + following[0].pixels.size > limit


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_a_whole_mask_is_encoded_as_its_crop(mask):
    (expected,) = rle.encode_crops([MaskCrop(0, 0, mask)], mask.shape)
    assert rle.encode(mask) == rle.encode(np.asfortranarray(mask)) == expected
    np.testing.assert_array_equal(rle.decode(expected, mask.shape), mask)


@given(st.binary(max_size=300), st.integers(1, 100))
def test_checksum_does_not_depend_on_the_block_size(data, block):
    before, hashing.BLOCK = hashing.BLOCK, block
    try:
        found = hashing.sha256_of(io.BytesIO(data))
    finally:
        hashing.BLOCK = before
    assert found == hashlib.sha256(data).hexdigest()
