"""Prompts as files, as code and on the command line: the same masks everywhere."""

import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import sam2_widget
from sam2_widget import (
    Box,
    Choice,
    ExistsError,
    MaskPrompt,
    ObjectPrompts,
    Point,
    PromptError,
    Prompts,
    Scribble,
    Settings,
    Stroke,
    read_masks,
    segment,
)
from sam2_widget.cli import main
from sam2_widget.models.recovery import Plan
from sam2_widget.prompts.categories import Categories
from sam2_widget.results import headless
from sam2_widget.testing import FakePredictor

IMAGE = np.random.default_rng(3).integers(0, 255, (60, 80, 3), np.uint8)

ALL = Prompts(
    (
        ObjectPrompts((Point(40, 30), Choice(2), Point(1.5, 2, 0)), 'a "quoted"\\ label\n名'),
        ObjectPrompts((Scribble([(1, 2), (30, 40)]), Stroke([(50, 50)], 4.5, 0))),
        ObjectPrompts((Box(3, 4, 20, 30),), "box"),
        ObjectPrompts((MaskPrompt.from_mask(np.eye(60, 80, dtype=bool)),)),
    ),
    Settings(overlap="cut out", fill_holes=5),
)

numbers = st.floats(0, 50, allow_nan=False)
prompts = st.lists(
    st.builds(
        ObjectPrompts,
        st.lists(
            st.builds(Point, numbers, numbers, st.sampled_from([0, 1]))
            | st.builds(
                Stroke,
                st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4),
                st.floats(0.5, 9),
            ),
            max_size=3,
        ).map(tuple),
        st.none() | st.text(max_size=12),
    ),
    max_size=3,
).map(lambda objects: Prompts(tuple(objects)))


def test_a_file_keeps_everything(tmp_path):
    path = tmp_path / "prömpts 1.json"
    ALL.save(path)
    assert Prompts.load(path) == ALL
    assert Prompts.load(str(path)) == ALL
    with pytest.raises(ExistsError):
        ALL.save(path)
    Prompts().save(path, overwrite=True)
    assert Prompts.load(path) == Prompts()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "these are no prompts"), (b"\xff\xfe", "decode"), (b'{"format": "x"}', "bad.json")],
)
def test_invalid_files_are_refused(tmp_path, content, message):
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(PromptError, match=message):
        Prompts.load(tmp_path / "bad.json")
    with pytest.raises(PromptError, match="No such file"):
        Prompts.load(tmp_path / "none.json")


@settings(max_examples=20)
@given(prompts)
def test_saved_prompts_match_the_schema(value):
    jsonschema.validate(json.loads(value.to_json()), Prompts.schema())


@pytest.mark.parametrize(
    "objects", [3, [{"prompts": [{"type": "spline"}]}], [{"prompts": [{"type": "point", "x": 1}]}]]
)
def test_refused_prompts_do_not_match_the_schema(objects):
    value = {"format": "sam2-widget-prompts", "version": 1, "objects": objects}
    with pytest.raises(PromptError):
        Prompts.from_json(json.dumps(value))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, Prompts.schema())


def run(code, monkeypatch, **names):
    """The code's prompts and result, with the fake in place of a model."""
    given = {}

    def remembered(image, prompts, **options):
        given.update(image=image, **options)
        return segment(IMAGE, prompts, model=FakePredictor())

    monkeypatch.setattr(sam2_widget, "segment", remembered)
    exec(code, names)
    return names["prompts"], names["result"], given


def test_to_code_reproduces_the_result(monkeypatch):
    result = segment(IMAGE, ALL, model=FakePredictor())
    again, made, given = run(result.to_code(), monkeypatch, image=IMAGE)
    assert again == ALL
    assert given == {"image": IMAGE, "model": "fake"}
    np.testing.assert_array_equal(made.masks, result.masks)


def test_to_code_loads_the_image_with_the_same_options(tmp_path, monkeypatch):
    path = str(tmp_path / "stäck.npy")
    np.save(path, np.zeros((4, 60, 80), np.uint16))
    options = {"axes": "CYX", "channels": {0: "red", 3: "#00ff00"}, "contrast_limits": (0, 9)}
    result = segment(path, ALL, model=FakePredictor(), **options)
    _, _, given = run(result.to_code(), monkeypatch)
    assert given == {"image": path, "model": "fake", **options}


@given(value=prompts, name=st.none() | st.text(max_size=20))
def test_any_prompts_can_be_written_as_code(value, name):
    names = {}
    lines = value.to_code(image=name)
    code = lines[: lines.rindex("result = ")]
    exec(code, names)
    assert names["prompts"] == value


@pytest.fixture
def fake(monkeypatch):
    plan = Plan(given=FakePredictor())
    monkeypatch.setattr(headless, "plan_for", lambda model, device: plan)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "phöto 1.png"
    Image.fromarray(IMAGE).save(path)
    ALL.save(tmp_path / "p.json")
    return path


@pytest.mark.filterwarnings("ignore::sam2_widget.LossWarning")
@pytest.mark.parametrize(
    "name", ["m.png", "m.json", "m.geojson", "m.npz", "m.tif", "m.zip", "m.txt"]
)
def test_the_command_writes_the_masks_of_the_notebook(tmp_path, photo, fake, name):
    out = tmp_path / name
    assert (
        main(["segment", str(photo), "--prompts", str(tmp_path / "p.json"), "--out", str(out)]) == 0
    )
    expected = segment(IMAGE, ALL, model=FakePredictor())
    read = read_masks(out, (60, 80))
    np.testing.assert_array_equal(read.masks.any(axis=0), expected.masks.any(axis=0))
    if name != "m.txt":
        np.testing.assert_array_equal(read.masks, expected.masks)


def test_command_segments_a_folder(tmp_path, photo, fake, capsys):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(IMAGE).save(folder / name)
    (folder / "broken.jpg").write_text("no image")
    (folder / "notes.txt").write_text("no image either")
    command = ["segment", str(folder), "--prompts", str(tmp_path / "p.json"), "--out", str(out)]
    assert main([*command, "--format", "labelme"]) == 1
    assert sorted(p.name for p in out.iterdir()) == ["a.json", "b.json"]
    printed = capsys.readouterr().err
    assert "broken.jpg" in printed
    assert "2 of 3 images were segmented" in printed
    assert main([*command, "--format", "labelme"]) == 1
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["m.pgn", "m.jpg", "m.v2"])
def test_an_unknown_suffix_of_a_file_is_an_error(tmp_path, photo, capsys, name):
    command = ["segment", str(photo), "--prompts", str(tmp_path / "p.json")]
    assert main([*command, "--out", str(tmp_path / name)]) == 1
    printed = capsys.readouterr().err
    assert f"has the suffix '{Path(name).suffix}': use one of .json, .txt, .geojson, " in printed
    assert printed.endswith("or a name without suffix for a folder of PNGs, or pass --format\n")
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["masks.png", "masks.v2"])
def test_an_unknown_suffix_for_a_folder_of_images_is_an_error(tmp_path, photo, fake, capsys, name):
    (tmp_path / "photos").mkdir()
    photo.rename(tmp_path / "photos" / "a.png")
    out = tmp_path / name
    command = ["segment", str(tmp_path / "photos"), "--prompts", str(tmp_path / "p.json")]
    command += ["--out", str(out)]
    assert main(command) == 1
    assert "use one of .json, or a name without suffix" in capsys.readouterr().err
    assert not out.exists()
    assert main([*command, "--format", "png"]) == 0
    assert [path.name for path in out.iterdir()] == ["a.png"]


def test_command_reads_a_folder_of_prompts(tmp_path, photo, fake):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(IMAGE).save(folder / "a.png")
    Prompts((ObjectPrompts((Point(4, 4),)),)).save(folder / "a.json")
    command = ["segment", str(folder), "--prompts", str(folder), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert len(read_masks(tmp_path / "out" / "a.png")) == 1


def test_errors_of_the_command_are_one_line(tmp_path, photo, capsys):
    command = ["segment", str(photo), "--out", str(tmp_path / "m.png"), "--prompts"]
    assert main([*command, str(tmp_path / "none.json")]) == 1
    assert capsys.readouterr().err.startswith("sam2-widget: cannot read")
    with pytest.raises(SystemExit):
        main(["segment", str(photo)])


def test_command_line_options_apply_to_the_image(tmp_path, fake):
    np.save(tmp_path / "stack.npy", np.zeros((4, 5, 60, 80), np.uint16))
    ALL.save(tmp_path / "p.json")
    command = [
        *("segment", str(tmp_path / "stack.npy"), "--prompts", str(tmp_path / "p.json")),
        *("--out", str(tmp_path / "m.png"), "--axes", "ZCYX", "--plane", '{"Z": 2}'),
        *("--channels", '{"0": "red", "3": "#00ff00"}', "--contrast-limits", "[0, 100]"),
    ]
    assert main(command) == 0
    assert (tmp_path / "m.png").exists()


def test_command_prints_the_schema(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == Prompts.schema()


def test_coordinates_round_trip_exactly():
    value = Prompts((ObjectPrompts((Point(math.pi, 1 / 3),)),))
    assert Prompts.from_json(value.to_json()) == value


def test_file_of_the_front_end_equals_that_of_the_kernel():
    """js/tests/prompt-backup.test.js writes the same."""
    path = Path(__file__).parents[2] / "js" / "tests" / "data" / "page.prompts.json"
    expected = Prompts(
        (
            ObjectPrompts((Point(12.25, 8), Stroke([(3, 4.5), (10, 6)], 2.5, 0)), "cat", 7),
            ObjectPrompts((MaskPrompt((4, 6), "5220;"),), color="#00ff7f", crowd=True),
            ObjectPrompts((Box(1, 1, 5, 3.5), Point(2, 2, 0)), "dog"),
        ),
        Settings("cut out", fill_holes=9),
        Categories(("cat", "dog"), (17, 4)),
    )
    assert Prompts.load(path) == expected
    assert Prompts.from_json(expected.to_json()) == expected
