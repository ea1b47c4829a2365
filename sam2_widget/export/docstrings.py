"""Docstrings of the methods that write files; parameters that they share are described once."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from textwrap import indent, wrap
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

COMMON = {
    "path": ("path or file object", "Where to write it, relative to the notebook's folder."),
    "folder": (
        "path or file object",
        (
            "A folder, which is created if it does not exist; or a ZIP file, if the name ends with "
            ".zip or it is a file object."
        ),
    ),
    "classes": (
        "sequence of str, mapping or Categories, optional",
        "The classes in order, or a mapping to their numbers; missing labels are appended.",
    ),
    "file_name": (
        "str, optional",
        "Name of the image in the file; by default that of the image that was opened.",
    ),
    "tolerance": (
        "float",
        "Maximum deviation of simplified polygons, in image pixels; 0 keeps all vertices.",
    ),
    "values": (
        '{"objects", "classes"}',
        "Whether pixels have the number of their object or of its class.",
    ),
    "overwrite": ("bool", "Whether existing files may be replaced."),
}
"""Type and description of parameters that have the same meaning in all methods."""

RETURNS = """\
Returns
-------
Path or None
    The path that was written; None for a file object."""

RAISES = """\
Raises
------
ExistsError
    If a file exists and `overwrite` is False.

Warns
-----
LossWarning
    If the format cannot keep everything; the message lists what is lost."""


def documented(**own: tuple[str, str]) -> Callable[[F], F]:
    """Decorate a method that writes files: add numpydoc sections to its docstring.

    Parameters
    ----------
    **own
        Type and description of parameters that are missing in `COMMON` or differ from it.
    """

    def decorate(method: F) -> F:
        names = list(signature(method).parameters)[1:]
        parts = [_described(name, *{**COMMON, **own}[name]) for name in names]
        summary = (method.__doc__ or "").strip()
        parameters = "\n".join(["Parameters", "----------", *parts])
        method.__doc__ = f"{summary}\n\n{parameters}\n\n{RETURNS}\n\n{RAISES}"
        return method

    return decorate


def _described(name: str, type_: str, description: str) -> str:
    return f"{name} : {type_}\n" + indent("\n".join(wrap(description, 90)), "    ")
