"""Hugging Face's library holds a set, and gives its images, boxes and masks back."""

import os
import sys

from .conftest import ROOT, last_json, run

LIBRARY = os.environ.get(
    "HUGGING_FACE_PROGRAM", ROOT / ".stamps" / "hugging-face" / "site-packages"
)
"""Its hashes work only in a folder of this name."""

MAKE = """
import json, sys
import numpy as np
from pathlib import Path
from PIL import Image
from pycocotools import mask
from sam2_widget import ImageSet
from sam2_widget.prompts.collections import Box, ObjectPrompts, Prompts
from sam2_widget.testing import FakePredictor

sys.path.append(sys.argv[1])
import datasets

root = Path(sys.argv[2])
for name in ("a.png", "b.png", "c.png", "d.png"):
    Image.fromarray(np.full((30, 40, 3), ord(name[0]), np.uint8)).save(root / name)
images = ImageSet(root, model=FakePredictor(), classes=["cat", "dog"])
images["a.png"].prompts = Prompts((
    ObjectPrompts((Box(5, 5, 20, 25),), "dog"), ObjectPrompts((Box(10, 3, 30, 28),), None),
))
for name in ("b.png", "c.png", "d.png"):
    images[name].state = "empty"
table = images.to_hugging_face(progress=False)
table.save_to_disk(str(root / "saved"))
row = datasets.load_from_disk(str(root / "saved"))[0]
decoded = [mask.decode(one) for one in row["objects"]["segmentation"]]
category = table.features["objects"]["category"]
names = (getattr(category, "feature", category)).names
parts = images.to_hugging_face(splits={"train": 0.75, "test": 0.25}, masks="png", progress=False)
every = {row["name"]: row for part in parts.values() for row in part}
label_map = np.asarray(every["a.png"]["mask"])
in_memory = ImageSet([np.full((20, 30, 3), 7, np.uint8)], model=FakePredictor())
in_memory[0].state = "empty"
array = np.asarray(in_memory.to_hugging_face(progress=False)[0]["image"])
print(json.dumps({
    "columns": table.column_names,
    "names": list(names),
    "pixel": np.asarray(row["image"])[0, 0].tolist(),
    "size": [row["width"], row["height"]],
    "objects": {k: row["objects"][k] for k in ("id", "bbox", "category", "area", "iscrowd")},
    "boxes": [one.bbox for one in images["a.png"].segmentation().objects],
    "same": bool((np.array(decoded) == images["a.png"].masks).all()),
    "parts": {name: len(part) for name, part in parts.items()},
    "same map": bool((label_map == images["a.png"].label_map).all()),
    "empty": every["b.png"]["objects"]["bbox"],
    "in memory": [list(array.shape), int(array.max())],
}))
"""


def test_a_set_becomes_a_table(tmp_path):
    found = last_json(run(sys.executable, "-c", MAKE, LIBRARY, tmp_path, HF_HUB_OFFLINE="1"))
    assert found["columns"] == ["image", "name", "width", "height", "objects"]
    assert found["names"][:2] == ["cat", "dog"]
    assert (found["pixel"], found["size"]) == ([97, 97, 97], [40, 30])
    objects = found["objects"]
    assert (objects["id"], objects["category"]) == ([1, 2], [1, 2])
    boxes = [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in found["boxes"]]
    assert objects["bbox"] == boxes
    assert objects["iscrowd"] == [False, False]
    assert found["same"]
    assert found["parts"] == {"train": 3, "test": 1}
    assert found["same map"]
    assert found["empty"] == []
    assert found["in memory"] == [[20, 30, 3], 7]
