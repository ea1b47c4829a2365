"""TIFFs written by hand, so that no library checks itself."""

import struct
import zlib

import numpy as np

NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
SHORT, LONG, ASCII, UNDEFINED = 3, 4, 2, 7
TILE = 16


def packed(rows, bits, kind, order):
    """Rows of samples, (rows, samples), as bytes."""
    if bits in (8, 16, 32, 64):
        letter = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}[kind]
        return np.ascontiguousarray(rows, f"{order}{letter}{bits // 8}").tobytes()
    numbers = np.asarray(rows, np.uint16)[..., None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(numbers.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def lzw(data):
    """Literals only: after each 250 the table begins anew, so every code has 9 bits."""
    codes = [256]
    for start in range(0, len(data), 250):
        codes += [*data[start : start + 250], 256]
    codes[-1:] = [257]
    bits = "".join(f"{code:09b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def packbits(data):
    parts = (data[i : i + 128] for i in range(0, len(data), 128))
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


COMPRESS = {NONE: bytes, LZW: lzw, DEFLATE: zlib.compress, PACKBITS: packbits}


def differences(rows, bits, samples):
    """Predictor 2: each sample less the one to its left."""
    grid = np.asarray(rows).astype(np.int64).reshape(len(rows), -1, samples)
    grid[:, 1:] -= grid[:, :-1].copy()
    return (grid % 2**bits).reshape(len(rows), -1)


def byte_differences(rows, bits, samples):
    """Predictor 3, of floats: bytes of the same weight together, each less the one before."""
    data = np.ascontiguousarray(rows, f">f{bits // 8}")
    planes = data.view(np.uint8).reshape(len(data), -1, bits // 8).transpose(0, 2, 1)
    flat = planes.reshape(len(data), -1).astype(np.int16)
    flat[:, samples:] -= flat[:, :-samples].copy()
    return (flat % 256).astype(np.uint8)


def encoded(block, *, bits, kind, order, compression, predictor):
    """A strip or tile, (rows, columns, samples)."""
    rows = block.reshape(len(block), -1)
    if predictor == 3:
        return COMPRESS[compression](byte_differences(rows, bits, block.shape[2]).tobytes())
    if predictor == 2:
        return COMPRESS[compression](
            packed(differences(rows, bits, block.shape[2]), bits, UNSIGNED, order)
        )
    return COMPRESS[compression](packed(rows, bits, kind, order))


def blocks_of(pixels, *, tiled, planar, rows):
    """Strips of some rows, or tiles, in the order of the file."""
    planes = [pixels] if planar == 1 else [pixels[..., i : i + 1] for i in range(pixels.shape[2])]
    for plane in planes:
        height, width = plane.shape[:2]
        if not tiled:
            yield from (plane[y : y + rows] for y in range(0, height, rows))
            continue
        edges = ((0, -height % TILE), (0, -width % TILE), (0, 0))
        padded = np.pad(plane, edges)
        for y in range(0, height, TILE):
            for x in range(0, width, TILE):
                yield padded[y : y + TILE, x : x + TILE]


def page_tags(
    pixels,
    data,
    *,
    photometric,
    bits,
    kind,
    planar,
    orientation,
    compression,
    predictor,
    tiled,
    rows,
    extra,
    colormap,
    nodata,
    more,
):
    height, width, samples = pixels.shape
    tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * samples),
        259: (SHORT, [compression]),
        277: (SHORT, [samples]),
        284: (SHORT, [planar]),
        339: (SHORT, [kind] * samples),
        **({262: (SHORT, [photometric])} if photometric is not None else {}),
        **({274: (SHORT, [orientation])} if orientation else {}),
        **({317: (SHORT, [predictor])} if predictor > 1 else {}),
        **({338: (SHORT, extra)} if extra else {}),
        **({320: (SHORT, colormap)} if colormap is not None else {}),
        **({42113: (ASCII, nodata.encode() + b"\0")} if nodata is not None else {}),
        **(more or {}),
    }  # fmt: skip
    counts = [len(one) for one in data]
    if tiled:
        tags |= {322: (LONG, [TILE]), 323: (LONG, [TILE]), 324: (LONG, counts), 325: (LONG, counts)}
    else:
        tags |= {273: (LONG, counts), 278: (LONG, [rows]), 279: (LONG, counts)}
    return tags


def tiff(
    *pages,
    photometric=BLACK_IS_ZERO,
    bits=8,
    kind=UNSIGNED,
    planar=1,
    orientation=None,
    compression=NONE,
    predictor=1,
    order="<",
    tiled=False,
    rows=2,
    extra=(),
    colormap=None,
    nodata=None,
    more=None,
):
    """A TIFF of pages, each (H, W) or (H, W, samples), of the numbers that are stored."""
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    link = 4
    for pixels in pages:
        cube = np.asarray(pixels).reshape(*np.shape(pixels)[:2], -1)
        settings = {"bits": bits, "kind": kind, "compression": compression, "predictor": predictor}
        blocks = blocks_of(cube, tiled=tiled, planar=planar, rows=rows)
        data = [encoded(block, order=order, **settings) for block in blocks]
        tags = page_tags(
            cube,
            data,
            photometric=photometric,
            planar=planar,
            orientation=orientation,
            tiled=tiled,
            rows=rows,
            extra=list(extra),
            colormap=colormap,
            nodata=nodata,
            more=more,
            **settings,
        )
        link = append_page(out, link, tags, data, order)
    return bytes(out)


def append_page(out, link, tags, data, order):
    """Put a page at the end, and its place at `link`; returns where the next one's goes."""
    offsets = []
    for one in data:
        offsets.append(len(out))
        out += one + bytes(len(one) % 2)
    tags = {**tags, (324 if 324 in tags else 273): (LONG, offsets)}
    entries = b""
    for number in sorted(tags):
        kind, values = tags[number]
        if kind in (ASCII, UNDEFINED):
            raw, count = bytes(values), len(values)
        else:
            raw = struct.pack(f"{order}{len(values)}{'H' if kind == SHORT else 'I'}", *values)
            count = len(values)
        if len(raw) > 4:
            place = len(out)
            out += raw + bytes(len(raw) % 2)
            raw = struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", number, kind, count) + raw.ljust(4, b"\0")
    out[link : link + 4] = struct.pack(f"{order}I", len(out))
    out += struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return len(out) - 4
