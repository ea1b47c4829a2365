"""Names of YOLO's classes: in a ``data.yaml``, a text file with one name per line, or a list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, TypeAlias

from sam2_widget._utils.files import NamedFile, decoded, name_of, read_bytes
from sam2_widget._utils.text import shown
from sam2_widget.errors import AnnotationError

MAX_CLASSES = 10**5
"""Class numbers must be smaller; larger numbers indicate a broken file."""


ClassNames: TypeAlias = Sequence[str] | str | Path | NamedFile
"""Names of classes, or a ``data.yaml`` or text file with them."""


def class_names(classes: ClassNames | None) -> list[str] | None:
    """The names of classes in the order of their numbers, from 0; None if `classes` is None.

    Raises
    ------
    AnnotationError
        If the file cannot be read, or has no names.
    """
    if classes is None or not isinstance(classes, (str, Path, NamedFile)):
        return None if classes is None else [str(name) for name in classes]
    text = decoded(lambda: read_bytes(classes).decode("utf-8-sig"), name_of(classes))
    path = classes.name if isinstance(classes, NamedFile) else classes
    if PurePath(path).suffix.lower() not in (".yaml", ".yml"):
        return [line.strip() for line in text.splitlines() if line.strip()]
    return _yaml_names(text, name_of(classes))


MAX_YAML = 2**20
"""Largest size of a ``data.yaml`` in bytes; PyYAML reads about 1 MB per second."""


def _yaml_names(text: str, name: str) -> list[str]:
    names = decoded(lambda: _parsed_yaml(text, name), name)
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or any(
        isinstance(value, (list, dict, set)) for value in names.values()
    ):
        raise AnnotationError(f"{name} must have a list 'names' of strings, got {type(names)}")
    numbered = {
        number: value for key, value in names.items() if (number := _number(key)) is not None
    }
    if len(numbered) < len(names):
        raise AnnotationError(
            f"the keys of 'names' in {name} must be class numbers below {MAX_CLASSES}, got "
            f"{shown(list(names))}"
        )
    return [str(numbered.get(i, i)) for i in range(max(numbered, default=-1) + 1)]


def _parsed_yaml(text: str, name: str) -> Any:
    import yaml  # noqa: PLC0415

    if len(text) > MAX_YAML:
        raise AnnotationError(
            f"{name} is larger than {MAX_YAML // 2**20} MiB: pass a list of names instead"
        )
    # With aliases, a few lines can expand to gigabytes of nested lists or merged mappings.
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        raise AnnotationError(f"{name} has YAML aliases ('*name'): replace them by their values")
    value = yaml.safe_load(text)
    return value.get("names") if isinstance(value, dict) else None


def _number(key: object) -> int | None:
    """The number of a class, which may be a string; None if it is not a valid number."""
    if isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) < 6:  # noqa: PLR2004
        return int(key)
    return key if type(key) is int and 0 <= key < MAX_CLASSES else None
