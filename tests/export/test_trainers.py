"""torchvision's data set readers load the written annotations with their images."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from torchvision.datasets import CocoDetection, VOCSegmentation

from sam2_widget import LabeledMasks
from sam2_widget.export.coco import write_coco
from sam2_widget.export.values import LabeledMask, crop_of
from sam2_widget.export.voc import write_voc

H, W = 40, 60
RING = np.zeros((H, W), bool)
RING[5:30, 5:30] = True
RING[10:20, 10:20] = False
OTHER = np.zeros((H, W), bool)
OTHER[20:35, 40:55] = True
NAME = "photo ü"


@pytest.fixture
def masks():
    labels = {"cat": RING, "dog": OTHER}
    objects = (LabeledMask(crop_of(mask), (H, W), label) for label, mask in labels.items())
    return LabeledMasks(tuple(objects), (H, W))


def save_image(folder, suffix):
    folder.mkdir(parents=True)
    Image.fromarray(np.full((H, W, 3), 90, np.uint8)).save(folder / f"{NAME}{suffix}")


@pytest.mark.filterwarnings("ignore:COCO polygons cannot have holes")
@pytest.mark.parametrize("segmentation", ["rle", "polygons"])
def test_torchvision_trains_on_our_coco(masks, tmp_path, segmentation):
    save_image(tmp_path / "images", ".png")
    path = tmp_path / "annotations.json"
    write_coco(masks, path, segmentation=segmentation, file_name=f"{NAME}.png")
    data = CocoDetection(tmp_path / "images", path)
    image, targets = data[0]
    assert len(data) == 1
    assert image.size == (W, H)
    names = {one["id"]: one["name"] for one in json.loads(path.read_text())["categories"]}
    assert [names[one["category_id"]] for one in targets] == ["cat", "dog"]
    for target, mask in zip(targets, (RING, OTHER), strict=True):
        np.testing.assert_array_equal(data.coco.annToMask(target).astype(bool), mask)
        assert target["area"] == mask.sum()
        if segmentation == "rle":
            assert coco_mask.area(data.coco.annToRLE(target)) == mask.sum()


def test_torchvision_trains_on_our_voc(masks, tmp_path):
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    save_image(folder / "JPEGImages", ".jpg")
    write_voc(masks, folder, name=NAME)
    (folder / "ImageSets" / "Segmentation").mkdir(parents=True)
    (folder / "ImageSets" / "Segmentation" / "train.txt").write_text(f"{NAME}\n")
    image, target = VOCSegmentation(tmp_path, year="2012", image_set="train")[0]
    assert image.size == (W, H)
    np.testing.assert_array_equal(np.asarray(target), RING * 1 + OTHER * 2)
