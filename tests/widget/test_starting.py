"""What a widget starts from: prompts and masks of files, whatever these are called."""

import json

import numpy as np
import pytest
from PIL import Image

from sam2_widget import (
    AnnotationError,
    ObjectPrompts,
    Point,
    PromptError,
    Prompts,
    SegmentWidget,
)
from sam2_widget.cli import main
from sam2_widget.prompts.stacks import StackPrompts
from sam2_widget.testing import FakePredictor
from tests.widget.conftest import IMAGE

PROMPTS = Prompts(
    (ObjectPrompts((Point(40, 30), Point(5, 5, 0)), "cell"), ObjectPrompts((Point(9, 9),)))
)
SQUARE = [10, 20, 30, 20, 30, 40, 10, 40]


def widget_of(image=IMAGE, **options):
    return SegmentWidget(image, model=FakePredictor(), **options)


@pytest.fixture
def saved(tmp_path):
    PROMPTS.save(tmp_path / "photo.prompts.json")
    return tmp_path / "photo.prompts.json"


@pytest.mark.parametrize("option", ["prompts", "masks"])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_file_of_prompts(saved, option, kind):
    widget = widget_of(**{option: kind(saved)})
    assert widget.prompts == PROMPTS
    assert [found.label for found in widget.objects] == ["cell", None]
    assert widget.masks[0, 30, 40]
    widget.close()


@pytest.mark.parametrize(
    "value", [PROMPTS, [[Point(40, 30), Point(5, 5, 0)], [Point(9, 9)]], list(PROMPTS)]
)
def test_prompts_in_memory(value):
    widget = widget_of(prompts=value)
    assert [one.prompts for one in widget.prompts] == [one.prompts for one in PROMPTS]
    widget.undo()
    assert not widget.objects
    widget.close()


def test_prompts_of_a_stack(tmp_path):
    stack = np.stack([IMAGE] * 3)
    StackPrompts({1: PROMPTS, 2: Prompts(PROMPTS[:1])}, "Z").save(tmp_path / "a.prompts.json")
    widget = widget_of(stack, axes="ZYXC", prompts=tmp_path / "a.prompts.json")
    assert [len(plane.prompts) for plane in widget.planes] == [0, 2, 1]
    found = widget.planes[1].prompts
    assert [(one.prompts, one.label) for one in found] == [(o.prompts, o.label) for o in PROMPTS]
    widget.close()


def test_invalid_prompts_have_a_clear_error(tmp_path):
    with pytest.raises(PromptError, match="outside the image"):
        widget_of(prompts=[Point(500, 3)])
    with pytest.raises(PromptError, match="No such file"):
        widget_of(prompts=tmp_path / "none.json")
    with pytest.raises(PromptError, match=r"must be w\.prompts"):
        widget_of(prompts={"a": 1})
    StackPrompts({7: PROMPTS}, "Z").save(tmp_path / "a.prompts.json")
    with pytest.raises(PromptError, match="there is no plane 7"):
        widget_of(prompts=tmp_path / "a.prompts.json")
    with pytest.raises(AnnotationError, match="pass it to SegmentWidget as prompts="):
        widget_of(masks=tmp_path / "a.prompts.json")


def coco_of(path, *names):
    value = {
        "images": [
            {"id": i, "file_name": name, "width": 80, "height": 60} for i, name in enumerate(names)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
        "annotations": [
            {"id": i + 1, "image_id": i, "category_id": i, "segmentation": [SQUARE]}
            for i in range(len(names))
        ],
    }
    path.write_text(json.dumps(value))
    return path


def test_a_picture_finds_its_own_masks_among_many(tmp_path):
    many = coco_of(tmp_path / "many.json", "train/a.png", "train/b.jpg")
    Image.fromarray(IMAGE).save(tmp_path / "b.png")
    widget = widget_of(tmp_path / "b.png", masks=many)
    assert [found.label for found in widget.objects] == ["train/b.jpg"]
    expected = np.zeros((60, 80), bool)
    expected[20:40, 10:30] = True
    np.testing.assert_array_equal(widget.masks[0], expected)
    widget.add_masks(many, image="a.png")
    assert [found.label for found in widget.objects] == ["train/b.jpg", "train/a.png"]
    widget.close()
    with pytest.raises(AnnotationError, match=r"describes 2 images.*pass image="):
        widget_of(masks=many)


@pytest.mark.parametrize("name", ["photo.prompts.json", "photo.json"])
def test_the_command_line_reads_what_the_menu_writes(tmp_path, monkeypatch, name):
    calls = []
    monkeypatch.setattr(
        "sam2_widget.cli._segmented",
        lambda image, prompts, _: calls.append((image.name, prompts.objects)),
    )
    monkeypatch.setattr("sam2_widget.cli._write", lambda *_: None)
    (tmp_path / "images").mkdir()
    Image.fromarray(IMAGE).save(tmp_path / "images" / "photo.png")
    if name != "photo.json":  # as LabelMe calls its own
        (tmp_path / "photo.json").write_text("{}")
    PROMPTS.save(tmp_path / name)
    arguments = ["segment", tmp_path / "images", "--prompts", tmp_path, "--out", tmp_path / "out"]
    main([*map(str, arguments)])
    assert calls == [("photo.png", PROMPTS.objects)]
