"""Prompts, masks and objects by mouse and keyboard, with the bundled model behind them."""

import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

from . import lab

SIZE = (451, 300)
CELL = """
from skimage import data
from sam2_widget import SegmentWidget
w = SegmentWidget(data.chelsea(), model="bundled")
w
"""
CAT, EAR, CUSHION = (220, 190), (395, 20), (420, 100)
GRID = [(x, y) for x in range(6, 451, 23) for y in range(5, 300, 19)]


@pytest.fixture
def widget(notebook):
    notebook.open([CELL]).run_all()
    return notebook.widget().ready().settled()


def mask_at(notebook, points, mask="w.mask"):
    return notebook.value(f"[bool({mask}[y, x]) for x, y in {points}]")


def far_from(prompts, points):
    """Points that no mark of a prompt covers."""
    return [p for p in points if all(abs(p[0] - x) + abs(p[1] - y) > 25 for x, y in prompts)]


def painted(before, after):
    return [a != b for a, b in zip(before, after, strict=True)]


def test_the_image_is_shown_as_it_is(notebook, widget):
    shown = widget.colors(GRID, SIZE)
    true = notebook.value(f"[w.image[y, x].tolist() for x, y in {GRID}]")
    # The picture is sent as JPEG and scaled, so colours are near, not equal.
    differences = [
        abs(a - b) for s, t in zip(shown, true, strict=True) for a, b in zip(s, t, strict=True)
    ]
    assert sum(differences) / len(differences) < 4


def test_a_click_paints_exactly_the_mask_of_python(notebook, widget):
    before = widget.colors(GRID, SIZE)
    widget.click(*CAT, SIZE)
    points = far_from([CAT], GRID)
    known = dict(zip(GRID, before, strict=True))
    changed = painted([known[p] for p in points], widget.colors(points, SIZE))
    expected = mask_at(notebook, points)
    assert changed == expected
    assert 0.2 < sum(expected) / len(expected) < 0.95
    assert notebook.value("[p.label for p in w.prompts[0].prompts]") == [1]
    x, y = notebook.value("[w.prompts[0].prompts[0].x, w.prompts[0].prompts[0].y]")
    assert abs(x - CAT[0]) < 1
    assert abs(y - CAT[1]) < 1


@pytest.mark.parametrize("how", ["alt", "right", "toggle", "key"])
def test_a_negative_point_by_every_kind_of_input(notebook, widget, how):
    widget.click(*CAT, SIZE)
    if how == "alt":
        widget.click(*EAR, SIZE, modifiers=["Alt"])
    elif how == "right":
        widget.click(*EAR, SIZE, button="right")
    else:
        widget.button("polarity") if how == "toggle" else widget.press("x")
        widget.click(*EAR, SIZE)
    assert notebook.value("[p.label for p in w.prompts[0].prompts]") == [1, 0]
    assert notebook.page.locator(".jp-ThemedContainer .lm-Menu").count() == 0


# A file, because running a cell would scroll the image away from the pointer.
REPORT_PREDICTIONS = """
from pathlib import Path
predictor = w._annotator.model.predictions.predictor
predict = predictor.predict
def predict_and_report(embedding, prompts, **options):
    found = predict(embedding, prompts, **options)
    with Path("asked").open("a") as file:
        file.write(f"{len(prompts.points)} ")
    return found
predictor.predict = predict_and_report
"""


def hold(widget, place):
    """Press the button there, and keep it down."""
    at, box = widget.at(*place, SIZE), widget.stage.bounding_box()
    widget.page.mouse.move(box["x"] + at["x"], box["y"] + at["y"])
    widget.page.mouse.down()


def test_a_press_starts_a_speculative_prediction(notebook, widget):
    notebook.run(REPORT_PREDICTIONS)
    file, mouse = notebook.folder / "asked", notebook.page.mouse
    file.write_text("")
    widget.ready()
    hold(widget, CAT)
    wait_until(lambda: file.read_text() == "1 ")
    lab.painted(notebook.page)
    assert widget.root.get_attribute("data-pending") == "false"
    mouse.up()
    widget.settled()
    assert file.read_text() == "1 "
    assert notebook.value("[len(o.prompts) for o in w.prompts]") == [1]
    assert notebook.value("bool(w.mask.any())")
    # A press that becomes a drag places no point.
    widget.ready()
    hold(widget, EAR)
    wait_until(lambda: file.read_text() == "1 2 ")
    box = widget.stage.bounding_box()
    mouse.move(box["x"] + 10, box["y"] + box["height"] - 10, steps=5)
    mouse.up()
    widget.settled()
    kinds = notebook.value("[type(p).__name__ for p in w.prompts[0].prompts]")
    assert kinds == ["Point", "Box"]


# The model is kept busy as long as there is a file "shut".
SHUT = """
import threading, time
from sam2_widget.models import worker
shut = Path("shut")
def wait():
    Path("is_shut").touch()
    while shut.exists():
        time.sleep(0.01)
def watch():
    while not shut.exists():
        time.sleep(0.01)
    worker.local.submit(wait)
threading.Thread(target=watch, daemon=True).start()
"""


def test_the_mask_of_a_press_is_shown_on_release_even_if_the_model_is_busy(notebook, widget):
    notebook.run(REPORT_PREDICTIONS + SHUT)
    folder = notebook.folder
    (folder / "asked").write_text("")
    widget.ready()
    points = far_from([CAT], GRID)
    before = widget.colors(points, SIZE)
    hold(widget, CAT)
    wait_until((folder / "asked").read_text)
    (folder / "shut").touch()
    wait_until((folder / "is_shut").exists)
    assert widget.colors(points, SIZE) == before, "nothing shows that may become a drag"
    notebook.page.mouse.up()
    wait_until(lambda: widget.colors(points, SIZE) != before)
    widget.wait(pending="true")
    ahead = widget.colors(points, SIZE)
    (folder / "shut").unlink()
    widget.settled()
    assert widget.colors(points, SIZE) == ahead, "not even the colour is another one"
    assert painted(before, ahead) == mask_at(notebook, points)


COUNT = """
canvas => {
  const context = canvas.getContext("2d");
  const draw = context.clearRect;
  window.frames_drawn = 0;
  context.clearRect = (...area) => { window.frames_drawn += 1; draw.apply(context, area); };
}
"""


def test_a_passing_pointer_paints_nothing_and_a_press_paints_its_mark(notebook, page, widget):
    widget.click(*CAT, SIZE)
    widget.stage.evaluate(COUNT)
    mark = widget.colors([EAR], SIZE)
    box = widget.stage.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.move(box["x"] + 90, box["y"] + 60, steps=20)
    lab.painted(page)
    assert page.evaluate("frames_drawn") == 0
    hold(widget, EAR)
    wait_until(lambda: widget.colors([EAR], SIZE) != mark)
    lab.painted(page)
    assert widget.root.get_attribute("data-pending") == "false"
    page.keyboard.press("Escape")
    wait_until(lambda: widget.colors([EAR], SIZE) == mark)
    page.mouse.up()
    widget.settled()
    assert notebook.value("[len(o.prompts) for o in w.prompts]") == [1]


def test_a_negative_point_removes_a_region(notebook, widget):
    bare = dict(zip(GRID, widget.colors(GRID, SIZE), strict=True))
    widget.click(*CAT, SIZE)
    before = notebook.value("int(w.mask.sum())")
    inside = notebook.value(
        "(lambda ys, xs: [int(xs[len(xs)//9]), int(ys[len(ys)//9])])(*w.mask.nonzero())"
    )
    widget.click(*inside, SIZE, modifiers=["Alt"])
    assert notebook.value("int(w.mask.sum())") < before
    assert mask_at(notebook, [inside]) == [False]
    points = far_from([CAT, inside], GRID)
    shown = painted([bare[p] for p in points], widget.colors(points, SIZE))
    assert shown == mask_at(notebook, points)


@pytest.mark.parametrize(("start", "end"), [((60, 5), (380, 290)), ((380, 290), (60, 5))])
def test_a_drag_is_a_box_in_any_direction(notebook, widget, start, end):
    widget.drag(start, end, SIZE)
    box = notebook.value(
        "[w.prompts[0].prompts[0].x0, w.prompts[0].prompts[0].y0,"
        " w.prompts[0].prompts[0].x1, w.prompts[0].prompts[0].y1]"
    )
    assert box == pytest.approx([60, 5, 380, 290], abs=1)
    assert mask_at(notebook, [CAT]) == [True]


def test_a_drag_out_of_the_image_ends_at_its_border(notebook, widget):
    widget.drag((300, 200), (449, 299), SIZE)
    box = widget.stage.bounding_box()
    mouse = notebook.page.mouse
    mouse.move(box["x"] + 50, box["y"] + 50)
    mouse.down()
    mouse.move(box["x"] - 200, box["y"] + 200)
    mouse.up()
    widget.settled()
    assert notebook.value("w.prompts[0].prompts[-1].x0") == 0
    assert notebook.value("len(w.prompts[0].prompts)") == 1


@pytest.mark.parametrize("by", ["keys", "buttons"])
def test_undo_and_redo(notebook, widget, by):
    widget.click(*CAT, SIZE)
    one = notebook.value("int(w.mask.sum())")
    widget.click(*EAR, SIZE)
    two = notebook.value("int(w.mask.sum())")
    widget.press("Control+z") if by == "keys" else widget.button("undo")
    assert notebook.value("[len(w.prompts[0].prompts), int(w.mask.sum())]") == [1, one]
    widget.press("Control+Shift+z") if by == "keys" else widget.button("redo")
    assert notebook.value("[len(w.prompts[0].prompts), int(w.mask.sum())]") == [2, two]


@pytest.mark.parametrize("by", ["keys", "buttons"])
def test_two_objects_delete_and_clear(notebook, widget, by):
    widget.click(*CAT, SIZE)
    widget.press("n") if by == "keys" else widget.button("commit")
    widget.click(*CUSHION, SIZE)
    widget.wait(objects=2)
    assert notebook.value("len(w.masks)") == 2
    assert mask_at(notebook, [CAT], "w.masks[0]") == [True]
    expect(widget.root.locator(".sam2-object")).to_have_count(2)
    widget.press("Delete") if by == "keys" else widget.button("delete")
    widget.wait(objects=1)
    assert notebook.value("len(w.masks)") == 1
    widget.button("clear")
    widget.wait(objects=0)
    assert notebook.value("len(w.masks)") == 0
    widget.button("undo")
    widget.wait(objects=1)
    assert mask_at(notebook, [CAT], "w.masks[0]") == [True]


def test_the_list_selects_renames_and_removes(notebook, widget):
    widget.click(*CAT, SIZE)
    widget.press("n")
    widget.click(*CUSHION, SIZE)
    widget.press("n")
    rows = widget.root.locator(".sam2-object")
    rows.nth(0).locator("input").fill("cat")
    rows.nth(0).locator("input").press("Enter")
    widget.settled()
    assert notebook.value("[o.label for o in w.objects]") == ["cat", None]
    rows.nth(0).locator(".sam2-select").click()
    widget.settled()
    widget.click(*EAR, SIZE, modifiers=["Alt"])
    assert notebook.value("[len(o.prompts) for o in w.prompts]") == [2, 1]
    rows.nth(1).hover()
    rows.nth(1).locator(".sam2-remove").click()
    widget.wait(objects=1)
    assert notebook.value("[o.label for o in w.objects]") == ["cat"]


def test_fast_clicks_are_all_processed_in_order(notebook, widget):
    where = [(150 + 10 * i, 150) for i in range(8)]
    for x, y in where:
        widget.stage.click(position=widget.at(x, y, SIZE), delay=0)
    widget.settled()
    xs = notebook.value("[p.x for p in w.prompts[0].prompts]")
    assert xs == pytest.approx([x for x, _ in where], abs=1)
    notebook.run("from sam2_widget import segment")
    assert notebook.value(
        "bool((segment(w.image, w.prompts, model='bundled').masks == w.masks).all())"
    )


def test_a_click_at_once_after_new_object_starts_the_next(notebook, widget):
    widget.stage.click(position=widget.at(*CAT, SIZE))
    widget.stage.press("n")
    widget.stage.click(position=widget.at(*CUSHION, SIZE))
    widget.settled()
    assert notebook.value("[len(o.prompts) for o in w.prompts]") == [1, 1]


def test_python_and_mouse_work_on_the_same_object(notebook, widget):
    widget.click(*CAT, SIZE)
    notebook.run(f"w.add_point({EAR[0]}, {EAR[1]}, 0)")
    widget.settled()
    widget.click(100, 250, SIZE)
    assert notebook.value("[p.label for p in w.prompts[0].prompts]") == [1, 0, 1]
    notebook.run("w.commit('cat'); w.add_box(380, 40, 450, 200)")
    widget.wait(objects=2)
    assert mask_at(notebook, [(430, 120)]) == [True]


def test_an_object_is_segmented_by_the_keyboard_alone(notebook, widget):
    widget.stage.focus()
    for key in ["Space", "ArrowRight", "Shift+ArrowRight", "ArrowDown"]:
        widget.stage.press(key)
    widget.settled()
    assert notebook.value("len(w.masks)") == 0, "Space only shows the crosshair at first"
    widget.stage.press("Space")
    widget.settled()
    assert notebook.value("len(w.masks)") == 1


def test_space_outside_the_image_adds_no_prompt(notebook, page, widget):
    widget.click(*CAT, SIZE)
    widget.root.locator(".sam2-head").hover()
    page.keyboard.press("Space")
    widget.settled()
    assert notebook.value("[len(o.prompts) for o in w.prompts]") == [1]


def test_no_shortcut_of_jupyterlab_fires_and_no_menu_opens(notebook, widget):
    widget.click(*CAT, SIZE)
    cells = "() => jupyterapp.shell.currentWidget.content.model.cells.length"
    before = notebook.page.evaluate(cells)
    for key in ["d", "d", "a", "b", "m", "0", "0", "x", "Control+x", "?", "Escape"]:
        widget.stage.press(key)
    lab.painted(notebook.page)
    assert notebook.page.evaluate(cells) == before
    assert notebook.page.locator(".jp-Dialog").count() == 0
    widget.click(*EAR, SIZE, button="right")
    assert notebook.page.locator(".lm-Menu-content").count() == 0


RUN_COUNTER = "import builtins\nbuiltins.count = getattr(builtins, 'count', 0) + 1\ncount"


def test_shortcuts_of_jupyterlab_still_work(notebook, page):
    """Run the cell, run and advance, save, open a panel: from the image, a button and a slider."""
    notebook.open([f"{RUN_COUNTER}\n{CELL}"]).run_all()
    for k, key in enumerate(["Control+Enter", "Shift+Enter"]):
        widget = notebook.widget().ready()
        widget.click(*CAT, SIZE)
        if key == "Shift+Enter":
            widget.stage.press("Escape")
            widget.root.locator("[data-action=settings]").focus()
        page.keyboard.press(key)
        widget.wait(objects="0")
        assert notebook.value("count") == k + 2
    widget.ready().click(*CAT, SIZE)
    dirty = "() => jupyterapp.shell.currentWidget.context.model.dirty"
    page.wait_for_function(dirty)
    widget.stage.press("Control+s")
    page.wait_for_function(f"() => !({dirty})()")
    widget.stage.press("Control+Shift+c")
    page.locator("#modal-command-palette").wait_for(state="visible")
    page.keyboard.press("Escape")


def test_keys_work_after_a_slider_or_a_switch_was_used(page, widget):
    widget.click(*CAT, SIZE)
    widget.press(",")
    for control, polarity in (("opacity", "negative"), ("hover-preview", "positive")):
        widget.root.locator(f'[data-option="{control}"]').click()
        page.keyboard.press("x")
        widget.wait(polarity=polarity)
    opacity = widget.root.locator('[data-option="opacity"]')
    opacity.focus()
    before = float(opacity.input_value())
    page.keyboard.press("b")
    page.keyboard.press("ArrowRight")
    widget.wait(tool="brush")
    assert float(opacity.input_value()) > before


def test_page_keys_scroll_the_notebook_where_there_are_no_planes(notebook, page):
    notebook.open([CELL, *["print('\\n' * 30)"] * 3]).run_all()
    widget = notebook.widget().ready()
    widget.click(*CAT, SIZE)
    top = widget.stage.bounding_box()["y"]
    page.keyboard.press("PageDown")
    page.wait_for_function(
        "([canvas, top]) => canvas.getBoundingClientRect().y < top - 50",
        arg=[widget.stage.element_handle(), top],
    )


def test_escape_and_backspace_go_back_a_step_at_a_time(notebook, widget):
    widget.click(*CAT, SIZE)
    widget.click(*EAR, SIZE)
    widget.press("Backspace")
    assert notebook.value("[len(o.prompts) for o in w.prompts]") == [1]
    widget.press("Escape")
    widget.click(*CUSHION, SIZE)
    widget.wait(objects="2")
    widget.press("Backspace")
    widget.wait(objects="1")


def test_alt_and_an_arrow_reorder_from_the_image(notebook, widget):
    widget.click(*CAT, SIZE)
    widget.press("n")
    widget.click(*CUSHION, SIZE)
    widget.press("Alt+ArrowUp")
    places = "[round(o.prompts[0].x) for o in w.prompts]"
    assert notebook.value(places) == [pytest.approx(x, abs=1) for x in (CUSHION[0], CAT[0])]


def test_the_wheel_scrolls_the_notebook(notebook, page):
    notebook.open([CELL, *["print('\\n' * 30)"] * 3]).run_all()
    widget = notebook.widget().ready()
    widget.stage.hover()
    top = widget.stage.bounding_box()["y"]
    page.mouse.wheel(0, 200)
    page.wait_for_function(
        "([top]) => document.querySelector('canvas.sam2-stage')"
        ".getBoundingClientRect().y < top - 50",
        arg=[top],
    )


def test_timings_of_a_click_are_reported(notebook, widget):
    widget.click(*CAT, SIZE)
    widget.click(*EAR, SIZE, modifiers=["Alt"])

    def answered():
        """Timings, which the page sends when it is asked for them."""
        timings = notebook.value(
            "[[t.browser, t.comm, t.decoder, t.paint, t.total] for t in w.timings]"
        )
        is_complete = all(None not in timing for timing in timings)
        return len(timings) == 2 and is_complete and timings

    timings = wait_until(answered, "the timings")
    assert all(part >= 0 for timing in timings for part in timing)
    assert all(decoder > 0 and paint > 0 for _, _, decoder, paint, _ in timings)
    assert all(sum(timing[:-1]) <= timing[-1] for timing in timings)
    widget.press(",")
    widget.root.locator(".sam2-timing", has_text="Last click").wait_for()
