"""Masks in image files of every layout: inverted, rotated, compressed, with few bits."""

import io

import numpy as np
import pytest
from PIL import Image

from sam2_widget import AnnotationError, read_masks
from tests.python.test_pictures_matrix import GREY, PALETTE, png
from tests.python.test_tiff_matrix import turned
from tests.python.tiff_files import (
    BLACK_IS_ZERO,
    DEFLATE,
    LZW,
    NONE,
    RGB,
    WHITE_IS_ZERO,
    tiff,
)
from tests.python.tiff_files import PALETTE as TIFF_PALETTE

LABELS = np.zeros((8, 11), int)
LABELS[1:3, 2:9] = 1
LABELS[4:7, 1:4] = 3
MASK = LABELS > 0


def file_object(data, name):
    file = io.BytesIO(data)
    file.name = name
    return file


def label_map(masks):
    numbers = np.zeros(masks.size, int)
    for index, mask in enumerate(masks, start=1):
        numbers[mask.mask] = index
    return numbers


@pytest.mark.parametrize("compression", [NONE, LZW, DEFLATE])
@pytest.mark.parametrize("bits", [1, 8, 16])
@pytest.mark.parametrize("photometric", [BLACK_IS_ZERO, WHITE_IS_ZERO])
@pytest.mark.parametrize("orientation", [None, 3, 6])
def test_label_tiffs_of_every_layout(compression, bits, photometric, orientation):
    labels = np.minimum(LABELS, 2**bits - 1)
    stored = labels if photometric == BLACK_IS_ZERO else 2**bits - 1 - labels
    data = tiff(
        turned(stored, orientation),
        bits=bits,
        photometric=photometric,
        orientation=orientation,
        compression=compression,
    )
    masks = read_masks(file_object(data, "a.tif"), size=LABELS.shape)
    expected = np.unique(labels, return_inverse=True)[1].reshape(LABELS.shape)
    np.testing.assert_array_equal(label_map(masks), expected)


@pytest.mark.parametrize("bits", [4, 8])
def test_palette_colours_do_not_change_the_labels(bits):
    table = [0] * (3 * 2**bits)
    data = tiff(LABELS, bits=bits, photometric=TIFF_PALETTE, colormap=table, compression=LZW)
    expected = np.array([0, 1, 0, 2])[LABELS]
    np.testing.assert_array_equal(label_map(read_masks(file_object(data, "a.tif"))), expected)


def test_compressed_pages_are_masks():
    data = tiff(MASK * 255, ~MASK * 255, compression=LZW)
    masks = read_masks(file_object(data, "a.tif"))
    assert len(masks) == 2
    np.testing.assert_array_equal(masks[1].mask, ~MASK)


@pytest.mark.parametrize(
    ("kind", "bits"), [*((GREY, bits) for bits in (1, 2, 4, 8, 16)), (PALETTE, 2), (PALETTE, 8)]
)
def test_png_numbers_are_not_scaled(kind, bits):
    labels = np.minimum(LABELS, 2**bits - 1)
    table = [(b"PLTE", bytes(3 * 2**bits))] if kind == PALETTE else []
    data = png(labels[..., None], bits, kind, *table)
    from sam2_widget.export.label_map import read_map  # noqa: PLC0415

    numbers, _ = read_map(file_object(data, "a.png"))
    np.testing.assert_array_equal(numbers, labels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(turned(LABELS, orientation).astype(np.uint8)).save(file, "PNG", exif=exif)
    masks = read_masks(file_object(file.getvalue(), "a.png"), size=LABELS.shape)
    np.testing.assert_array_equal(masks[0].mask, LABELS == 1)


def tiff_masks():
    yield tiff(MASK, bits=1, compression=LZW)
    yield tiff(~MASK, bits=1, photometric=WHITE_IS_ZERO)
    yield tiff(65535 - 65535 * MASK, bits=16, photometric=WHITE_IS_ZERO, compression=LZW)
    yield tiff(turned(MASK * 255, 8), orientation=8)
    yield tiff(np.dstack([MASK * 0, MASK * 200, MASK * 0]), photometric=RGB)
    black_last = [65535, 0] * 3
    yield tiff(~MASK, bits=1, photometric=TIFF_PALETTE, colormap=black_last)


@pytest.mark.parametrize("data", [*tiff_masks()])
def test_tiffs_in_a_folder_of_masks(data, tmp_path):
    (tmp_path / "1_cat.tif").write_bytes(data)
    masks = read_masks(tmp_path)
    assert [one.label for one in masks] == ["cat"]
    np.testing.assert_array_equal(masks[0].mask, MASK)


def test_image_formats_that_can_run_programs_are_refused():
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_masks(file_object(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", "a.png"))
