"""A notebook in JupyterLab with the widget in it, in whatever browser a page is of."""

from __future__ import annotations

import json

import nbformat
import numpy as np

from tests.browser.lab import DESCRIBE, IDLE

SIZE = (240, 160)
"""(width, height) of the image."""

FRAMES = 20
"""Of the film: a square moves 4 pixels to the right in each."""

GROUND = (230, 230, 230)
COLORS = {(60, 40): (200, 40, 40), (180, 40): (40, 160, 60), (60, 120): (50, 80, 190)}
"""Colours of rectangles by their middle; each is 120 pixels wide and 80 high."""

SETUP = f"""
import json
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor, FakeTrackingPredictor

def new_widget(number):
    image = np.full(({SIZE[1]}, {SIZE[0]}, 3), {GROUND[0]}, np.uint8)
    for (x, y), color in {COLORS}.items():
        image[y - 40 : y + 40, x - 60 : x + 60] = color
    # Another image every time: nothing of the one before is offered again.
    image[0, 0] = number
    return SegmentWidget(image, model=FakePredictor())

def new_film(number):
    frames = np.full(({FRAMES}, {SIZE[1]}, {SIZE[0]}, 3), {GROUND[0]}, np.uint8)
    for index in range({FRAMES}):
        frames[index, 40:80, 20 + 4 * index : 60 + 4 * index] = (40, 160, 60)
    frames[:, 0, 0] = number
    return SegmentWidget(frames, axes="TYXC", model=FakeTrackingPredictor())
"""

SHOW = """
(kind, number) => {
  document.querySelectorAll(".sam2-widget").forEach(node => { node.dataset.old = ""; });
  const { content } = jupyterapp.shell.currentWidget;
  const cell = content.model.cells.get(1);
  cell.sharedModel.setSource(`w = new_${kind}(${number})\\nw`);
  content.activeCellIndex = 1;
  jupyterapp.commands.execute("notebook:run-cell");
}
"""

EXECUTE = """
async code => {
  const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
  const future = kernel.requestExecute({ code, store_history: false });
  let text = "";
  future.onIOPub = ({ header, content }) => {
    if (header.msg_type === "stream") text += content.text;
  };
  const { content } = await future.done;
  if (content.status !== "ok") throw new Error(`${content.ename}: ${content.evalue}`);
  return text;
}
"""

PAINTED = """
() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))
"""

WIDGET = 'document.querySelector(".sam2-widget:not([data-old])")'

# In the middle of the window, and no longer on its way there.
STEADY = f"""
async () => {{
  const stage = {WIDGET}.querySelector(".sam2-stage");
  stage.scrollIntoView({{ block: "center" }});
  const place = () => JSON.stringify(stage.getBoundingClientRect());
  const before = place();
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
  return place() === before && JSON.parse(before);
}}
"""


class Notebook:
    def __init__(self, page):
        self.page = page
        self._widgets = 0

    @classmethod
    def open(cls, page, base, folder, name):
        """Open a new notebook, with what widgets need imported."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell("# set-up"), nbformat.v4.new_code_cell("")]
        )
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, folder / f"{name}.ipynb")
        page.goto(f"{base}/lab/tree/{name}.ipynb?reset")
        try:
            page.wait(IDLE)
        except AssertionError as error:
            raise AssertionError(f"no idle kernel in JupyterLab: {page.call(DESCRIBE)}") from error
        opened = cls(page)
        opened.run(SETUP)
        return opened

    def new_widget(self):
        """Show a new widget in place of the one before."""
        return self._show("widget")

    def new_film(self):
        """Likewise with a film."""
        return self._show("film")

    def _show(self, kind):
        self._widgets += 1
        self.page.call(SHOW, kind, self._widgets)
        return Widget(self).wait(ready="true").settled()

    def run(self, source):
        """Run Python in the kernel and return what it prints."""
        return self.page.call(EXECUTE, source)

    def value(self, expression):
        """A value that JSON can carry, from the kernel."""
        return json.loads(self.run(f"print(json.dumps({expression}))"))

    def shut_down(self):
        self.page.call("() => jupyterapp.serviceManager.sessions.shutdownAll()")


class Widget:
    """The newest widget. Positions are (x, y) in image pixels."""

    def __init__(self, notebook):
        self.notebook, self.page = notebook, notebook.page

    def wait(self, **data):
        """Wait until the widget carries these data attributes, e.g. ``ready="true"``."""
        self.page.wait(
            "data => Object.entries(data).every("
            f"([key, value]) => {WIDGET}?.getAttribute(key) === value)",
            {f"data-{key.replace('_', '-')}": str(value) for key, value in data.items()},
        )
        return self

    def settled(self):
        """Wait until the result of what was done last is painted.

        The page shows that something is pending in the second frame after it was done.
        """
        self.page.call(PAINTED)
        return self.wait(pending="false")

    def place(self, position):
        """Where an image pixel is in the window."""
        box = self.page.wait(STEADY)
        x, y = position
        return (
            box["x"] + x * box["width"] / SIZE[0],
            box["y"] + y * box["height"] / SIZE[1],
        )

    def click(self, position, keys=()):
        self.page.click(*self.place(position), keys=keys)
        return self.settled()

    def drag(self, *positions):
        self.page.drag([self.place(position) for position in positions])
        return self.settled()

    def press(self, *keys):
        self.page.press(*keys)
        return self.settled()

    def open_settings(self):
        """Open the settings by their key, and wait until they are shown."""
        self.focus(".sam2-stage")
        self.press(",")
        self.page.wait(f"() => {WIDGET}.querySelector('.sam2-settings:not([hidden])') !== null")

    def focus(self, selector):
        self.page.call(f"selector => {WIDGET}.querySelector(selector).focus()", selector)

    def reads(self, selector, texts):
        """Wait until the elements of a kind have these texts."""
        read = f"[...{WIDGET}.querySelectorAll(selector)].map(node => node.textContent)"
        self.page.wait(
            f"(selector, texts) => {read}.join('\\n') === texts", selector, "\n".join(texts)
        )

    def colors(self, positions):
        """What the screen shows at these image pixels: (n, 3) integers."""
        places = [self.place(position) for position in positions]
        frame = "() => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))"
        self.page.call(frame)
        shot = np.asarray(self.page.screenshot(), int)
        density = shot.shape[1] / self.page.call("() => innerWidth")
        return np.array([shot[int(y * density), int(x * density)] for x, y in places])
