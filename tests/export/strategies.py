"""Hypothesis strategies and fixed masks: with holes, several parts, touching and overlapping."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sam2_widget.export.values import LabeledMask, LabeledMasks, crop_of

NAMES = ["cat", "dog", "Größe 10 µm", 'a "quoted", one', "名前"]
labels = st.none() | st.sampled_from(NAMES)


@st.composite
def results(draw, *, max_objects=4, max_side=12, overlap=True, empty=True):
    size = draw(st.tuples(st.integers(1, max_side), st.integers(1, max_side)))
    count = draw(st.integers(0, max_objects))
    taken = np.zeros(size, bool)
    objects = []
    for _ in range(count):
        mask = draw(hnp.arrays(bool, size))
        if not overlap:
            mask &= ~taken
            taken |= mask
        if empty or mask.any():
            objects.append(LabeledMask(crop_of(mask), size, draw(labels)))
    return LabeledMasks(tuple(objects), size)


def result_of(*masks, labels=None, scores=None):
    size = masks[0].shape
    labels = labels or [None] * len(masks)
    scores = scores or [None] * len(masks)
    return LabeledMasks(
        tuple(
            LabeledMask(crop_of(mask), size, label, score)
            for mask, label, score in zip(masks, labels, scores, strict=True)
        ),
        size,
    )


def ring_mask(height=40, width=60):
    """A ring, an island in its hole, and a part far away."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - 18, x - 22)
    mask = ((distance < 15) & (distance > 8)) | (distance < 3)
    mask[30:38, 50:58] = True
    return mask


def assert_same(read, written, *, labels=True):
    assert read.size == written.size
    assert len(read) == len(written.objects)
    for one, other in zip(read, written.objects, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)
        if labels:
            assert one.label == other.label
