"""TIFFs of every kind, written by hand: each pixel has the colour that the standard defines.

With tifffile and without. What cannot be read without another package must raise an error: a wrong
colour is never an answer.
"""

import io
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image

from sam2_widget import ImageError, load_image
from sam2_widget.images.tiff_pages import YCBCR_SINCE
from tests.python.tiff_files import (
    ASSOCIATED,
    BLACK_IS_ZERO,
    CMYK,
    DEFLATE,
    FLOAT,
    LZW,
    NONE,
    PACKBITS,
    PALETTE,
    RGB,
    SIGNED,
    UNASSOCIATED,
    UNSIGNED,
    UNSPECIFIED,
    WHITE_IS_ZERO,
    YCBCR,
    tiff,
)

H, W = 5, 19
DRAW = np.random.default_rng(5)


def numbers(low, high, samples=1, kind=int):
    """Numbers that have both ends of their range among them."""
    found = DRAW.integers(low, high, (H, W, samples), endpoint=True, dtype=np.int64).astype(kind)
    found[0, 0], found[-1, -1] = low, high
    return found


def stretched(values, low, high):
    return np.rint(np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255)


def on_white(color, alpha):
    """Both within 0..255."""
    return color * (alpha / 255) + 255 - alpha


@dataclass
class Kind:
    """What is stored, and the colours that it means."""

    name: str
    stored: np.ndarray
    expected: np.ndarray
    bits: int = 8
    photometric: int = BLACK_IS_ZERO
    kind: int = UNSIGNED
    limits: object = "auto"
    tolerance: int = 0
    options: dict[str, Any] = field(default_factory=dict)


def grey(name, bits, low, high, *, kind=UNSIGNED, number=int):
    """Black is 0 and white is 0 of one type, shown between the ends of its numbers."""
    stored = numbers(low, high, kind=number)
    limits = "auto" if bits <= 8 and kind == UNSIGNED else (low, high)
    yield Kind(
        f"{name}, 0 black", stored, stretched(stored, low, high), bits, kind=kind, limits=limits
    )
    whole = 2**bits - 1 if kind == UNSIGNED else -1 if kind == SIGNED else 1
    meant = whole - stored
    limits = "auto" if limits == "auto" else (whole - high, whole - low)
    expected = stretched(meant, whole - high, whole - low)
    yield Kind(f"{name}, 0 white", stored, expected, bits, WHITE_IS_ZERO, kind, limits)


def colour(name, bits, extra, *, photometric=RGB, premultiplied=False, kind=UNSIGNED, tolerance=0):
    """Three bands and one of another meaning, in full range."""
    whole = 2**bits - 1
    stored = numbers(0, whole, 3 + len(extra))
    if premultiplied:
        stored[..., :3] = stored[..., :3] * stored[..., 3:] // whole
    shown = stored[..., :3] * 255 / whole
    if UNASSOCIATED in extra:
        shown = on_white(shown, stored[..., 3:4] * 255 / whole)
    if premultiplied:
        shown = shown + 255 - stored[..., 3:] * 255 / whole
    limits = "auto" if bits == 8 else (0, whole)
    options = {"extra": extra}
    return Kind(name, stored, np.rint(shown), bits, photometric, kind, limits, tolerance, options)


def palette(bits):
    count = 2**bits
    table = DRAW.integers(0, 255, (3, count))
    stored = numbers(0, count - 1)
    expected = table.T[stored[..., 0]]
    options = {"colormap": (table * 257).ravel().tolist()}
    return Kind(f"palette, {bits} bits", stored, expected, bits, PALETTE, options=options)


def separated(bits):
    stored = numbers(0, 2**bits - 1, 4)
    ink = stored / (2**bits - 1)
    expected = 255 * (1 - ink[..., :3]) * (1 - ink[..., 3:])
    return Kind(f"CMYK, {bits} bits", stored, expected, bits, CMYK, tolerance=3)


def luma():
    stored = numbers(30, 220, 3)
    stored[..., 1:] = DRAW.integers(108, 148, (H, W, 2))
    y, blue, red = (stored[..., i].astype(float) for i in range(3))
    blue, red = blue - 128, red - 128
    expected = np.stack(
        [y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], axis=2
    )
    subsampling = {530: (3, [1, 1])}
    return Kind("YCbCr", stored, expected, 8, YCBCR, tolerance=2, options={"more": subsampling})


KINDS = [
    *grey("1 bit", 1, 0, 1),
    *grey("2 bits", 2, 0, 3),
    *grey("4 bits", 4, 0, 15),
    *grey("8 bits", 8, 0, 255),
    *grey("8 bits signed", 8, -128, 127, kind=SIGNED),
    *grey("12 bits", 12, 0, 4095),
    *grey("16 bits", 16, 0, 65535),
    *grey("16 bits signed", 16, -32768, 32767, kind=SIGNED),
    *grey("32 bits", 32, 0, 2**32 - 1),
    *grey("32 bits signed", 32, -(2**31), 2**31 - 1, kind=SIGNED),
    *grey("half", 16, -300, 900, kind=FLOAT, number=float),
    *grey("single", 32, -300, 900, kind=FLOAT, number=float),
    *grey("double", 64, -300, 900, kind=FLOAT, number=float),
    palette(1),
    palette(2),
    palette(4),
    palette(8),
    palette(16),
    colour("RGB", 8, []),
    colour("RGB, 16 bits", 16, []),
    colour("RGB and a band", 8, [UNSPECIFIED]),
    colour("RGB and a band, 16 bits", 16, [UNSPECIFIED]),
    colour("RGB and two bands", 16, [UNSPECIFIED] * 2),
    colour("RGB, alpha", 8, [UNASSOCIATED], tolerance=1),
    colour("RGB, alpha, 16 bits", 16, [UNASSOCIATED], tolerance=1),
    colour("RGB, alpha and a band", 16, [UNASSOCIATED, UNSPECIFIED], tolerance=1),
    colour("RGB, multiplied alpha", 8, [ASSOCIATED], premultiplied=True, tolerance=2),
    colour("RGB, multiplied alpha, 16 bits", 16, [ASSOCIATED], premultiplied=True, tolerance=2),
    Kind("four bands", (four := numbers(0, 65535, 4)), stretched(four[..., :3], 0, 65535), 16,
         limits=(0, 65535), options={"extra": [UNSPECIFIED] * 3}),
    Kind("four bytes", (four := numbers(0, 255, 4)), four[..., :3],
         options={"extra": [UNSPECIFIED] * 3}),
    Kind("grey and alpha", (two := numbers(0, 255, 2)), on_white(two[..., :1], two[..., 1:]),
         tolerance=1, options={"extra": [UNASSOCIATED]}),
    separated(8),
    separated(16),
    luma(),
]  # fmt: skip

INVERSE = {6: 8, 8: 6}


def turned(stored, orientation):
    """What has to be stored so that `stored` is seen."""
    found = np.asarray(stored)
    views = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    return views.get(orientation, lambda a: a)(found)


def cases(kind):
    """All compressions, byte orders and layouts, in turn with all orientations."""
    layouts = [(False, 1), (True, 1), (False, 2), (True, 2)]
    if kind.stored.shape[2] == 1:
        layouts = layouts[:2]
    every = product((NONE, LZW, DEFLATE, PACKBITS), "<>", layouts)
    for number, (compression, order, (tiled, planar)) in enumerate(every):
        yield compression, order, tiled, planar, (number % 9) or None
    for orientation in range(2, 9):
        yield NONE, "<", False, 1, orientation
        yield LZW, ">", False, 1, orientation
        yield LZW, "<", True, 1, orientation


def is_rare(kind, planar, orientation):
    """Whether it is of a kind that takes tifffile with imagecodecs, or that nothing reads."""
    samples = kind.stored.shape[2]
    if samples == 1:
        odd = ("8 bits signed, 0 white", "half, 0 black", "half, 0 white", "palette, 16 bits")
        return kind.bits == 12 or kind.name in odd
    if planar == 2:
        return kind.bits > 8 or kind.name not in ("RGB", "RGB, alpha", "CMYK, 8 bits")
    if kind.name in ("four bands", "four bytes") or samples > 4:
        return True
    return kind.name == "RGB and a band" and orientation is not None


def is_excused(kind, compression, planar, orientation, *, with_tifffile):
    """Whether the error may request a package, or another form."""
    if kind.photometric == YCBCR and int(PIL.__version__.partition(".")[0]) < YCBCR_SINCE:
        return True
    needs_more = compression == LZW or kind.bits in (2, 4, 12) or not with_tifffile
    is_picture = kind.photometric in (CMYK, YCBCR)
    return (needs_more or is_picture) and is_rare(kind, planar, orientation)


def stored_as(kind, case):
    compression, order, tiled, planar, orientation = case
    return tiff(
        turned(kind.stored, orientation),
        photometric=kind.photometric,
        bits=kind.bits,
        kind=kind.kind,
        planar=planar,
        orientation=orientation,
        compression=compression,
        order=order,
        tiled=tiled,
        **kind.options,
    )


def fault(kind, case, *, with_tifffile):
    """What is wrong with the picture of a file; None if nothing is."""
    compression, _, _, planar, orientation = case
    try:
        rgb = load_image(stored_as(kind, case), contrast_limits=kind.limits).rgb
    except ImageError as error:
        excused = is_excused(kind, compression, planar, orientation, with_tifffile=with_tifffile)
        way_out = "pip install tifffile imagecodecs" in str(error) or "convert it to" in str(error)
        return None if excused and way_out else str(error)
    if rgb.shape != (H, W, 3):
        return f"its shape is {rgb.shape}"
    off = int(np.abs(rgb.astype(int) - np.broadcast_to(kind.expected, rgb.shape)).max())
    return f"a colour is off by {off}" if off > kind.tolerance else None


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_pixel_colours_of_every_layout(kind, with_tifffile):
    faults = {case: fault(kind, case, with_tifffile=with_tifffile) for case in cases(kind)}
    assert len(faults) > 30
    assert {case: one for case, one in faults.items() if one} == {}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [8, 16])
def test_orientation_of_a_file_on_disk_is_applied(tmp_path, orientation, bits, with_tifffile):
    """In one strip: such a file could be mapped into memory."""
    stored = numbers(0, 2**bits - 1)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(turned(stored, orientation), bits=bits, orientation=orientation, rows=99))
    loaded = load_image(path)
    np.testing.assert_array_equal(loaded.values.reshape(stored.shape), stored)
    assert loaded.record.get("orientation", 1) == orientation


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [LZW, DEFLATE])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("form", [(8, UNSIGNED, 2), (16, UNSIGNED, 2), (32, FLOAT, 3)])
def test_predictors(with_tifffile, order, compression, samples, form):
    bits, kind, predictor = form
    most = 2**bits - 1 if kind == UNSIGNED else 900
    stored = numbers(0, most, samples, kind=float if kind == FLOAT else int)
    data = tiff(
        stored,
        photometric=RGB if samples == 3 else BLACK_IS_ZERO,
        bits=bits,
        kind=kind,
        predictor=predictor,
        compression=compression,
        order=order,
    )
    loaded = load_image(data, contrast_limits=(0, most))
    np.testing.assert_array_equal(loaded.values.reshape(stored.shape), stored)
    expected = np.broadcast_to(stretched(stored, 0, most), loaded.rgb.shape)
    np.testing.assert_array_equal(loaded.rgb, expected)


@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_lzw"])
def test_fax(with_tifffile, compression, white_is_zero):
    drawing = np.random.default_rng(3).random((40, 60)) > 0.4
    file = io.BytesIO()
    tags = {262: 0 if white_is_zero else 1}
    Image.fromarray(drawing).save(file, "TIFF", compression=compression, tiffinfo=tags)
    np.testing.assert_array_equal(load_image(file).rgb[..., 0], 255 * drawing)


@pytest.mark.parametrize("compression", ["jpeg", "tiff_adobe_deflate", "packbits"])
def test_compressions_written_by_pillow(with_tifffile, compression):
    y, x = np.mgrid[:32, :48]
    picture = np.dstack([y * 4, x * 4, 90 + y]).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "TIFF", compression=compression)
    np.testing.assert_allclose(load_image(file).rgb.astype(int), picture, atol=8)
