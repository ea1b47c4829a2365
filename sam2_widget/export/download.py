"""Results as one file in memory each: what the widget offers for download."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TypeAlias

from sam2_widget.results import Segmentation

Writer: TypeAlias = Callable[[Segmentation, io.BytesIO, str], None]
"""Writes a result; the text is the name of the image without its suffix."""


def _yolo(result: Segmentation, file: io.BytesIO, stem: str) -> None:
    def write(folder: Path) -> None:
        (folder / "labels").mkdir()
        result.to_yolo(folder / "labels" / f"{stem}.txt", data=folder / "data.yaml")

    _zipped(write, file)


def _voc(result: Segmentation, file: io.BytesIO, stem: str) -> None:
    _zipped(lambda folder: result.to_voc(folder, name=stem), file)


def _zipped(write: Callable[[Path], None], file: io.BytesIO) -> None:
    with TemporaryDirectory() as temporary, zipfile.ZipFile(file, "w") as archive:
        folder = Path(temporary)
        write(folder)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder), zipfile.ZIP_DEFLATED)


def _csv(result: Segmentation, file: io.BytesIO, _: str) -> None:
    file.write(result.to_frame().to_csv().encode())


FORMATS: dict[str, tuple[str, str, Writer]] = {
    "coco": (".coco.json", "application/json", lambda result, file, _: result.to_coco(file)),
    "yolo": (".yolo.zip", "application/zip", _yolo),
    "labelme": (".json", "application/json", lambda result, file, _: result.to_labelme(file)),
    "geojson": (
        ".geojson",
        "application/geo+json",
        lambda result, file, _: result.to_geojson(file),
    ),
    "png": (".labels.png", "image/png", lambda result, file, _: result.to_png(file)),
    "pngs": (".masks.zip", "application/zip", lambda result, file, _: result.to_pngs(file)),
    "tiff": (".labels.tif", "image/tiff", lambda result, file, _: result.to_tiff(file)),
    "npz": (".npz", "application/octet-stream", lambda result, file, _: result.to_npz(file)),
    "cutout": (".cutout.png", "image/png", lambda result, file, _: _cutout(result, file)),
    "voc": (".voc.zip", "application/zip", _voc),
    "csv": (".csv", "text/csv", _csv),
}
"""End of the name, media type and writer of each format."""


def _cutout(result: Segmentation, file: io.BytesIO) -> None:
    result.to_cutout(file)


def stem_of(name: str) -> str:
    """Name of an image without its suffix, fit for any file system."""
    stem = PurePath(name.replace("\\", "/")).stem
    kept = "".join("_" if c in '<>:"/|?*' or not c.isprintable() else c for c in stem)
    return kept.strip(" .")[:100] or "image"
