import re

import pytest

from sam2_widget import LabelError, SettingError
from sam2_widget.colors import (
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


def test_palettes_are_names_or_lists():
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


def test_classes_are_names_or_names_with_colours():
    assert checked_classes(None) == {}
    assert checked_classes({"a": "red"}) == {"a": "#ff0000"}
    colors = checked_classes([f"c{i}" for i in range(20)])
    assert list(colors.values())[:6] == list(default_palette())


@pytest.mark.parametrize("bad", ["cat", ["cat", "cat"], [""], [None], 5, ["x" * 201], {"": "red"}])
def test_other_classes_are_refused(bad):
    with pytest.raises(LabelError):
        checked_classes(bad)
    with pytest.raises(SettingError):
        checked_classes({"cat": "reddish"})
