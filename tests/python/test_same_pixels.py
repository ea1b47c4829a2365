"""The kernel's pixels in a file: js/tests/same-pixels.test.js expects the same of the browser.

`python -m tests.python.test_same_pixels` writes the file anew.
"""

import base64
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_widget.masks.logits import LogitMask, quantise

FILE = Path(__file__).parents[2] / "js" / "tests" / "data" / "same-pixels.json"
IMAGES = [(1, 1), (7, 5), (64, 64), (100, 37), (451, 300), (1000, 751), (1921, 1079)]
"""(width, height) in pixels: smaller than the logits, of their size, larger, mostly no multiple."""


def shapes():
    """Logits with soft and steep edges, holes, specks, and shapes that touch the borders."""
    draw = np.random.default_rng(11)
    for width, height, grain in [
        (8, 8, 3),
        (64, 64, 9),
        (64, 48, 5),
        (256, 256, 31),
        (256, 256, 7),
    ]:
        noise = draw.normal(size=(height, width)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), grain / 3)
        yield quantise(smooth / smooth.std() * draw.uniform(0.5, 9) + draw.uniform(-1, 1))


def entry(logits):
    mask = LogitMask.from_quantised(logits)
    pixels = [mask_of(mask, width, height) for width, height in IMAGES]
    return {
        "width": mask.width,
        "height": mask.height,
        "data": base64.b64encode(mask.data).decode(),
        "images": [
            {"width": w, "height": h, "area": int(p.sum()), "sha256": digest(p)}
            for (w, h), p in zip(IMAGES, pixels, strict=True)
        ],
    }


def digest(pixels):
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def mask_of(mask, width, height):
    canvas = np.zeros((height, width), np.uint8)
    mask.crop(height, width).paste(canvas, 1)
    return canvas


@pytest.mark.parametrize("known", json.loads(FILE.read_text()) if FILE.exists() else [])
def test_masks_equal_the_reference_file(known):
    mask = LogitMask(
        known["width"], known["height"], base64.b64decode(known["data"]), empty=False, whole=False
    )
    for image in known["images"]:
        pixels = mask_of(mask, image["width"], image["height"])
        assert int(pixels.sum()) == image["area"]
        assert digest(pixels) == image["sha256"]


def test_reference_file_has_every_kind_of_mask():
    known = json.loads(FILE.read_text())
    assert len(known) == 5
    shares = [k["images"][-1]["area"] / (1921 * 1079) for k in known]
    assert all(0.02 < share < 0.98 for share in shares)


if __name__ == "__main__":
    FILE.write_text(json.dumps([entry(logits) for logits in shapes()]) + "\n")
