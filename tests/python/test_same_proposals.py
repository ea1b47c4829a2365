"""The kernel's filter of proposals in a file: js/tests/proposals.test.js expects the same.

`python -m tests.python.test_same_proposals` writes the file anew.
"""

import base64
import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np

from sam2_widget.masks.logits import LogitMask, quantise
from sam2_widget.proposals.filters import ProposalFilter
from sam2_widget.proposals.grid import Crop
from sam2_widget.proposals.likeness import Describer, likeness
from sam2_widget.proposals.measure import ruler_for
from sam2_widget.proposals.proposal import PointMasks, Proposal

FILE = Path(__file__).parents[2] / "js" / "tests" / "data" / "same-proposals.json"
CELLS = (24, 32)
CROPS = [Crop(0, 0, 320, 240, 0), Crop(0, 0, 180, 140, 1), Crop(140, 100, 320, 240, 1)]
COUNT = 60
FILTERS = [
    ProposalFilter(),
    ProposalFilter(max_overlap=1.0),
    ProposalFilter(max_overlap=0.0),
    ProposalFilter(max_overlap=0.3),
    ProposalFilter(min_score=0.5),
    ProposalFilter(min_score=0.5, min_stability=0.7, max_overlap=0.5),
    ProposalFilter(min_area=400, max_area=6000),
    ProposalFilter(min_score=1.0),
    ProposalFilter(min_likeness=0.65),
    ProposalFilter(min_likeness=0.8, min_score=0.3, max_overlap=0.5),
]


def proposals():
    """Blobs at a few places of each crop, so that many overlap; some scores are the same."""
    draw = np.random.default_rng(17)
    numbers = iter(range(1, COUNT + 1))
    for crop in CROPS:
        places = draw.uniform((5, 4), (27, 20), (7, 2))
        for x, y in places[draw.integers(0, 7, COUNT // 3)] + draw.normal(size=(COUNT // 3, 2)):
            logits = np.full(CELLS, -4, np.float32)
            radii = tuple(int(r) for r in draw.integers(2, 8, 2))
            cv2.ellipse(logits, ((round(x), round(y))), radii, 0, 0, 360, 4, -1)
            mask = LogitMask.from_quantised(
                quantise(cv2.GaussianBlur(logits, (0, 0), draw.uniform(0.3, 1.5)))
            )
            score = round(float(draw.uniform()), 1)
            measures = ruler_for(CELLS, (crop.height, crop.width))(mask.logits)
            found = PointMasks((0.0, 0.0), crop, (mask,), (score,), 0)
            yield Proposal(next(numbers), found, 0, measures.moved(crop.x0, crop.y0))


def compared(every):
    """Likeness to the first two, in an image of noise."""
    image = np.random.default_rng(8).integers(0, 255, (240, 320, 3), np.uint8)
    describer = Describer(image)
    described = np.array([describer.proposal(one) for one in every])
    return likeness(described, described[:2]).tolist()


def entries():
    every = list(proposals())
    values = compared(every)
    by_number = {one.number: value for one, value in zip(every, values, strict=True)}
    return {
        "proposals": [
            {
                "number": one.number,
                "crop": one.found.crop.box,
                "box": one.box,
                "score": one.score,
                "stability": one.stability,
                "area": one.area,
                "pixels": one.pixels().area,
                "width": one.mask.width,
                "height": one.mask.height,
                "data": base64.b64encode(one.mask.data).decode(),
            }
            for one in every
        ],
        "likeness": values,
        "filters": [
            {
                **dataclasses.asdict(chosen),
                "numbers": [one.number for one in chosen(every, by_number)],
            }
            for chosen in FILTERS
        ],
    }


def test_the_file_has_what_the_filter_gives():
    written, now = json.loads(FILE.read_text()), json.loads(json.dumps(entries()))
    # Of the colours no more is compared: OpenCV computes them a little differently elsewhere.
    np.testing.assert_allclose(written["likeness"], now["likeness"], atol=0.01)
    assert written["filters"] == now["filters"]
    shown = [{**one, "data": ""} for one in written["proposals"]]
    assert shown == [{**one, "data": ""} for one in now["proposals"]]


def test_the_cases_differ():
    counts = [len(one["numbers"]) for one in entries()["filters"]]
    assert counts[1] > counts[0] > counts[3] > counts[2] > 0
    assert 0 < counts[5] < counts[4] < counts[0]
    assert 1 < counts[9] < counts[8] < counts[0]


if __name__ == "__main__":
    FILE.write_text(json.dumps(entries()) + "\n")
