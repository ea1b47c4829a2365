import csv
import json

import numpy as np
import pandas as pd
import pytest

from sam2_widget.datasets.sources import list_images
from sam2_widget.datasets.starting import Starts
from sam2_widget.errors import ImageError, PromptError
from sam2_widget.prompts.collections import Box, MaskPrompt


@pytest.fixture
def folder(tmp_path):
    for name in ["img 10.png", "img 2.png", "sub/ü.jpg", "notes.txt", ".sam2-widget/x.png"]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def names(listed):
    return [one.name for one in listed.images]


def test_a_folder_is_listed_with_its_folders_in_the_order_of_numbers(folder):
    listed = list_images(folder)
    assert names(listed) == ["img 2.png", "img 10.png", "sub/ü.jpg"]
    assert listed.root == folder
    assert listed.images[2].path == folder / "sub" / "ü.jpg"


def test_a_link_to_a_folder_above_is_not_followed(folder):
    (folder / "sub" / "loop").symlink_to(folder)
    assert names(list_images(str(folder))) == ["img 2.png", "img 10.png", "sub/ü.jpg"]


def test_globs_and_lists(folder):
    assert names(list_images(str(folder / "*.png"))) == ["img 2.png", "img 10.png"]
    assert names(list_images(str(folder / "**/*.jpg"))) == ["ü.jpg"]
    paths = [folder / "sub" / "ü.jpg", str(folder / "img 2.png")]
    listed = list_images(paths)
    assert names(listed) == ["sub/ü.jpg", "img 2.png"]
    assert listed.root == folder


def test_an_image_that_is_listed_twice_is_taken_once(folder):
    path = folder / "img 2.png"
    listed = list_images([path, folder / "sub" / ".." / "img 2.png", folder / "img 10.png"])
    assert names(listed) == ["img 2.png", "img 10.png"]
    assert listed.notes == ("1 images are listed more than once, and taken once: img 2.png",)


def test_arrays_are_numbered_and_mappings_named():
    array = np.zeros((4, 5), np.uint8)
    assert names(list_images([array] * 11))[:2] == ["image 01", "image 02"]
    assert names(list_images({"left": array, "right": array})) == ["left", "right"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_with_a_column_of_paths(folder, delimiter):
    with (folder / "list.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([["site", "Path"], ["A", "img 2.png"], ["B", "sub/ü.jpg"], ["C", ""]])
    listed = list_images(folder / "list.csv")
    assert names(listed) == ["img 2.png", "sub/ü.jpg"]
    assert dict(listed.images[1].row) == {"site": "B"}


def test_a_data_frame(folder, monkeypatch):
    monkeypatch.chdir(folder)
    frame = pd.DataFrame({"file_name": ["img 10.png", "img 2.png"], "patient": [1, 2]})
    listed = list_images(frame)
    assert names(listed) == ["img 10.png", "img 2.png"]
    assert dict(listed.images[0].row) == {"patient": 1}
    with pytest.raises(ImageError, match=r"no column with paths.*got \['patient'\]"):
        list_images(frame[["patient"]])


def coco_file(folder):
    images = [
        {"id": 5, "file_name": "img 2.png", "width": 6, "height": 4},
        {"id": 9, "file_name": "sub/ü.jpg", "width": 6, "height": 4},
    ]
    annotations = [
        {"id": 1, "image_id": 9, "category_id": 3, "bbox": [1, 0, 3, 2], "iscrowd": 0},
        {
            "id": 2,
            "image_id": 9,
            "category_id": 3,
            "segmentation": [[1, 1, 4, 1, 4, 3, 1, 3]],
            "bbox": [1, 1, 3, 2],
            "iscrowd": 0,
        },
    ]
    path = folder / "annotations.json"
    document = {"images": images, "annotations": annotations}
    path.write_text(json.dumps({**document, "categories": [{"id": 3, "name": "cat"}]}))
    return path


def test_a_coco_file_gives_images_masks_and_boxes(folder):
    listed = list_images(coco_file(folder))
    assert names(listed) == ["img 2.png", "sub/ü.jpg"]
    starts = Starts(listed.coco, listed.places)
    mask, box = starts.prompts("sub/ü.jpg", (4, 6))
    assert isinstance(mask.prompts[0], MaskPrompt)
    assert mask.prompts[0].pixels.crop(4, 6).area == 6
    assert (box.prompts, box.label, mask.label) == ((Box(1, 0, 4, 2),), "cat", "cat")
    assert len(starts.prompts("img 2.png", (4, 6))) == 0
    assert listed.coco.categories.numbers(first=1) == {"cat": 3}


def test_boxes_become_prompts_and_are_cut_off_at_the_edges():
    starts = Starts(boxes={"a": [(1, 1, 3, 2), ((-5, 0, 99, 3), "dog"), (50, 50, 60, 60)]})
    first, second = starts.prompts("a", (4, 6))
    assert (first.prompts, first.label) == ((Box(1, 1, 3, 2),), None)
    assert (second.prompts, second.label) == ((Box(0, 0, 6, 3),), "dog")
    assert starts.unknown(["b"]) == ["a"]
    for wrong in [{"a": [(1, 2, 3)]}, {"a": ["box"]}, [(1, 2, 3, 4)]]:
        with pytest.raises(PromptError):
            Starts(boxes=wrong)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "there is no folder or file 'nowhere'"),
        ("*.png", "no images match"),
        ([], "there are no images"),
        (3, "a set of images must be a folder"),
        ({1: "a.png"}, "must be text"),
    ],
)
def test_what_is_no_set_is_refused(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match=message):
        list_images(source)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"there are no images in the folder.*\.png"):
        list_images(tmp_path)
