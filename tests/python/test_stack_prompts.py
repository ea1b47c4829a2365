"""Prompts of a stack: saved, read, and refused where they are none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget import ObjectPrompts, Point, PromptError, Prompts, Settings, StackPrompts
from sam2_widget.prompts.stacks import FORMAT

objects = st.builds(
    ObjectPrompts,
    st.lists(st.builds(Point, st.integers(0, 99), st.integers(0, 99)), min_size=1).map(tuple),
    st.none() | st.text(max_size=9),
)
prompts = st.builds(
    Prompts,
    st.lists(objects, max_size=3).map(tuple),
    st.builds(Settings, fill_holes=st.integers(0, 9)),
)


@given(st.dictionaries(st.integers(0, 999), prompts, max_size=4), st.sampled_from(["Z", "T", ""]))
def test_a_round_trip(planes, along):
    whole = StackPrompts(planes, along)
    assert StackPrompts.from_json(whole.to_json()) == whole
    assert list(whole) == sorted(planes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[" * 100_000,
        Prompts().to_json(),
        json.dumps({"format": FORMAT, "version": 2, "along": "Z", "planes": []}),
        json.dumps({"format": FORMAT, "version": 1, "along": "Z", "planes": [{"plane": -1}]}),
        json.dumps(
            {
                "format": FORMAT,
                "version": 1,
                "along": "Z",
                "planes": [{"plane": 1, "objects": []}, {"plane": 1, "objects": []}],
            }
        ),
    ],
)
def test_invalid_files_are_refused(text, tmp_path):
    with pytest.raises(PromptError):
        StackPrompts.from_json(text)
    path = tmp_path / "größe 1.json"
    path.write_text(text)
    with pytest.raises(PromptError, match="größe 1"):
        StackPrompts.load(path)


def test_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(PromptError, match=r"none\.json"):
        StackPrompts.load(tmp_path / "none.json")
