"""Rasterised polygons equal COCO's, at a bounded cost."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from sam2_widget import AnnotationError
from sam2_widget.export import rasterise, sizes
from sam2_widget.export.notes import Repairs
from sam2_widget.export.outlines import fill
from tests import bounded

coordinates = st.one_of(
    st.floats(-30, 60, width=32),
    st.integers(-20, 50).map(float),
    st.integers(-200, 500).map(lambda fifth_or_tenth: fifth_or_tenth / 10),
)
rings = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=12).map(np.array)
sides = st.integers(1, 40)


def pixels(ring, size):
    runs = rasterise.interior_runs(np.asarray(ring, float), size)
    flat = np.zeros(size[0] * size[1], bool)
    for start, end in zip(runs.starts, runs.ends, strict=True):
        flat[start:end] = True
    return flat.reshape(size[1], size[0]).T


@given(rings, sides, sides)
def test_pixels_equal_those_of_pycocotools(ring, height, width):
    (encoded,) = coco_mask.frPyObjects([ring.ravel().tolist()], height, width)
    np.testing.assert_array_equal(pixels(ring, (height, width)), coco_mask.decode(encoded))


def test_triangle_counted_by_hand():
    expected = [
        [1, 1, 1, 1],
        [1, 1, 1, 0],
        [1, 1, 0, 0],
        [1, 0, 0, 0],
    ]
    np.testing.assert_array_equal(pixels([(0, 0), (4.5, 0), (0, 4.5)], (4, 4)), expected)


@given(rings, sides, sides)
def test_chunk_size_does_not_change_the_pixels(ring, height, width):
    whole = pixels(ring, (height, width))
    before, rasterise.CROSSINGS_AT_ONCE = rasterise.CROSSINGS_AT_ONCE, 3
    try:
        np.testing.assert_array_equal(pixels(ring, (height, width)), whole)
    finally:
        rasterise.CROSSINGS_AT_ONCE = before


@pytest.mark.parametrize("far", [1e3, 1e9, 1e300])
def test_vertices_far_outside_the_image(far):
    ring = [(-far, 2), (far, 2), (far, far), (-far, far)]
    expected = np.zeros((6, 5), bool)
    expected[2:] = True
    np.testing.assert_array_equal(pixels(ring, (6, 5)), expected)


@pytest.mark.parametrize(
    ("ring", "is_simple"),
    [
        ([(0, 0), (8, 0), (8, 8), (0, 8)], True),
        ([(0, 8), (8, 8), (8, 0), (0, 0)], True),
        ([(0, 0), (8, 8), (8, 0), (0, 8)], False),
        ([(0, 0), (8, 0), (8, 8), (0, 8)] * 2, False),
        # A hole that is joined by a zero-width bridge.
        ([(0, 0), (8, 0), (8, 8), (0, 8), (0, 0), (2, 2), (2, 6), (6, 6), (6, 2), (2, 2)], True),
    ],
)
def test_self_intersection_is_detected(ring, is_simple):
    assert rasterise.interior_runs(np.array(ring, float), (8, 8)).is_simple == is_simple


@given(rings, sides)
def test_count_crossings(ring, width):
    x, _ = np.trunc(5 * ring + 0.5).astype(int).T
    steps = [sorted(pair) for pair in zip(x.tolist(), np.roll(x, -1).tolist(), strict=True)]
    # A column is crossed between its steps 2 and 3.
    crossed = [sum(a <= 5 * c + 2 and 5 * c + 3 <= b for c in range(width)) for a, b in steps]
    assert rasterise.count_crossings(ring, width) == sum(crossed)


def test_polygons_of_a_file_share_one_budget(monkeypatch):
    monkeypatch.setattr(sizes, "MAX_CROSSINGS", 50)
    budget, square = sizes.Budget("'a.json'"), np.array([(0, 0), (10, 0), (10, 9), (0, 9)], float)
    assert fill([[square]], (20, 30), Repairs(), budget).area == 90
    assert fill([[square]], (20, 30), Repairs(), budget).area == 90
    with pytest.raises(
        AnnotationError, match=r"'a\.json' are too complex: .* more than 50 pixel col"
    ):
        fill([[square]], (20, 30), Repairs(), budget)


ZIGZAG = "[v for n in range({n}) for v in (4000 * (n % 2), n * 3000 / {n})]"
FAR = "np.random.default_rng(0).uniform(-3e4, 3e4, 1000).tolist()"
READ = """
import json, warnings
import numpy as np
from sam2_widget import AnnotationError, read_masks
warnings.simplefilter("ignore")
points = {points}
width, height = 4000, 3000
pairs = list(zip(points[::2], points[1::2]))
files = {{
    "a.json": {{
        "images": [{{"id": 1, "width": width, "height": height}}],
        "categories": [], "annotations": [{{"image_id": 1, "segmentation": [points]}}]}},
    "b.json": {{
        "shapes": [{{"label": "a", "points": pairs, "shape_type": "polygon"}}],
        "imageWidth": width, "imageHeight": height}},
    "c.geojson": {{"type": "Feature", "geometry": {{"type": "Polygon", "coordinates": [pairs]}}}},
    "d.txt": None,
}}
for name, value in files.items():
    line = "0 " + " ".join(f"{{x / width}} {{y / height}}" for x, y in pairs)
    path = "{folder}/" + name
    open(path, "w").write(line if value is None else json.dumps(value))
    try:
        print(read_masks(path, (height, width))[0].area)
    except AnnotationError as error:
        print(error)
"""


def test_zigzag_over_the_budget_is_refused_without_allocating_memory(tmp_path):
    code = READ.format(points=ZIGZAG.format(n=40_000), folder=tmp_path)
    lines = bounded.run(code, megabytes=1536).splitlines()
    assert len(lines) == 4
    assert all("are too complex" in line for line in lines)


def test_zigzag_within_the_budget_and_distant_vertices_are_read(tmp_path):
    zigzag = bounded.run(READ.format(points=ZIGZAG.format(n=400), folder=tmp_path))
    (encoded,) = coco_mask.frPyObjects([eval(ZIGZAG.format(n=400))], 3000, 4000)
    *areas, yolo = map(int, zigzag.splitlines())
    assert areas == [int(coco_mask.area(encoded))] * 3
    assert abs(yolo - areas[0]) < 50  # its fractions of the image are rounded
    far = bounded.run(READ.format(points=FAR, folder=tmp_path)).splitlines()
    assert len({*far}) == 1
    assert 5_000_000 < int(far[0]) < 7_000_000


def test_thousands_of_holes_are_read_quickly(tmp_path):
    square = [[0, 0], [3000, 0], [3000, 3000], [0, 3000]]
    holes = [
        [[x, y], [x, y + 2], [x + 2, y + 2], [x + 2, y]]
        for x in range(10, 2910, 58)
        for y in range(10, 2910, 58)
    ]
    value = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [square, *holes]}}
    (tmp_path / "a.geojson").write_text(json.dumps(value))
    code = f"""
    from sam2_widget import read_masks
    print(read_masks("{tmp_path}/a.geojson", (3000, 3000))[0].area)
    """
    assert int(bounded.run(code)) == 9_000_000 - 4 * len(holes)
