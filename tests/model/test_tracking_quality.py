"""The comparison of `benchmarks/tracking_quality.py`: its metrics and simple methods."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from PIL import Image

from benchmarks import tracking_quality

SIDE, SHIFT = 40, 4


@pytest.fixture
def sequence(tmp_path):
    """A square that moves right over four frames, and one that is on the first two only."""
    ground = skimage.data.coffee()[:120, :160]
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for index in range(4):
        left = 20 + SHIFT * index
        image, labels = ground.copy(), np.zeros(ground.shape[:2], np.uint8)
        image[30 : 30 + SIDE, left : left + SIDE] = skimage.data.chelsea()[80:120, 160:200]
        labels[30 : 30 + SIDE, left : left + SIDE] = 3
        if index < 2:
            labels[90:110, 100:120] = 7
        Image.fromarray(image).save(tmp_path / "images" / f"{index:02d}.png")
        Image.fromarray(labels).save(tmp_path / "masks" / f"{index:02d}.png")
    return tmp_path


def test_each_object_counts_only_while_it_is_present(sequence):
    moving, short = tracking_quality.runs_of(sequence)
    assert [len(moving.images), len(short.images)] == [4, 2]
    assert moving.masks[0].sum() == SIDE**2


def test_the_copied_mask_has_the_overlap_of_shifted_squares(sequence):
    moving, short = tracking_quality.runs_of(sequence)
    overlaps = [(SIDE - SHIFT * i) / (SIDE + SHIFT * i) for i in (1, 2, 3)]
    whole, following, _ = tracking_quality.judged(tracking_quality.copied, [moving])
    assert whole == pytest.approx(np.mean(overlaps))
    assert following == pytest.approx(overlaps[0])
    assert tracking_quality.judged(tracking_quality.copied, [short])[:2] == (1, 1)


def test_the_flow_follows_the_square(sequence):
    moving, _ = tracking_quality.runs_of(sequence)
    whole, _, _ = tracking_quality.judged(tracking_quality.by_flow, [moving])
    assert whole > 0.85
