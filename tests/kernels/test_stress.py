"""Clicks, cells and interrupts at the same time, on every ipykernel: the masks are the same."""

import hashlib
import time
from functools import cache
from itertools import zip_longest

import numpy as np
import pytest
import torch

from sam2_widget import Point, Prompts, segment
from sam2_widget.prompts.collections import ObjectPrompts

from .kernels import VERSIONS, Kernel, point

OBJECTS = 25
CLICKS_AN_OBJECT = 20
PACE = 0.002
"""Seconds between two clicks: faster than any user, and than the model."""

SET_UP = """
import hashlib, time, numpy as np
from sam2_widget import SegmentWidget, segment

def image(seed):
    noise = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    return noise.repeat(20, axis=0).repeat(20, axis=1)

def digest(w):
    masks = w.masks
    return [len(masks), hashlib.sha256(np.packbits(masks).tobytes()).hexdigest()]

one, two, own = (SegmentWidget(image(seed), model="bundled") for seed in (1, 2, 3))
_ = one.masks, two.masks, own.masks
"""

# It edits a separate widget, reads those of the pages, and sets all their options.
BUSY = """
end = time.monotonic() + 4
turn = 0
while time.monotonic() < end:
    turn += 1
    one.opacity = 0.3 + turn % 7 / 10
    with two.hold_sync():
        two.brush_size = 5 + turn % 9
        time.sleep(0.005)
    with two.hold_trait_notifications():
        two.contrast = turn % 5 / 5
        sum(range(50000))
    if turn % 4 == 0:
        own.add_point(10 + turn % 50 * 4, 100)
        own.add_point(10 + turn % 50 * 4, 140, label=0)
        own.undo()
        own.commit()
        own.drop_specks = turn % 3
    if len(own.prompts) > 8:
        own.clear()
"""


def plan(seed):
    """A user's clicks: each object has one click, and a second one that is moved repeatedly."""
    random = np.random.default_rng(seed)
    for _ in range(OBJECTS):
        first = random.uniform(5, 235, 2).round(1).tolist()
        places = random.uniform(5, 235, (CLICKS_AN_OBJECT - 1, 2)).round(1).tolist()
        yield first, [(*place, int(random.integers(2))) for place in places]


def clicks(page, seed):
    """Each step sends one click."""
    for first, drags in plan(seed):
        page.click(point(*first))
        yield
        for drag in drags:
            page.click(point(*first), point(*drag))
            yield
        page.set(opacity=0.4)
        page.act("commit", prompts=[point(*first), point(*drags[-1])])


@cache
def quiet(seed):
    """The same objects without widget, kernel and other threads, on one thread as in the kernel.

    With more threads torch sums in another order, which may change a pixel on a mask's edge.
    """
    objects = [(Point(*first), Point(*drags[-1])) for first, drags in plan(seed)]
    noise = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    image = noise.repeat(20, axis=0).repeat(20, axis=1)
    prompts = Prompts(tuple(ObjectPrompts(found, None) for found in objects))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        masks = segment(image, prompts, model="bundled").masks
    finally:
        torch.set_num_threads(threads)
    return [len(masks), hashlib.sha256(np.packbits(masks).tobytes()).hexdigest()]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_thousand_clicks_during_a_busy_cell_give_the_masks_of_an_idle_kernel(version, tmp_path):
    with Kernel(version, tmp_path) as kernel:
        kernel.run(SET_UP)
        pages = [kernel.page_of("one"), kernel.page_of("two")]
        cell = kernel.start(BUSY)
        users = [clicks(page, seed) for page, seed in zip(pages, (1, 2), strict=True)]
        for _ in zip_longest(*users):
            time.sleep(PACE)
        during = [page.acknowledged for page in pages]
        content, _ = kernel.finish(cell)
        assert content["status"] == "ok", content
        for page in pages:
            page.settle()
        # Pages show the masks of Python, which equal those of the run without load.
        assert kernel.value("[digest(one), digest(two)]") == [quiet(1), quiet(2)]
        shown = [sorted(page.objects) for page in pages]
        assert kernel.value("[[o.id for o in w.objects] for w in (one, two)]") == shown
        again = "segment(image(3), own.prompts, model='bundled')"
        assert kernel.value(f"digest(own) == digest({again})")
        assert (min(during) > 0) == (version >= "7")
