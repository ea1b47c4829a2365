"""The widget in containers of ipywidgets and JupyterLab, and on scaled or themed pages."""

import pytest

from tests.waiting import wait_until

from .open_lab import OpenLab, OpenPage, shut_down_kernels

SIZE = (400, 300)
SETUP = """
import numpy as np
import ipywidgets as widgets
from IPython.display import display
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor

image = np.zeros((300, 400, 3), np.uint8)
image[..., 0] = np.arange(400) / 2

def make(image=image):
    return SegmentWidget(image, model=FakePredictor())

def controls():
    box = widgets.VBox([widgets.IntSlider(), widgets.Button(description="Go")])
    return box.add_class("sam2-controls")
"""
ROWS = {
    "HBox": "widgets.HBox([make(), controls()])",
    "VBox in HBox": "widgets.HBox([widgets.VBox([make()]), controls()])",
    "Tab": "widgets.Tab([widgets.HBox([make(), controls()])])",
    "Accordion": "widgets.Accordion([widgets.HBox([make(), controls()])], selected_index=0)",
    "Output": "widgets.HBox([controls(), into_output()])",
}
OTHERS = {
    "VBox": "widgets.VBox([make()], layout=widgets.Layout(align_items='center'))",
    "side by side": "widgets.HBox([make(), make()])",
    "GridBox": (
        "widgets.GridBox([make(), controls()],"
        " layout=widgets.Layout(grid_template_columns='auto auto'))"
    ),
    "GridspecLayout": "in_grid()",
    "AppLayout": "widgets.AppLayout(center=make(), right_sidebar=controls())",
    "interact": "widgets.interactive(lambda k=3: display(make()), k=3)",
}
# In one cell: JupyterLab does not lay out cells that are out of view.
ALL = f"""
def into_output():
    output = widgets.Output()
    with output:
        display(make())
    return output

def in_grid():
    grid = widgets.GridspecLayout(1, 3)
    grid[0, :2], grid[0, 2] = make(), controls()
    return grid

display({", ".join([*ROWS.values(), *OTHERS.values()])})
"""
BOXES = """
([selector, count]) => {
  const found = [...document.querySelectorAll(selector)].map(node => {
    const box = node.getBoundingClientRect();
    const cell = node.closest(".jp-Cell-outputArea").getBoundingClientRect();
    return [box.width, Math.max(cell.left - box.left, box.right - cell.right)];
  });
  return found.length === count && found.every(([width]) => width) ? found : null;
}
"""


def widths(page, selector, count):
    """Widths of the selected elements in CSS pixels, and how far they exceed the cell's output."""
    found = page.wait_for_function(BOXES, arg=[selector, count])
    return list(zip(*found.json_value(), strict=True))


def test_the_image_is_visible_in_every_container(notebook):
    page = notebook.page
    notebook.open([SETUP, ALL]).run_all()
    stage = ".sam2-widget[data-ready=true] canvas.sam2-stage"
    shown, beyond = widths(page, stage, len(ROWS) + len(OTHERS) + 1)
    assert max(beyond) < 1, beyond
    assert min(shown) > 300, shown
    sliders, beyond = widths(page, ".sam2-controls .widget-slider", len(ROWS) + 3)
    # The widget shrinks to make room for its neighbour.
    assert min(sliders[: len(ROWS)]) > 250, sliders
    assert max(beyond[: len(ROWS)]) < 1, beyond


def test_the_toolbar_is_one_row_if_it_fits(notebook):
    notebook.open([SETUP, "w = make(np.zeros((900, 300, 3), np.uint8))\nw"]).run_all()
    widget = notebook.widget().ready()
    toolbar = widget.root.locator(".sam2-toolbar").bounding_box()
    stage = widget.stage.bounding_box()
    assert stage["width"] < 330
    assert toolbar["height"] < 40
    panel = widget.root.locator(".sam2-panel").bounding_box()
    assert panel["width"] < 300
    assert panel["x"] < stage["x"] + stage["width"] + 20


SCALES = ["transform: scale(0.6); transform-origin: 0 0", "zoom: 0.6", "zoom: 1.4"]


@pytest.fixture(scope="module")
def shared(browser, lab, folder):
    """A notebook with a widget for all tests below: opening one takes longer than the tests."""
    own = OpenPage(browser, {"viewport": {"width": 1280, "height": 900}})
    notebook = OpenLab(own, lab, folder)
    yield notebook.open([SETUP, "w = make()\nw", "1"]).run_all()
    shut_down_kernels(own.page)
    own.context.close()
    assert not own.errors, own.errors


@pytest.fixture
def widget(shared):
    widget = shared.widget().ready()
    style(shared.page, "")
    widget.root.locator('[data-action="fit"]').click()
    return widget


STYLE = """
async css => {
  document.querySelectorAll(".jp-OutputArea")[1].style.cssText = css;
  const stage = document.querySelector("canvas.sam2-stage");
  stage.scrollIntoView({ block: "center" });
  for (let before = "", same = 0; same < 5;) {
    await new Promise(requestAnimationFrame);
    const now = JSON.stringify(stage.getBoundingClientRect());
    [same, before] = [now === before ? same + 1 : 0, now];
  }
}
"""


def style(page, css):
    """Scale or colour the output of the widget's cell, and wait until it has its new size."""
    page.evaluate(STYLE, css)


def test_wheel_zoom_and_tooltips_are_placed_correctly_on_scaled_pages(widget):
    page = widget.page
    cursor, tip = widget.root.locator(".sam2-cursor"), widget.root.locator(".sam2-tip")
    for css in SCALES:
        style(page, css)
        box = widget.stage.bounding_box()
        x, y = box["x"] + 0.7537 * box["width"], box["y"] + 0.25 * box["height"]
        widget.stage.focus()
        page.mouse.move(x, y)
        page.wait_for_function("e => e.innerText.startsWith('301')", arg=cursor.element_handle())
        for _ in range(4):
            page.mouse.wheel(0, -200)
        page.mouse.move(x + 1, y)
        page.wait_for_function(
            "e => Number(e.dataset.zoom) > 2",
            arg=widget.root.element_handle(),
        )
        wait_until(lambda: abs(int(cursor.inner_text().split(",")[0]) - 301) <= 1, css)
        widget.root.locator('[data-action="fit"]').click()
        page.mouse.move(0, 0)
        owner = widget.root.locator('[data-action="undo"]')
        owner.hover()
        tip.wait_for()
        button, shown = owner.bounding_box(), tip.bounding_box()
        middle = button["x"] + button["width"] / 2
        assert abs(shown["x"] + shown["width"] / 2 - middle) < 2, css
        assert 0 < shown["y"] - button["y"] - button["height"] < 12, css


def test_the_bar_below_the_image_follows_the_pointer_on_scaled_pages(widget):
    page, bar = widget.page, widget.root.locator(".sam2-resizer")
    for css in SCALES:
        style(page, css)
        bar.scroll_into_view_if_needed()
        box, height = bar.bounding_box(), widget.stage.bounding_box()["height"]
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y - 30)
        page.mouse.up()
        style(page, css)
        assert abs(widget.stage.bounding_box()["height"] - (height - 30)) < 3, css
    bar.dblclick()


GROUNDS = {
    "oklch(0.97 0.01 200)": "light",
    "color(srgb 0.95 0.95 0.95)": "light",
    "oklch(0.2 0.02 260)": "dark",
    "color-mix(in oklab, black 80%, white)": "dark",
}


def test_background_colours_in_any_notation_are_classified_as_light_or_dark(widget):
    page = widget.page
    for ground, scheme in GROUNDS.items():
        style(page, f"background: {ground}")
        page.evaluate("ground => { document.body.dataset.ground = ground; }", ground)
        page.wait_for_function(
            "([e, scheme]) => e.style.colorScheme === scheme",
            arg=[widget.root.element_handle(), scheme],
        )


def select_first_cell(page):
    page.evaluate(
        """() => {
          const notebook = jupyterapp.shell.currentWidget.content;
          notebook.activeCellIndex = 1;
          notebook.deselectAll();
        }"""
    )


def test_a_view_of_the_output_fills_its_panel(shared, widget):
    page = widget.page
    select_first_cell(page)
    shared.command("notebook:create-output-view")
    panel = page.locator(".jp-LinkedOutputView")
    root = panel.locator(".sam2-widget[data-ready=true]")
    root.wait_for()
    fits = "e => e.scrollHeight <= e.clientHeight + 1"
    for size in ({"width": 1280, "height": 900}, {"width": 1000, "height": 1000}):
        page.set_viewport_size(size)
        page.wait_for_function(
            """root => {
              const own = root.getBoundingClientRect();
              const panel = root.closest(".jp-LinkedOutputView").getBoundingClientRect();
              const lacks = [own.bottom - panel.bottom, own.width - panel.width];
              return lacks.every(lack => Math.abs(lack) < 3);
            }""",
            arg=root.element_handle(),
        )
        wait_until(lambda: panel.evaluate(fits), "a panel without scrolling")
    # The other one keeps its height.
    assert shared.widget().stage.bounding_box()["height"] > 300
    page.locator(".lm-TabBar-tab", has_text="Output View").locator(
        ".lm-TabBar-tabCloseIcon"
    ).click()
    panel.wait_for(state="detached")


def test_a_cell_that_moves_keeps_its_zoom(shared, widget):
    page = widget.page
    for _ in range(3):
        widget.root.locator('[data-action="zoom-in"]').click()
    widget.root.locator('[data-action="polarity"]').click()
    widget.wait(zoom="3.375", polarity="negative")
    widget.root.evaluate("e => { e.dataset.before = 'true'; }")
    select_first_cell(page)
    shared.command("notebook:move-cell-down")
    page.locator(".sam2-widget:not([data-before])").wait_for()
    shared.widget().wait(ready="true", zoom="3.375", polarity="negative")
