"""The command line: the same masks as in the notebook, in a script or over a folder."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sam2_widget.errors import SegmentationError
from sam2_widget.prompts import Prompts

FORMATS = {
    "coco": (".json", "to_coco"),
    "cutout": (".png", "to_cutout"),
    "geojson": (".geojson", "to_geojson"),
    "labelme": (".json", "to_labelme"),
    "npz": (".npz", "to_npz"),
    "png": (".png", "to_png"),
    "pngs": ("", "to_pngs"),
    "tiff": (".tif", "to_tiff"),
    "voc": ("", "to_voc"),
    "yolo": (".txt", "to_yolo"),
}
"""Suffix and method of each format."""

BY_SUFFIX = {
    ".json": "coco",
    ".geojson": "geojson",
    ".npz": "npz",
    ".png": "png",
    ".txt": "yolo",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".zip": "pngs",
    "": "pngs",
}

IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".npy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            status: int = options.run(options)
        except SegmentationError as error:
            _complain(str(error))
            return 1
    return status


def _complain(text: str) -> None:
    # What is said of the argument in Python holds for the option here.
    text = text.replace("overwrite=True", "--overwrite")
    sys.stderr.write(f"sam2-widget: {text}\n")


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning as one line, without the source that it comes from."""
    _complain(str(message))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sam2-widget", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    segment = commands.add_parser(
        "segment",
        help="segment an image, or all images of a folder, by saved prompts",
        description="Segment an image by the prompts that w.prompts.save(path) wrote.",
    )
    segment.set_defaults(run=_segment)
    add = segment.add_argument
    add("image", type=Path, help="an image, or a folder of images")
    add("--prompts", type=Path, required=True, help="a file; or a folder with IMAGE.json for each")
    add("--out", type=Path, required=True, help="the file to write; a folder for a folder")
    add("--format", choices=FORMATS, help="by default what the name of --out ends with, else png")
    add("--model", default="auto", help="as in Python (default: auto)")
    add("--device", help="cpu, cuda, cuda:1 or mps")
    add("--axes", help="letters of the image's axes, e.g. ZCYX")
    add("--plane", type=_json, help="which plane, e.g. 3 or '{\"Z\": 3}'")
    add("--channels", type=_json, help="which channels, e.g. 2, '[3, 2, 1]' or '{\"0\": \"red\"}'")
    add("--contrast-limits", type=_json, help="\"full\" or black and white, e.g. '[100, 4000]'")
    add("--overwrite", action="store_true", help="replace files that are there")
    schema = commands.add_parser("schema", help="print the JSON Schema of prompts")
    schema.set_defaults(run=_schema)
    return parser


def _json(text: str) -> Any:
    """JSON, or a bare word; keys that are numbers become numbers."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict):
        return {int(key) if key.lstrip("-").isdigit() else key: v for key, v in value.items()}
    return value


def _schema(_: argparse.Namespace) -> int:
    sys.stdout.write(json.dumps(Prompts.schema(), indent=2) + "\n")
    return 0


def _segment(options: argparse.Namespace) -> int:
    if not options.image.is_dir():
        prompts = Prompts.load(options.prompts)
        _one(options.image, prompts, options.out, options)
        return 0
    return _folder(options)


def _folder(options: argparse.Namespace) -> int:
    """All images of a folder; a broken one is told and does not stop the others."""
    from tqdm import tqdm  # noqa: PLC0415 - only here

    images = sorted(p for p in options.image.iterdir() if p.suffix.lower() in IMAGES)
    if not images:
        _complain(f"there are no images in {str(options.image)!r}")
        return 1
    options.format = options.format or "png"
    options.out.mkdir(parents=True, exist_ok=True)
    done = [_tried(image, options) for image in tqdm(images, unit="image", disable=None)]
    _complain(f"{sum(done)} of {len(images)} images were segmented")
    return 0 if all(done) else 1


def _tried(image: Path, options: argparse.Namespace) -> bool:
    try:
        _one(image, _prompts_of(image, options), _target(image, options), options)
    except SegmentationError as error:
        _complain(f"{image.name}: {error}")
        return False
    return True


def _prompts_of(image: Path, options: argparse.Namespace) -> Prompts:
    folder: Path = options.prompts
    return Prompts.load(folder / f"{image.stem}.json" if folder.is_dir() else folder)


def _target(image: Path, options: argparse.Namespace) -> Path:
    out: Path = options.out
    suffix, _ = FORMATS[options.format]
    # VOC keeps all images in one folder, by name.
    return out if options.format == "voc" else out / f"{image.stem}{suffix}"


def _one(image: Path, prompts: Prompts, out: Path, options: argparse.Namespace) -> None:
    from sam2_widget.headless import segment  # noqa: PLC0415 - after the arguments are checked

    result = segment(
        image,
        prompts,
        model=options.model,
        device=options.device,
        axes=options.axes,
        plane=options.plane,
        channels=options.channels,
        contrast_limits="auto" if options.contrast_limits is None else options.contrast_limits,
    )
    chosen = options.format or BY_SUFFIX.get(out.suffix.lower(), "png")
    getattr(result, FORMATS[chosen][1])(out, overwrite=options.overwrite)
