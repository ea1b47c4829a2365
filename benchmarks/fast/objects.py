"""Clicks beside 1, 100 and 500 objects on one image.

    python -m benchmarks.fast.objects [RUNS]

prints for each run what a click takes with one and with 500 objects, and their ratio.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.fast import stats
from benchmarks.fast.browser import open_page
from benchmarks.fast.ours import Ours, lab
from benchmarks.fast.pictures import SIZES
from benchmarks.fast.report import KIB

COUNTS = (1, 100, 500)
"""The number of objects with the one that the first click makes; every second click makes one."""
MOST = COUNTS[-1]
CLICKS = 62
"""A click is painted with the next frame: medians of 20 differ by a fifth from run to run."""


def measure(
    base: str, folder: Path, counts: Sequence[int] = COUNTS, clicks_each: int = CLICKS
) -> dict[str, Any]:
    """Click beside each number of objects, and with one object again at the end.

    Returns
    -------
    dict
        "objects": the clicks by the number of objects; "memory": MiB before and after.
    """
    clicks: dict[str, list[dict[str, float]]] = {}
    with open_page() as page:
        ours = Ours(page, base, folder, SIZES["2 MP"])
        memory: dict[str, Any] = {"loaded": ours.memory()}
        for shift, objects in enumerate(counts):
            ours.fill(objects - 1)
            # A pixel apart: an answer that is known would cost no decoder.
            clicks[str(objects)] = ours.clicks(clicks_each, seed=11, shift=shift)
        memory |= {"filled": ours.memory(), "objects": max(map(int, clicks))}
        # The machine is not equally fast all the time.
        ours.empty()
        again = ours.clicks(clicks_each, seed=11, shift=len(counts))
        clicks["1"] += again[stats.WARM_UP :]
        ours.close()
    return {"objects": clicks, "memory": memory}


def main() -> None:
    """Print what a click takes with one object and with the most, and their ratio."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    for _ in range(runs):
        with lab() as (base, folder):
            clicks = measure(base, folder, counts=(1, MOST))["objects"]
        first, last = (stats.of(clicks[str(n)], "total") for n in (1, MOST))
        largest = max(click["bytes"] for click in clicks[str(MOST)]) / KIB
        print(
            f"1 object {first} ms; {MOST} objects {last} ms, {last.median / first.median:.2f} times"
        )
        print(f"  bytes of a click with {MOST} objects, at most {largest:.1f} KiB", flush=True)


if __name__ == "__main__":
    main()
