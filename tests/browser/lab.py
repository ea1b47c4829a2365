"""A live JupyterLab and a page on it, for tests that do what a user does."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat

from tests.processes import interrupts, stop


def chromium():
    """Path of the browser."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise RuntimeError("no Chromium on this machine: `make test-browser` installs it")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


OTHER_HOSTS = ("@jupyter-notebook/lab-extension", "@voila-dashboards/jupyterlab-preview")


@contextmanager
def jupyter_lab(folder: Path, options=()):
    """A JupyterLab over `folder` on loopback; yields its address."""
    home = folder / ".home"
    be_quiet(home / "settings")
    # The other hosts, if they are in this environment, put buttons of theirs into JupyterLab.
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


def be_quiet(settings):
    """Keep JupyterLab from asking whether it may bring news."""
    no_news = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    path = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    write_json(settings / path, no_news)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def jupyter_options(folder, port):
    """What every server of Jupyter's is told."""
    return [
        *["--no-browser", "--allow-root", f"--port={port}"],
        *["--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"],
        *["--IdentityProvider.token=", "--ServerApp.password="],
        *["--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={folder}"],
    ]


@contextmanager
def serving(command, folder, port, *, ready="/", python_path=None, more=None):
    """Run a Python module as a server over `folder`; yields its address when `ready` answers.

    `more` is added to its environment.
    """
    home = folder / ".home"
    home.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        # A configuration of its own: the developer's must not matter.
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


def wait_for(url, server, log, timeout=60):
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


IDLE = """
() => {
  const widget = window.jupyterapp?.shell.currentWidget;
  return widget?.context?.isReady && widget?.sessionContext?.session?.kernel?.status === "idle";
}
"""


class Notebook:
    """A notebook open in JupyterLab, driven as a user drives it."""

    where = "lab/tree"

    def __init__(self, page, base, folder):
        self.page, self.base, self.folder = page, base, folder

    def open(self, cells, name="test.ipynb"):
        """Open a new notebook with these code cells."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells]
        )
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.folder / name)
        self.visit(name)
        return self

    def visit(self, name):
        self.page.goto(f"{self.base}/{self.where}/{name}?reset", wait_until="domcontentloaded")
        self.wait_idle()

    def wait_idle(self):
        self.page.wait_for_function(IDLE, timeout=90_000)

    def command(self, command):
        # The promise is not waited for: it is kept only when a cell has run.
        self.page.evaluate("c => { window.jupyterapp.commands.execute(c); }", command)

    def run_all(self):
        self.command("notebook:run-all-cells")
        return self

    @property
    def running(self):
        """The prompt of the cell that runs. The kernel's status is no help: clicks make it idle."""
        return self.page.locator(".jp-InputPrompt", has_text="[*]")

    def interrupt(self):
        self.command("notebook:interrupt-kernel")
        self.running.wait_for(state="detached")

    def save(self):
        self.command("docmanager:save")

    def run(self, source):
        """Run a new cell at the end and return the text that it prints."""
        marker = f"done-{time.monotonic_ns()}"
        self.start(f"{source}\nprint({marker!r})")
        output = self.page.locator(".jp-OutputArea-output", has_text=marker).last
        output.wait_for(timeout=90_000)
        text = output.inner_text()
        return text.replace(marker, "").strip()

    def start(self, source):
        """Run a new cell at the end, without waiting for it."""
        self.add(source)
        self.command("notebook:run-cell")

    def add(self, source):
        """Put a new cell at the end and select it."""
        self.page.evaluate(
            """source => {
              const panel = window.jupyterapp.shell.currentWidget;
              const model = panel.content.model;
              const count = model.cells.length;
              model.sharedModel.insertCell(count, { cell_type: "code", source });
              panel.content.deselectAll();
              panel.content.activeCellIndex = count;
            }""",
            source,
        )

    def value(self, expression):
        """A JSON-able value from the kernel."""
        return json.loads(self.run(f"import json\nprint(json.dumps({expression}))"))

    def widget(self, index=0):
        return Widget(self.page, self.page.locator(".sam2-widget").nth(index))


class Widget:
    """A widget in the page."""

    def __init__(self, page, root):
        self.page, self.root = page, root
        self.stage = root.locator("canvas.sam2-stage")

    def wait(self, timeout=90_000, **data):
        """Wait until the root carries these data attributes, e.g. ``ready="true"``."""
        selector = "".join(f'[data-{key}="{value}"]' for key, value in data.items())
        self.root.and_(self.page.locator(selector)).wait_for(timeout=timeout)
        return self

    def ready(self):
        self.wait(ready="true")
        self.stage.scroll_into_view_if_needed()
        return self

    def settled(self):
        """Wait until what was asked for is painted."""
        return self.wait(pending="false")

    def at(self, x, y, image):
        """Position of an image pixel on the stage, in CSS pixels."""
        box = self.stage.bounding_box()
        return {"x": x * box["width"] / image[0], "y": y * box["height"] / image[1]}

    def click(self, x, y, image, **options):
        self.stage.click(position=self.at(x, y, image), **options)
        return self.settled()

    def drag(self, start, end, image):
        box = self.stage.bounding_box()
        a, b = self.at(*start, image), self.at(*end, image)
        mouse = self.page.mouse
        mouse.move(box["x"] + a["x"], box["y"] + a["y"])
        mouse.down()
        mouse.move(box["x"] + (a["x"] + b["x"]) / 2, box["y"] + (a["y"] + b["y"]) / 2)
        mouse.move(box["x"] + b["x"], box["y"] + b["y"])
        mouse.up()
        return self.settled()

    def press(self, key):
        self.stage.press(key)
        return self.settled()

    def button(self, action):
        self.root.locator(f'[data-action="{action}"]').click()
        return self.settled()

    def colors(self, points, image):
        """Painted colours at the centres of these image pixels, as [r, g, b]."""
        return self.stage.evaluate(
            """(canvas, [points, [width, height]]) => points.map(([x, y]) => {
              const px = Math.floor((x + 0.5) * canvas.width / width);
              const py = Math.floor((y + 0.5) * canvas.height / height);
              return [...canvas.getContext("2d").getImageData(px, py, 1, 1).data].slice(0, 3);
            })""",
            [points, list(image)],
        )
