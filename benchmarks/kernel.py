"""The kernel's own work for a click, from the message to the answer, without the model.

Processor time of all threads, so that a busy machine does not count; the model is a fake, and what
it takes is subtracted. The peer is what sam2's own predictor does with the decoder's answer: masks
of the image's size. Run it alone:

    python -m benchmarks.kernel
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import comm
import numpy as np
import torch
from comm.base_comm import BaseComm
from torch.nn import functional

SIZES = {"2 MP": (1080, 1920), "48 MP": (6000, 8000)}
COUNTS = (0, 499)
CLICKS = 40


class _Comm(BaseComm):
    """A comm whose messages go nowhere."""

    def publish_msg(self, *_: Any, **__: Any) -> None:
        """Drop the message."""


comm.create_comm = _Comm

from sam2_widget import SegmentWidget  # noqa: E402 - after the comm is in its place
from sam2_widget.models import worker  # noqa: E402
from sam2_widget.predictor import Candidates  # noqa: E402
from sam2_widget.testing import FakePredictor  # noqa: E402


class Timed(FakePredictor):
    """A fake that notes the processor time it takes."""

    seconds = 0.0

    def _predict(self, *args: Any, **options: Any) -> Candidates:
        start = time.thread_time()
        found = super()._predict(*args, **options)
        self.seconds += time.thread_time() - start
        return found


def settle() -> None:
    """Wait until the model thread has nothing left to do."""
    for _ in range(3):
        worker.local.run(lambda: None)


def measure(size: tuple[int, int], objects: int) -> float:
    """Median processor time in milliseconds of a click beside that many finished objects."""
    height, width = size
    model = Timed(size=256)
    widget = SegmentWidget(np.zeros((height, width, 3), np.uint8), model=model)
    places = np.random.default_rng(0).uniform(0, (width, height), (objects + CLICKS, 2))
    for x, y in places[:objects]:
        widget.add_point(float(x), float(y))
        widget.commit()
    _ = widget.scores
    times = []
    for number, (x, y) in enumerate(places[objects:]):
        settle()
        start, model_start = time.process_time(), model.seconds
        widget._receiver.prompts(  # noqa: SLF001 - as a page does
            {
                "rid": {"client": "page", "n": number},
                "epoch": widget._state["epoch"],  # noqa: SLF001
                "prompts": [{"type": "point", "x": float(x), "y": float(y), "label": 1}],
            }
        )
        settle()
        times.append(time.process_time() - start - (model.seconds - model_start))
    widget.close()
    return statistics.median(times[5:]) * 1e3


def peer(size: tuple[int, int]) -> float:
    """Median processor time in milliseconds of the three full-size masks of a click."""
    logits, times = torch.randn(1, 3, 256, 256), []
    for _ in range(5):
        start = time.process_time()
        masks = functional.interpolate(logits, size, mode="bilinear", align_corners=False) > 0
        masks.squeeze(0).float().numpy()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1e3


def main() -> None:
    """Print a line for each image size and number of objects."""
    torch.set_num_threads(1)
    for name, size in SIZES.items():
        theirs = peer(size)
        for objects in COUNTS:
            ours = measure(size, objects)
            print(
                f"{name}, {objects + 1} objects: {ours:.2f} ms; "
                f"peer's full-size masks {theirs:.1f} ms; ratio {ours / theirs:.4f}"
            )


if __name__ == "__main__":
    main()
