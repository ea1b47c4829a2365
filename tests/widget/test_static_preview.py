"""What the picture for the saved notebook costs, whatever the number of masks."""

import threading
import tracemalloc
from weakref import WeakMethod

import numpy as np
from PIL import Image

from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
from sam2_widget.widget import static_preview

SIDE = 500
MASKS = 40


def test_one_mask_after_the_other_becomes_pixels():
    widget = SegmentWidget(np.zeros((SIDE, SIDE, 3), np.uint8), model=FakePredictor())
    for _ in range(MASKS):
        widget.add_mask(np.ones((SIDE, SIDE), bool))
    widget._draw_preview()
    tracemalloc.start()
    try:
        _, text = widget._draw_preview()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert text.endswith(f"with {MASKS} masks")
    # Blending one takes 60 bytes a pixel; all of them together would be 40 more.
    assert peak < 75 * SIDE**2
    widget.close()


class Slow:
    """Draws only after a test allows it, and counts how many threads do so at once."""

    def __init__(self):
        self.go_on, self.begun = threading.Event(), threading.Semaphore(0)
        self.now = self.most = self.count = 0

    def draw(self):
        self.now, self.count = self.now + 1, self.count + 1
        self.most = max(self.most, self.now)
        self.begun.release()
        assert self.go_on.wait(10)
        self.now -= 1
        return Image.new("RGB", (4, 4)), "4 masks"


def test_one_picture_is_drawn_at_a_time_and_the_newest_edit_is_on_the_last(monkeypatch):
    monkeypatch.setattr(static_preview, "_publisher", lambda: lambda *_, **__: None)
    slow = Slow()
    shown = static_preview.StaticPreview(WeakMethod(slow.draw))
    shown._ids.append("display")
    threads = []
    for _ in range(3):
        shown.changed()
        threads.append(threading.Thread(target=shown.update))
        threads[-1].start()
        if len(threads) == 1:
            assert slow.begun.acquire(timeout=10)
    assert not slow.begun.acquire(timeout=0.2)
    slow.go_on.set()
    for thread in threads:
        thread.join(10)
    assert (slow.most, slow.count) == (1, 2)
    shown.close_without_widget()
