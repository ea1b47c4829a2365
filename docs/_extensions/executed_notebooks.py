"""Runs the notebooks of notebooks/ before the site is built, and puts them into docs/gallery.

A notebook is run again only when it or the package has changed: results are cached in
build/notebooks. Of a widget its saved picture is shown, for a page has no kernel; that picture is
the card of the notebook in the gallery, too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "docs" / "gallery"
CACHE = ROOT / "build" / "notebooks"
CELL_TIMEOUT = 300
"""Seconds that a cell may take."""

WIDGET = "application/vnd.jupyter.widget-view+json"

CLICKS = {
    "quickstart": (
        "# On this page Python clicks instead of you.\n"
        'w.add_point(220, 190)\nw.commit("cat")\nw.add_box(380, 40, 450, 200)'
    )
}
"""A cell that is put behind the first widget of a notebook in which only the user clicks."""


def put_into_gallery(_app: Sphinx, _config: Any) -> None:
    """Run all notebooks, two at a time, and write them where Sphinx finds them."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    CACHE.mkdir(parents=True, exist_ok=True)
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    with ThreadPoolExecutor(2) as threads:
        for path, notebook in zip(paths, threads.map(executed, paths), strict=True):
            nbformat.write(notebook, GALLERY / path.name)
            (GALLERY / f"{path.stem}.jpg").write_bytes(first_picture(notebook))


def executed(path: Path) -> NotebookNode:
    """The notebook with its outputs, from build/notebooks if it has been run before."""
    cached = CACHE / f"{path.stem}-{key(path)}.ipynb"
    if not cached.exists():
        logger.info("running %s", path.name)
        notebook = run(path)
        for old in CACHE.glob(f"{path.stem}-*.ipynb"):
            old.unlink()
        nbformat.write(notebook, cached)
    return _read(cached)


def _read(path: Path) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(path, 4)
    return notebook


def key(path: Path) -> str:
    """Changes with the notebook, the package and this module."""
    read = [path, Path(__file__), *sorted((ROOT / "sam2_widget").rglob("*.py"))]
    return hashlib.sha256(b"".join(each.read_bytes() for each in read)).hexdigest()[:16]


def run(path: Path) -> NotebookNode:
    """The notebook, executed; what only a page with a kernel could show is left out."""
    notebook = _read(path)
    if path.stem in CLICKS:
        first = next(i for i, c in enumerate(notebook.cells) if "SegmentWidget(" in c.source)
        notebook.cells.insert(first + 1, nbformat.v4.new_code_cell(CLICKS[path.stem]))
    folder = {"metadata": {"path": str(path.parent)}}
    NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        resources=folder,
        # It warns of its open ports, in the middle of what Sphinx prints.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    ).execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = list(shown(cell.outputs))
    return notebook


def shown(outputs: Iterable[NotebookNode]) -> Iterator[NotebookNode]:
    """Outputs without widgets; of their saved pictures the file, without JupyterLab's HTML."""
    for output in outputs:
        data = output.get("data", {})
        if WIDGET in data:
            continue
        if "image/jpeg" in data:
            data.pop("text/html", None)
        yield output


def first_picture(notebook: NotebookNode) -> bytes:
    """The saved picture of the notebook's first widget, a JPEG file."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if file := output.get("data", {}).get("image/jpeg"):
                return base64.b64decode(file)
    raise ValueError(f"no widget in {json.dumps(notebook.cells[0].source)[:80]}")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("config-inited", put_into_gallery)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
