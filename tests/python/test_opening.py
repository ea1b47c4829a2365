"""Where the bytes of an image come from: paths, buffers, file objects."""

import io
import os
import zipfile

import numpy as np
import pytest
import tifffile
from PIL import Image

from sam2_widget import ImageError, ImageStack, load_image
from sam2_widget.images.stacks import stack_of

PIXELS = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)


def encoded(kind="PNG", pixels=PIXELS):
    file = io.BytesIO()
    if kind == "TIFF":
        tifffile.imwrite(file, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
    elif kind == "NPY":
        np.save(file, pixels)
    else:
        Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "a b.png"
    found.write_bytes(encoded())
    return found


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "NPY", "BMP"])
def test_bytes_and_file_objects_are_images(kind, tmp_path):
    data = encoded(kind)
    (tmp_path / "file").write_bytes(data)
    for source in (data, bytearray(data), memoryview(data), io.BytesIO(data)):
        np.testing.assert_array_equal(load_image(source).rgb, PIXELS)
    np.testing.assert_array_equal(load_image(tmp_path / "file").rgb, PIXELS)


@pytest.mark.parametrize("at", [0, 10, 10**6])
def test_file_object_keeps_its_position(path, at):
    with path.open("rb") as file:
        file.seek(at)
        loaded = load_image(file)
        np.testing.assert_array_equal(loaded.rgb, PIXELS)
        assert file.tell() == at
        assert not file.closed
        file.seek(0)
        assert file.read(4) == b"\x89PNG"
    assert loaded.name == "a b.png"
    assert loaded.record["source"] == str(path)


def test_stream_that_cannot_seek(path):
    read, write = os.pipe()
    os.write(write, path.read_bytes())
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        np.testing.assert_array_equal(load_image(stream).rgb, PIXELS)


def test_a_file_in_a_zip(path, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "inner/b.png")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive, archive.open("inner/b.png") as file:
        loaded = load_image(file)
    np.testing.assert_array_equal(loaded.rgb, PIXELS)
    assert loaded.name == "b.png"


def test_paths_of_every_kind(path, monkeypatch):
    class PathLike:
        def __fspath__(self):
            return str(path)

    monkeypatch.setenv("HOME", str(path.parent))
    for source in (path, str(path), PathLike(), "~/a b.png", path.as_uri()):
        np.testing.assert_array_equal(load_image(source).rgb, PIXELS)


def test_a_stack_in_a_buffer():
    planes = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    for data in (encoded("TIFF", planes), encoded("NPY", planes)):
        stack = ImageStack(io.BytesIO(data), axes="ZYX")
        assert len(stack) == 3
        np.testing.assert_array_equal(stack[2].values, planes[2])
        np.testing.assert_array_equal(stack[0].values, planes[0])


def test_a_stack_of_imagej_in_a_buffer():
    planes = np.arange(4 * 20 * 30, dtype=np.uint16).reshape(4, 20, 30)
    file = io.BytesIO()
    tifffile.imwrite(file, planes, imagej=True, metadata={"axes": "ZYX"})
    np.testing.assert_array_equal(load_image(file, plane=3).values, planes[3])
    stack = stack_of(file)
    assert (len(stack), stack.along) == (4, "Z")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("https://example.org/a.png", r"it is a URL.*httpx.get\('https://example.org/a.png'"),
        ("s3://bucket/a.png", r"it is a URL"),
        (b"", "there are no bytes in it"),
        (io.StringIO("a"), r"opened for text: open it with open\(path, 'rb'\)"),
        (io.BytesIO(b"nothing"), r"not an image that Pillow can read"),
        ("\0", "there is no such file"),
    ],
)
def test_error_for_unreadable_sources_suggests_a_fix(source, message):
    with pytest.raises(ImageError, match=message):
        load_image(source)


def test_closed_and_invalid_file_objects_are_refused(path):
    file = path.open("rb")
    file.close()
    with pytest.raises(ImageError, match="closed file"):
        load_image(file)

    class Dataset:
        name = "raster"

        def read(self, *_):
            return PIXELS

    with pytest.raises(ImageError, match="returned ndarray, not bytes"):
        load_image(Dataset())


def test_folders_pipes_and_zarr_stores(tmp_path):
    with pytest.raises(ImageError, match="there are no images in the folder"):
        load_image(tmp_path)
    (tmp_path / "zarr.json").write_text("{}")
    with pytest.raises(ImageError, match="it is a Zarr store"):
        load_image(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="not a regular file"):
        load_image(tmp_path / "pipe")


STARTS = {
    "HEIC": (b"\0\0\0\x18ftypheic", "pip install pillow-heif"),
    "HEIF": (b"\0\0\0\x18ftypmif1", "pillow_heif.register_heif_opener"),
    "video": (b"\0\0\0\x18ftypisom", "the video is broken or incomplete"),
    "sound": (b"RIFF\x24\0\0\0WAVEfmt ", "it is sound"),
    "JPEG XL": (b"\xff\x0a", "pip install pillow-jxl-plugin"),
    "DICOM": (bytes(128) + b"DICM", "pydicom.dcmread"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "h5py.File"),
    "FITS": (b"SIMPLE  =                    T", "astropy.io.fits"),
    "PDF": (b"%PDF-1.7", "it is a PDF"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "it is PostScript"),
    "NPZ": (b"PK\x03\x04", "np.load"),
    "gzip": (b"\x1f\x8b\x08", "unpack it first"),
    "SVG": (b'<?xml version="1.0"?>\n<svg xmlns="">', "it is SVG"),
    "web page": (b"<!DOCTYPE html><html>", "it is a web page"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
}


@pytest.mark.parametrize("kind", STARTS)
def test_error_for_other_formats_suggests_a_library(kind):
    start, message = STARTS[kind]
    with pytest.raises(ImageError, match=message):
        load_image(start + bytes(600))


@pytest.mark.parametrize("name", ["a.dng", "b.NEF"])
def test_camera_raw_file_is_not_opened_as_its_preview(tmp_path, name):
    (tmp_path / name).write_bytes(encoded("TIFF"))
    with pytest.raises(ImageError, match="rawpy"):
        load_image(tmp_path / name)
    tagged = io.BytesIO()
    tifffile.imwrite(tagged, PIXELS, extratags=[(50706, 1, 4, (1, 4, 0, 0), True)])
    with pytest.raises(ImageError, match="rawpy"):
        load_image(tagged)
