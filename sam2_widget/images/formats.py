"""Formats of image files: which are read, and hints for those that are not."""

from __future__ import annotations

from pathlib import PurePath

from PIL import Image

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

PILLOW = (
    *("PNG", "JPEG", "MPO", "TIFF", "GIF", "WEBP", "BMP", "DIB", "PPM", "JPEG2000", "AVIF"),
    *("ICO", "ICNS", "TGA", "PCX", "SGI", "QOI", "DDS", "PSD", "SUN", "XBM"),
    # Formats of plugins that the user may have registered.
    *("HEIF", "JXL"),
)
"""Formats that are read by Pillow: images only, none that runs programs or opens other files."""

SPE, TIFFFILE = "SPE", "tifffile"
"""Plugins of imageio that are tried last. Others are unsafe: they open files and URLs that a file
refers to (PyAV, FFmpeg, GDAL, ITK), start programs (PostScript), or trust sizes in headers."""

FRAMES = ("PNG", "GIF", "WEBP", "AVIF", "TIFF")
"""Formats whose frames are a stack. Further images in others are e.g. thumbnails or layers."""

RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".pef", ".raf", ".srw")
"""Suffixes of raw camera files, most of which are TIFFs with a small preview as first page."""

RAW = "it is a raw file of a camera: pass rawpy.imread(path).postprocess() (`pip install rawpy`)"
_HEIC = (
    "it is HEIC: run `pip install pillow-heif`, then `import pillow_heif; "
    "pillow_heif.register_heif_opener()`, and try again"
)
_JXL = "it is JPEG XL: run `pip install pillow-jxl-plugin`, then `import pillow_jxl`, and try again"
_SOUND = "it is sound: pass a video or an image"

_HINTS = (
    (0, b"\xff\x0a", _JXL),
    (0, b"\0\0\0\x0cJXL ", _JXL),
    (0, b"ID3", _SOUND),
    (0, b"fLaC", _SOUND),
    (8, b"WAVE", _SOUND),
    (128, b"DICM", "it is DICOM: pass pydicom.dcmread(path).pixel_array"),
    (344, b"n+1\0", "it is NIfTI: pass nibabel.load(path).get_fdata() with axes="),
    (0, b"\x89HDF", "it is HDF5: pass a data set of it, h5py.File(path)['name']"),
    (0, b"SIMPLE  =", "it is FITS: pass astropy.io.fits.getdata(path)"),
    (0, b"v/1\x01", "it is OpenEXR: pass an array, e.g. of the package OpenEXR"),
    (0, b"ZISRAWFILE", "it is CZI: pass an array, e.g. of the package czifile"),
    (0, b"\xda\xce\xbe\x0a", "it is ND2: pass nd2.imread(path) with axes="),
    (0, b"%PDF", "it is a PDF: render its page to a picture first, e.g. by pypdfium2"),
    (0, b"%!PS", "it is PostScript: convert it to PNG first"),
    (0, b"\xc5\xd0\xd3\xc6", "it is PostScript: convert it to PNG first"),
    (0, b"PK\x03\x04", "it is a ZIP or NPZ archive: pass an array of it, np.load(path)['name']"),
    (0, b"\x1f\x8b", "it is compressed by gzip: unpack it first"),
    (0, b"version https://git-lfs", "it is a pointer of git-lfs: run `git lfs pull`"),
)


def pillow_formats() -> list[str]:
    """Formats of `PILLOW` that are installed."""
    Image.init()
    return [name for name in PILLOW if name in Image.OPEN]


def imageio_plugins(name: str) -> tuple[str, ...]:
    """Plugins for a file of that name; an SPE file cannot be recognized by its content."""
    return (SPE, TIFFFILE) if PurePath(name).suffix.lower() == ".spe" else (TIFFFILE,)


def is_tiff_start(start: bytes) -> bool:
    """Whether the content is a TIFF: those of microscopes are named .stk, .lsm, .svs and so on."""
    return start[:4] in TIFF_STARTS


def is_raw(name: str) -> bool:
    """Whether the suffix is that of a raw camera file."""
    return PurePath(name).suffix.lower() in RAW_SUFFIXES


def hint(start: bytes, name: str) -> str:
    """Advice for a file that cannot be read, by its first bytes."""
    if is_raw(name):
        return RAW
    if start[4:8] == b"ftyp":
        return _hint_of_brand(start[8:12])
    for offset, magic, text in _HINTS:
        if start[offset : offset + len(magic)] == magic:
            return text
    return _hint_of_text(start.lstrip().lower())


def _hint_of_brand(brand: bytes) -> str:
    if brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"):
        return _HEIC
    if brand in (b"avif", b"avis"):
        return "it is AVIF: a Pillow of 11.3 or newer reads it"
    return RAW if brand == b"crx " else ""


def _hint_of_text(start: bytes) -> str:
    if b"<svg" in start:
        return "it is SVG: convert it to PNG first, e.g. by cairosvg"
    if start.startswith((b"<!doctype html", b"<html")):
        return "it is a web page, not the image: download the image itself"
    return ""
