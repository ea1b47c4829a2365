"""Writes a notebook for labelling a folder of images without writing Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sam2_widget._utils.files import write_bytes
from sam2_widget.prompts.categories import Categories

NAME = "label.ipynb"

TITLE = """# Label {name}

Press **Run → Run All Cells** (or Shift+Enter in the cell below). Click on an object; Alt-click
takes something away, a drag draws a box, **N** starts the next object. **Done** above the image
goes to the next one.

Every change is saved within a second. To go on tomorrow, run the cells again."""

SAVE = """# When all is labelled, remove the # of a line and run this cell.
# s.save("coco.json", overwrite=True)
# s.save("yolo", format="yolo", splits={"train": 0.8, "val": 0.2}, overwrite=True)
s.progress"""


def write_notebook(
    path: Path,
    images: Path,
    *,
    model: str,
    classes: Categories | None = None,
    annotations: Path | None = None,
) -> bool:
    """Write the notebook that labels a folder of images; an existing one is not changed.

    Returns whether it was written.

    Raises
    ------
    ExportError
        If it cannot be written.
    """
    if path.exists():
        return False
    arguments = [repr(str(images)), f"model={model!r}"]
    if classes is not None and classes.ids is None:
        arguments.append(f"classes={list(classes.names)!r}")
    elif classes is not None:
        arguments.append(f"classes={classes.numbers(first=0)!r}")
    if annotations is not None:
        arguments.append(f"annotations={str(annotations)!r}")
    opened = f"from sam2_widget import SegmentSet\n\ns = SegmentSet({', '.join(arguments)})\ns"
    cells = [
        _cell("markdown", "title", TITLE.format(name=images.name)),
        _cell("code", "label", opened),
        _cell("code", "save", SAVE),
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    document = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    write_bytes(path, json.dumps(document, ensure_ascii=False, indent=1).encode())
    return True


def _cell(kind: str, name: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": {}, "source": source}
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}
