import itertools
import re

import numpy as np
import pytest

from sam2_widget import LabelError, SettingError
from sam2_widget.prompts.colors import (
    PALETTE,
    checked_classes,
    checked_color,
    checked_palette,
    default_palette,
)


def test_the_palette_is_distinct_and_has_no_grey():
    colors = default_palette()
    assert len(set(colors)) == len(colors) >= 6
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)
    assert "#bbbbbb" not in colors
    assert checked_palette(PALETTE) == colors


TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(color):
    values = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return TO_OKLAB @ np.cbrt(TO_LMS @ linear)


def test_colours_of_24_objects_are_perceptually_distinct():
    colors = default_palette()
    assert len(colors) >= 24
    places = [oklab(color) for color in colors]
    distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(places, 2)]
    assert min(distances) > 0.12
    assert all(0.4 < lightness < 0.95 for lightness, *_ in places)


def test_palettes_as_names_or_lists():
    assert len(checked_palette("tab10")) == 10
    assert len(set(checked_palette("viridis"))) == 10
    assert checked_palette(["red", "#0F0", (0.0, 0.0, 1.0)]) == ("#ff0000", "#00ff00", "#0000ff")


@pytest.mark.parametrize("bad", ["no such map", "", 5, None, [], ["reddish"], [None], [5]])
def test_other_palettes_are_refused(bad):
    with pytest.raises(SettingError):
        checked_palette(bad)


def test_colours_are_hex():
    assert checked_color("Tomato") == "#ff6347"
    assert checked_color("#11223344") == "#112233"


def test_classes_as_names_or_mapping_to_colours():
    assert checked_classes(None) == {}
    assert checked_classes({"a": "red"}) == {"a": "#ff0000"}
    colors = checked_classes([f"c{i}" for i in range(20)])
    assert list(colors.values()) == list(default_palette())[:20]


@pytest.mark.parametrize("bad", ["cat", ["cat", "cat"], [""], [None], 5, ["x" * 201], {"": "red"}])
def test_other_classes_are_refused(bad):
    with pytest.raises(LabelError):
        checked_classes(bad)
    with pytest.raises(SettingError):
        checked_classes({"cat": "reddish"})
