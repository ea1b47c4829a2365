"""The controls around the image: candidates, list, settings, keyboard, accessibility."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

from .conftest import ARTIFACTS
from .lab import adjusted, painted, set_theme

SIZE = (451, 300)
CAT, EAR, CUSHION = (220, 190), (395, 20), (420, 100)
AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"


def cell(options="", more=""):
    return (
        "from skimage import data\n"
        "from sam2_widget import SegmentWidget\n"
        f"w = SegmentWidget(data.chelsea(), model='bundled'{options})\n{more}\nw"
    )


@pytest.fixture
def widget(notebook):
    notebook.open([cell()]).run_all()
    return notebook.widget().ready().settled()


def announced(widget, text):
    """Wait until a text is announced to screen readers."""
    widget.root.locator(".sam2-spoken", has_text=text).wait_for(state="attached")


def ask_ambiguously(notebook, widget):
    """Click at a point with an ambiguous mask, which is found with the model."""
    for x, y in [CAT, CUSHION, EAR, (100, 150), (300, 60), (60, 60)]:
        widget.click(x, y, SIZE)
        if widget.root.get_attribute("data-candidates") == "3":
            return
        widget.button("clear")
    raise AssertionError("no click was ambiguous")


def shown_mask(notebook):
    return notebook.value("[int(w.mask.sum()), [c.mask.crop(300, 451).area for c in w.candidates]]")


# --- candidates -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["digit", "letter", "mouse"])
def test_a_candidate_can_be_chosen(notebook, page, widget, how):
    ask_ambiguously(notebook, widget)
    cards = widget.root.locator(".sam2-card")
    chosen = int(
        widget.root.locator(".sam2-card[aria-checked=true]").get_attribute("data-candidate")
    )
    _, sizes = shown_mask(notebook)
    wanted = chosen + 1 if chosen < 2 else chosen - 1
    if how == "digit":
        widget.press(str(wanted + 1))
    elif how == "letter":
        widget.press("c" if wanted > chosen else "Shift+C")
    else:
        cards.nth(wanted).click()
        widget.settled()
    widget.root.locator(f'.sam2-card[data-candidate="{wanted}"][aria-checked=true]').wait_for()
    assert shown_mask(notebook)[0] == sizes[wanted]
    widget.stage.focus()
    widget.press("Control+z")
    assert shown_mask(notebook)[0] == sizes[chosen]


def test_candidates_disappear_with_the_next_point_without_a_layout_shift(notebook, widget):
    before = [widget.stage.bounding_box(), widget.root.bounding_box()]
    ask_ambiguously(notebook, widget)
    assert [widget.stage.bounding_box(), widget.root.bounding_box()] == before
    widget.drag((60, 5), (380, 290), SIZE)
    widget.wait(candidates=0)
    assert widget.root.locator(".sam2-candidates").is_hidden()


def test_tab_leaves_the_image_past_the_last_candidate(notebook, widget):
    ask_ambiguously(notebook, widget)
    widget.stage.focus()
    for _ in range(4):
        if not widget.stage.evaluate("e => e.matches(':focus')"):
            break
        widget.page.keyboard.press("Tab")
        widget.settled()
    assert not widget.stage.evaluate("e => e.matches(':focus')")


# --- the list -------------------------------------------------------------------------------------

THREE = """
for box in [(60, 5, 380, 290), (380, 20, 450, 200), (5, 5, 60, 60)]:
    w.add_box(*box); w.commit()
"""


def rows_of(notebook, field):
    return notebook.value(f"[o.{field} for o in w.objects]")


def test_hide_lock_and_delete_in_the_list(notebook, page):
    notebook.open([cell(more=THREE)]).run_all()
    widget = notebook.widget().ready()
    widget.wait(objects=3)
    rows = widget.root.locator(".sam2-object")
    bare_eye = rows.nth(0).locator("[data-row=show]")
    rows.nth(0).hover()
    bare_eye.click()
    rows.nth(0).and_(page.locator("[data-hidden]")).wait_for()
    widget.settled()
    assert notebook.value("not w.is_shown(0) and w.is_shown(1)")
    rows.nth(1).hover()
    rows.nth(1).locator("[data-row=lock]").click()
    rows.nth(1).and_(page.locator("[data-locked]")).wait_for()
    widget.settled()
    assert notebook.value("w.is_locked(1) and not w.is_locked(0)")
    expect(rows.nth(1).locator(".sam2-remove")).to_be_hidden()
    rows.nth(2).hover()
    rows.nth(2).locator(".sam2-remove").click()
    widget.wait(objects=2).settled()
    assert len(rows_of(notebook, "label")) == 2


def test_a_hidden_object_is_not_painted(notebook, page):
    notebook.open([cell(more=THREE)]).run_all()
    widget = notebook.widget().ready()
    points = [(x, y) for x in range(80, 370, 15) for y in (60, 120, 180, 240)]
    # Their areas are shown when the page has their masks.
    widget.root.locator(".sam2-object", has_text="px").nth(2).wait_for()
    notebook.run("w.hide(0); w.hide(1); w.hide(2)")
    widget.root.locator(".sam2-object[data-hidden]").nth(2).wait_for()
    bare = widget.settled().colors(points, SIZE)
    notebook.run("w.show(0)")
    widget.root.locator(".sam2-object:not([data-hidden])").wait_for()
    assert widget.settled().colors(points, SIZE) != bare


def test_the_list_by_keyboard(notebook, page):
    notebook.open([cell(more=THREE + "\nfor i, l in enumerate('abc'): w.rename(i, l)")]).run_all()
    widget = notebook.widget().ready()
    widget.wait(objects=3)
    first = widget.root.locator(".sam2-object .sam2-select").first
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Alt+ArrowUp")
    page.wait_for_function(
        """e => e.querySelector('[aria-posinset="1"] input').value === 'b'""",
        arg=widget.root.element_handle(),
    )
    # The line kept the focus while it moved up.
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Delete")
    widget.wait(objects=2).settled()
    assert rows_of(notebook, "label") == ["b", "c"]
    widget.root.locator(".sam2-object .sam2-select").last.focus()
    page.keyboard.press("Enter")
    widget.root.locator(".sam2-object[aria-current]").wait_for()
    announced(widget, "Editing object 2 of 2, c")


def test_a_list_of_a_thousand_objects_is_virtual_and_searchable(notebook, page):
    many = (
        "import numpy as np\n"
        "for i in range(1000):\n"
        "    m = np.zeros((300, 451), bool); m[i % 290:i % 290 + 8, i % 440:i % 440 + 8] = True\n"
        "    w.add_mask(m, f'cell {i}')\n"
    )
    notebook.open([cell(more=many)]).run_all()
    widget = notebook.widget().ready()
    widget.wait(objects=1000)
    rows = widget.root.locator(".sam2-object")
    rows.first.wait_for()
    assert rows.count() < 60
    widget.root.locator(".sam2-filter").fill("cell 987")
    expect(rows).to_have_count(1)
    expect(rows.locator("input")).to_have_value("cell 987")
    rows.locator(".sam2-select").click()
    widget.root.locator(".sam2-object[aria-current]").wait_for()
    widget.root.locator(".sam2-filter").fill("")
    # The line being edited stays in sight.
    widget.root.locator('.sam2-object[aria-current][aria-posinset="988"]').wait_for()


LABELS = {
    "markup": "<img src=x onerror=alert(1)><b>bold</b>",
    "emoji": "🐈‍⬛ 👩🏽‍🔬 ☕",
    "right-to-left": "قطة على وسادة",
    "control": "a\u202eb\u0007c",
}


@pytest.mark.parametrize("label", LABELS.values(), ids=LABELS)
def test_labels_stay_text(notebook, page, label):
    notebook.open([cell(more=f"w.add_point({CAT[0]}, {CAT[1]}); w.rename(0, {label!r})")]).run_all()
    widget = notebook.widget().ready()
    widget.wait(objects=1)
    kept = notebook.value("w.objects[0].label")
    expect(widget.root.locator(".sam2-object input")).to_have_value(kept)
    assert widget.root.locator("b, img").count() == 0
    notebook.run(f"w.labels = [{label!r}, 'other']")
    option = widget.root.locator(".sam2-classes option").nth(1)
    option.wait_for(state="attached")
    assert widget.root.locator("b, img").count() == 0
    assert widget.root.evaluate("e => e.scrollWidth <= e.clientWidth + 1")


def test_a_class_added_in_the_widget_is_used_for_the_next_object(notebook, page, widget):
    widget.click(*CAT, SIZE)
    widget.root.locator(".sam2-classes select").select_option(label="New label…")
    expect(widget.root.locator(".sam2-classes input")).to_be_focused()
    page.keyboard.type("cat")
    page.keyboard.press("Enter")
    widget.settled()
    assert notebook.value("[list(w.labels), w.objects[0].label]") == [["cat"], "cat"]
    widget.stage.focus()
    widget.press("n")
    widget.click(*CUSHION, SIZE)
    assert rows_of(notebook, "label") == ["cat", "cat"]
    notebook.run("w.labels = ['cat', 'cushion']")
    widget.root.locator(".sam2-classes option", has_text="cushion").wait_for(state="attached")
    widget.stage.focus()
    widget.press("2")
    assert rows_of(notebook, "label") == ["cat", "cushion"]


def test_a_key_opens_the_label_field_with_labels_used_so_far(notebook, page, widget):
    notebook.run(f"w.add_point({CAT[0]}, {CAT[1]}); w.commit('cow')")
    widget.wait(objects=1)
    widget.click(*CUSHION, SIZE)
    widget.stage.press("t")
    field = widget.root.locator(".sam2-classes input")
    expect(field).to_be_focused()
    offered = "e => [...e.list.options].map(option => option.value)"
    wait_until(lambda: field.evaluate(offered) == ["cow"], "the labels")
    page.keyboard.type("dog")
    page.keyboard.press("Enter")
    expect(widget.stage).to_be_focused()
    # A cell may be run before the message about the label is.
    widget.settled()
    assert rows_of(notebook, "label") == ["cow", "dog"]
    lists = widget.root.locator(".sam2-object select")
    expect(lists).to_have_count(2)
    for row in lists.all():
        expect(row.locator("option")).to_have_text(["no label", "dog", "cow", "New label…"])
    widget.press("2")
    assert rows_of(notebook, "label") == ["cow", "cow"]


# --- settings -------------------------------------------------------------------------------------


def test_settings_are_synced_with_python_in_both_directions(notebook, page, widget):
    widget.press(",")
    settings = widget.root.locator(".sam2-settings")
    settings.wait_for()
    settings.locator('[data-option="opacity"]').fill("0.8")
    settings.locator("label", has_text="Contour").click()
    settings.locator('[data-option="fill-holes"]').fill("40")
    settings.locator('[data-option="drop-specks"]').fill("25")
    settings.locator("label", has_text=re.compile("^Remove$")).click()
    settings.locator('[data-option="hover-preview"]').check()
    widget.wait(preview="on").settled()
    expected = [0.8, "contour", 40, 25, "cut out", True]
    read = "[w.opacity, w.mask_style, w.fill_holes, w.drop_specks, w.overlap, w.hover_preview]"
    # Options are sent when they have not changed for a while.
    wait_until(lambda: notebook.value(read) == expected, "the settings")
    notebook.run("w.opacity = 0.3; w.mask_style = 'fill'; w.fill_holes = 0; w.tool = 'brush'")
    widget.wait(tool="brush")
    expect(settings.locator('[data-option="opacity"]')).to_have_value("0.3")
    expect(settings.locator('[data-option="mask-style"][value="fill"]')).to_be_checked()
    settings.locator('[data-option="opacity"]').press("Escape")
    settings.wait_for(state="hidden")
    expect(widget.stage).to_be_focused()


# Bands of even colour, 30 pixels wide.
BANDS = """
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
levels = np.repeat(np.arange(0, 240, 16, np.uint8), 30)
colors = np.stack([levels, levels[::-1], np.roll(levels, 210)], axis=-1)
w = SegmentWidget(np.tile(colors, (300, 1, 1)), model=FakePredictor())
w"""


@pytest.mark.parametrize(("brightness", "contrast"), [(0.5, 0), (-0.3, 0.25), (0, -0.6)])
def test_brightness_is_for_viewing_only(notebook, page, brightness, contrast):
    notebook.open([BANDS]).run_all()
    widget, size = notebook.widget().ready().settled(), (450, 300)
    points = [(x, 150) for x in range(15, 450, 30)]
    before = widget.screen(points, size)
    image = notebook.value("int(w.image.sum())")
    notebook.run(f"w.brightness, w.contrast = {brightness}, {contrast}")
    painted(page)
    expected = adjusted(before, brightness, contrast)
    assert widget.screen(points, size) == pytest.approx(expected, abs=2)
    assert notebook.value("int(w.image.sum())") == image
    notebook.run("w.brightness = w.contrast = 0")
    painted(page)
    assert widget.screen(points, size) == pytest.approx(before)


def test_the_height_is_set_by_pointer_keys_and_python(notebook, page, widget):
    bar = widget.root.locator(".sam2-resizer")
    start = bar.bounding_box()
    high = round(widget.stage.bounding_box()["height"])

    def is_now(height):
        page.wait_for_function(
            "([e, v]) => Number(e.getAttribute('aria-valuenow')) === v",
            arg=[bar.element_handle(), height],
        )
        wait_until(lambda: abs(widget.box()["height"] - height) <= 1, f"{height} pixels")

    page.mouse.move(start["x"] + 60, start["y"] + 4)
    page.mouse.down()
    page.mouse.move(start["x"] + 60, start["y"] - 60, steps=3)
    page.mouse.up()
    is_now(high - 64)
    bar.focus()
    page.keyboard.press("ArrowDown")
    is_now(high - 44)
    # The page sends heights one after the other: the last one must not arrive after the cell.
    wait_until(lambda: notebook.value("w.height") == high - 44, "the height")
    notebook.run("w.height = 300")
    is_now(300)
    bar.dblclick()
    is_now(high)


def test_full_screen_and_back(notebook, page, widget):
    widget.press("f")
    page.wait_for_function("() => document.fullscreenElement?.matches('.sam2-widget')")
    viewport = page.viewport_size
    widget.stage.click()
    widget.settled()

    def fills_the_screen():
        box = widget.root.bounding_box()
        return (box["width"], box["height"]) == (viewport["width"], viewport["height"])

    wait_until(fills_the_screen, "the size of the screen")
    painted(page)
    assert widget.root.evaluate("e => e.scrollHeight <= e.clientHeight")
    page.screenshot(path=ARTIFACTS / "full-screen.png")
    widget.press("f")
    page.wait_for_function("() => !document.fullscreenElement")
    assert notebook.value("len(w.masks)") == 1


def test_tab_moves_the_focus_without_side_effects(notebook, page, widget):
    ask_ambiguously(notebook, widget)
    page.keyboard.press("Tab")
    expect(widget.stage).not_to_be_focused()
    widget.settled()
    assert notebook.value("[type(p).__name__ for p in w.prompts[0].prompts]") == ["Point"]


# --- keyboard and screen reader -------------------------------------------------------------------


def crosshair_to(widget, x, y, steps):
    """Move the crosshair from the middle by arrow keys: as many strides right and down."""
    for key, count in (("ArrowRight", x), ("ArrowDown", y)):
        name = key if count > 0 else {"ArrowRight": "ArrowLeft", "ArrowDown": "ArrowUp"}[key]
        for _ in range(abs(count)):
            widget.page.keyboard.press(f"Shift+{name}" if steps else name)


def test_five_objects_by_the_keyboard_alone(notebook, page, widget):
    """From the cell's output to five labelled objects without a pointer."""
    page.evaluate("() => document.querySelector('.sam2-widget [role=radio]').focus()")
    for _ in range(5):
        page.keyboard.press("Tab")
        if widget.stage.evaluate("e => e.matches(':focus')"):
            break
    assert widget.stage.evaluate("e => e.matches(':focus')")

    crosshair_to(widget, 1, 1, steps=True)
    page.keyboard.press("Space")  # a point
    widget.wait(objects=1).settled()
    announced(widget, "Mask")
    crosshair_to(widget, 3, 3, steps=True)
    page.keyboard.press("Shift+Space")  # and a negative one
    widget.settled()
    page.keyboard.press("n")

    page.keyboard.press("r")  # a box
    crosshair_to(widget, 3, -2, steps=True)
    page.keyboard.press("Space")
    crosshair_to(widget, 2, 3, steps=True)
    page.keyboard.press("Space")
    widget.wait(objects=2).settled()
    page.keyboard.press("Enter")

    page.keyboard.press("s")  # a scribble
    crosshair_to(widget, -9, 0, steps=True)
    page.keyboard.press("Space")
    crosshair_to(widget, -2, 1, steps=True)
    page.keyboard.press("Enter")
    widget.wait(objects=3).settled()
    page.keyboard.press("n")

    page.keyboard.press("b")  # a brush stroke
    page.keyboard.press("]")
    crosshair_to(widget, 0, 3, steps=True)
    page.keyboard.press("Space")
    crosshair_to(widget, 2, 0, steps=True)
    page.keyboard.press("Space")
    widget.wait(objects=4).settled()
    page.keyboard.press("n")

    page.keyboard.press("p")
    crosshair_to(widget, 4, -4, steps=True)
    page.keyboard.press("Space")
    widget.wait(objects=5).settled()

    kinds = notebook.value("[[type(p).__name__ for p in o.prompts] for o in w.prompts]")
    assert kinds == [["Point", "Point"], ["Box"], ["Scribble"], ["Stroke"], ["Point"]]
    assert notebook.value("[p.label for p in w.prompts[0].prompts]") == [1, 0]
    assert all(area > 0 for area in rows_of(notebook, "area")[1:])


def test_actions_are_announced_to_screen_readers(notebook, page, widget):
    widget.click(*CAT, SIZE)
    announced(widget, "px, score 0.")
    area = notebook.value("int(w.mask.sum())")
    announced(widget, f"Mask {area:,} px")
    widget.press("n")
    announced(widget, "Object finished. 1 object")
    widget.press("e")
    announced(widget, "Tool: Eraser")
    widget.press("p")
    widget.press("x")
    announced(widget, "Clicks remove")
    widget.wait(polarity="negative")


def test_help_shows_every_key_and_restores_the_focus(notebook, page, widget):
    widget.press("?")
    help_ = widget.root.locator(".sam2-help")
    help_.wait_for()
    expect(help_).to_be_focused()
    assert help_.locator("dt").count() > 25
    # Wider than the terms of lists in JupyterLab's outputs, so that hardly any key wraps.
    high = "nodes => nodes.filter(node => node.getBoundingClientRect().height > 30).length"
    assert help_.locator("dt").evaluate_all(high) < 3
    page.keyboard.press("Escape")
    help_.wait_for(state="hidden")
    expect(widget.stage).to_be_focused()


def test_a_held_key_hides_the_masks_until_it_is_released(notebook, page, widget):
    points = [(x, y) for x in range(80, 370, 15) for y in (60, 120, 180, 240)]
    widget.drag((60, 5), (380, 290), SIZE)
    page.mouse.move(0, 0)
    widget.press("n")
    shown = widget.colors(points, SIZE)
    widget.stage.focus()
    page.keyboard.down("m")
    painted(page)
    assert widget.colors(points, SIZE) != shown
    # The release of the key is not reported if the focus has moved elsewhere.
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.up("m")
    painted(page)
    assert widget.colors(points, SIZE) == shown


THEMES = ["JupyterLab Light", "JupyterLab Dark"]


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_no_accessibility_problem(notebook, page, theme):
    notebook.open([cell(options=", labels=['cat', 'cushion']", more=THREE)]).run_all()
    widget = notebook.widget().ready()
    set_theme(page, theme)
    ask_ambiguously(notebook, widget)
    page.add_script_tag(path=AXE)
    for keys in ([], ["b"], [","], ["g"], ["?"]):
        for key in keys:
            widget.press(key)
        found = page.evaluate("() => axe.run('.sam2-widget').then(r => r.violations)")
        said = [f"{v['id']}: {[n['html'] for n in v['nodes']]}" for v in found]
        assert not said, (keys, said)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    "page_options",
    [
        {"viewport": {"width": width, "height": 1000}, "device_scale_factor": ratio}
        for width, ratio in ((480, 2), (960, 1), (1760, 1), (1760, 2))
    ],
    ids=lambda o: f"{o['viewport']['width']}@{o['device_scale_factor']}",
)
def test_pictures_for_the_documentation(notebook, page, theme, page_options):
    notebook.open([cell(options=", labels=['cat', 'cushion']", more=THREE)]).run_all()
    width = page_options["viewport"]["width"]
    if width < 700:
        notebook.command("application:toggle-left-area")
    widget = notebook.widget().ready()
    set_theme(page, theme)
    widget.wait(objects=3)
    widget.click(*CAT, SIZE)
    assert widget.root.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    name = f"chrome-{theme.split()[1].lower()}-{width}-{page_options['device_scale_factor']}"
    widget.root.screenshot(path=ARTIFACTS / f"{name}.png")
    widget.press(",")
    widget.root.screenshot(path=ARTIFACTS / f"{name}-settings.png")
    assert widget.root.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
