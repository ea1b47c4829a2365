"""PNGs of every colour type and every mode of Pillow, against colours computed by hand."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sam2_widget import load_image

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}
H, W = 6, 11


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(samples, bits, kind, *chunks):
    """A PNG of numbers, (H, W, samples)."""
    height, width = samples.shape[:2]
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in samples]
    else:
        places = samples[..., None] >> np.arange(bits - 1, -1, -1) & 1
        rows = [np.packbits(row.ravel().astype(np.uint8)).tobytes() for row in places]
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *(chunk(*one) for one in chunks),
            chunk(b"IDAT", data),
            chunk(b"IEND", b""),
        ]
    )


def drawn(bits, samples):
    whole = 2**bits - 1
    draw = np.random.default_rng(bits + samples)
    found = draw.integers(0, whole, (H, W, samples), endpoint=True)
    found[0, 0], found[-1, -1] = 0, whole
    return found


def stretched(values, low, high):
    return np.rint(np.clip((values - low) / (high - low), 0, 1) * 255)


def on_white(color, alpha):
    return color * (alpha / 255) + 255 - alpha


def each_way(data):
    """Loaded from bytes, and as an image that Pillow has opened, and has not decoded."""
    yield lambda **options: load_image(data, **options)
    yield lambda **options: load_image(Image.open(io.BytesIO(data)), **options)


@pytest.mark.parametrize(("kind", "bits"), [(k, b) for k, all_ in DEPTHS.items() for b in all_])
@pytest.mark.parametrize("transparent", [False, True])
def test_every_colour_type_of_png(kind, bits, transparent):
    samples, whole = drawn(bits, SAMPLES[kind]), 2**bits - 1
    table = np.random.default_rng(1).integers(0, 255, (256, 3))
    chunks = []
    color = table[samples[..., 0]] if kind == PALETTE else samples[..., :3] * 255 / whole
    alpha = np.full((H, W, 1), 255.0)
    if kind in (GREY_ALPHA, RGB_ALPHA):
        color, alpha = samples[..., :-1] * 255 / whole, samples[..., -1:] * 255 / whole
    if kind == PALETTE:
        chunks.append((b"PLTE", table[: whole + 1].astype(np.uint8).tobytes()))
    if transparent and kind in (GREY, RGB):
        key = samples[2, 3]
        chunks.append((b"tRNS", key.astype(">u2").tobytes()))
        alpha[(samples == key).all(axis=2)] = 0
    if transparent and kind == PALETTE:
        chunks.append((b"tRNS", bytes([0, 128])))
        alpha = np.array([0, 128, *[255] * 254])[samples]
    options = {"contrast_limits": (0, whole)} if bits == 16 else {}
    for load in each_way(png(samples, bits, kind, *chunks)):
        loaded = load(**options)
        assert loaded.rgb.shape == (H, W, 3)
        np.testing.assert_allclose(
            loaded.rgb, np.broadcast_to(on_white(color, alpha), (H, W, 3)), atol=1.5
        )


@pytest.mark.parametrize("kind", [GREY, RGB, GREY_ALPHA, RGB_ALPHA])
def test_12_bits_in_a_16_bit_png_are_stretched(kind):
    samples = drawn(12, SAMPLES[kind])
    samples = np.repeat(samples, 3, axis=1)
    has_alpha = kind in (GREY_ALPHA, RGB_ALPHA)
    color = samples
    if has_alpha:
        samples[..., -1] = 65535
        color = samples[..., :-1]
    low, high = np.percentile(color, (0.1, 99.9))
    for load in each_way(png(samples, 16, kind)):
        loaded = load()
        expected = np.broadcast_to(stretched(color, low, high), loaded.rgb.shape)
        np.testing.assert_array_equal(loaded.rgb, expected)
        assert loaded.rgb.max() == 255


def test_16_bit_png_has_the_colours_of_the_same_tiff(tmp_path):
    import tifffile  # noqa: PLC0415

    samples = drawn(12, 3).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb")
    (tmp_path / "a.png").write_bytes(png(samples, 16, RGB))
    tiff, deep = load_image(tmp_path / "a.tif"), load_image(tmp_path / "a.png")
    np.testing.assert_array_equal(deep.rgb, tiff.rgb)
    np.testing.assert_array_equal(deep.values, samples)
    np.testing.assert_array_equal(load_image(tmp_path / "a.png", channels=1).values, samples)


@pytest.mark.parametrize("letters", ["P6", "P5"])
def test_12_bit_pnm_keeps_its_values(letters):
    samples = drawn(12, 3 if letters == "P6" else 1)
    data = f"{letters}\n{W} {H}\n4095\n".encode() + samples.astype(">u2").tobytes()
    loaded = load_image(data, contrast_limits=(0, 4095))
    np.testing.assert_array_equal(loaded.values.reshape(samples.shape), samples)
    expected = np.broadcast_to(stretched(samples, 0, 4095), (H, W, 3))
    np.testing.assert_array_equal(loaded.rgb, expected)


def test_16_bits_of_a_jpeg_2000_are_stretched():
    import cv2  # noqa: PLC0415

    samples = np.repeat(np.repeat(drawn(12, 3).astype(np.uint16), 8, axis=0), 8, axis=1)
    encoded = cv2.imencode(
        ".jp2", samples[..., ::-1], [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    )
    loaded = load_image(encoded[1].tobytes())
    np.testing.assert_array_equal(loaded.values, samples)
    assert loaded.rgb.max() == 255


def test_reduced_bit_depth_is_reported():
    file = io.BytesIO()
    Image.new("L", (4, 3), 200).save(file, "SGI", bpc=2)
    loaded = load_image(file)
    assert (loaded.rgb == 200).all()
    assert "16 bits a colour, of which the upper 8 are shown" in loaded.record["notes"][0]


def image(mode, *values):
    found = Image.new(mode, (len(values), 1))
    found.putdata(list(values))
    return found


def palette_image(mode):
    found = Image.new(mode, (2, 1))
    found.putpalette([200, 30, 40, 1, 2, 3])
    found.putdata([1, 0] if mode == "P" else [(1, 255), (0, 0)])
    return found


MODES = {
    "1": (image("1", 0, 255), [(0, 0, 0), (255, 255, 255)]),
    "L": (image("L", 7, 200), [(7, 7, 7), (200, 200, 200)]),
    "P": (palette_image("P"), [(1, 2, 3), (200, 30, 40)]),
    "PA": (palette_image("PA"), [(1, 2, 3), (255, 255, 255)]),
    "LA": (image("LA", (100, 255), (100, 51)), [(100, 100, 100), (224, 224, 224)]),
    "La": (image("La", (100, 255), (20, 51)), [(100, 100, 100), (224, 224, 224)]),
    "RGB": (image("RGB", (1, 2, 3)), [(1, 2, 3)]),
    "RGBX": (image("RGBX", (1, 2, 3, 0)), [(1, 2, 3)]),
    "RGBA": (image("RGBA", (100, 0, 50, 51)), [(224, 204, 214)]),
    "RGBa": (image("RGBa", (20, 0, 10, 51)), [(224, 204, 214)]),
    "CMYK": (image("CMYK", (255, 0, 51, 0), (0, 0, 0, 204)), [(0, 255, 204), (51, 51, 51)]),
    "YCbCr": (image("YCbCr", (128, 128, 128), (76, 85, 255)), [(128, 128, 128), (254, 0, 0)]),
    "HSV": (image("HSV", (0, 255, 200), (85, 255, 255)), [(200, 0, 0), (0, 255, 0)]),
    # Lightness 54.3, a 80.8, b 69.9 is sRGB's red under the light that profiles are for (D50).
    "LAB": (image("LAB", (255, 128, 128), (138, 209, 198)), [(255, 255, 255), (255, 0, 0)]),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_8_bits_has_its_colours(mode):
    picture, expected = MODES[mode]
    assert picture.mode == mode
    np.testing.assert_allclose(load_image(picture).rgb[0], expected, atol=5 if mode == "LAB" else 2)


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "I;16L", "I;16B", "I;16N"])
def test_every_mode_of_more_bits_is_stretched(mode):
    kind = {"I": "<i4", "F": "<f4", "I;16B": ">u2"}.get(mode, "<u2")
    values = np.array([[100, 1100, 600, 100]])
    picture = Image.frombytes(mode, (4, 1), values.astype(kind).tobytes())
    loaded = load_image(picture, contrast_limits=(100, 1100))
    assert loaded.values.tolist() == values.tolist()
    assert loaded.rgb[0, :, 1].tolist() == [0, 255, 128, 0]


def test_all_pillow_modes_are_tested():
    assert set(Image.MODES) <= {*MODES, "I", "F", "I;16", "I;16L", "I;16B", "I;16N"}
