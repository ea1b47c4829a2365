"""Rings joined to one ring: same area, short bridges, bounded cost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from sam2_widget.export.bridges import join_rings
from sam2_widget.export.outlines import outline, rings
from sam2_widget.export.values import crop_of
from tests import bounded


def square(x, y, side=2.0):
    return np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)])


def length(ring):
    return np.hypot(*(np.roll(ring, -1, axis=0) - ring).T).sum()


def test_bridges_have_the_minimum_total_length():
    parts = [square(x, y) for x, y in [(0, 0), (30, 0), (3, 0), (33, 4), (3, 3)]]
    ring = join_rings(parts)
    # Bridges over the gaps, each in both directions; the longest joins the two groups.
    assert length(ring) == pytest.approx(5 * 8 + 2 * (1 + 1 + np.hypot(1, 2) + 25))
    assert len(ring) == 5 * 4 + 2 * 4


def test_parts_that_touch_at_a_corner_need_no_bridge():
    ring = join_rings([square(0, 0), square(2, 2), square(4, 4)])
    assert length(ring) == 24
    assert len(ring) == 16


def test_single_ring_is_unchanged():
    np.testing.assert_array_equal(join_rings([square(1, 2)]), square(1, 2))


@given(hnp.arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 30))))
def test_pycocotools_reads_the_same_pixels(mask):
    parts = rings(outline(crop_of(mask)))
    if parts:
        one = join_rings([ring for part in parts for ring in part])
        encoded = coco_mask.frPyObjects([one.ravel().tolist()], *mask.shape)
        np.testing.assert_array_equal(coco_mask.decode(encoded)[..., 0].astype(bool), mask)


def test_chain_of_rings_longer_than_the_recursion_limit():
    ring = join_rings([square(3 * i, 0) for i in range(3000)])
    assert length(ring) == pytest.approx(3000 * 8 + 2 * 2999)


def test_mask_with_thousands_of_parts_round_trips():
    code = """
    import io, warnings
    import numpy as np
    from sam2_widget.export.values import LabeledMask, LabeledMasks, crop_of
    from sam2_widget.export.yolo import read_yolo, write_yolo
    warnings.simplefilter("ignore")
    mask = np.zeros((800, 800), bool)
    mask[2::10, 3::10] = True
    result = LabeledMasks((LabeledMask(crop_of(mask), mask.shape, "a"),), mask.shape)
    file = io.BytesIO()
    write_yolo(result, file)
    file.seek(0)
    (found,) = read_yolo(file, size=mask.shape)
    print(found.area, (found.mask == mask).all())
    """
    assert bounded.run(code, seconds=60).split() == ["6400", "True"]
