"""Hundreds of images in one widget of a set: ``python -m benchmarks.set_soak --images 200``.

A kernel opens a set of photos, clicks an object in each, commits it, finishes the image, and goes
back every tenth time. In the end every image must have its object, with the mask of a headless
replay, and the process may have grown by at most `MAX_GROWTH` MiB over the second half, by a
straight line that is fitted to it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from sam2_widget import SegmentSet, SegmentWidget, configure, segment

Place: TypeAlias = tuple[int, int]

MAX_GROWTH = 32.0
"""MiB."""

CACHE = 16 * 2**20
"""Bytes of embeddings, and of pictures that are kept: full long before the second half."""

CLASSES = ("cat", "dog", "owl")
MARGIN = 60
SIDE = 40
"""Half a side of the squares that are segmented, in pixels."""


def make_images(folder: Path, count: int, size: tuple[int, int]) -> list[Place]:
    """Write noisy images with a bright square each; returns its centres."""
    width, height = size
    places: list[Place] = []
    for number in range(count):
        random = np.random.default_rng(number)
        picture = random.integers(20, 60, (height, width, 3)).astype(np.uint8)
        x, y = (int(random.integers(MARGIN, side - MARGIN)) for side in size)
        picture[y - SIDE : y + SIDE, x - SIDE : x + SIDE] = random.integers(170, 240, 3)
        Image.fromarray(picture).save(folder / f"{number:04}.jpg", quality=85)
        places.append((x, y))
    return places


def resident() -> float:
    """MiB of memory that this process occupies."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def annotate(s: SegmentSet, places: list[Place]) -> tuple[list[float], list[float]]:
    """Click and finish every image; returns memory, and the seconds that each image took."""
    memory: list[float] = []
    seconds: list[float] = []
    for number, (x, y) in enumerate(places):
        start = time.perf_counter()
        if s.shown != number:
            raise RuntimeError(f"image {s.shown} is shown, not {number}")
        widget: SegmentWidget = s.widget
        widget.add_point(x, y)
        widget.commit(CLASSES[number % len(CLASSES)])
        _ = widget.masks  # waits for the model
        if number % 10 == 9:  # noqa: PLR2004 - every tenth time
            s.previous()
            s.next()
        s.done()
        seconds.append(time.perf_counter() - start)
        memory.append(resident())
    return memory, seconds


def wrong(s: SegmentSet, folder: Path) -> list[str]:
    """Images without the object or the mask of a replay."""
    found = []
    for image in s:
        stored, replayed = image.masks, segment(folder / image.name, image.prompts, model="bundled")
        if stored.shape[0] != 1 or not (stored == replayed.masks).all():
            found.append(image.name)
    return found


def growth(memory: list[float]) -> float:
    """MiB that a straight line through the second half of `memory` gains over it."""
    half = memory[len(memory) // 2 :]
    slope = np.polyfit(np.arange(len(half)), half, 1)[0]
    return float(slope * len(half))


def main() -> int:
    """Run, print the figures, and fail if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--size", type=int, nargs=2, default=(1632, 1224))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        configure(host_memory=CACHE)
        places = make_images(folder, given.images, tuple(given.size))
        s = SegmentSet(folder, model="bundled", classes=list(CLASSES))
        memory, seconds = annotate(s, places)
        lost = wrong(s, folder)
        s.close()
    grown, half = growth(memory), memory[len(memory) // 2 :]
    print(
        f"{given.images} images of {given.size[0]} x {given.size[1]} in one widget, "
        f"{np.median(seconds):.2f} s each at the median: {len(lost)} without their object or the "
        f"mask of a replay; {np.mean(half):.0f} MiB over the second half, growing by "
        f"{grown:+.0f} MiB"
    )
    return 1 if lost or grown > MAX_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
