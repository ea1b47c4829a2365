"""Limits for untrusted files: labels, pixels, memory and nesting, in every format."""

import base64
import io
import json
import sys
import zipfile
import zlib

import msgspec
import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sam2_widget import (
    AnnotationError,
    ObjectPrompts,
    Point,
    PromptError,
    Prompts,
    RepairWarning,
    StackPrompts,
    read_masks,
)
from sam2_widget.export import label_map, rle, sizes
from sam2_widget.export.packed import MAX_UNPACKED_PIXELS, PackedCrop, pack
from sam2_widget.export.values import LabeledMask, LabeledMasks, crop_of
from sam2_widget.export.voc import read_voc
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.prompts.label_text import MAX_LABEL_LENGTH
from tests import bounded
from tests.fuzz.recipes import claiming, empty_tiff

from .labelled_files import CLASS_WRITERS, CORNERS, MASK, SIZE, WRITERS

# --- labels ---------------------------------------------------------------------------------------

HALF, LONG = "\ud83d", "x" * (MAX_LABEL_LENGTH + 1)
MILLIONS = "cell" * 1_250_000


def read_with_label(name, tmp_path, label):
    value = WRITERS[name](tmp_path / name, label)
    return read_masks(tmp_path / name if value is None else value, SIZE)


@pytest.mark.parametrize("name", WRITERS)
def test_labels_are_checked_in_every_format(tmp_path, name):
    good = "é" * MAX_LABEL_LENGTH if name != "a.tif" else "e" * MAX_LABEL_LENGTH
    assert read_with_label(name, tmp_path, good).labels == (good,)
    for bad, reason in ((HALF, "half a character|surrogate|truncated"), (LONG, "201 in 'xxx")):
        if name == "b.npz" and bad == HALF:
            continue  # NumPy cannot store such a string
        with pytest.raises(AnnotationError, match=reason):
            read_with_label(name, tmp_path, bad)
    with pytest.raises(AnnotationError, match="200 characters, got 5000000") as caught:
        read_with_label(name, tmp_path, MILLIONS)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", CLASS_WRITERS)
def test_unused_classes_are_checked(tmp_path, name):
    good = "é" * MAX_LABEL_LENGTH
    CLASS_WRITERS[name](tmp_path / name, good)
    assert read_masks(tmp_path / name).categories.names == ("a", good)
    for bad, reason in ((HALF, "surrogate|truncated"), (MILLIONS, "200 characters, got 5")):
        CLASS_WRITERS[name](tmp_path / name, bad)
        with pytest.raises(AnnotationError, match=reason) as caught:
            read_masks(tmp_path / name)
        assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("label", [HALF, LONG, 7, b"a"])
def test_labels_of_prompts_are_checked(label):
    with pytest.raises(PromptError, match="a label "):
        ObjectPrompts((Point(1, 1),), label)


@pytest.mark.parametrize("label", [LONG, MILLIONS])
def test_labels_in_prompt_files_are_checked(label):
    value = msgspec.to_builtins(ObjectPrompts((Point(1, 1),)))
    file = {"format": "sam2-widget-prompts", "version": 1, "objects": [{**value, "label": label}]}
    with pytest.raises(PromptError, match="200 characters") as caught:
        Prompts.from_json(json.dumps(file))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("color", ["red", "#12345", "#1234567", "#00ff00\n", 7, None])
def test_invalid_colours_in_files_become_none(color):
    geometry = {"type": "Polygon", "coordinates": [CORNERS]}
    value = {"type": "Feature", "geometry": geometry, "properties": {"color": color}}
    (found,) = read_masks(file_object(value, "a.geojson"), SIZE)
    assert found.color is None
    LabeledMasks((found,), SIZE)


# --- pixels ---------------------------------------------------------------------------------------


def test_large_crops_are_compressed():
    pixels = np.random.default_rng(0).random((100, 200)) < 0.5
    pixels[[0, -1]] = pixels[:, [0, -1]] = True
    packed = pack(MaskCrop(3, 4, pixels))
    assert isinstance(packed, PackedCrop)
    np.testing.assert_array_equal(packed.pixels, pixels)
    assert (packed.area, packed.bbox) == (pixels.sum(), (3, 4, 203, 104))
    canvas = np.zeros((110, 210), bool)
    packed.paste(canvas, value=True)
    np.testing.assert_array_equal(canvas[4:104, 3:203], pixels)
    assert pack(packed) is packed
    full = np.ones((3000, 4000), bool)
    mask = LabeledMask(crop_of(full), full.shape)
    assert isinstance(mask.crop, PackedCrop)
    assert sys.getsizeof(mask.crop._mask.data) < 20_000
    small = MaskCrop(0, 0, np.ones((1, MAX_UNPACKED_PIXELS), bool))
    assert pack(small) is small


def coco_with_full_masks(count, height=30, width=40):
    """COCO JSON with masks that cover the whole image."""
    one = {"size": [height, width], "counts": [0, height * width]}
    return {
        "images": [{"id": 1, "width": width, "height": height}],
        "categories": [],
        "annotations": [{"image_id": 1, "segmentation": one}] * count,
    }


def file_object(value, name="a.json"):
    file = io.BytesIO(json.dumps(value).encode() if isinstance(value, dict) else value)
    file.name = name
    return file


@pytest.mark.filterwarnings("ignore::sam2_widget.RepairWarning")
def test_total_box_size_of_a_file_is_limited(monkeypatch):
    monkeypatch.setattr(sizes, "MAX_BOX_PIXELS", 3 * 1200)
    assert len(read_masks(file_object(coco_with_full_masks(3)))) == 3
    with pytest.raises(AnnotationError, match=r"masks of 'a\.json' would take more than"):
        read_masks(file_object(coco_with_full_masks(4)))
    line = b"0 0.5 0.5 1 1\n"
    assert len(read_masks(file_object(3 * line, "a.txt"), (30, 40))) == 3
    with pytest.raises(AnnotationError, match=r"masks of 'a\.txt' would take more than"):
        read_masks(file_object(4 * line, "a.txt"), (30, 40))


def test_total_decoded_pixels_of_a_file_are_limited(monkeypatch, tmp_path):
    monkeypatch.setattr(sizes, "MAX_PLANE_PIXELS", 3 * 48)
    for count in (3, 4):
        np.savez_compressed(tmp_path / f"{count}.npz", masks=np.ones((count, *SIZE), bool))
        with zipfile.ZipFile(tmp_path / f"{count}.zip", "w") as archive:
            file = io.BytesIO()
            Image.fromarray(MASK).save(file, "PNG")
            for number in range(count):
                archive.writestr(f"{number}.png", file.getvalue())
    for kind in ("npz", "zip"):
        assert len(read_masks(tmp_path / f"3.{kind}")) == 3
        with pytest.raises(AnnotationError, match="decompresses to more than"):
            read_masks(tmp_path / f"4.{kind}")


@pytest.mark.filterwarnings("ignore::sam2_widget.RepairWarning")
def test_number_of_objects_in_a_file_is_limited(monkeypatch):
    monkeypatch.setattr(sizes, "MAX_OBJECTS", 3)
    with pytest.raises(AnnotationError, match="more than 3 objects"):
        read_masks(file_object(coco_with_full_masks(4)))
    with pytest.raises(AnnotationError, match="more than 3 objects"):
        read_masks(file_object(4 * b"0 0.5 0.5 1 1\n", "a.txt"), SIZE)
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [CORNERS]}}
    many = {"type": "FeatureCollection", "features": [feature] * 4}
    with pytest.raises(AnnotationError, match="more than 3 objects"):
        read_masks(file_object(many, "a.geojson"), SIZE)
    shapes = [{"label": "a", "points": CORNERS}] * 4
    with pytest.raises(AnnotationError, match="more than 3 objects"):
        read_masks(file_object({"shapes": shapes}), SIZE)


READ = """
import json, warnings, zipfile, io
import numpy as np
from PIL import Image
from sam2_widget import AnnotationError, read_masks
from sam2_widget.export import sizes
from tests.bounded import peak_kib
sizes.MAX_BOX_PIXELS = 200_000_000  # a fifth, to be quick
warnings.simplefilter("ignore")
height, width = 3000, 4000
run = {"size": [height, width], "counts": [0, height * width]}
value = {
    "images": [{"id": 1, "width": width, "height": height}], "categories": [],
    "annotations": [{"image_id": 1, "segmentation": run}] * 200}
open("%s/a.json", "w").write(json.dumps(value))
open("%s/a.txt", "w").write("0 0.5 0.5 1 1\\n" * 1000)
file = io.BytesIO()
Image.new("1", (width, height), 1).save(file, "PNG")
with zipfile.ZipFile("%s/a.zip", "w") as archive:
    for number in range(16):
        archive.writestr(f"{number}.png", file.getvalue())
for name in ("a.json", "a.txt", "a.zip"):
    try:
        print(len(read_masks("%s/" + name, (height, width))))
    except AnnotationError as error:
        print(error)
print(peak_kib() // 1024)
"""


def test_small_files_with_huge_masks_take_little_memory(tmp_path):
    lines = bounded.run(READ.replace("%s", str(tmp_path)), seconds=120, megabytes=2048).splitlines()
    assert "would take more than 200 megapixels" in lines[0]
    assert "would take more than 200 megapixels" in lines[1]
    assert lines[2] == "16"
    assert int(lines[3]) < 700


# --- nesting --------------------------------------------------------------------------------------


def error_of(file, read=read_masks):
    """The error message of reading a file; None if it can be read."""
    try:
        read(file, size=SIZE)
    except AnnotationError as error:
        return str(error)
    return None


def nested(depth, inner="0"):
    return "[" * depth + inner + "]" * depth


@pytest.mark.filterwarnings("ignore::sam2_widget.RepairWarning")
@pytest.mark.parametrize("depth", [50, 700, 100_000])
@pytest.mark.parametrize(
    "text",
    [
        '{"images": [{"id": DEEP}], "annotations": [{"image_id": DEEP, "id": DEEP}]}',
        '{"images": [{"id": 1}], "annotations": [{"image_id": 1, "segmentation": [DEEP]}]}',
        '{"images": [{"id": 1}], "annotations": [{"image_id": 1, "bbox": DEEP}]}',
        '{"shapes": [{"label": "a", "points": [], "group_id": DEEP}]}',
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": DEEP}}',
        '[{"type": "Polygon", "coordinates": DEEP}, NaN]',
    ],
)
def test_deeply_nested_values_are_read_or_refused(text, depth):
    file = file_object(text.replace("DEEP", nested(depth)).encode())
    error = error_of(file)
    assert error is None or len(error) < 1500


@pytest.mark.parametrize("depth", [100, 400, 5000])
def test_deeply_nested_geometry_collections(depth):
    start, inner = '{"type": "GeometryCollection", "geometries": [', '{"type": "Polygon"'
    ring = json.dumps([CORNERS])
    text = start * depth + inner + f', "coordinates": {ring}}}' + "]}" * depth
    error = error_of(file_object(text.encode(), "a.geojson"))
    assert error is None if depth < 200 else error is None or "nested too deeply" in error


def test_only_the_bounding_box_of_runs_is_allocated():
    size = (12_000, 12_000)
    starts = np.array([5_000 * 12_000 + 700, 5_001 * 12_000 + 698])
    budget = sizes.Budget()
    crop = rle.from_runs(starts, starts + 3, size[0], budget)
    assert (crop.bbox, crop.area) == ((5000, 698, 5002, 703), 6)
    assert budget._spent["boxes"] == 10


# --- time and memory for small files --------------------------------------------------------------

READ_AND_MEASURE = """
import io, json, sys, warnings, zipfile
import numpy as np
from PIL import Image
from sam2_widget import AnnotationError, read_masks
from tests.bounded import peak_kib

warnings.simplefilter("ignore")

def print_area_and_memory(data, name, size=None):
    file = io.BytesIO(data)
    file.name = name
    before = peak_kib()
    try:
        print(sum(one.area for one in read_masks(file, size)))
    except AnnotationError as error:
        print(error)
    print((peak_kib() - before) // 1024)
"""


def read_in_subprocess(code, **limits):
    """Read a file in a new process: the area of its masks or the error, and megabytes used."""
    output, megabytes = bounded.run(READ_AND_MEASURE + code, **limits).splitlines()
    return output, int(megabytes)


def test_label_map_with_many_runs_takes_little_memory():
    code = """
stripes = np.zeros((5000, 5000), np.uint8)
stripes[:, ::2] = 1
file = io.BytesIO()
Image.fromarray(stripes).save(file, "PNG")
print_area_and_memory(file.getvalue(), "a.png")
"""
    area, megabytes = read_in_subprocess(code)
    assert area == "12500000"
    assert megabytes < 350


@pytest.mark.parametrize("at_once", [1, 7, 1 << 21])
def test_boxes_of_a_label_map_do_not_depend_on_the_chunk_size(monkeypatch, at_once):
    monkeypatch.setattr(label_map, "PIXELS_AT_ONCE", at_once)
    numbers = np.random.default_rng(0).integers(-2, 6, (9, 11))
    with pytest.warns(RepairWarning, match=r"negative numbers \(the lowest is -2\)"):
        found = label_map.from_label_map(numbers)
    assert found.numbers == (1, 2, 3, 4, 5)
    for one in found:
        np.testing.assert_array_equal(one.mask, numbers == one.number)


def test_legend_with_too_many_objects_is_refused(monkeypatch):
    monkeypatch.setattr(label_map, "MAX_OBJECTS", 3)
    with pytest.raises(AnnotationError, match="describes more than 3 different numbers"):
        label_map.from_label_map(np.ones((2, 2), int), legend=[{}] * 4)
    with pytest.raises(AnnotationError, match="has more than 3 different numbers"):
        label_map.from_label_map(np.arange(6).reshape(2, 3))


@pytest.mark.parametrize("counts", ['"0" * 4_000_000', "[0] * 4_000_000"])
def test_millions_of_empty_runs_are_refused_without_allocating_memory(counts):
    code = f"""
segmentation = {{"size": [30, 40], "counts": {counts}}}
value = {{
    "images": [{{"id": 1, "width": 40, "height": 30}}], "categories": [],
    "annotations": [{{"image_id": 1, "segmentation": segmentation}}]}}
print_area_and_memory(json.dumps(value).encode(), "a.json")
"""
    output, megabytes = read_in_subprocess(code)
    assert "more than 2402 runs" in output
    assert megabytes < 100


@pytest.mark.parametrize("method", ["ZIP_LZMA", "ZIP_BZIP2"])
@pytest.mark.parametrize("name", ["a.zip", "a.npz"])
def test_archives_with_other_compression_methods_are_refused(name, method):
    code = f"""
file = io.BytesIO()
with zipfile.ZipFile(file, "w", zipfile.{method}) as archive:
    archive.writestr("1.png" if "{name}" == "a.zip" else "masks.npy", bytes(60_000_000))
assert len(file.getvalue()) < 10_000
print_area_and_memory(file.getvalue(), "{name}")
"""
    output, megabytes = read_in_subprocess(code)
    assert "compress it with deflate" in output
    assert megabytes < 40


def test_union_of_many_shapes_in_a_group_takes_little_memory():
    code = """
def triangle(x, y):
    points = [[x, y], [x + 3, y], [x, y + 3]]
    return {"label": "a", "points": points, "shape_type": "polygon", "group_id": 1}

shapes = [triangle(0, 0), triangle(3990, 2990)] * 600
value = {"shapes": shapes, "imageWidth": 4000, "imageHeight": 3000}
print_area_and_memory(json.dumps(value).encode(), "a.json")
"""
    area, megabytes = read_in_subprocess(code)
    assert area == "6"
    assert megabytes < 200


def test_memory_of_a_png_in_labelme_is_limited():
    claimed = bytearray(claiming(12_000, 12_000, 0))
    claimed[24:26] = 16, 6  # bits, and RGB with transparency
    claimed[29:33] = zlib.crc32(claimed[12:29]).to_bytes(4, "big")
    corners = [[0, 0], [11_999, 11_999]]
    shape = {"label": "a", "points": corners, "shape_type": "mask"}
    shape["mask"] = base64.b64encode(claimed).decode()
    value = {"shapes": [shape], "imageWidth": 12_000, "imageHeight": 12_000}
    with pytest.raises(AnnotationError, match=r"its mask would take 2\.1 GiB"):
        read_masks(file_object(value))


def test_only_the_first_page_of_a_tiff_in_a_mask_folder_is_decoded(tmp_path):
    (tmp_path / "1.tif").write_bytes(empty_tiff(9000, 9000, bits=8, pages=50))
    code = f"""
print(read_masks("{tmp_path}")[0].size)
print(peak_kib() // 1024)
"""
    output, megabytes = read_in_subprocess(code)
    assert output == "(9000, 9000)"
    assert megabytes < 700


@pytest.mark.parametrize("depth", [700, 10_000])
@pytest.mark.parametrize("name", ["a.npz", "a.png", "a.tif", "a.zip"])
def test_deeply_nested_legend_is_refused_or_ignored(tmp_path, name, depth):
    legend = f'[{{"label": {nested(depth)}}}]'
    if name == "a.npz":
        np.savez(tmp_path / name, masks=MASK[None], legend=np.array(legend))
    elif name == "a.tif":
        tifffile.imwrite(
            tmp_path / name,
            MASK.astype(np.uint8),
            imagej=True,
            metadata={"Info": f"{label_map.LEGEND_KEY} = {legend}\n"},
        )
    else:
        text, file = PngInfo(), io.BytesIO()
        text.add_itxt(label_map.LEGEND_KEY, legend if name == "a.png" else legend[1:-1])
        Image.fromarray(MASK).save(file, "PNG", pnginfo=text)
        (tmp_path / name).write_bytes(file.getvalue())
        if name == "a.zip":
            with zipfile.ZipFile(tmp_path / name, "w") as archive:
                archive.writestr("1.png", file.getvalue())
    error = error_of(tmp_path / name)
    assert error is None or "nested too deeply" in error or "200 characters" in error


@pytest.mark.parametrize("depth", [700, 10_000])
@pytest.mark.parametrize(
    "text",
    [
        "DEEP",
        '{"format": "sam2-widget-prompts", "version": 1, "objects": DEEP}',
        '{"format": "sam2-widget-prompts", "version": 1, "objects": [], "settings": DEEP}',
        '{"format": "sam2-widget-stack-prompts", "version": 1, "along": "Z", "planes": DEEP}',
    ],
)
def test_deeply_nested_prompts_are_refused(text, depth):
    for kind in (Prompts, StackPrompts):
        with pytest.raises(PromptError, match="these are no prompts") as caught:
            kind.from_json(text.replace("DEEP", nested(depth)))
        assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("depth", [700, 10_000])
def test_deeply_nested_xml_is_read_or_refused(tmp_path, depth):
    for name in ("Annotations", "SegmentationObject"):
        (tmp_path / name).mkdir()
    file = tmp_path / "SegmentationObject" / "image.png"
    Image.fromarray(MASK.astype(np.uint8)).save(file)
    deep = "<a>" * depth + "</a>" * depth
    for text in (deep, f"<annotation><object>{deep}<name>x</name></object></annotation>"):
        (tmp_path / "Annotations" / "image.xml").write_text(text)
        error = error_of(tmp_path, read_voc)
        assert error is None or "nested too deeply" in error or "must be a VOC file" in error
