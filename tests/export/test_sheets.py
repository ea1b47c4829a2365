"""Outlines of many masks that are traced at once equal those of each mask alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget.export import sheets
from sam2_widget.export.outlines import outline, rings
from sam2_widget.export.sheets import all_rings
from tests.export.strategies import result_of, results, ring_mask


def assert_same_as_single_masks(crops, tolerance=0.0):
    found = all_rings(crops, tolerance=tolerance)
    assert len(found) == len(crops)
    for crop, parts in zip(crops, found, strict=True):
        expected = rings(outline(crop, tolerance=tolerance))
        assert [len(part) for part in parts] == [len(part) for part in expected]
        for part, other in zip(parts, expected, strict=True):
            for ring, another in zip(part, other, strict=True):
                np.testing.assert_array_equal(ring, another)


@given(result=results(max_objects=8), tolerance=st.sampled_from([0.0, 0.6, 2.0]))
def test_outlines_equal_those_of_single_masks(result, tolerance):
    assert_same_as_single_masks([found.crop for found in result], tolerance)


@pytest.mark.parametrize("pixels", [1, 300, 2**20])
def test_masks_on_several_sheets(monkeypatch, pixels):
    monkeypatch.setattr(sheets, "PIXELS", pixels)
    empty, corner = np.zeros((40, 60), bool), np.zeros((40, 60), bool)
    corner[3, 4] = corner[4, 5] = True  # two parts that touch at a corner
    whole = ~empty
    result = result_of(ring_mask(), empty, corner, whole, ring_mask()[:, ::-1], corner)
    assert_same_as_single_masks([found.crop for found in result])
