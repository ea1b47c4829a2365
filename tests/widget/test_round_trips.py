"""A file that is opened in a widget and written again loses nothing that its format keeps."""

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sam2_widget import Categories, LossWarning, SegmentWidget, read_masks
from sam2_widget.export.coco import write_coco
from sam2_widget.export.geojson import write_geojson
from sam2_widget.export.label_map import write_png
from sam2_widget.export.labelme import write_labelme
from sam2_widget.export.npz import write_npz
from sam2_widget.export.pngs import write_pngs
from sam2_widget.export.tiff import write_tiff
from sam2_widget.export.values import LabeledMask, LabeledMasks, crop_of
from sam2_widget.export.voc import read_voc, write_voc
from sam2_widget.export.yolo import write_yolo
from sam2_widget.testing import FakePredictor

SIZE = (9, 11)
IMAGE = np.zeros((*SIZE, 3), np.uint8)

FORMATS: dict[str, tuple[str, Callable[..., object], set[str]]] = {
    "a.json": ("to_coco", write_coco, {"label", "score", "number", "crowd"}),
    "a.geojson": ("to_geojson", write_geojson, {"label", "score", "color", "number", "crowd"}),
    "a.png": ("to_png", write_png, {"label", "score", "color", "number", "crowd"}),
    "a.tif": ("to_tiff", write_tiff, {"label", "score", "color", "number", "crowd"}),
    "a.npz": ("to_npz", write_npz, {"label", "score", "color", "number", "crowd"}),
    "a.zip": ("to_pngs", write_pngs, {"label", "score", "color", "number", "crowd"}),
    "labelme.json": ("to_labelme", write_labelme, {"label", "score", "number", "crowd"}),
    "a.txt": ("to_yolo", write_yolo, {"label"}),
}
"""Method and writer of each format, and what it keeps beside the pixels."""

NAMES = ("cat", "dog", "größe µ")


@st.composite
def annotations(draw):
    """Masks that do not overlap, none of them empty, with all that a format may keep."""
    owner = draw(hnp.arrays(np.uint8, SIZE, elements=st.integers(0, 4)))
    numbers = draw(st.lists(st.integers(1, 60_000), min_size=4, max_size=4, unique=True))
    masks = [owner == i for i in (1, 2, 3, 4) if (owner == i).any()]
    objects = tuple(
        LabeledMask(
            crop_of(mask),
            SIZE,
            draw(st.sampled_from(NAMES)),
            draw(st.floats(0, 1, width=32)),
            draw(st.sampled_from(["#102030", "#ffeedd", "#00ff00"])),
            number,
            draw(st.booleans()),
        )
        for mask, number in zip(masks, numbers, strict=False)
    )
    ids = draw(st.lists(st.integers(1, 500), min_size=3, max_size=3, unique=True))
    return LabeledMasks(objects, SIZE, Categories(NAMES, tuple(ids)))


def file(name, data):
    found = io.BytesIO(data)
    found.name = name
    return found


def through_a_widget(name, data, method):
    w = SegmentWidget(IMAGE, model=FakePredictor(), masks=file(name, data))
    out = io.BytesIO()
    getattr(w, method)(out)
    w.close()
    return out.getvalue()


def facts(found, kept):
    return [[getattr(one, name) for name in sorted(kept)] + [one.mask.tobytes()] for one in found]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=12)
@given(result=annotations())
def test_file_widget_file(name, result):
    method, write, kept = FORMATS[name]
    first = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossWarning)
        write(result, first)
        second = through_a_widget(name, first.getvalue(), method)
    options = {"classes": result.categories.names_from_zero()} if name == "a.txt" else {}
    before, after = (read_masks(file(name, data), SIZE) for data in (first.getvalue(), second))
    assert facts(after, kept) == facts(before, kept)
    if name != "a.txt":
        assert facts(before, kept) == facts(result, kept)
    else:
        named = read_masks(file(name, second), SIZE, **options)
        assert facts(named, kept) == facts(result, kept)


@settings(max_examples=12)
@given(result=annotations())
def test_a_folder_of_voc_keeps_labels_and_their_numbers(result):
    w = SegmentWidget(IMAGE, model=FakePredictor(), masks=result)
    # VOC holds numbers up to 254.
    classes = {name: place for place, name in enumerate(reversed(NAMES), start=7)}
    with TemporaryDirectory() as folder:
        write_voc(result, Path(folder, "before"), classes=classes)
        w.to_voc(Path(folder, "after"), classes=classes)
        before, after = (read_voc(Path(folder, name)) for name in ("before", "after"))
        maps = [
            Path(folder, name, "SegmentationClass", "image.png").read_bytes()
            for name in ("before", "after")
        ]
    w.close()
    assert facts(after, {"label", "number"}) == facts(before, {"label", "number"})
    assert facts(after, {"label"}) == facts(result, {"label"})
    assert maps[0] == maps[1]


@settings(max_examples=12)
@given(result=annotations())
def test_coco_keeps_its_categories_and_crowds(result):
    first = io.BytesIO()
    write_coco(result, first)
    second = through_a_widget("a.json", first.getvalue(), "to_coco")
    before, after = json.loads(first.getvalue()), json.loads(second)
    assert sorted(after["categories"], key=str) == sorted(before["categories"], key=str)
    for one, other in zip(after["annotations"], before["annotations"], strict=True):
        for key in ("id", "category_id", "iscrowd", "score", "segmentation", "bbox", "area"):
            assert (
                one[key] == pytest.approx(other[key]) if key == "score" else one[key] == other[key]
            )


def test_a_score_is_that_of_the_file_until_the_mask_is_corrected():
    mask = np.zeros(SIZE, bool)
    mask[2:6, 3:8] = True
    w = SegmentWidget(
        IMAGE,
        model=FakePredictor(),
        masks=LabeledMasks((LabeledMask(crop_of(mask), SIZE, None, 0.25),), SIZE),
    )
    assert w.scores.tolist() == [0.25]
    w.select(0)
    w.add_stroke([(5, 4)], 1.5, 0)
    assert w.scores.tolist() == [1.0]
    assert w.undo()
    assert w.scores.tolist() == [0.25]
    w.close()


def test_labels_and_scores_of_a_foreign_npz_are_read():
    data = io.BytesIO()
    masks = np.zeros((2, *SIZE), bool)
    masks[0, 1, 1] = masks[1, 2, 2] = True
    np.savez(data, masks=masks, labels=np.array(["cat", "dog"]), scores=np.array([0.5, np.nan]))
    found = read_masks(file("a.npz", data.getvalue()))
    assert [(one.label, one.score) for one in found] == [("cat", 0.5), ("dog", None)]
    renamed = read_masks(file("a.npz", data.getvalue()), classes=["a", "b"])
    assert [(one.label, one.score) for one in renamed] == [("a", 0.5), ("b", None)]


def test_a_map_with_other_labels_keeps_its_scores_and_numbers():
    result = LabeledMasks(
        (LabeledMask(crop_of(np.ones((1, 1), bool)), SIZE, "x", 0.5, "#102030", 2),), SIZE
    )
    data = io.BytesIO()
    write_png(result, data)
    (one,) = [o for o in read_masks(file("a.png", data.getvalue()), classes=["a", "b"]) if o.area]
    assert (one.label, one.score, one.color, one.number) == ("b", 0.5, "#102030", 2)


def test_numbers_beyond_a_png_have_a_warning_and_are_kept_in_its_text():
    far = LabeledMask(crop_of(np.ones((2, 2), bool)), SIZE, "x", number=900_100_259_139)
    near = LabeledMask(crop_of(np.ones((2, 2), bool), 4, 4), SIZE, "y", number=70_000)
    result = LabeledMasks((near, far), SIZE)
    data = io.BytesIO()
    with pytest.warns(LossWarning, match="numbers up to 65535"):
        write_png(result, data)
    assert read_masks(file("a.png", data.getvalue())).numbers == (70_000, 70_001)
    data = io.BytesIO()
    write_coco(result, data)
    ids = [one["id"] for one in json.loads(data.getvalue())["annotations"]]
    assert ids == [70_000, 900_100_259_139]
    data = io.BytesIO()
    write_tiff(result, data)
    assert read_masks(file("a.tif", data.getvalue())).label_map.max() == 70_001
