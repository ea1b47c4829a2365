"""Malicious files are refused with a clear error, without executing code or filling memory."""

import io
import json
import pickle
import zipfile
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from sam2_widget import AnnotationError, ImageError, read_masks
from sam2_widget.export import folders, npz
from sam2_widget.export.sizes import MAX_OBJECTS
from sam2_widget.export.voc import read_voc
from sam2_widget.export.yolo import read_yolo
from sam2_widget.images.sources import load_image


class OpensFileWhenUnpickled:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def marker_file(tmp_path):
    """Path that would exist if code in a file were executed."""
    path = tmp_path / "ran"
    yield path
    assert not path.exists()


def header(shape, kind):
    file = io.BytesIO()
    fields = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, fields)
    return file.getvalue()


def npz_file(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"masks": header((1, 4, 4), "|b1") + bytes(16), **members}.items():
            archive.writestr(f"{name}.npy", data)
    return path


def test_npy_never_executes_code(tmp_path, marker_file):
    np.save(
        tmp_path / "a.npy",
        np.array([OpensFileWhenUnpickled(marker_file)], object),
        allow_pickle=True,
    )
    (tmp_path / "b.npy").write_bytes(pickle.dumps(OpensFileWhenUnpickled(marker_file)))
    for path in sorted(tmp_path.glob("*.npy")):
        with pytest.raises(AnnotationError, match=r"pickle|Python objects"):
            read_masks(path)
        with pytest.raises(ImageError):
            load_image(path)


@pytest.mark.parametrize("name", ["masks", "legend", "labels", "scores"])
def test_npz_never_executes_code(tmp_path, marker_file, name):
    arrays = {
        "masks": np.ones((1, 4, 4), bool),
        name: np.array([OpensFileWhenUnpickled(marker_file)], object),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(AnnotationError, match=r"pickle|of object"):
        read_masks(tmp_path / "a.npz")


def test_npz_with_the_suffix_npy_is_refused(tmp_path):
    npz_file(tmp_path / "a.npy")
    with pytest.raises(AnnotationError, match=r"name it \.npz"):
        read_masks(tmp_path / "a.npy")
    with pytest.raises(ImageError):
        load_image(tmp_path / "a.npy")


def test_an_npy_larger_than_memory_is_not_read(tmp_path):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        file.write(header((10**5, 10**7), "|b1"))
        file.truncate(10**12 + 128)  # a sparse file, which takes no disk space
    with pytest.raises(AnnotationError, match="the limit is"):
        read_masks(path)
    with pytest.raises(ImageError, match="the limit is"):
        load_image(path)


@pytest.mark.parametrize("name", ["legend", "labels"])
def test_npz_that_decompresses_to_gigabytes_is_refused(tmp_path, name, monkeypatch):
    monkeypatch.setattr(npz, "MAX_TEXT", 2**20)
    path = npz_file(tmp_path / "a.npz", **{name: header((2**18,), "<U2") + bytes(2**21)})
    with pytest.raises(AnnotationError, match="decompresses to more"):
        read_masks(path)


def test_npz_with_missing_data_is_refused(tmp_path):
    claim = header((MAX_OBJECTS, 12_000, 12_000), "|b1")
    with pytest.raises(AnnotationError, match="is truncated"):
        read_masks(npz_file(tmp_path / "a.npz", masks=claim))
    with pytest.raises(AnnotationError):
        read_masks(npz_file(tmp_path / "b.npz", labels=header((10**7,), "<U1")))


def small_png():
    file = io.BytesIO()
    Image.fromarray(np.ones((4, 4), np.uint8)).save(file, "PNG")
    return file.getvalue()


def zip_file(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return bytearray(path.read_bytes())


def test_zip_members_are_never_extracted_to_disk(tmp_path):
    zip_file(tmp_path / "a.zip", {"../../b.png": small_png(), "/tmp/c.png": small_png()})
    before = sorted(tmp_path.parent.iterdir())
    assert len(read_masks(tmp_path / "a.zip")) == 2
    assert sorted(tmp_path.parent.iterdir()) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"]


def test_zip_that_decompresses_to_gigabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MAX_BYTES", 2**20)
    zip_file(tmp_path / "a.zip", {"1.png": small_png(), "2.png": bytes(2**21)})
    with pytest.raises(AnnotationError, match="decompresses to more"):
        read_masks(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [(8, 99, "compression"), (6, 1, "encrypted"), (60, 0, "CRC|decompress")],
)
def test_broken_zip_is_refused(tmp_path, at, value, reason):
    path = tmp_path / "a.zip"
    data = zip_file(path, {"1.png": small_png()})
    data[at] = value
    if at < 20:
        data[data.find(b"PK\1\2") + at + 2] = value
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=reason):
        read_masks(path)


DOCTYPE = "<!DOCTYPE a [<!ENTITY x %s>]><annotation><object><name>&x;</name></object></annotation>"


@pytest.mark.parametrize("entity", ['SYSTEM "file:///etc/passwd"', '"lol"'])
def test_xml_with_entities_is_refused(tmp_path, entity):
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "SegmentationObject").mkdir()
    (tmp_path / "SegmentationObject" / "image.png").write_bytes(small_png())
    (tmp_path / "Annotations" / "image.xml").write_text(DOCTYPE % entity)
    with pytest.raises(AnnotationError, match="EntitiesForbidden"):
        read_voc(tmp_path)


def yaml_with_nested_aliases():
    """Seven nested lists of nine aliases each: 4.8 million strings in 300 bytes."""
    lists = ["a: &a [lol]"]
    for before, name in zip("abcdef", "bcdefg", strict=True):
        lists.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join([*lists, "names: *g"])


@pytest.mark.parametrize(
    "text",
    [
        yaml_with_nested_aliases(),
        "names: !!python/object/apply:os.mkdir ['ran']",
        "[" * 5000,
        "names: {a: b}",
    ],
)
def test_malicious_yaml_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("0 0.1 0.1 0.9 0.9 0.1 0.9")
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(AnnotationError) as caught:
        read_yolo(tmp_path / "a.txt", size=(4, 4), classes=tmp_path / "data.yaml")
    assert len(str(caught.value)) < 1000
    assert not (tmp_path / "ran").exists()


def png_with_size(width, height):
    """A PNG whose header states this size, with data for 4 x 4 pixels."""
    data = bytearray(small_png())
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize("side", [12_500, 100_000])
def test_png_that_states_a_huge_size_is_refused(tmp_path, side):
    path = tmp_path / "a.png"
    path.write_bytes(png_with_size(side, side))
    with pytest.raises(ImageError, match="limit"):
        load_image(path)
    with pytest.raises(AnnotationError, match="limit"):
        read_masks(path)


def test_tiff_that_states_a_huge_size_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint16), compression="deflate", metadata=None)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        places = [file.pages[0].tags[n].valueoffset for n in ("ImageWidth", "ImageLength")]
    for place in places:
        data[place : place + 4] = (200_000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ImageError, match="limit"):
        load_image(path)
    with pytest.raises(AnnotationError, match="limit"):
        read_masks(path)


@pytest.mark.parametrize(
    "label", ["<img src=x onerror=alert(1)>", "\ud800", "../../etc/passwd", "x" * 300]
)
def test_malicious_labels_are_kept_as_text_or_refused(tmp_path, label):
    shape = {"label": label, "points": [[0, 0], [4, 0], [4, 4]], "shape_type": "polygon"}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"shapes": [shape], "imageWidth": 8, "imageHeight": 8}))
    if label in ("\ud800", "x" * 300):
        with pytest.raises(AnnotationError):
            read_masks(path)
        return
    assert read_masks(path)[0].label == label


@pytest.mark.timeout(20)
@pytest.mark.parametrize("big", [False, True])
def test_tiff_with_a_circular_chain_of_pages_is_refused(tmp_path, big):
    path = tmp_path / "a.tif"
    pages = np.zeros((2, 8, 8), np.uint16)
    tifffile.imwrite(path, pages, photometric="minisblack", metadata=None, bigtiff=big)
    with tifffile.TiffFile(path) as file:
        first, second = [page.offset for page in file.pages]
        count = len(file.pages[1].tags)
    data = bytearray(path.read_bytes())
    size = 8 if big else 4
    at = second + (8 + 20 * count if big else 2 + 12 * count)
    data[at : at + size] = first.to_bytes(size, "little")
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match="in a circle"):
        read_masks(path)
    with pytest.raises(ImageError, match="in a circle"):
        load_image(path)
