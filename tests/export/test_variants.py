"""Annotation files in the variants of other programs, compared with pixels counted by hand."""

import io
import json
import pickle
import pickletools
import struct

import numpy as np
import pytest
from PIL import Image

from sam2_widget import AnnotationError, RepairWarning, read_masks
from sam2_widget.export import pickled
from sam2_widget.export.coco import read_coco
from sam2_widget.export.cutout import read_cutout
from sam2_widget.export.geojson import read_geojson
from sam2_widget.export.label_map import read_png
from sam2_widget.export.labelme import read_labelme
from sam2_widget.export.pngs import read_pngs
from sam2_widget.export.yolo import read_yolo

SIZE = (6, 8)
"""(height, width) of the image."""


def box(x0, y0, x1, y1, size=SIZE):
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def assert_masks(found, *masks):
    assert len(found) == len(masks)
    for one, mask in zip(found, masks, strict=True):
        np.testing.assert_array_equal(one.mask, mask)


def file_object(value, name):
    """A file object with JSON, from text or a value."""
    text = value if isinstance(value, str) else json.dumps(value)
    file = io.BytesIO(text.encode())
    file.name = name
    return file


# --- images that are masks ------------------------------------------------------------------------

BINARY = box(2, 1, 5, 4).astype(np.uint8) * 255
NUMBERS = box(2, 1, 5, 4) * 100 + box(6, 0, 8, 2) * 200


def png(tmp_path, pixels, mode=None):
    Image.fromarray(np.asarray(pixels, np.uint8), mode).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def with_alpha(grey, alpha=255, channels=3):
    return np.dstack([*[grey] * channels, np.broadcast_to(alpha, grey.shape)])


@pytest.mark.parametrize("channels", [1, 3])
def test_opaque_alpha_channel_is_ignored(tmp_path, channels):
    assert_masks(read_masks(png(tmp_path, with_alpha(BINARY, channels=channels))), box(2, 1, 5, 4))
    found = read_masks(png(tmp_path, with_alpha(NUMBERS, channels=channels)))
    assert_masks(found, box(2, 1, 5, 4), box(6, 0, 8, 2))


def test_mask_saved_by_matplotlib(tmp_path):
    pyplot = pytest.importorskip("matplotlib.image")
    pyplot.imsave(tmp_path / "a.png", box(2, 1, 5, 4), cmap="gray")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGBA"
    assert_masks(read_masks(tmp_path / "a.png"), box(2, 1, 5, 4))
    pyplot.imsave(tmp_path / "b.png", box(2, 1, 5, 4))
    with pytest.raises(AnnotationError, match=r"is a colour image .* not a label map.*cmap='gray'"):
        read_masks(tmp_path / "b.png")
    folder = tmp_path / "masks"
    folder.mkdir()
    pyplot.imsave(folder / "1.png", box(2, 1, 5, 4), cmap="gray")
    assert_masks(read_pngs(folder), box(2, 1, 5, 4))
    pyplot.imsave(folder / "2.png", box(2, 1, 5, 4))
    with pytest.raises(AnnotationError, match="without black pixels"):
        read_pngs(folder)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_that_are_not_transparent_are_the_mask(tmp_path, channels):
    path = png(tmp_path, with_alpha(NUMBERS + 7, BINARY, channels=channels))
    assert_masks(read_masks(path), box(2, 1, 5, 4))
    assert_masks(read_pngs(tmp_path), box(2, 1, 5, 4))
    with pytest.raises(AnnotationError, match="it is a cut-out and not a label map"):
        read_png(path)
    opaque = png(tmp_path, with_alpha(NUMBERS + 7, channels=channels))
    assert_masks(read_cutout(opaque), np.ones(SIZE, bool))


# --- LabelMe --------------------------------------------------------------------------------------

CORNERS = [[1, 1], [4, 1], [4, 3], [1, 3]]


def labelme(*shapes, **change):
    value = {"shapes": list(shapes), "imageHeight": 6, "imageWidth": 8, **change}
    return read_labelme(file_object(value, "a.json"), size=SIZE)


def shape(kind, points, label="a", **more):
    return {"label": label, "points": points, "shape_type": kind, **more}


@pytest.mark.parametrize(
    "kind", ["rectangle", "rotation", "oriented_rectangle", "quadrilateral", "polygon", None]
)
def test_shapes_with_four_corners(kind):
    assert_masks(labelme(shape(kind, CORNERS)), box(1, 1, 4, 3))


def test_rotated_rectangle_is_exact():
    corners = [[4, 0], [7, 3], [4, 6], [1, 3]]
    (found,) = labelme(shape("rotation", corners, direction=0.785))
    # A diamond centred at (4, 3) with pixel centres on its sides: COCO includes the upper ones.
    expected = ["00011000", "00111100", "01111110", "00111100", "00011000", "00000000"]
    np.testing.assert_array_equal(found.mask, [[c == "1" for c in row] for row in expected])


def test_fields_that_other_versions_omit():
    found = labelme(
        shape("rectangle", [[4, 3], [1, 1]], label=7, score=0.25),
        shape("polygon", CORNERS, label=None, score=None),
        {"label": "old", "points": CORNERS},
        imageHeight=None,
        imageWidth=None,
    )
    assert_masks(found, *[box(1, 1, 4, 3)] * 3)
    assert found.labels == ("7", None, "old")
    assert [one.score for one in found] == [0.25, None, None]


@pytest.mark.parametrize("kind", ["point", "line", "linestrip", "points"])
def test_left_out_shapes_are_reported(kind):
    with pytest.warns(RepairWarning, match=rf"'{kind}', which has no area"):
        assert not labelme(shape(kind, CORNERS))


# --- YOLO -----------------------------------------------------------------------------------------

SQUARE = "0.125 0 0.5 0 0.5 0.5 0.125 0.5"
"""Columns 1 to 4 and rows 0 to 3 of the image."""
BOX = "0.3125 0.25 0.375 0.5"
"""The same area as a box."""


@pytest.mark.parametrize("polygon", [SQUARE, BOX])
@pytest.mark.parametrize(
    ("ends", "scores"),
    [
        (["", ""], [None, None]),
        (["0.75", "1"], [0.75, 1.0]),
        (["0.75 1", "0.5 2"], [0.75, 0.5]),
        (["1", "7"], [None, None]),
        (["0.75 12", "0.5"], [0.75, 0.5]),
    ],
)
def test_predictions_end_with_a_confidence_or_a_track(polygon, ends, scores):
    text = "\n".join(f"{number} {polygon} {end}" for number, end in enumerate(ends))
    found = read_yolo(io.StringIO(text), size=SIZE)
    assert_masks(found, *[box(1, 0, 4, 3)] * 2)
    assert [one.score for one in found] == scores
    assert found.labels == ("0", "1")


def test_vertex_at_the_lower_edge_is_not_a_track():
    found = read_yolo(io.StringIO("0 0.5 0 1 0 1 1 0.5 1\n0 0 0 0.25 0 0.25 1 0 1\n"), size=SIZE)
    assert_masks(found, box(4, 0, 8, 6), box(0, 0, 2, 6))
    assert [one.score for one in found] == [None, None]


def test_class_numbers_as_strings(tmp_path):
    (tmp_path / "data.yaml").write_text("names: {'0': cat, '2': 'big dog'}\n")
    text = f"0 {SQUARE}\n2 {SQUARE}\n1 {SQUARE}\n"
    found = read_yolo(io.StringIO(text), size=SIZE, classes=tmp_path / "data.yaml")
    assert found.labels == ("cat", "big dog", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a {x: 1}\nb: {<<: *a}\nnames: [x]", r"has YAML aliases"),
        ("a: &a [x]\nnames: *a", "has YAML aliases"),
        ("names: {'01x': a}", "must be class numbers"),
        ("#" * (2**20 + 1), "larger than 1 MiB"),
    ],
)
def test_yaml_with_aliases_or_invalid_names_is_refused(tmp_path, text, message):
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(AnnotationError, match=message):
        read_yolo(io.StringIO(f"0 {SQUARE}"), size=SIZE, classes=tmp_path / "data.yaml")


# --- COCO -----------------------------------------------------------------------------------------

RLE = {"size": [6, 8], "counts": [6 + 1, 2, 4, 2, 4, 2, 27]}
"""Columns 1 to 4, rows 1 to 3."""
POLYGON = [[1, 1, 4, 1, 4, 3, 1, 3]]


def coco(annotations, **change):
    value = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}],
        "categories": [{"id": 7, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, **one} for one in annotations],
    }
    return file_object({**value, **change}, "a.json")


MANY = [
    {"id": 1, "file_name": "train/a.jpg", "width": 8, "height": 6},
    {"id": 139, "file_name": "train\\b.png", "width": 8, "height": 6},
    {"id": 3, "width": 8, "height": 6},
]


def many():
    one = [{"segmentation": POLYGON}]
    two = [{"segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]], "image_id": 139}]
    return coco([*one, *two, *two, *([{"segmentation": RLE, "image_id": 3}] * 3)], images=MANY)


@pytest.mark.filterwarnings("ignore::sam2_widget.RepairWarning")
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("train/a.jpg", 1),
        ("a.jpg", 1),
        ("/home/me/a.jpg", 1),
        ("a.tif", 1),
        ("b.png", 2),
        ("b", 2),
        ("3.jpg", 3),
        ("000003.png", 3),
        ("000000000139.jpg", 2),
    ],
)
def test_image_is_selected_by_file_name(name, count):
    assert len(read_masks(many(), SIZE, image_name=name)) == count
    assert len(read_coco(many(), size=SIZE, image_name=name)) == count


def test_error_without_matching_image_suggests_the_option():
    with pytest.raises(AnnotationError, match=r"3 images, none of them 'c\.jpg': pass image=.*a.j"):
        read_masks(many(), SIZE, image_name="c.jpg")
    with pytest.raises(AnnotationError, match="describes 3 images: pass image="):
        read_masks(many(), SIZE)
    with pytest.raises(AnnotationError, match=r"has no image 'a\.png9'"):
        read_masks(many(), SIZE, image="a.png9", image_name="a.jpg")
    assert_masks(
        read_coco(coco([{"segmentation": POLYGON}]), image_name="other.jpg"), box(1, 1, 4, 3)
    )


def test_coco_detection_results():
    results = [
        {"image_id": 5, "category_id": 18, "segmentation": RLE, "score": 0.5},
        {"image_id": 5, "category_id": 1, "bbox": [1, 1, 3, 2], "score": 0.25},
    ]
    with pytest.warns(RepairWarning, match="its box was used instead"):
        found = read_masks(file_object(results, "results.json"), SIZE)
    assert_masks(found, *[box(1, 1, 4, 3)] * 2)
    assert found.labels == ("18", "1")
    assert [one.score for one in found] == [0.5, 0.25]
    two = [*results, {"image_id": 6, "segmentation": RLE}]
    for options in ({"image": 6}, {"image_name": "000006.jpg"}):
        assert_masks(read_masks(file_object(two, "results.json"), SIZE, **options), box(1, 1, 4, 3))
    with pytest.raises(AnnotationError, match="describes 2 images: pass image="):
        read_masks(file_object(two, "results.json"), SIZE)


def test_sa_1b_file():
    value = {
        "image": {"image_id": 4, "width": 8, "height": 6, "file_name": "sa_4.jpg"},
        "annotations": [{"id": 9, "segmentation": RLE, "predicted_iou": 0.9, "bbox": [1, 1, 3, 2]}],
    }
    found = read_masks(file_object(value, "sa_4.json"))
    assert_masks(found, box(1, 1, 4, 3))
    assert (found.size, found[0].label, found[0].score) == (SIZE, None, 0.9)


@pytest.mark.parametrize("segmentation", [box(1, 1, 4, 3), RLE, POLYGON])
def test_dicts_of_sam2s_automatic_mask_generator(segmentation):
    one = {"segmentation": segmentation, "area": 6, "bbox": [1, 1, 3, 2], "predicted_iou": 0.75}
    found = read_masks([one, one], SIZE)
    assert_masks(found, *[box(1, 1, 4, 3)] * 2)
    assert [(one.score, one.label) for one in found] == [(0.75, None)] * 2
    with pytest.raises(AnnotationError, match=r"array \(H, W\) = \(5, 8\) of bool, got \(6, 8\)"):
        read_masks([{"segmentation": box(1, 1, 4, 3)}], (5, 8))
    assert read_masks([{"segmentation": box(1, 1, 4, 3)}]).size == SIZE


@pytest.mark.parametrize("segmentation", [[[]], [], None])
def test_box_is_used_if_the_segmentation_is_empty(segmentation):
    with pytest.warns(RepairWarning, match="its box was used instead"):
        found = read_coco(coco([{"segmentation": segmentation, "bbox": [1, 1, 3, 2]}]))
    assert_masks(found, box(1, 1, 4, 3))


def test_polygon_as_list_of_pairs():
    assert_masks(read_coco(coco([{"segmentation": CORNERS}])), box(1, 1, 4, 3))
    assert_masks(read_coco(coco([{"segmentation": [CORNERS]}])), box(1, 1, 4, 3))


def test_numbers_as_strings_and_strings_as_numbers():
    one = [{"segmentation": POLYGON, "area": float("nan"), "score": float("nan")}]
    image = {"id": 1, "width": "8", "height": "6.0"}
    found = read_coco(coco(one, images=[image], categories=[{"id": 7, "name": 3}]))
    assert_masks(found, box(1, 1, 4, 3))
    assert (found.labels, found[0].score) == (("3",), None)
    for side in (None, "", "none", float("nan"), 0):
        image = {"id": 1, "width": side, "height": side, "file_name": None}
        assert_masks(read_coco(coco(one, images=[image]), size=SIZE), box(1, 1, 4, 3))


# --- GeoJSON --------------------------------------------------------------------------------------

AREA = {"type": "Polygon", "coordinates": [[*CORNERS, CORNERS[0]]]}
FEATURE = {"type": "Feature", "geometry": AREA, "properties": {"label": "a"}}


@pytest.mark.parametrize(
    "value",
    [
        FEATURE,
        [FEATURE],
        AREA,
        [AREA],
        {"type": "GeometryCollection", "geometries": [AREA]},
        {"type": "MultiPolygon", "coordinates": [AREA["coordinates"]]},
        {"type": "FeatureCollection", "features": [FEATURE]},
        [{"type": "FeatureCollection", "features": [FEATURE]}],
    ],
)
def test_polygons_at_every_level_of_geojson(value):
    found = read_masks(file_object(value, "a.geojson"), SIZE)
    assert_masks(found, box(1, 1, 4, 3))
    assert found.labels == ("a" if "Feature" in json.dumps(value) else None,)


def test_left_out_points_and_lines_are_reported():
    point = {"type": "Feature", "geometry": {"type": "MultiPoint", "coordinates": [[1, 1]]}}
    with pytest.warns(RepairWarning, match="feature 0 is a 'MultiPoint'.*left out"):
        found = read_geojson(file_object([point, FEATURE], "a.geojson"), size=SIZE)
    assert_masks(found, box(1, 1, 4, 3))


def at(x, y, scale):
    return {
        "type": "Polygon",
        "coordinates": [[[x + scale * a, y + scale * b] for a, b in CORNERS]],
    }


@pytest.mark.parametrize(
    ("geometry", "kind"),
    [
        (at(13.3, 52.5, 0.001), "longitude and latitude"),
        (at(-70.6, -33.4, 0.001), "longitude and latitude"),
        (at(500_000, 5_400_000, 10), "map coordinates"),
    ],
)
def test_map_coordinates_without_a_transform_are_refused(geometry, kind):
    with pytest.raises(AnnotationError, match=f"no polygon .* may be {kind}: pass transform="):
        read_geojson(file_object(geometry, "a.geojson"), size=SIZE)
    x, y = geometry["coordinates"][0][0]
    scale = (geometry["coordinates"][0][1][0] - x) / 3
    moved = (scale, 0, x - scale, 0, scale, y - scale)
    assert_masks(
        read_geojson(file_object(geometry, "a.geojson"), size=SIZE, transform=moved),
        box(1, 1, 4, 3),
    )


def test_ignored_coordinate_system_is_reported():
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    value = {"type": "FeatureCollection", "features": [FEATURE], "crs": crs}
    with pytest.warns(RepairWarning, match="has the coordinate system .* read as image pixels"):
        assert_masks(read_geojson(file_object(value, "a.geojson"), size=SIZE), box(1, 1, 4, 3))


def test_classes_of_recent_qupath_versions():
    classes = {"type": "Feature", "geometry": AREA, "properties": {"classification": {}}}
    classes["properties"]["classification"]["names"] = ["Tumor", "CD3"]
    assert read_geojson(file_object([classes], "a.geojson"), size=SIZE).labels == ("Tumor: CD3",)


# --- Cellpose -------------------------------------------------------------------------------------


def cellpose(path, protocol=None, **change):
    value = {
        "outlines": np.zeros(SIZE, np.uint16),
        "masks": (box(1, 1, 4, 3) * 1 + box(5, 0, 8, 2) * 4).astype(np.uint16),
        "chan_choose": [0, 0],
        "ismanual": np.zeros(2, bool),
        "filename": "a.tif",
        "flows": [np.zeros((2, *SIZE), np.float32), [np.float32(1.5)]],
        "est_diam": np.float64(30.0),
        "colors": np.ones((2, 3), np.uint8),
        "zdraw": None,
        **change,
    }
    if protocol is None:
        np.save(path, value, allow_pickle=True)
        return path
    array = np.array(value, object)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": ()}
        )
        pickle.dump(array, file, protocol=protocol)
    return path


@pytest.mark.parametrize("protocol", [None, 0, 1, 2, 3, 4, 5])
def test_cellpose_seg_file(tmp_path, protocol):
    found = read_masks(cellpose(tmp_path / "a_seg.npy", protocol), SIZE)
    assert_masks(found, box(1, 1, 4, 3), box(5, 0, 8, 2))
    assert [one.number for one in found] == [1, 4]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<u2", ">i4", "|u1"])
def test_arrays_of_every_memory_order(tmp_path, order, kind):
    masks = np.asarray(box(1, 1, 4, 3) * 3, kind, order=order)
    assert_masks(read_masks(cellpose(tmp_path / "a_seg.npy", masks=masks)), box(1, 1, 4, 3))


def test_pickle_of_numpy_1(tmp_path):
    path = cellpose(tmp_path / "a_seg.npy", 2)
    data = path.read_bytes().replace(b"numpy._core.", b"numpy.core.")
    path.write_bytes(data)
    assert_masks(read_masks(path), box(1, 1, 4, 3), box(5, 0, 8, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masks": None}, "must hold an array 'masks'"),
        (
            {"masks": np.zeros((2, *SIZE), np.uint16)},
            r"shape \(2, 6, 8\): pass the masks of one plane",
        ),
        ({"masks": np.zeros((5, 8), np.uint16)}, "undo the scaling"),
        ({"extra": print}, r"a pickled Python object, '\w+\.print': such files can execute code"),
        ({"extra": slice(1)}, "it is not loaded"),
    ],
)
def test_error_messages_for_invalid_seg_files(tmp_path, change, message):
    with pytest.raises(AnnotationError, match=message):
        read_masks(cellpose(tmp_path / "a_seg.npy", **change), SIZE)


def steps(*parts):
    return b"\x80\x04" + b"".join(parts) + b"."


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


HUGE = struct.pack("<Q", 2**40)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (steps(name("os", "system"), b"\x8c\x02ls\x85R"), "os.system"),
        (steps(name("builtins", "eval"), b"\x8c\x011\x85R"), "builtins.eval"),
        (
            steps(name("numpy", "dtype"), b"}\x8c\x08__call__\x8c\x01xsb"),
            "sets the state of a function",
        ),
        (steps(name("numpy", "ndarray"), b"K\x05\x85R"), "differently than NumPy does"),
        (steps(name("numpy", "load"), b"\x8c\x01a\x85R"), "numpy.load"),
        (steps(b"\x96", HUGE), "BYTEARRAY8|not enough|exceeds|truncated|broken|expected"),
        (steps(b"Nr\xff\xff\xff\x7f"), "LONG_BINPUT"),
        (steps(b"\x8e", HUGE), "expected|exhausted|bytes"),
        (steps(b"(" * 1000 + b"t" * 1000), "must hold an array|nested"),
        (b"\x80\x04N" + b"2" * (pickled.MAX_STEPS + 10) + b".", "more than 1000000 instructions"),
        (b"", "cannot be read|exhausted"),
    ],
)
def test_malicious_pickles_are_refused(tmp_path, data, message):
    path = tmp_path / "a_seg.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": ()}
        )
        file.write(data)
    with pytest.raises(AnnotationError, match=message):
        read_masks(path)


def test_pickled_array_with_wrong_shape_is_refused(tmp_path):
    path = cellpose(tmp_path / "a_seg.npy")
    data = path.read_bytes()
    # The shape of the masks, (6, 8), as two numbers of one byte.
    assert data.count(b"K\x06K\x08\x86") >= 1
    path.write_bytes(data.replace(b"K\x06K\x08\x86", b"K\xffK\xff\x86"))
    with pytest.raises(AnnotationError, match="do not match its shape"):
        read_masks(path)


def test_cellpose_files_need_no_refused_opcodes(tmp_path):
    data = cellpose(tmp_path / "a_seg.npy").read_bytes()
    written = {step.name for step, _, _ in pickletools.genops(data[data.index(b"\n") + 1 :])}
    assert not written & pickled.REFUSED
