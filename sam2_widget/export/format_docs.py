"""Generate the table of formats in the documentation and the formats of the front end's menu.

Both come from the registry: ``python -m sam2_widget.export.format_docs`` in a checkout writes the
files `TABLE` and `MENU`, and tests check that they are up to date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sam2_widget.export.format_entry import Row
from sam2_widget.export.registry import FORMATS, VALUES, read_suffixes
from sam2_widget.export.tracks.recognition import RECOGNIZERS

TABLE = "docs/_formats-table.md"
MENU = "js/src/ui/formats.js"
"""Paths of the generated files in a checkout."""

COLUMNS = ("format", "written by", "read", "keeps", "loses", "read in the tests by", "test")


def markdown_table() -> str:
    """The table of all formats as Markdown, one row for each `Row` of the registry."""
    of_files = [row for entry in FORMATS.values() for row in entry.rows]
    rows = [_cells(row) for row in (*VALUES, *of_files)]
    return "\n".join(map(_line, [COLUMNS, ("---",) * len(COLUMNS), *rows])) + "\n"


def _cells(row: Row) -> Sequence[str]:
    call, read = f"`{row.call}`" if row.call else "", "yes" if row.is_read else ""
    return row.title, call, read, row.keeps, row.loses, row.checked_with, f"`{row.test}`"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def menu_module() -> str:
    """JavaScript module with the formats in the menu of files and the suffixes that it opens."""
    suffixes = ",".join(dict.fromkeys((*read_suffixes(), *RECOGNIZERS)))
    return (
        "/**\n"
        " * Formats of the menu of files. Made from the registry of formats:\n"
        " * `python -m sam2_widget.export.format_docs` writes it; do not edit.\n"
        " */\n\n"
        f"export const formats = {_menu_items('image')};\n\n"
        f"export const stackFormats = {_menu_items('stack')};\n\n"
        "/** Suffixes that the file dialog offers; the kernel finds out what a file is. */\n"
        f"export const acceptedSuffixes = {json.dumps(suffixes)};\n"
    )


def _menu_items(scope: str) -> str:
    items = [
        {
            "format": entry.name,
            "label": entry.menu.label,
            "type": entry.menu.type,
            "hint": entry.menu.hint,
        }
        for entry in FORMATS.values()
        if entry.menu and entry.scope == scope
    ]
    return "[\n" + "".join(f"  {_object(item)},\n" for item in items) + "]"


def _object(item: dict[str, str]) -> str:
    pairs = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in item.items())
    return f"{{ {', '.join(pairs)} }}"


def main(root: Path) -> None:
    """Write the generated files of a checkout."""
    (root / TABLE).write_text(markdown_table(), encoding="utf-8")
    (root / MENU).write_text(menu_module(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
