"""A running JupyterLab and a page that shows it, for tests that simulate a user."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import expect

from deploy.try_hub import free_port
from tests.processes import interrupts, stop
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Locator, Page, Position
    from typing_extensions import Self


def chromium() -> str:
    """Path of the browser."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise RuntimeError("no Chromium on this machine: `make test-browser` installs it")


OTHER_HOSTS = ("@jupyter-notebook/lab-extension", "@voila-dashboards/jupyterlab-preview")


@contextmanager
def jupyter_lab(folder: Path, options: Sequence[str] = ()) -> Iterator[str]:
    """A JupyterLab over `folder` on loopback; yields its address."""
    home = folder / ".home"
    be_quiet(home / "settings")
    # Other hosts that are installed in this environment add their buttons to JupyterLab.
    write_json(
        home / "config" / "labconfig" / "page_config.json",
        {"disabledExtensions": dict.fromkeys(OTHER_HOSTS, True)},
    )
    port = free_port()
    command = [
        *["jupyterlab", *jupyter_options(folder, port)],
        *["--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"],
        *options,
    ]
    with serving(command, folder, port, ready="/api/status") as base:
        yield base


def set_theme(page: Page, theme: str) -> None:
    """Change the theme, and wait until clicks arrive again: JupyterLab covers itself meanwhile."""
    page.evaluate("t => jupyterapp.commands.execute('apputils:change-theme', { theme: t })", theme)
    page.wait_for_function(
        "t => document.body.dataset.jpThemeName === t"
        " && !document.getElementById('jupyterlab-splash')",
        arg=theme,
    )


def painted(page: Page) -> None:
    """Wait until changes are painted on the screen."""
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


def be_quiet(settings: Path) -> None:
    """Disable JupyterLab's prompt about fetching news."""
    no_news = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    path = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    write_json(settings / path, no_news)


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def jupyter_options(folder: Path, port: int) -> list[str]:
    """Command-line options of all Jupyter servers."""
    return [
        *["--no-browser", "--allow-root", f"--port={port}"],
        *["--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"],
        *["--IdentityProvider.token=", "--ServerApp.password="],
        *["--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={folder}"],
    ]


@contextmanager
def serving(
    command: Sequence[str],
    folder: Path,
    port: int,
    *,
    ready: str = "/",
    python_path: Path | str | None = None,
    more: dict[str, str] | None = None,
) -> Iterator[str]:
    """Run a Python module as a server over `folder`; yields its address when `ready` responds.

    `more` is added to its environment.
    """
    home = folder / ".home"
    home.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        # Separate configuration, independent of the developer's.
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "OMP_NUM_THREADS": "1",
        **(more or {}),
    }
    if python_path:
        environment["PYTHONPATH"] = str(python_path)
    log = folder / f"{command[0]}.log"
    with log.open("w") as said, interrupts():
        server = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            cwd=folder,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}{ready}", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(server)


def wait_for(url: str, server: subprocess.Popen[Any], log: Path, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


# What a picture does not show, and what is printed where nobody can look at a picture.
DESCRIBE = """
() => {
  const shown = window.jupyterapp?.shell.currentWidget;
  const all = selector => [...document.querySelectorAll(selector)];
  const texts = selector => all(selector).map(one => one.innerText);
  return JSON.stringify({
    address: location.href,
    shown: shown?.id,
    isReady: shown?.context?.isReady,
    kernel: shown?.sessionContext?.kernelDisplayStatus,
    connection: shown?.sessionContext?.session?.kernel?.connectionStatus,
    widgets: all(".sam2-widget, .sam2-set").map(one => ({ ...one.dataset })),
    outputs: texts(".jp-OutputArea-output"),
    dialogs: texts(".jp-Dialog"),
  }, null, 1);
}
"""

IDLE = """
() => {
  const widget = window.jupyterapp?.shell.currentWidget;
  return widget?.context?.isReady && widget?.sessionContext?.session?.kernel?.status === "idle";
}
"""


def new_context(browser: Any, **options: Any) -> Any:
    """A browser profile of its own; Playwright's own 30 seconds are too few for a busy machine."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE * 1000)
    return context


# The promise is not awaited: it resolves only after a cell has run.
COMMAND = "command => { window.jupyterapp.commands.execute(command); }"
RUN_CELL = "notebook:run-cell"

ADD = """
source => {
  const panel = window.jupyterapp.shell.currentWidget;
  const model = panel.content.model;
  const count = model.cells.length;
  model.sharedModel.insertCell(count, { cell_type: "code", source });
  panel.content.deselectAll();
  panel.content.activeCellIndex = count;
}
"""

OUTPUT = """
marker => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model);
  const cell = cells.find(cell => cell.sharedModel.getSource().includes(marker));
  // Right after an error the kernel drops requests.
  if (cell.executionState === "running") return null;
  const outputs = cell.outputs.toJSON();
  const error = outputs.find(output => output.output_type === "error");
  if (error) return { error: [`${error.ename}: ${error.evalue}`, ...error.traceback].join("\\n") };
  const printed = outputs.filter(output => output.name === "stdout");
  const text = printed.map(output => [].concat(output.text).join("")).join("");
  return text.includes(marker) ? { text: text.replace(marker, "") } : null;
}
"""
"""What a cell has printed, or its traceback: a rendered one looks like other text on stderr."""


class Notebook:
    """A notebook open in JupyterLab, driven as a user drives it."""

    where = "lab/tree"
    kernel = "python3"
    path = ""

    def __init__(self, page: Page, base: str, folder: Path) -> None:
        self.page, self.base, self.folder = page, base, folder

    def open(
        self, cells: Sequence[str], name: str = "test.ipynb", kernel: str | None = None
    ) -> Self:
        """Open a new notebook with these code cells."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells]
        )
        spec = {"name": kernel or self.kernel, "display_name": "Python 3"}
        notebook.metadata["kernelspec"] = spec
        self.path = name
        nbformat.write(notebook, self.folder / name)
        self.show(name)
        return self

    def show(self, name: str) -> None:
        """Show an existing notebook."""
        self.visit(name)

    def visit(self, name: str) -> None:
        """Load the host's page with this notebook."""
        self.page.goto(f"{self.base}/{self.where}/{name}?reset", wait_until="domcontentloaded")
        self.wait_idle()

    def wait_idle(self) -> None:
        self.page.wait_for_function(IDLE)

    def command(self, command: str) -> None:
        self.page.evaluate(COMMAND, command)

    def run_all(self) -> Self:
        self.command("notebook:run-all-cells")
        return self

    def run_all_again(self) -> Self:
        """Run all cells again, and wait until the previous widgets are removed."""
        roots = self.page.locator(".sam2-widget")
        roots.evaluate_all("roots => roots.forEach(root => { root.dataset.old = 'true'; })")
        self.run_all()
        expect(self.page.locator(".sam2-widget[data-old]")).to_have_count(0)
        return self

    @property
    def running(self) -> Locator:
        """The prompt of the running cell. The kernel's status is no use: clicks make it idle."""
        return self.page.locator(".jp-InputPrompt", has_text="[*]")

    def interrupt(self) -> None:
        self.command("notebook:interrupt-kernel")
        self.running.wait_for(state="detached")

    def save(self) -> None:
        """Save, and wait until all is in the file: while it is written it cannot be read."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")

    def run(self, source: str) -> str:
        """Run a new cell at the end and return the text that it prints.

        Raises
        ------
        AssertionError
            With the cell's traceback, if it raised an error.
        """
        marker = f"done-{time.monotonic_ns()}"
        self.start(f"{source}\nprint({marker!r})")
        output = self.page.wait_for_function(OUTPUT, arg=marker).json_value()
        if "error" in output:
            raise AssertionError(f"the cell failed: {output['error']}")
        return str(output["text"]).strip()

    def start(self, source: str) -> None:
        """Run a new cell at the end, without waiting for it."""
        # At once: JupyterLab selects a cell that failed a moment after its error is there.
        self.page.evaluate(f"source => {{ ({ADD})(source); ({COMMAND})({RUN_CELL!r}); }}", source)

    def add(self, source: str) -> None:
        """Put a new cell at the end and select it."""
        self.page.evaluate(ADD, source)

    def value(self, expression: str) -> Any:
        """A JSON-able value from the kernel."""
        return json.loads(self.run(f"import json\nprint(json.dumps({expression}))"))

    def widget(self, index: int = 0) -> Widget:
        return Widget(self.page, self.page.locator(".sam2-widget").nth(index))


class Widget:
    """A widget in the page."""

    def __init__(self, page: Page, root: Locator) -> None:
        self.page, self.root = page, root
        self.stage = root.locator("canvas.sam2-stage")

    def wait(self, **data: object) -> Self:
        """Wait until the root carries these data attributes, e.g. ``ready="true"``."""
        selector = "".join(
            f'[data-{key.replace("_", "-")}="{value}"]' for key, value in data.items()
        )
        self.root.and_(self.page.locator(selector)).wait_for()
        return self

    def ready(self) -> Self:
        self.wait(ready="true")
        self.stage.scroll_into_view_if_needed()
        return self

    def settled(self) -> Self:
        """Wait until the result of what was done last is painted.

        The page shows that something is pending in the second frame after it was done.
        """
        painted(self.page)
        return self.wait(pending="false")

    def box(self) -> FloatRect:
        """Where the stage is in the page, in CSS pixels."""
        box = self.stage.bounding_box()
        assert box is not None
        return box

    def at(self, x: float, y: float, image: Sequence[float]) -> Position:
        """Position of an image pixel on the stage, in CSS pixels."""
        box = self.box()
        return {"x": x * box["width"] / image[0], "y": y * box["height"] / image[1]}

    def click(self, x: float, y: float, image: Sequence[float], **options: Any) -> Self:
        self.stage.click(position=self.at(x, y, image), **options)
        return self.settled()

    def drag(
        self, start: tuple[float, float], end: tuple[float, float], image: Sequence[float]
    ) -> Self:
        box = self.box()
        a, b = self.at(*start, image), self.at(*end, image)
        mouse = self.page.mouse
        mouse.move(box["x"] + a["x"], box["y"] + a["y"])
        mouse.down()
        mouse.move(box["x"] + (a["x"] + b["x"]) / 2, box["y"] + (a["y"] + b["y"]) / 2)
        mouse.move(box["x"] + b["x"], box["y"] + b["y"])
        mouse.up()
        return self.settled()

    def press(self, key: str) -> Self:
        self.stage.press(key)
        return self.settled()

    def button(self, action: str) -> Self:
        self.root.locator(f'[data-action="{action}"]').click()
        return self.settled()

    def colors(self, points: Sequence[Any], image: Sequence[float]) -> Any:
        """Painted colours at the centres of these image pixels, as [r, g, b]."""
        return self.stage.evaluate(
            """(canvas, [points, [width, height]]) => points.map(([x, y]) => {
              const px = Math.floor((x + 0.5) * canvas.width / width);
              const py = Math.floor((y + 0.5) * canvas.height / height);
              return [...canvas.getContext("2d").getImageData(px, py, 1, 1).data].slice(0, 3);
            })""",
            [points, list(image)],
        )

    def screen(self, points: Iterable[Any], image: Sequence[float]) -> NDArray[np.int_]:
        """Colours on the screen at the centres of these image pixels: (n, 3) integers."""
        shot = np.asarray(Image.open(io.BytesIO(self.stage.screenshot())).convert("RGB"), int)
        height, width = shot.shape[:2]
        return np.array(
            [
                shot[int((y + 0.5) * height / image[1]), int((x + 0.5) * width / image[0])]
                for x, y in points
            ]
        )


def adjusted(color: Any, brightness: float, contrast: float) -> NDArray[np.float64]:
    """A colour as the widget shows it: CSS's ``brightness()`` and then its ``contrast()``."""
    scaled = np.clip(np.asarray(color) / 255 * (1 + brightness), 0, 1)
    slope = 1 + contrast if contrast < 0 else 1 + 3 * contrast
    return 255 * np.clip(slope * (scaled - 0.5) + 0.5, 0, 1)
