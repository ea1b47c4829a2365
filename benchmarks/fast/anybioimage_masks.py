"""What anybioimage's public `add_mask` costs: run by a Python that has it, which is not ours.

Its SAM needs ultralytics (AGPL) and a checkpoint; a click of it ends in what is measured here, the
whole label map as RGBA in base64 for every object.
"""

import json
import statistics
import time

import numpy as np
from anybioimage import BioImageViewer

SIZES = {"2 MP": (1920, 1080), "8 MP": (3840, 2160)}


def measure(width: int, height: int) -> dict[str, float]:
    """Median milliseconds and bytes of one label map with one object."""
    y, x = np.mgrid[:height, :width]
    labels = (np.hypot(x - width / 2, y - height / 2) < height / 4).astype(np.int32)
    viewer = BioImageViewer()
    times = []
    for _ in range(6):
        start = time.perf_counter()
        viewer.add_mask(labels)
        times.append(1e3 * (time.perf_counter() - start))
        size = len(viewer._masks_data[-1]["data"])  # noqa: SLF001 - what is sent
        viewer.clear_masks()
    return {"ms": statistics.median(times[1:]), "bytes": size}


print(json.dumps({name: measure(*size) for name, size in SIZES.items()}))
