"""The hosts of notebooks, each with the same widget open and with access to Python."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from contextlib import contextmanager
from textwrap import indent
from typing import Any

import nbformat

from deploy.try_hub import free_port
from tests.browser.lab import Notebook, Widget, jupyter_lab, jupyter_options, serving

SIZE = (240, 160)
COLORS = {(60, 40): (200, 40, 40), (180, 40): (40, 160, 60), (60, 120): (50, 80, 190)}
SETUP = f"""
import json
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
image = np.full(({SIZE[1]}, {SIZE[0]}, 3), 230, np.uint8)
for (x, y), color in {COLORS}.items():
    image[y - 40 : y + 40, x - 60 : x + 60] = color
"""
MAKE = "SegmentWidget(image, model=FakePredictor())"
# A set of three images, in a folder of its own for each visitor.
MAKE_SET = """
import tempfile
from pathlib import Path
from PIL import Image
from sam2_widget import SegmentSet
photos = Path(tempfile.mkdtemp())
for number, pixels in enumerate([image, image[:, ::-1], image[::-1]]):
    Image.fromarray(pixels).save(photos / f"{number}.png")
w = SegmentSet(photos, model=FakePredictor())
w"""
# So that the page can be scrolled.
LONG = "print('line line\\n' * 80)"


class Lab(Notebook):
    """JupyterLab."""

    serve: Callable[..., Any] = staticmethod(jupyter_lab)
    own_errors: tuple[str, ...] = ()
    own_requests: tuple[str, ...] = ()

    def start_widget(self):
        self.open([SETUP, f"w = {MAKE}\nw", LONG]).run_all()
        # The notebook scrolls until the last cell has run.
        self.page.get_by_text("line line").first.wait_for()
        return self.widget().ready()

    def start_set(self):
        self.open([SETUP, MAKE_SET]).run_all()
        return self.widget().ready()

    def cells(self):
        return self.page.evaluate("() => jupyterapp.shell.currentWidget.content.model.cells.length")

    def leave(self):
        """Stop the kernel, so that memory does not add up over the tests."""
        self.page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")


class Notebook7(Lab):
    """Jupyter Notebook 7: JupyterLab's parts, with a page for each notebook."""

    where = "notebooks"
    # Its shortcuts are notified of other settings before they have loaded their own.
    own_errors = ("reading 'schema'",)

    @staticmethod
    @contextmanager
    def serve(folder):
        port = free_port()
        command = ["notebook", *jupyter_options(folder, port)]
        command += ["--JupyterNotebookApp.expose_app_in_browser=True"]
        with serving(command, folder, port, ready="/api/status") as base:
            yield base


class WithoutCells:
    """A host that shows no code cells: expressions are evaluated through a text field."""

    path: str
    set_path: str
    own_errors: tuple[str, ...] = ()
    own_requests: tuple[str, ...] = ()

    def __init__(self, page, base, folder):
        self.page, self.base, self.folder = page, base, folder
        self._numbers = itertools.count()

    def start_widget(self):
        self.page.goto(f"{self.base}{self.path}", wait_until="domcontentloaded")
        return self.widget().ready()

    def start_set(self):
        """As `start_widget`, with a set of images."""
        self.page.goto(f"{self.base}{self.set_path}", wait_until="domcontentloaded")
        return self.widget().ready()

    def widget(self):
        return Widget(self.page, self.page.locator(".sam2-widget"))

    def value(self, expression):
        """A JSON-able value from the kernel."""
        number = f"#{next(self._numbers)}"
        field = self.page.get_by_label("ask", exact=True)
        field.fill(f"{expression} {number}")
        field.press("Enter")
        answer = self.page.get_by_text(f"answer {number}:")
        answer.wait_for()
        return json.loads(answer.inner_text().split(":", 1)[1])

    def cells(self):
        """Number of visible cells: none."""
        return 0

    def leave(self):
        """Nothing to stop: the kernel ends when the page is closed."""


class Voila(WithoutCells):
    """Voila: a notebook as a page, with a kernel for each visitor."""

    path = "/voila/render/widget.ipynb"
    set_path = "/voila/render/set.ipynb"
    # Icons, for its default template.
    own_requests = ("https://cdn.jsdelivr.net/npm/@fortawesome/",)

    @staticmethod
    @contextmanager
    def serve(folder):
        write_notebook(folder / "widget.ipynb", [SETUP, f"w = {MAKE}\nw", VOILA_ASK, LONG])
        write_notebook(folder / "set.ipynb", [SETUP, MAKE_SET, VOILA_ASK])
        port = free_port()
        command = ["voila", str(folder), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
        # Notebook 7's extension, which is in the same environment here, fails in Voila.
        command += ["--VoilaConfiguration.extension_denylist=@jupyter-notebook/lab-extension"]
        with serving(command, folder, port) as base:
            yield base


def write_notebook(path, cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


VOILA_ASK = """
import ipywidgets as widgets
ask, answer = widgets.Text(description="ask", continuous_update=False), widgets.Label()
def tell(change):
    question, number = change["new"].rsplit(" ", 1)
    answer.value = f"answer {number}: {json.dumps(eval(question))}"
ask.observe(tell, "value")
widgets.VBox([ask, answer])
"""


class Marimo(WithoutCells):
    """A marimo notebook run as an app; the widget is one of marimo's UI elements."""

    path = "/"
    make = f"mo.ui.anywidget({MAKE})"

    @classmethod
    @contextmanager
    def serve(cls, folder):
        write_marimo(folder / "widget.py", [f"w = {cls.make}\nw", MARIMO_REPORT])
        port = free_port()
        command = ["marimo", "-q", "run", str(folder / "widget.py")]
        command += ["--headless", "--no-token", f"--port={port}"]
        with serving(command, folder, port, ready="/health") as base:
            yield base

    def report(self):
        """The cell that shows the state of `w`, and that marimo runs again automatically."""
        return self.page.get_by_text("objects with")


class MarimoEdit(Marimo):
    """marimo's editor, with the widget displayed as it is."""

    make = MAKE

    @classmethod
    @contextmanager
    def serve(cls, folder):
        config = folder / ".home" / "config" / "marimo"
        config.mkdir(parents=True)
        (config / "marimo.toml").write_text("[runtime]\nauto_instantiate = true\n")
        port = free_port()
        command = ["marimo", "-q", "edit", str(folder), "--skip-update-check"]
        command += ["--headless", "--no-token", f"--port={port}"]
        with serving(command, folder, port, ready="/health") as base:
            yield base

    def start_widget(self):
        self.path = self._new_notebook([f"w = {self.make}\nw", MARIMO_REPORT])
        return super().start_widget()

    def start_set(self):
        self.set_path = self._new_notebook([MAKE_SET])
        return super().start_set()

    def _new_notebook(self, cells):
        # A notebook that was opened keeps its kernel, so each test has a separate notebook.
        count = len(list(self.folder.glob("*.py")))
        name = f"widget{count}.py"
        write_marimo(self.folder / name, cells)
        return f"/?file={name}"

    def cells(self):
        return self.page.locator("[data-cell-id]").count()


MARIMO_REPORT = 'mo.plain_text(f"{len(w.objects)} objects with {int(w.masks.sum())} px")'


def write_marimo(path, own_cells):
    cells = [
        f"import marimo as mo{SETUP}",
        *own_cells,
        'ask = mo.ui.text(label="ask")\nask',
        MARIMO_ANSWER,
        "mo.plain_text('line line\\n' * 80)",
    ]
    functions = [f"@app.cell\ndef _():\n{indent(cell.strip(), '    ')}\n" for cell in cells]
    path.write_text("\n\n".join(["import marimo\n\napp = marimo.App()\n", *functions]))


MARIMO_ANSWER = """
_question, _, _number = ask.value.rpartition(" ")
_value = eval(_question, {"w": w}) if _question else None
mo.plain_text(f"answer {_number}: {json.dumps(_value)}")
"""
