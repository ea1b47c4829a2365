import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget import Box, ObjectPrompts, Point, PromptError, Prompts, Stroke
from sam2_widget.prompts.collections import MAX_CLICKS, MAX_PROMPTS, add_prompt, as_prompts

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
points = st.builds(Point, finite, finite, st.sampled_from([0, 1]))
boxes = (
    st.tuples(finite, finite, finite, finite)
    .filter(lambda c: c[0] != c[2] and c[1] != c[3])
    .map(lambda c: Box(*c))
)
prompts = st.lists(
    st.builds(
        ObjectPrompts,
        st.lists(points | boxes, max_size=5).map(tuple),
        st.none() | st.text(max_size=20),
    ),
    max_size=4,
).map(lambda objects: Prompts(tuple(objects)))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, "1", None, True, 1j, 10**400])
def test_a_coordinate_must_be_a_finite_number(bad):
    with pytest.raises(PromptError, match="x must be"):
        Point(bad, 1)
    with pytest.raises(PromptError, match="y1 must be"):
        Box(0, 0, 1, bad)


@pytest.mark.parametrize("bad", [2, -1, 0.5, "1", None, [1]])
def test_a_label_is_0_or_1(bad):
    with pytest.raises(PromptError, match=r"label must be 1 .* or 0"):
        Point(1, 1, bad)


def test_numpy_numbers_are_numbers():
    point = Point(np.float32(1.5), np.int64(2), np.uint8(0))
    assert point == Point(1.5, 2.0, 0)
    assert Point(1, 1, np.True_) == Point(1, 1, 1)
    assert type(point.x) is float
    assert type(point.label) is int


@given(finite, finite, finite, finite)
def test_a_box_is_normalised_or_refused(x0, y0, x1, y1):
    if x0 == x1 or y0 == y1:
        with pytest.raises(PromptError, match="has no area"):
            Box(x0, y0, x1, y1)
    else:
        box = Box(x0, y0, x1, y1)
        assert box == Box(x1, y1, x0, y0)
        assert box.x0 < box.x1
        assert box.y0 < box.y1


@pytest.mark.parametrize(("x", "y"), [(-0.1, 5), (10, 5), (5, 20), (5, -1)])
def test_points_outside_are_refused(x, y):
    with pytest.raises(PromptError, match="outside the image of 10 x 20"):
        Point(x, y).check_inside(10, 20)


def test_edges_are_inside():
    Point(0, 0).check_inside(10, 20)
    Point(9.99, 19.99).check_inside(10, 20)
    Box(0, 0, 10, 20).check_inside(10, 20)
    with pytest.raises(PromptError, match="reaches outside"):
        Box(0, 0, 10.5, 20).check_inside(10, 20)


def test_a_new_box_replaces_the_old():
    old, new, point = Box(0, 0, 1, 1), Box(2, 2, 3, 3), Point(1, 1)
    assert add_prompt((old, point), new) == (point, new)
    assert add_prompt((old,), point) == (old, point)


@given(prompts)
def test_json_round_trip(value):
    assert Prompts.from_json(value.to_json()) == value


def test_documented_json():
    text = Prompts((ObjectPrompts((Point(1, 2, 0), Box(0, 0, 3, 4)), "cat"),)).to_json()
    assert json.loads(text) == {
        "format": "sam2-widget-prompts",
        "version": 1,
        "objects": [
            {
                "label": "cat",
                "prompts": [
                    {"type": "point", "x": 1.0, "y": 2.0, "label": 0},
                    {"type": "box", "x0": 0.0, "y0": 0.0, "x1": 3.0, "y1": 4.0},
                ],
            }
        ],
    }


@given(
    st.text(max_size=50)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["format", "version", "objects", "x", "type"]), inner)
        ),
        max_leaves=8,
    ).map(json.dumps)
)
def test_invalid_json_is_a_clear_error(text):
    with pytest.raises(PromptError):
        Prompts.from_json(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 1, got 2"),
        ({"format": "other"}, "format"),
        ({"settings": {"fill_holes": -1}}, "fill_holes"),
        ({"settings": {"overlap": "beside"}}, "overlap|beside"),
        ({"objects": [{"prompts": [{"type": "choice", "index": 3}]}]}, "0, 1 or 2"),
        ({"objects": [{"prompts": [{"type": "stroke", "points": [], "radius": 1}]}]}, "points"),
        ({"objects": [{"prompts": [{"type": "spline"}]}]}, "spline"),
        ({"objects": [{"prompts": [{"type": "point", "x": 1}]}]}, "`y`"),
        ({"objects": [{"prompts": [{"type": "point", "x": 1, "y": 1, "label": 7}]}]}, "got 7"),
    ],
)
def test_error_messages_for_invalid_json(change, message):
    good = {"format": "sam2-widget-prompts", "version": 1, "objects": []}
    with pytest.raises(PromptError, match=message):
        Prompts.from_json(json.dumps(good | change))


def test_deep_json_is_refused():
    with pytest.raises(PromptError):
        Prompts.from_json("[" * 100_000)


def test_as_prompts_takes_one_object_or_several():
    a, b = Point(1, 1), Box(0, 0, 2, 2)
    one = Prompts((ObjectPrompts((a, b)),))
    assert as_prompts([a, b]) == one
    assert as_prompts([[a, b]]) == one
    assert as_prompts(one) is one
    assert as_prompts(a) == Prompts((ObjectPrompts((a,)),))
    assert as_prompts([]) == Prompts()
    assert [len(o.prompts) for o in as_prompts([[a], [a, b]])] == [1, 2]


@pytest.mark.parametrize("bad", [None, "points", 3, [1, 2], [(1, 2)], [Point(1, 1), [Point(1, 1)]]])
def test_as_prompts_refuses_other_values(bad):
    with pytest.raises(PromptError):
        as_prompts(bad)


def test_too_many_prompts_are_refused():
    with pytest.raises(PromptError, match=f"{MAX_PROMPTS} prompts, got {MAX_PROMPTS + 1}"):
        ObjectPrompts((Point(1, 1),) * (MAX_PROMPTS + 1))


def test_clicks_per_object_are_limited():
    strokes = (Stroke([(1, 1)], 2),) * 500
    ObjectPrompts((Point(1, 1),) * MAX_CLICKS + strokes)
    with pytest.raises(PromptError, match="250 points, boxes and scribbles, got 251"):
        ObjectPrompts((Point(1, 1),) * (MAX_CLICKS + 1))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_code_with_nan_and_infinity(value):
    code = Prompts().to_code("a.png", contrast_limits=[(value, 1.0), (0, [value])], plane={"Z": 1})
    found = {}
    line = code.splitlines()[-1]
    exec(line, {"segment": lambda *_, **options: found.update(options), "prompts": None, **found})
    (low, _), (_, (inner,)) = found["contrast_limits"]
    np.testing.assert_equal([low, inner], [float(value)] * 2)
    assert found["plane"] == {"Z": 1}
