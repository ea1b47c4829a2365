"""Two hours of work in twelve minutes: clicks, faults and reloads in a live JupyterLab.

A seeded user clicks through 200 images in Chromium, undoes and redoes, reloads the page, opens it
in a second tab, closes views and interrupts the kernel, while messages get lost, the model runs out
of memory or fails, and nonsense arrives on the comm. Every click is kept in a list beside; in the
end no click may be missing, the masks of every image must equal a headless replay of its prompts,
the kernel's memory must be flat, and no error may be in a console or a log that was not injected.

    python -m benchmarks.soak [--minutes 12] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jupyter_client.blocking.client import BlockingKernelClient
from playwright.sync_api import ConsoleMessage, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.browser.conftest import HARMLESS
from tests.browser.lab import Notebook, Widget, chromium, jupyter_lab

from .soak_user import SIZE, Expected, spots

IMAGES, CLICKS_AN_IMAGE = 200, 10
SETUP = "from benchmarks.soak_kernel import faults, soak"
SHOW = 'w = soak.next()\nprint(f"image {soak.number}")\nw'
PATIENCE = 20.0
"""Seconds within which there must be an answer."""

IMPATIENCE = 1.5
"""Seconds after which a user clicks again, where a message was lost."""

BOX = (8, 24)
"""Where a box begins and ends, CSS pixels from its spot: other spots are 38 away."""

MAX_GROWTH = 64.0
"""MiB by which the kernel may grow over the second half, its cached embeddings left out."""

FAULTS_AT_CLICKS = {
    "out of memory in predict": 40,
    "exception in predict": 40,
    "message to the kernel lost": 160,
    "message to the page lost": 160,
    "nonsense on the comm": 20,
    "undo": 10,
    "redo": 12,
}
"""One in so many clicks, on average."""

FAULTS_AT_IMAGES = {
    "out of memory in embed": 12,
    "exception in embed": 12,
    "reload": 20,
    "second tab": 25,
    "view closed": 20,
    "interrupt": 20,
}
"""One in so many images, on average."""

NONSENSE = [
    {"method": "explode"},
    {},
    {"method": "update", "state": {"_esm": "x", "_prompts": {"rid": 5}}, "buffer_paths": []},
    {"method": "update", "state": {"brush_size": 1e308, "tool": {}}, "buffer_paths": [["tool"]]},
    {"method": "custom", "content": {"type": "delete", "rid": {"client": "x", "n": -1}}},
    {"method": "custom", "content": {"kind": "anywidget-command", "name": "close", "id": "1"}},
    {"method": "custom", "content": {"type": "\ud800" * 1000}},
]

SAID = """
root => {
  const alerts = [...root.querySelectorAll('[role="alert"]')];
  return [root.dataset.phase, alerts.map(node => node.innerText).join("").trim()];
}
"""

ANSWERED = "root => root.dataset.pending === 'false'"

SEND = """
([comm_id, data]) => {
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const header = { msg_id: Math.random().toString(36), msg_type: "comm_msg", version: "5.3" };
  const rest = { parent_header: {}, metadata: {}, channel: "shell", buffers: [] };
  kernel.sendShellMessage({ header, ...rest, content: { comm_id, data } });
}
"""


class Kernel:
    """The notebook's kernel, queried over a connection of its own."""

    def __init__(self, folder: Path) -> None:
        file = max((folder / ".home" / "runtime").glob("kernel-*.json"), key=os.path.getmtime)
        self._client = BlockingKernelClient(connection_file=str(file))
        self._client.load_connection_file()
        self._client.start_channels()
        self.pid = self.ask("__import__('os').getpid()")

    def ask(self, expression: str) -> Any:
        """The value of an expression, which must be JSON."""
        wanted = {"value": f"__import__('json').dumps({expression})"}
        reply = self._client.execute(
            "", silent=True, user_expressions=wanted, reply=True, timeout=120
        )
        found = reply["content"]["user_expressions"]["value"]
        if found["status"] != "ok":
            raise RuntimeError(f"{expression}: {found}")
        return json.loads(found["data"]["text/plain"][1:-1].encode().decode("unicode_escape"))

    def arm(self, fault: str) -> None:
        """Have a fault strike at its next occasion."""
        self.ask(f"faults.armed.update({[fault]!r})")

    def memory(self) -> float:
        """MiB of the kernel without cached embeddings, and without files that others map, too.

        Its share of torch's libraries grows when another kernel on the machine ends.
        """
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        pss = next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))
        return pss / 1024 - float(self.ask("soak.cached()")) / 2**20

    def close(self) -> None:
        """Stop asking."""
        self._client.stop_channels()


@dataclass
class Tally:
    """What happened."""

    clicks: int = 0
    images: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    seen: int = 0
    problems: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


class Driver:
    """A user with bad luck."""

    def __init__(self, notebook: Notebook, seed: int) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.rng = random.Random(seed)  # noqa: S311 - no secret
        self.tally = Tally()
        self.expected = Expected()
        self.kernel = Kernel(notebook.folder)
        self.spots = spots(self.rng)

    @property
    def widget(self) -> Widget:
        """The widget in the page."""
        return self.notebook.widget()

    def lucky(self, one_in: float) -> bool:
        """Whether something with this rate happens now."""
        return self.rng.random() < 1 / one_in

    def show_next(self) -> None:
        """Run the cell with the next image."""
        for fault in ("out of memory in embed", "exception in embed"):
            if self.lucky(FAULTS_AT_IMAGES[fault]):
                self.tally.faults[fault] += 1
                # Struck by the next widget: the check of the image before must not be hit.
                self.kernel.ask(f"soak.due.append({fault!r})")
        self.page.evaluate(
            "() => { const { content } = jupyterapp.shell.currentWidget;"
            " content.deselectAll(); content.activeCellIndex = 1; }"
        )
        self.notebook.command("notebook:run-cell")
        text = self.page.locator(".jp-OutputArea-output", has_text=f"image {self.tally.images}")
        text.first.wait_for(timeout=90_000)
        self.tally.images += 1
        self.expected, self.spots = Expected(), spots(self.rng)
        self.widget.stage.wait_for(timeout=90_000)
        self.widget.stage.scroll_into_view_if_needed()

    # --- clicks -----------------------------------------------------------------------------------

    def click(self, widget: Widget) -> None:
        """Click a place that is free yet; sometimes remove, or drag a box."""
        x, y = self.spots.pop()
        kind = self.rng.choices(("point", "not", "box"), (7, 2, 1))[0]
        box, mouse = widget.box(), widget.page.mouse
        at = box["x"] + x * box["width"] / SIZE[0], box["y"] + y * box["height"] / SIZE[1]
        if kind == "box":
            # Small: who clicks on the edge of a box removes it.
            mouse.move(at[0] + BOX[0], at[1] + BOX[0])
            mouse.down()
            mouse.move(at[0] + BOX[1], at[1] + BOX[1], steps=3)
            mouse.up()
        else:
            held = ["Alt"] if kind == "not" else []
            for key in held:
                widget.page.keyboard.down(key)
            mouse.click(*at)
            for key in held:
                widget.page.keyboard.up(key)
        self.expected.add("box" if kind == "box" else "point")
        self.tally.clicks += 1

    def step(self) -> None:
        """One click or key, with or without a fault."""
        self.maybe("nonsense on the comm", self.nonsense)
        due = [f for f in FAULTS_AT_CLICKS if "in predict" in f or "lost" in f]
        armed = next((fault for fault in due if self.lucky(FAULTS_AT_CLICKS[fault])), None)
        if armed:
            self.kernel.arm(armed)
            self.tally.faults[armed] += 1
        self.click(self.widget)
        self.settle(armed or "")
        if self.lucky(5):
            self.key("n", self.expected.commit)
        self.maybe("undo", lambda: self.key("Control+z", self.expected.undo))
        self.maybe("redo", lambda: self.key("Control+Shift+z", self.expected.redo))

    def key(self, key: str, expect: Callable[[], None]) -> None:
        """Press a key that changes the objects."""
        self.widget.stage.press(key)
        expect()
        self.settle("")

    def maybe(self, name: str, happen: Callable[[], None]) -> None:
        """Let something happen at its rate, and count it."""
        if self.lucky({**FAULTS_AT_CLICKS, **FAULTS_AT_IMAGES}[name]):
            self.tally.faults[name] += 1
            happen()

    def settle(self, fault: str) -> None:
        """Wait for the answer; after a lost message or a failure, click once more."""
        for attempt in range(4):
            seconds = PATIENCE if attempt or "lost" not in fault else IMPATIENCE
            try:
                root = self.widget.root.element_handle()
                self.page.wait_for_function(ANSWERED, arg=root, timeout=seconds * 1000)
            except PlaywrightTimeoutError:
                if seconds == PATIENCE:
                    self.problem(f"no answer within {PATIENCE:g} s")
            else:
                phase, alert = self.widget.root.evaluate(SAID)
                if phase != "error":
                    return
                self.tally.seen += 1
                if not alert:
                    self.problem("an error that the page does not tell")
            self.tally.again[fault or "encoder"] += 1
            self.click(self.widget)
        self.problem(f"no answer after four clicks ({fault or 'no fault'})")

    def problem(self, text: str) -> None:
        """Note something that must not be, and where it was."""
        where = f"image {self.tally.images - 1}, click {self.tally.clicks}"
        self.tally.problems.append(f"{where}: {text}")
        print(f"PROBLEM {self.tally.problems[-1]}", flush=True)

    # --- faults -----------------------------------------------------------------------------------

    def nonsense(self) -> None:
        """Send what no widget would send."""
        comm = self.kernel.ask("soak.widget.model_id")
        self.page.evaluate(SEND, [comm, self.rng.choice(NONSENSE)])

    def reload(self) -> None:
        """Save and reload the page."""
        self.save()
        self.page.reload(wait_until="domcontentloaded")
        self.notebook.wait_idle()
        self.widget.stage.wait_for(timeout=90_000)
        self.widget.wait(ready="true", objects=len(self.expected.counts))
        self.widget.stage.scroll_into_view_if_needed()

    def save(self) -> None:
        """Save the notebook."""
        self.notebook.save()
        self.page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")

    def second_tab(self) -> None:
        """Click in a second tab, and close it while the answer is on its way."""
        self.save()
        other: Page = self.page.context.new_page()
        watch(other, self.tally)
        other.goto(f"{self.notebook.base}/doc/tree/test.ipynb", wait_until="domcontentloaded")
        there = Widget(other, other.locator(".sam2-widget").first)
        there.wait(ready="true", objects=len(self.expected.counts), pending="false")
        there.stage.scroll_into_view_if_needed()
        self.click(there)
        there.settled()
        other.close()
        self.page.bring_to_front()
        self.settle("")

    def view_closed(self) -> None:
        """Show the widget a second time, click there, and delete that cell."""
        self.notebook.start("w")
        second = self.notebook.widget(1).ready()
        self.click(second)
        self.delete_cell()
        self.settle("")

    def interrupt(self) -> None:
        """Click while a cell runs, and interrupt it."""
        self.notebook.start("import time\nfor _ in range(1200):\n    time.sleep(0.1)")
        self.notebook.running.wait_for()
        self.widget.stage.scroll_into_view_if_needed()
        self.click(self.widget)
        self.notebook.interrupt()
        self.delete_cell()
        self.settle("")

    def delete_cell(self) -> None:
        """Delete the last cell."""
        self.page.evaluate(
            "() => { const { content } = jupyterapp.shell.currentWidget;"
            " content.deselectAll(); content.activeCellIndex = content.widgets.length - 1; }"
        )
        self.notebook.command("notebook:delete-cell")
        self.page.wait_for_function(
            "() => jupyterapp.shell.currentWidget.content.widgets.length === 2"
        )

    # --- one image after the other ----------------------------------------------------------------

    def image(self, clicks: int) -> None:
        """Work on one image."""
        self.show_next()
        if self.lucky(3):
            self.loaded()  # else: clicks before the image is encoded
        for _ in range(clicks):
            self.step()
        for name in ("reload", "second tab", "view closed", "interrupt"):
            self.maybe(name, getattr(self, name.replace(" ", "_")))
        self.check()

    def loaded(self) -> None:
        """Wait until the model answers, or has failed to."""
        ended = self.page.locator('[data-phase="ready"], [data-phase="error"]')
        self.widget.root.and_(ended).wait_for(timeout=90_000)

    def check(self) -> None:
        """No click may be missing, neither in the kernel nor in the page."""
        found = self.kernel.ask("soak.counts()")
        if found != self.expected.counts:
            self.problem(
                f"prompts of each object: {found} in the kernel, {self.expected.counts} made"
            )
        shown = int(self.widget.root.get_attribute("data-objects") or 0)
        if shown != len(found):
            self.problem(f"the page shows {shown} objects, the kernel has {len(found)}")
        self.tally.memory.append(self.kernel.memory())


def watch(page: Page, tally: Tally) -> None:
    """Count every error of a page as a problem."""

    def note(text: str) -> None:
        if not any(word in text for word in HARMLESS):
            tally.problems.append(f"console: {text[:500]}")

    def note_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            note(f"{message.text} {message.location}")

    page.on("console", note_console)
    page.on("pageerror", lambda error: note(str(error)))


def growth(memory: list[float]) -> float:
    """MiB that a straight line through the second half of `memory` gains over it."""
    half = memory[len(memory) // 2 :]
    if len(half) < 2:  # noqa: PLR2004
        return 0.0
    return float(np.polyfit(np.arange(len(half)), half, 1)[0] * (len(half) - 1))


def run(minutes: float, seed: int) -> tuple[Tally, dict[str, Any]]:
    """Soak for so long; returns what happened, and the kernel's report."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        with jupyter_lab(folder) as base:
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            notebook = Notebook(page, base, folder).open([SETUP, SHOW])
            notebook.page.evaluate(
                "() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }"
            )
            notebook.command("notebook:run-cell")
            driver = Driver(notebook, seed)
            driver.kernel.ask("soak.number")
            watch(page, driver.tally)
            soak(driver, minutes)
            driver.kernel.ask("soak.finish()")
            report = driver.kernel.ask("soak.report()")
            driver.kernel.close()
            page.evaluate("() => jupyterapp.serviceManager.sessions.shutdownAll()")
            page.close()
            log = (folder / "jupyterlab.log").read_text()
            report["server"] = [
                line for line in log.splitlines() if line.startswith(("[E", "Traceback"))
            ]
        browser.close()
    return driver.tally, report


def soak(driver: Driver, minutes: float) -> None:
    """All images, at the pace that the time allows."""
    start, tally = time.monotonic(), driver.tally
    while tally.images < IMAGES and time.monotonic() < start + minutes * 60:
        driver.image(CLICKS_AN_IMAGE)
        if tally.images % 10 == 0:
            spent = time.monotonic() - start
            print(
                f"{spent:4.0f} s: {tally.images} images, {tally.clicks} clicks, "
                f"{tally.memory[-1]:.0f} MiB",
                flush=True,
            )


def report_lines(tally: Tally, report: dict[str, Any], command: str) -> list[str]:
    """The rows of the table in docs/reliability.md."""
    names = {**FAULTS_AT_CLICKS, **FAULTS_AT_IMAGES}
    faults = ", ".join(f"{tally.faults[n]} x {n}" for n in names if n[2:] != "do")
    edits = tally.faults["undo"] + tally.faults["redo"]
    memory = tally.memory[len(tally.memory) // 2 :]
    equal = report["checked"] - len(report["different"])
    load = f"{tally.clicks:,} clicks on {tally.images} images in JupyterLab, {edits} undo, redo"
    lost = (
        f"masks of {equal} of {report['checked']} images ({report['objects']:,} objects) equal to "
        f"a headless replay; {len(tally.problems)} clicks or objects missing, "
        f"{len(report['log'] + report['server'])} errors that were not injected"
    )
    flat = (
        f"kernel {growth(tally.memory):+.0f} MiB over the second half, at {np.mean(memory):.0f} "
        "MiB, cached embeddings left out"
    )
    rows = {"load held": load, "faults survived": faults, "nothing lost": lost, "memory flat": flat}
    return [f"| {name} | {text} | {command} |" for name, text in rows.items()]


def main() -> int:
    """Run and tell; 1 if something was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tally, report = run(options.minutes, options.seed)
    bad = [*tally.problems, *report["log"], *report["server"]]
    bad += [f"image {number}: masks differ from the replay" for number in report["different"]]
    if growth(tally.memory) > MAX_GROWTH:
        bad.append(f"the kernel grew by {growth(tally.memory):.0f} MiB over the second half")
    print(*report_lines(tally, report, "`make soak`"), sep="\n")
    print(f"closed widgets that are still referred to (IPython's Out does): {report['living']}")
    print(f"errors shown in the page: {tally.seen}; clicked again: {dict(tally.again)}")
    print(*bad[:50], sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
