"""How long clicks wait for background work with the same model, on one core.

    OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.click_priority [--clicks 20] [--busy]

The bundled model, a photo of 2 megapixels, each click a new object and elsewhere: from the call
until its mask is there. Meanwhile nothing else is done, other images are encoded, proposals are
searched for on another image, or an object is followed through a stack. With ``--busy`` another
process computes without end on the same core.
"""

from __future__ import annotations

import argparse
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from time import perf_counter

import numpy as np
from tqdm import tqdm

from benchmarks.fast.pictures import SIZES, photo, places
from benchmarks.fast.stats import busy, spread
from sam2_widget import SegmentWidget, configure, precompute
from sam2_widget._utils.arrays import UInt8Array

WIDTH, HEIGHT = SIZES["2 MP"]
FRAMES = 200


@contextmanager
def encoding(picture: UInt8Array) -> Iterator[None]:
    """Other images are encoded, until this ends."""
    is_over = threading.Event()

    def others() -> Iterator[UInt8Array]:
        other = picture.copy()
        for number in itertools.count(1):
            if is_over.is_set():
                return
            other[0, 0] = (*divmod(number, 256), 0)
            yield other.copy()

    thread = threading.Thread(
        target=lambda: precompute(others(), model="bundled", device="cpu", progress=False)
    )
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def proposing(picture: UInt8Array) -> Iterator[None]:
    """Proposals are searched for on another image."""
    other = SegmentWidget(picture[:, ::-1].copy(), model="bundled", device="cpu")
    job = other.propose(points_per_side=64)
    try:
        yield
    finally:
        job.cancel()
        other.close()


@contextmanager
def tracking(picture: UInt8Array) -> Iterator[None]:
    """An object is followed through a stack."""
    small = picture[::4, ::4]
    stack = np.stack([np.roll(small, 3 * n, axis=1) for n in range(FRAMES)])
    other = SegmentWidget(stack, axes="ZYXC", model="bundled", device="cpu")
    other.add_box(180, 40, 330, 200)
    job = other.track()
    try:
        yield
    finally:
        job.cancel()
        other.close()


def click_times(widget: SegmentWidget, count: int) -> list[float]:
    """Milliseconds of each of some clicks, after two that are not counted."""
    times = []
    for x, y in places(count + 2):
        start = perf_counter()
        widget.add_point(x * WIDTH, y * HEIGHT)
        widget.commit()
        _ = widget.scores  # waits for the mask
        times.append(1000 * (perf_counter() - start))
    return times[2:]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--busy", action="store_true")
    options = parser.parse_args()
    configure(cpu_backend="torch", threads=1)
    picture = photo(WIDTH, HEIGHT)
    print("| meanwhile | a click, ms | largest |\n|---|---|---|")
    with busy() if options.busy else nullcontext():
        kinds = (("nothing", None), ("encoding", encoding), ("proposing", proposing),
                 ("tracking", tracking))  # fmt: skip
        for name, work in tqdm(kinds):
            widget = SegmentWidget(picture, model="bundled", device="cpu")
            click_times(widget, 1)
            widget.clear()
            with work(picture) if work else nullcontext():
                times = click_times(widget, options.clicks)
            widget.close()
            print(f"| {name} | {spread(times)} | {max(times):.0f} |", flush=True)


if __name__ == "__main__":
    main()
