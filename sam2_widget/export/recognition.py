"""Recognize the format of a file by its suffix, or by its content if formats share a suffix."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any

import msgspec

from sam2_widget._utils.files import NamedFile, name_of, parse_json, peek_bytes
from sam2_widget._utils.text import shown
from sam2_widget.errors import AnnotationError
from sam2_widget.export.format_entry import Format
from sam2_widget.export.registry import FORMATS, load, read_suffixes
from sam2_widget.prompts.collections import FORMAT
from sam2_widget.prompts.stacks import FORMAT as STACK_FORMAT

JSON = (".json", ".geojson")


def recognize_format(source: Path | NamedFile) -> Format:
    """The format of a file, folder or ZIP file.

    Raises
    ------
    AnnotationError
        If no format that can be read matches.
    """
    suffix = PurePath(source.name).suffix.lower()
    is_directory = isinstance(source, Path) and source.is_dir()
    if suffix in JSON and not is_directory:
        return _json_format(source)
    candidates = _candidates(".zip" if is_directory else suffix)
    for entry in candidates:
        if len(candidates) == 1 or not entry.recognizer or load(entry.recognizer)(source):
            return entry
    *others, last = read_suffixes()
    raise AnnotationError(
        f"unknown format of {name_of(source)}: its name must end in "
        f"{', '.join(others)} or {last}, or it must be a folder of images"
    )


def _candidates(suffix: str) -> list[Format]:
    """Formats for files of that suffix; those that can check the content come first."""
    candidates = [
        entry
        for entry in FORMATS.values()
        if entry.reader
        and (suffix in entry.read_suffixes or (suffix == ".zip" and entry.is_folder))
    ]
    return sorted(candidates, key=lambda entry: not entry.recognizer)


def _json_format(source: Path | NamedFile) -> Format:
    """The format of a JSON file, by its keys."""
    data = peek_bytes(source)
    keys, is_array = top_keys(data, name_of(source))
    for entry in FORMATS.values():
        if not {*keys}.isdisjoint(entry.array_keys if is_array else entry.json_keys):
            return entry
    if "format" in keys and any(entry.encode() in data[:200] for entry in (FORMAT, STACK_FORMAT)):
        raise AnnotationError(
            f"{name_of(source)} holds prompts, not masks: pass it to SegmentWidget as prompts=, or "
            "pass Prompts.load(path) to segment"
        )
    raise AnnotationError(
        f"{name_of(source)} must be COCO, LabelMe or GeoJSON, got JSON with the keys "
        f"{shown(list(keys))}"
    )


def top_keys(data: bytes, name: str) -> tuple[list[str], bool]:
    """Keys of the top-level object, or of the first object in a top-level array; and which it is.

    Returns
    -------
    (keys, is_array)
    """
    try:
        # Decodes only the keys: the values may be large.
        top: Any = msgspec.json.decode(data, type=dict[str, msgspec.Raw] | list[msgspec.Raw])
        first = msgspec.json.decode(top[0]) if isinstance(top, list) and top else top
    except (msgspec.DecodeError, RecursionError):
        top = parse_json(data, object, name)
        first = top[0] if isinstance(top, list) and top else top
    return list(first) if isinstance(first, dict) else [], isinstance(top, list)
