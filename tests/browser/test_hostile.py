"""Text from files, labels and errors is shown, and never becomes markup."""

from playwright.sync_api import expect

EVIL = "<img src=x onerror='window.pwned=1'>"
SETUP = f"""
import numpy as np
from PIL import Image
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
EVIL = {EVIL!r}
Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(EVIL + ".png")
"""
SHOW = (
    SETUP
    + """
fake = FakePredictor()
w = SegmentWidget(EVIL + ".png", model=fake, labels={EVIL: "red", "plain": "blue"})
w.add_point(20, 20)
w.commit(EVIL)
w
"""
)


def safe(page, widget):
    """Check that it did not become markup, neither in the widget nor elsewhere on the page."""
    assert page.evaluate("() => window.pwned") is None
    assert page.locator("img[src='x']").count() == 0
    return widget.root.evaluate("root => [root.innerText, root.outerHTML].join()")


def test_hostile_names_labels_and_errors_are_text(notebook, page):
    notebook.open([SHOW]).run_all()
    widget = notebook.widget().ready()
    widget.wait(objects=1, pending="false")
    shown = safe(page, widget)
    assert "&lt;img" in shown
    notebook.wait_idle()
    notebook.run("fake.fail_with = RuntimeError(EVIL)\nw.add_point(50, 40)")
    widget.wait(phase="error")
    expect(widget.root.get_by_role("alert")).to_contain_text(EVIL)
    safe(page, widget)
    notebook.run("fake.fail_with = None\nw.add_point(52, 40)")
    widget.wait(phase="ready", pending="false")
    notebook.run("w.on_commit(lambda o: 1 / 0 if o.label is None else open(EVIL))\nw.commit(EVIL)")
    widget.root.get_by_text("on_commit").first.wait_for()
    safe(page, widget)


def test_hostile_messages_from_the_kernel_are_shown_as_text(notebook, page):
    notebook.open([SHOW]).run_all()
    widget = notebook.widget().ready()
    notebook.wait_idle()
    notebook.run(
        "w._receiver.message({'type': EVIL})\n"
        "w._receiver.prompts({'rid': {'client': EVIL, 'n': 1}, 'epoch': 0, EVIL: 1, 'prompts': []})"
    )
    widget.root.get_by_text("malformed message").first.wait_for()
    safe(page, widget)


SEND = """
async () => {
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const { content } = await kernel.requestCommInfo({});
  const state = { _esm: "window.pwned = 1", _css: "* { display: none }" };
  for (const comm_id of Object.keys(content.comms)) {
    const data = { method: "update", state, buffer_paths: [] };
    const header = { msg_id: crypto.randomUUID(), msg_type: "comm_msg", version: "5.3" };
    const rest = { parent_header: {}, metadata: {}, channel: "shell", buffers: [] };
    kernel.sendShellMessage({ header, ...rest, content: { comm_id, data } });
  }
}
"""


def test_no_page_changes_the_code_of_another(notebook, page):
    notebook.open([SHOW]).run_all()
    widget = notebook.widget().ready()
    notebook.wait_idle()
    page.evaluate(SEND)
    assert notebook.value("['pwned' in w._esm, '{ display: none }' in w._css[:20]]") == [False] * 2
    notebook.start("w")
    notebook.widget(1).ready()
    safe(page, widget)
