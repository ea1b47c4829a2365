"""A page of Firefox and one of WebKit, with the same methods.

Both are Debian's own builds and driven by WebDriver. Playwright is no help here: it drives only a
WebKit that it has patched itself, and a newer Firefox.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver.remote.command import Command

from deploy.try_hub import free_port

from .marionette import firefox

TIMEOUT = 180
"""Seconds in which whatever is waited for must happen."""

SIZE = (1280, 1000)
"""CSS pixels of the window, its frame included."""

# Key names as in `KeyboardEvent.key`; WebDriver has a private character for each.
KEYS = {
    "Alt": "\ue00a",
    "ArrowRight": "\ue014",
    "Control": "\ue009",
    "Escape": "\ue00c",
    "Shift": "\ue008",
}

CALL = """
const [done] = [...arguments].slice(-1);
(async () => (%s)(...[...arguments].slice(0, -1)))().then(
  value => done({ value: value === undefined ? null : value }),
  error => done({ error: String(error) }));
"""

WAIT = """
async (seconds, ...given) => {
  const until = performance.now() + 1000 * seconds;
  for (;;) {
    const value = await (%s)(...given);
    if (value) return value;
    if (performance.now() > until) throw new Error(`this never came true: ${%r}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
"""


class Page:
    """What a user does in a page and sees of it.

    Positions are (x, y) in CSS pixels of the window. Functions are the text of functions in
    JavaScript.
    """

    # As each engine's driver has it.
    _run: Callable[..., Any]
    _perform: Callable[..., None]
    _release: Callable[[], None]
    _png: Callable[[], bytes]

    def call(self, function, *args):
        """Return what a function, which may be asynchronous, returns in the page."""
        answer = self._run(CALL % function, list(args))
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["value"]

    def wait(self, function, *args, timeout=TIMEOUT - 10):
        """Wait until a function returns something true, and return that."""
        return self.call(WAIT % (function, function), timeout, *args)

    def click(self, x, y, *, keys=()):
        self.drag([(x, y)], keys=keys)

    def drag(self, points, *, keys=()):
        """Press the main button at the first point and release it at the last."""
        moves = [self._move_to(point) for point in points]
        down, up = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self._holding(keys, [moves[0], down, *moves[1:], up])

    def press(self, *keys):
        """Press keys together, named as `KeyboardEvent.key` names them."""
        steps = [*self._keys(keys, "keyDown"), *self._keys(reversed(keys), "keyUp")]
        self._perform([{"type": "key", "id": "keys", "actions": steps}])

    def wheel(self, x, y, delta):
        """Turn the wheel; `delta` is in CSS pixels, positive towards the user."""
        step = {"type": "scroll", "x": round(x), "y": round(y), "deltaX": 0, "deltaY": delta}
        self._perform([{"type": "wheel", "id": "wheel", "actions": [step]}])
        # WebKit takes the same turn at the same place for one that it has made already.
        self._release()

    def screenshot(self):
        """Return what the window shows, an RGB image."""
        return Image.open(io.BytesIO(self._png())).convert("RGB")

    def _holding(self, keys, pointer):
        down, up = list(self._keys(keys, "keyDown")), list(self._keys(keys, "keyUp"))
        pauses = [{"type": "pause"}]
        mouse: dict[str, Any] = {
            "type": "pointer",
            "id": "mouse",
            "parameters": {"pointerType": "mouse"},
        }
        mouse["actions"] = [*pauses * len(down), *pointer, *pauses * len(up)]
        held = {"type": "key", "id": "keys", "actions": [*down, *pauses * len(pointer), *up]}
        self._perform([held, mouse])

    @staticmethod
    def _move_to(point):
        return {"type": "pointerMove", "x": round(point[0]), "y": round(point[1])}

    @staticmethod
    def _keys(keys, kind):
        return ({"type": kind, "value": KEYS.get(key, key)} for key in keys)


class FirefoxPage(Page):
    def __init__(self, marionette):
        self._command = marionette.command

    @classmethod
    @contextmanager
    def open(cls, folder):
        """Start Firefox with a profile of its own and its log in `folder`."""
        with firefox(program("firefox-esr", "firefox"), folder) as marionette:
            marionette.command("SetTimeouts", script=1000 * TIMEOUT)
            marionette.command("SetWindowRect", width=SIZE[0], height=SIZE[1])
            yield cls(marionette)

    def goto(self, url):
        self._command("Navigate", url=url)

    def _run(self, script, args):
        # Without a sandbox: in the world of the page itself.
        return self._command("ExecuteAsyncScript", script=script, args=args, sandbox=None)

    def _perform(self, actions):
        self._command("PerformActions", actions=actions)

    def _release(self):
        self._command("ReleaseActions")

    def _png(self):
        return base64.b64decode(self._command("TakeScreenshot", full=False))


class WebKitPage(Page):
    def __init__(self, driver):
        self._driver = driver

    @classmethod
    @contextmanager
    def open(cls, folder):
        """Start WebKitGTK's MiniBrowser on a display in memory, its log in `folder`."""
        options = webdriver.WebKitGTKOptions()
        options.binary_location = mini_browser()
        options.add_argument("--automation")
        with display() as name, (folder / "webkit.log").open("w") as log:
            service = webdriver.WebKitGTKService(
                program("WebKitWebDriver"),
                port=free_port(),
                log_output=log,
                env={**os.environ, "DISPLAY": name, "GDK_BACKEND": "x11"},
            )
            driver = webdriver.WebKitGTK(options=options, service=service)
            try:
                driver.set_script_timeout(TIMEOUT)
                driver.set_window_size(*SIZE)
                yield cls(driver)
            finally:
                driver.quit()

    def goto(self, url):
        self._driver.get(url)

    def _run(self, script, args):
        return self._driver.execute_async_script(script, *args)

    def _perform(self, actions):
        self._driver.execute(Command.W3C_ACTIONS, {"actions": actions})

    def _release(self):
        self._driver.execute(Command.W3C_CLEAR_ACTIONS)

    def _png(self):
        return self._driver.get_screenshot_as_png()


@contextmanager
def display():
    """A display without a screen; yields its name."""
    size = f"{SIZE[0] + 100}x{SIZE[1] + 100}x24"
    command = [program("Xvfb"), "-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            yield f":{server.stdout.readline().strip()}"
        finally:
            server.terminate()


def program(*names):
    """Path of the first of these programs that is here."""
    for name in names:
        if path := shutil.which(name):
            return path
    raise RuntimeError(f"no {names[0]} on this machine: `make test-engines` installs it")


def mini_browser():
    """Path of the browser that comes with WebKitGTK; it is on no search path."""
    found = sorted(Path("/usr").glob("lib*/**/webkit2gtk-*/MiniBrowser"))
    if not found:
        raise RuntimeError("no MiniBrowser on this machine: `make test-engines` installs it")
    return str(found[-1])
