"""A set of images in the page: strip, search, keys, details, and the stored annotations."""

import re

import pytest
from playwright.sync_api import expect

from .lab import painted, set_theme
from .test_chrome import AXE, THEMES
from .test_keyboards import LAYOUTS, Keyboard, is_open, same

CELL = """
import numpy as np
from pathlib import Path
from PIL import Image
from sam2_widget import SegmentSet
random = np.random.default_rng(4)
photos = Path("set-of-the-test")
photos.mkdir(exist_ok=True)
sizes = {"a.png": (240, 320), "b.png": (300, 200), "c.png": (120, 400)}
for name, (height, width) in sizes.items():
    picture = random.integers(30, 60, (height, width, 3)).astype(np.uint8)
    picture[40:100, 60:140] = random.integers(180, 220, 3)
    Image.fromarray(picture).save(photos / name)
"""
OPEN = """
s = SegmentSet(photos, model="bundled", classes=["box", "other"])
s"""
MORE = """
photos = Path("another-set")
photos.mkdir(exist_ok=True)
for name, (height, width) in sizes.items():
    picture = random.integers(30, 60, (height, width, 3)).astype(np.uint8)
    Image.fromarray(picture).save(photos / name)
(photos / "broken.png").write_bytes(b"no image")
Image.new("RGB", (90, 60), "teal").save(photos / "d.png")
s = SegmentSet(
    photos,
    model="bundled",
    classes=["box", "other"],
    attributes={"site": ["A", "B"], "depth": float, "night": bool},
    object_attributes={"age": float},
    annotations=Path("annotations-of-{}"),
)
s"""

SIZES = {"a.png": (320, 240), "b.png": (200, 300), "c.png": (400, 120)}


@pytest.fixture
def widget(notebook):
    notebook.open([CELL + OPEN]).run_all()
    return notebook.widget().ready()


@pytest.fixture
def more(notebook, request):
    """A set with attributes and an image that cannot be read, without annotations."""
    notebook.open([CELL + MORE.replace("{}", request.node.name)]).run_all()
    return notebook.widget().ready()


@pytest.fixture
def bar(page):
    return page.locator(".sam2-set")


def shows(page, name):
    """Wait until an image is shown by the widget and by each bar, which have their own messages.

    A bar is then complete: its place in the strip, and the note and attributes.
    """
    page.locator(".sam2-widget").get_by_text(name, exact=True).wait_for()
    names = page.locator(".sam2-set .sam2-set-name")
    expect(names).not_to_have_count(0)
    others = names.filter(has_not_text=re.compile(rf"^{re.escape(name)}$"))
    expect(others).to_have_count(0)


def cell(bar, name):
    return bar.locator(f'.sam2-strip-cell[data-name="{name}"]')


def is_sent(page):
    """Wait until all that was done and typed on the page has arrived."""
    expect(page.locator('.sam2-set:not([data-unsent="0"])')).to_have_count(0)


def stored(notebook, expression):
    """A value of the kernel, after all that pages have sent."""
    # A cell may be run before messages that were sent earlier.
    is_sent(notebook.page)
    notebook.widget().settled()
    return notebook.value(f"[s._navigation.submit(lambda: None).result(), {expression}][1]")


def test_images_are_annotated_one_after_the_other(notebook, page, widget):
    shows(page, "a.png")
    widget.click(100, 70, SIZES["a.png"])
    widget.wait(objects="1").settled()
    # By keys: the button is reached by Tab.
    done = page.get_by_role("button", name="Done")
    done.focus()
    page.keyboard.press("Enter")
    shows(page, "b.png")
    page.get_by_text("1 of 3 done").wait_for()
    widget.wait(objects="0", plane=1).settled()
    widget.click(100, 70, SIZES["b.png"])
    widget.wait(objects="1").settled()
    page.get_by_role("button", name="Next image").click()
    shows(page, "c.png")
    widget.wait(objects="0", plane=2).settled()
    page.get_by_role("button", name="Previous image").click()
    shows(page, "b.png")
    widget.wait(objects="1", plane=1).settled()
    state = "[(one.state, len(one.objects)) for one in s]"
    assert notebook.value(state) == [["done", 1], ["in progress", 1], ["untouched", 0]]
    notebook.run("masks = [one.masks for one in s][:2]; s.flush()")
    # A cell that is run again resumes at the same image.
    notebook.run_all_again()
    widget = notebook.widget().ready()
    shows(page, "b.png")
    widget.wait(objects="1")
    same_masks = "[bool((one.masks == mask).all()) for one, mask in zip(s, masks)]"
    assert notebook.value(same_masks) == [True, True]
    assert notebook.value("s.error") == ""


def test_the_strip_shows_all_images_and_opens_them(page, more, bar):
    for name in ("a.png", "b.png", "c.png", "d.png"):
        bar.locator(f'[data-name="{name}"][data-thumbnail="shown"]').wait_for()
    bar.locator('[data-name="broken.png"][data-thumbnail="broken"]').wait_for()
    page.get_by_role("option", name="3, broken.png, Untouched, Cannot be read").wait_for()
    expect(cell(bar, "a.png")).to_have_attribute("aria-selected", "true")
    cell(bar, "c.png").click()
    shows(page, "c.png")
    # An image that cannot be read stays closed, and the page shows the reason.
    cell(bar, "broken.png").click()
    bar.get_by_role("alert").get_by_text("broken.png").wait_for()
    shows(page, "c.png")
    strip = page.get_by_role("listbox", name="Images")
    strip.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    shows(page, "d.png")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    shows(page, "b.png")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    shows(page, "d.png")
    position = page.get_by_role("textbox", name="Number or name of an image")
    position.fill("1")
    position.press("Enter")
    shows(page, "a.png")
    position.fill("nowhere")
    position.press("Enter")
    bar.get_by_role("alert").get_by_text("there is no image 'nowhere'").wait_for()
    page.get_by_role("combobox", name="State of this image").select_option("To be reviewed")
    bar.locator('[data-name="a.png"][data-state="review"]').wait_for()


def test_the_search_narrows_the_strip_and_what_is_gone_through(notebook, page, more, bar):
    page.get_by_role("button", name="Search", exact=True).click()
    field = page.get_by_role("searchbox", name="Part of a name")
    field.fill("PNG")
    page.get_by_text("5 of 5 images").wait_for()
    field.fill("d")
    page.get_by_text("1 of 5 images").wait_for()
    page.get_by_role("button", name="Next image").click()
    shows(page, "d.png")
    expect(bar.locator(".sam2-strip-cell")).to_have_count(1)
    field.fill("nothing")
    page.get_by_text("No image matches the search.").wait_for()
    page.get_by_role("button", name="Show all images").click()
    bar.locator('.sam2-strip[data-count="5"]').wait_for()
    # Python searches in the same way, and can show what it finds in the page.
    notebook.run("s['b.png'].state = 'skipped'")
    assert notebook.value("[one.name for one in s.find(state='skipped')]") == ["b.png"]
    notebook.run("s.search(state='skipped')")
    page.get_by_text("1 of 5 images").wait_for()
    expect(page.get_by_role("combobox", name="State", exact=True)).to_have_value("skipped")
    page.get_by_role("combobox", name="Class", exact=True).select_option("box")
    page.get_by_text("No image matches", exact=True).wait_for()
    # What is hidden is not in effect.
    page.get_by_role("button", name="Search", exact=True).click()
    bar.locator('.sam2-strip[data-count="5"]').wait_for()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_keys_go_through_the_images_on_the_image_and_on_the_strip(notebook, page, more, layout):
    bar = page.locator(".sam2-set")
    keys = Keyboard(more, LAYOUTS[layout])

    def plane(number):
        # A key is for the image that the part with the focus shows.
        on_strip = f'document.querySelector(".sam2-set").dataset.shown === "{number}"'
        return f"{same('root.dataset.plane', str(number))} && {on_strip}"

    more.stage.focus()
    keys.press("?", is_open("help"))
    more.root.get_by_text("this image is done: go to the next that is not").wait_for()
    keys.press("Escape", f"!({is_open('help')})")
    keys.press("PageDown", plane(1))
    keys.press(">", plane(3))  # the one between cannot be read
    keys.press("<", plane(1))
    keys.press("PageUp", plane(0))
    keys.press("d", plane(1))
    keys.press("Shift+D", plane(3))
    bar.get_by_role("listbox").focus()
    keys.press("PageDown", plane(4))
    keys.press("<", plane(3))
    keys.press("d", plane(4))
    keys.press("Shift+D", plane(4))
    states = stored(notebook, "[one.state for one in s]")
    assert states == ["empty", "skipped", "untouched", "empty", "skipped"]
    # No key has reached the notebook.
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(2)


def test_a_click_and_the_key_that_follows_it_arrive_together(notebook, page, widget):
    notebook.run("s.go('c.png')")
    shows(page, "c.png")
    before = notebook.value("len(s.image.objects)")
    widget.stage.focus()
    widget.stage.click(position=widget.at(100, 70, SIZES["c.png"]))
    page.keyboard.press("d")
    page.locator(".sam2-set [data-name='c.png'][data-state='done']").wait_for()
    assert stored(notebook, "len(s['c.png'].objects)") == before + 1


def test_steps_in_a_row_from_an_unfinished_object_are_all_taken(notebook, page, more):
    more.stage.focus()
    more.click(100, 70, SIZES["a.png"]).wait(objects=1)
    for _ in range(3):
        page.keyboard.press(">")
    more.wait(plane=4).settled()
    shows(page, "d.png")
    assert stored(notebook, "[len(one.objects) for one in s]") == [1, 0, 0, 0, 0]
    assert page.get_by_text("changed elsewhere").count() == 0


def test_notes_and_attributes_are_stored_as_one_types(notebook, page, more, bar):
    note = bar.get_by_role("textbox", name="Note").first
    note.fill("dark, and blurred")
    bar.get_by_role("combobox", name="site").select_option("B")
    bar.get_by_role("spinbutton", name="depth").fill("2.5")
    bar.get_by_role("combobox", name="night").select_option("Yes")
    more.click(100, 70, SIZES["a.png"])
    bar.get_by_role("heading", name="Object 1").wait_for()
    bar.get_by_role("spinbutton", name="age").fill("7")
    bar.get_by_role("textbox", name="Note").last.fill("half of it")
    # Going on at once loses nothing, nor does a key.
    page.get_by_role("button", name="Next image").click()
    shows(page, "b.png")
    expect(note).to_have_value("")
    note.fill("next one")
    cell(bar, "c.png").click()
    shows(page, "c.png")
    assert stored(notebook, "[one.note for one in s]")[:3] == ["dark, and blurred", "next one", ""]
    values = stored(notebook, "dict(s['a.png'].attributes)")
    assert values == {"site": "B", "depth": 2.5, "night": True}
    (one,) = stored(notebook, "[[o.note, o.attributes] for o in s['a.png'].objects]")
    assert one == ["half of it", {"age": 7}]
    # What Python sets is shown, and a value can be removed.
    notebook.run("s.go('a.png'); s.image.note = 'by Python'")
    shows(page, "a.png")
    expect(note).to_have_value("by Python")
    bar.get_by_role("combobox", name="site").select_option("Not set")
    assert "site" not in stored(notebook, "dict(s['a.png'].attributes)")


def test_a_note_is_for_the_image_that_is_shown_even_if_the_bar_is_late(notebook, page, more, bar):
    """While the thread that keeps the bar up to date has other work."""
    notebook.run("import threading; gate = threading.Event(); s._page_updates.submit(gate.wait)")
    note = bar.get_by_role("textbox", name="Note").first
    more.stage.focus()
    page.keyboard.press("PageDown")
    more.wait(plane=1).settled()
    note.fill("of b")
    notebook.run("gate.set()")
    assert stored(notebook, "[one.note for one in s]") == ["", "of b", "", "", ""]


def test_what_was_stored_stays_in_its_field_until_the_kernel_has_it(notebook, page, more, bar):
    hold = "import threading; gate = threading.Event(); s._navigation.submit(gate.wait)"
    notebook.run(hold)
    note = bar.get_by_role("textbox", name="Note").first
    note.fill("dark")
    note.press("Tab")
    is_sent(page)
    # What the page is sent now does not have the note yet.
    notebook.run("s.image.state = 'review'")
    expect(page.get_by_role("combobox", name="State of this image")).to_have_value("review")
    expect(note).to_have_value("dark")
    notebook.run("gate.set()")
    assert stored(notebook, "s['a.png'].note") == "dark"
    notebook.run("s.image.note = 'by Python'")
    expect(note).to_have_value("by Python")


def test_a_reload_and_a_second_view_show_the_same(notebook, page, more, bar):
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("searchbox").fill("c")
    page.get_by_text("1 of 5 images").wait_for()
    cell(bar, "c.png").click()
    shows(page, "c.png")
    bar.get_by_role("textbox", name="Note").first.fill("kept")
    is_sent(page)
    notebook.save()
    page.reload(wait_until="domcontentloaded")
    notebook.wait_idle()
    notebook.widget().ready()
    shows(page, "c.png")
    page.get_by_text("1 of 5 images").wait_for()
    expect(bar.get_by_role("textbox", name="Note").first).to_have_value("kept")
    page.get_by_role("button", name="Show all images").click()
    notebook.start("s.bar")
    second = page.locator(".sam2-set").nth(1)
    cell(second, "b.png").click()
    shows(page, "b.png")
    for view in (bar.first, second):
        view.locator('[data-name="b.png"][aria-selected="true"]').wait_for()
        view.locator('[data-name="b.png"][data-thumbnail="shown"]').wait_for()


MANY = """
import numpy as np
from sam2_widget import SegmentSet
s = SegmentSet([np.full((20, 30), 90, np.uint8)] * 10_000, model="bundled")
s"""


def test_of_ten_thousand_images_only_those_in_view_have_elements(notebook, page):
    notebook.open([MANY]).run_all()
    notebook.widget().ready()
    bar = page.locator(".sam2-set")
    bar.get_by_role("listbox").focus()
    page.keyboard.press("End")
    bar.locator('[data-name="image 10000"][data-thumbnail="shown"]').wait_for()
    assert bar.locator(".sam2-strip-cell").count() < 50
    page.keyboard.press("Enter")
    notebook.widget().wait(plane=9999)
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("searchbox").fill("999")
    page.get_by_text("19 of 10,000 images").wait_for()
    page.get_by_role("button", name="Previous image").click()
    notebook.widget().wait(plane=9998)


@pytest.mark.parametrize("theme", THEMES)
def test_the_page_of_a_set_is_accessible_and_fits_a_narrow_cell(notebook, page, more, bar, theme):
    set_theme(page, theme)
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("searchbox").fill("png")
    page.get_by_text("5 of 5 images").wait_for()
    more.click(100, 70, SIZES["a.png"])
    bar.get_by_role("heading", name="Object 1").wait_for()
    bar.locator('[data-name="d.png"][data-thumbnail="shown"]').wait_for()
    page.add_script_tag(path=AXE)
    found = page.evaluate("() => axe.run('.sam2-set').then(r => r.violations)")
    assert [f"{v['id']}: {[n['html'] for n in v['nodes']]}" for v in found] == []
    page.get_by_role("button", name="Next image").click()
    spoken = bar.locator(".sam2-spoken", has_text="Image 2 of 5, b.png, Untouched")
    spoken.wait_for(state="attached")
    notebook.run("s.bar.layout.width = '300px'")
    page.wait_for_function("() => document.querySelector('.sam2-set').clientWidth <= 300")
    wide = "n => [...n.querySelectorAll(':scope .sam2-container > *')].map(one => one.scrollWidth)"
    strip = bar.locator(".sam2-strip").evaluate("n => n.clientWidth")
    assert strip <= 300
    bar.locator(".sam2-strip").evaluate("n => n.remove()")
    assert max(bar.evaluate(wide)) <= 300


TOUCH = [{"viewport": {"width": 1000, "height": 1000}, "has_touch": True}]

# What is wider than the page of the set, or than the widget.
TOO_WIDE = """
() => [...document.querySelectorAll(".sam2-set, .sam2-widget")].flatMap(root => {
  const { right } = root.getBoundingClientRect();
  const isTooWide = each => {
    const box = each.getBoundingClientRect();
    return box.width > 0 && box.right > right + 1 && !each.closest(".sam2-strip");
  };
  return [...root.querySelectorAll("button, input, select, span")].filter(isTooWide)
    .map(({ className, title }) => `${className} ${title}`);
})
"""


@pytest.mark.parametrize("page_options", TOUCH, ids=["touch"])
def test_a_narrow_cell_is_used_by_touch(notebook, page, more, bar):
    # The state last: the page is notified of that change only.
    notebook.run("s.store.change(s.names[0], seconds=60.0); s[0].state = 'done'")
    notebook.run("s.bar.layout.width = s.widget.layout.width = '300px'")
    page.wait_for_function("() => document.querySelector('.sam2-set').clientWidth <= 300")
    bar.get_by_text(re.compile(r"6\d s an image")).wait_for()
    strip = bar.locator(".sam2-strip")
    strip.scroll_into_view_if_needed()
    name = notebook.value("s.names[1]")
    cell(bar, name).tap()
    page.locator(".sam2-set[data-shown='1']").wait_for()
    bar.get_by_role("button", name="Review", exact=True).tap()
    bar.locator(".sam2-review-grid").wait_for()
    painted(page)
    assert page.evaluate(TOO_WIDE) == []
