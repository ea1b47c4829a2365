"""The JavaScript and CSS of the widget: of the wheel, or of `make dev`."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

BUILT = PACKAGE / "static"
"""Bundled when the wheel is built."""

WATCHED = PACKAGE.parent / "js" / "build"
"""In a checkout: bundled by `make dev` whenever a source changes, with source maps."""

SWITCH = "SAM2_WIDGET_DEV"
"""Environment variable: with ``"1"`` every widget follows the files in `WATCHED`."""


def front_end(name: str) -> str | Path:
    """The bundle `name` for anywidget: its text, or a path that anywidget watches.

    Text by default, as anywidget's watcher of a path keeps every widget in memory.

    Raises
    ------
    ImportError
        If the bundle has not been built.
    """
    if os.environ.get(SWITCH) == "1":
        # anywidget watches files only if this variable is set.
        os.environ.setdefault("ANYWIDGET_HMR", "1")
        return _existing(WATCHED / name, "run `make dev` in a checkout, or unset SAM2_WIDGET_DEV")
    path = _existing(BUILT / name, "run `pip install .` in its source folder")
    return path.read_text(encoding="utf-8")


def _existing(path: Path, advice: str) -> Path:
    if not path.is_file():
        raise ImportError(f"the front end of sam2-widget is not built, {path} is missing: {advice}")
    return path
