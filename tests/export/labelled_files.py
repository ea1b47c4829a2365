"""Writers of files with one labelled object, for every source of labels."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sam2_widget.export.label_map import LEGEND_KEY

SIZE = (6, 8)
"""(height, width) of the image."""

MASK = np.zeros(SIZE, bool)
MASK[1:3, 1:4] = True
CORNERS = [[1, 1], [4, 1], [4, 3], [1, 3]]
FLAT = [1, 1, 4, 1, 4, 3, 1, 3]


def coco(path, label):
    value = {
        "images": [{"id": 1, "width": 8, "height": 6}],
        "categories": [{"id": 1, "name": label}],
        "annotations": [{"image_id": 1, "category_id": 1, "segmentation": [FLAT]}],
    }
    path.write_text(json.dumps(value))


def labelme(path, label):
    shape = {"label": label, "points": CORNERS, "shape_type": "polygon"}
    path.write_text(json.dumps({"shapes": [shape], "imageWidth": 8, "imageHeight": 6}))


def geojson(path, label):
    geometry = {"type": "Polygon", "coordinates": [CORNERS]}
    feature = {"type": "Feature", "geometry": geometry, "properties": {"label": label}}
    path.write_text(json.dumps(feature))


def npz(path, label):
    legend = json.dumps([{"label": label}])
    np.savez(path, masks=MASK[None], legend=np.array(legend))


def npz_of_another_program(path, label):
    np.savez(path, masks=MASK[None], labels=np.array([label]))


def png_text(label):
    text = PngInfo()
    text.add_itxt(LEGEND_KEY, json.dumps([{"label": label}]))
    return text


def png(path, label):
    Image.fromarray(MASK.astype(np.uint8)).save(path, pnginfo=png_text(label))


def tiff(path, label):
    text = f"{LEGEND_KEY} = {json.dumps([{'label': label}])}\n"
    tifffile.imwrite(path, MASK.astype(np.uint8), imagej=True, metadata={"Info": text})


def pngs(path, label):
    text = PngInfo()
    text.add_itxt(LEGEND_KEY, json.dumps({"label": label}))
    file = io.BytesIO()
    Image.fromarray(MASK).save(file, "PNG", pnginfo=text)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.png", file.getvalue())


def pairs(_, label):
    return {label: MASK}


WRITERS = {
    "coco.json": coco,
    "labelme.json": labelme,
    "a.geojson": geojson,
    "a.npz": npz,
    "b.npz": npz_of_another_program,
    "a.png": png,
    "a.tif": tiff,
    "a.zip": pngs,
    "a mapping": pairs,
}


def coco_class(path, name):
    image = {"id": 1, "width": 8, "height": 6}
    classes = [{"id": 1, "name": "a"}, {"id": 2, "name": name}]
    annotation = {"image_id": 1, "category_id": 1, "segmentation": [FLAT]}
    path.write_text(
        json.dumps({"images": [image], "categories": classes, "annotations": [annotation]})
    )


def npz_class(path, name):
    classes = json.dumps([{"name": "a"}, {"name": name}])
    np.savez(path, masks=MASK[None], labels=np.array(["a"]), categories=np.array(classes))


CLASS_WRITERS = {"c.json": coco_class, "c.npz": npz_class}
"""Writers of files with an object of the class "a" and a class without objects."""
