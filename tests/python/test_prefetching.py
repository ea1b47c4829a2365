"""Planes that are prepared while another one is annotated."""

from time import monotonic

import numpy as np

from sam2_widget.annotation.prefetching import Prefetcher
from sam2_widget.images.sources import load_image
from sam2_widget.testing import FakePredictor

IMAGE = load_image(np.zeros((20, 30, 3), np.uint8))


def finished(prefetcher):
    """Wait until the prefetcher has carried out all requests so far."""
    prefetcher._thread.submit(lambda: None).result(10)


def test_the_page_shows_a_plane_before_others_are_read():
    read = []
    prepared = []
    prefetcher = Prefetcher(
        lambda _: IMAGE,
        lambda index: read.append((index, monotonic())),
        prepared=prepared.append,
        pause=0.05,
    )
    started = monotonic()
    prefetcher.start("first", FakePredictor(), lambda: [1, 2])
    finished(prefetcher)
    assert [index for index, _ in read] == prepared == [1, 2]
    assert read[0][1] - started >= 0.05


def test_a_pause_ends_when_another_plane_is_shown():
    read = []
    prefetcher = Prefetcher(lambda _: IMAGE, read.append, prepared=lambda _: None, pause=3600)
    prefetcher.start("first", FakePredictor(), lambda: [1])
    prefetcher._pause = 0
    prefetcher.start("second", FakePredictor(), lambda: [2])
    finished(prefetcher)
    assert read == [2]


def test_a_pause_ends_when_prefetching_stops():
    read = []
    prefetcher = Prefetcher(lambda _: IMAGE, read.append, prepared=lambda _: None, pause=3600)
    prefetcher.start("first", FakePredictor(), lambda: [1])
    prefetcher.stop()
    finished(prefetcher)
    assert read == []
