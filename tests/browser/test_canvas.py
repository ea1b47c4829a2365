"""The canvas: tools, zoom, hand edits, previews, touch, and interrupted gestures."""

import pytest

from . import lab
from .lab import set_theme

SIZE = (451, 300)
AT_REST = "() => !document.querySelector('.sam2-widget[data-moving=true]')"
CAT, EAR, CUSHION = (220, 190), (395, 20), (420, 100)
GRID = [(x, y) for x in range(6, 451, 23) for y in range(5, 300, 19)]
KINDS = "[type(p).__name__ for p in w.prompts[0].prompts]"


def cell(options="", image="data.chelsea()"):
    return (
        "from skimage import data\nimport numpy as np\n"
        "from sam2_widget import SegmentWidget\n"
        f"w = SegmentWidget({image}, model='bundled'{options})\nw"
    )


@pytest.fixture
def widget(notebook):
    notebook.open([cell()]).run_all()
    return notebook.widget().ready().settled()


def mask_at(notebook, points, mask="w.mask"):
    return notebook.value(f"[bool({mask}[y, x]) for x, y in {points}]")


def painted(page):
    """Wait until the view has come to rest on the screen."""
    lab.painted(page)
    page.wait_for_function(AT_REST)
    lab.painted(page)


def place(widget, x, y, image=SIZE):
    """Position of an image pixel's centre in the page, when the image is not zoomed."""
    # Cells that a test runs push the stage out of sight.
    widget.stage.scroll_into_view_if_needed()
    box = widget.stage.bounding_box()
    at = widget.at(x + 0.5, y + 0.5, image)
    return box["x"] + at["x"], box["y"] + at["y"]


def draw(widget, path, image=SIZE, button="left"):
    """Press, move along and release at these image pixels."""
    mouse = widget.page.mouse
    first, *others = [place(widget, x, y, image) for x, y in path]
    mouse.move(*first)
    mouse.down(button=button)
    for x, y in others:
        mouse.move(x, y, steps=4)
    mouse.up(button=button)
    return widget.settled()


def take(notebook, widget, tool):
    notebook.run(f"w.tool = {tool!r}")
    return widget.wait(tool=tool)


def agrees(notebook, bare, widget, points, mask="w.mask"):
    """Whether exactly the mask's pixels have changed since `bare`."""
    shown = widget.colors(points, SIZE)
    changed = [shown[k] != bare[p] for k, p in enumerate(points)]
    return changed == mask_at(notebook, points, mask)


def far_from(places, points, distance=25):
    return [p for p in points if all(abs(p[0] - x) + abs(p[1] - y) > distance for x, y in places)]


def bare_colors(widget):
    painted(widget.page)
    return dict(zip(GRID, widget.colors(GRID, SIZE), strict=True))


# --- tools ----------------------------------------------------------------------------------------


def test_brush_and_eraser_set_exactly_the_painted_pixels(notebook, page, widget):
    bare = bare_colors(widget)
    widget.click(*CAT, SIZE)
    take(notebook, widget, "brush")
    draw(widget, [(20, 30), (120, 40), (60, 90)])
    page.mouse.move(0, 0)
    painted(page)
    points = far_from([CAT], GRID)
    assert mask_at(notebook, [(20, 30), (70, 35), (120, 40), (60, 90)]) == [True] * 4
    assert agrees(notebook, bare, widget, points)
    take(notebook, widget, "eraser")
    draw(widget, [(150, 200), (300, 200)])
    page.mouse.move(0, 0)
    painted(page)
    assert mask_at(notebook, [(150, 200), (230, 200), (300, 200)]) == [False] * 3
    assert agrees(notebook, bare, widget, points)
    assert notebook.value(KINDS) == ["Point", "Stroke", "Stroke"]
    widget.button("undo")
    widget.button("undo")
    assert notebook.value(KINDS) == ["Point"]
    painted(page)
    assert agrees(notebook, bare, widget, points)


def test_a_brush_alone_makes_an_object(notebook, page, widget):
    take(notebook, widget, "brush")
    notebook.run("w.brush_size = 30")
    draw(widget, [(100, 100), (200, 100)])
    widget.wait(objects=1)
    probes = [(100, 100), (200, 100), (150, 112), (150, 118)]
    assert mask_at(notebook, probes) == [True, True, True, False]
    area = notebook.value("int(w.mask.sum())")
    assert area == pytest.approx(100 * 30 + 3.1416 * 15**2, rel=0.03)


def test_the_wheel_changes_the_brush_size_and_shift_draws_lines(notebook, page, widget):
    take(notebook, widget, "brush")
    widget.click(100, 100, SIZE)
    widget.wait(objects=1)
    zoom = widget.root.get_attribute("data-zoom")
    page.keyboard.down("Shift")
    for _ in range(3):
        page.mouse.wheel(0, -100)
    painted(page)
    widget.click(200, 100, SIZE)
    page.keyboard.up("Shift")
    assert widget.root.get_attribute("data-zoom") == zoom
    dot, line = notebook.value("[[len(p.vertices), p.radius] for p in w.prompts[0].prompts]")
    assert [dot[0], line[0]] == [1, 2]
    assert 1.5 * dot[1] < line[1] < 3 * dot[1]
    assert mask_at(notebook, [(150, 100)]) == [True]


def test_the_zoom_is_shown_in_screen_pixels(widget):
    value = widget.root.locator(".sam2-zoom-value")
    for key, text in (("0", "Fit"), ("z", "100 %"), ("0", "Fit")):
        widget.press(key)
        value.filter(has_text=text).wait_for()


def test_a_scribble_is_a_prompt(notebook, widget):
    take(notebook, widget, "scribble")
    draw(widget, [(180, 150), (220, 190), (270, 200)])
    assert notebook.value(KINDS) == ["Scribble"]
    assert mask_at(notebook, [(220, 190)]) == [True]
    widget.press("x")
    draw(widget, [(20, 20), (60, 30)])
    assert notebook.value("[p.label for p in w.prompts[0].prompts]") == [1, 0]


def test_a_placed_point_is_moved_and_removed(notebook, page, widget):
    widget.click(*EAR, SIZE)
    before = notebook.value("int(w.mask.sum())")
    draw(widget, [EAR, (300, 100), CAT])
    x, y = notebook.value("[w.prompts[0].prompts[0].x, w.prompts[0].prompts[0].y]")
    assert (x, y) == (pytest.approx(CAT[0], abs=2), pytest.approx(CAT[1], abs=2))
    assert notebook.value(KINDS) == ["Point"]
    assert notebook.value("int(w.mask.sum())") != before
    widget.click(*CUSHION, SIZE)
    widget.click(*CAT, SIZE, modifiers=["Alt"])
    assert notebook.value(KINDS) == ["Point"]
    x = notebook.value("w.prompts[0].prompts[0].x")
    assert x == pytest.approx(CUSHION[0], abs=2)
    widget.button("undo")
    assert notebook.value(KINDS) == ["Point", "Point"]


def test_an_object_is_selected_in_the_image(notebook, page, widget):
    notebook.run("w.add_box(20, 20, 120, 120); w.commit(); w.add_box(250, 150, 440, 290)")
    notebook.run("w.commit()")
    widget.wait(objects=2)
    inside = [
        notebook.value(
            f"(lambda ys, xs: [int(xs[len(xs)//2]), int(ys[len(ys)//2])])(*w.masks[{k}].nonzero())"
        )
        for k in (0, 1)
    ]
    take(notebook, widget, "select")
    for x, y in inside:
        page.mouse.click(*place(widget, x, y))
        row = widget.root.locator(".sam2-object[aria-current]")
        row.wait_for()
        widget.settled()
        index = notebook.value("[i for i, m in enumerate(w.masks) if (m == w.mask).all()][0]")
        assert [x, y] == inside[index]
    nothing = notebook.value(
        "(lambda ys, xs: [int(xs[0]), int(ys[0])])(*(~w.masks.any(0)).nonzero())"
    )
    page.mouse.click(*place(widget, *nothing))
    widget.root.locator(".sam2-object[aria-current]").wait_for(state="detached")


def test_cut_out_shows_each_pixel_in_one_object(notebook, page, widget):
    bare = bare_colors(widget)
    notebook.run("w.add_stroke([(100, 150), (250, 150)], radius=60); w.commit()")
    notebook.run("w.add_stroke([(250, 150), (350, 150)], radius=60); w.commit()")
    widget.wait(objects=2).settled()
    painted(page)
    both = notebook.value(f"[bool(w.masks[:, y, x].all()) for x, y in {GRID}]")
    lower, upper = (f"[bool(w.masks[{k}, y, x]) for x, y in {GRID}]" for k in (0, 1))
    on_top = widget.colors(GRID, SIZE)
    notebook.run("w.overlap = 'cut out'")
    painted(page)
    cut = widget.colors(GRID, SIZE)
    assert sum(both) > 5
    assert not any(notebook.value(f"[bool(w.masks[:, y, x].all()) for x, y in {GRID}]"))
    covered = [a or b for a, b in zip(notebook.value(lower), notebook.value(upper), strict=True)]
    assert [c != bare[p] for p, c in zip(GRID, cut, strict=True)] == covered
    # Under two fills a pixel looks different from under the upper one alone.
    assert all(a != b for a, b, two in zip(on_top, cut, both, strict=True) if two)


# --- view -----------------------------------------------------------------------------------------


class View:
    """Positions in the page after zooming to an image pixel; the page may have scrolled."""

    def __init__(self, widget, x, y, image=SIZE):
        self.widget, self.image = widget, image
        # Mouse positions are whole CSS pixels.
        self.fixed = tuple(round(at) for at in place(widget, x, y, image))
        self.offset = self._off(self.fixed)

    def _off(self, at):
        box = self.widget.stage.bounding_box()
        return at[0] - box["x"], at[1] - box["y"]

    @property
    def zoom(self):
        return float(self.widget.root.get_attribute("data-zoom"))

    def wheel(self, until, step=-120):
        """Turn the wheel at the pixel until that zoom is reached."""
        mouse = self.widget.page.mouse
        mouse.move(*self.fixed)
        while self.zoom < until:
            mouse.wheel(0, step)
            painted(self.widget.page)
        return self

    def place(self, x, y):
        """Current position of a pixel's centre in the page."""
        at = place(self.widget, x, y, self.image)
        box = self.widget.stage.bounding_box()
        corner = (box["x"], box["y"])
        return tuple(
            c + o + (p - c - o) * self.zoom for c, o, p in zip(corner, self.offset, at, strict=True)
        )


def zoom_at(widget, x, y, until=3, image=SIZE):
    """Zoom to an image pixel with Ctrl and the wheel."""
    view = View(widget, x, y, image)
    widget.page.keyboard.down("Control")
    view.wheel(until)
    widget.page.keyboard.up("Control")
    return view


def colors_in_page(widget, places):
    return widget.stage.evaluate(
        """(canvas, places) => {
          const box = canvas.getBoundingClientRect();
          return places.map(([x, y]) => [...canvas.getContext("2d").getImageData(
            Math.floor((x - box.x) * canvas.width / box.width),
            Math.floor((y - box.y) * canvas.height / box.height), 1, 1).data].slice(0, 3));
        }""",
        [list(p) for p in places],
    )


def test_clicks_and_masks_are_exact_when_zoomed_in(notebook, page, widget):
    view = zoom_at(widget, 200, 140)
    points = [(x, y) for x in range(170, 231, 6) for y in range(125, 156, 5)]
    places = [view.place(x, y) for x, y in points]
    bare = colors_in_page(widget, places)
    page.mouse.click(*view.place(205, 145))
    widget.wait(objects=1).settled()
    x, y = notebook.value("[w.prompts[0].prompts[0].x, w.prompts[0].prompts[0].y]")
    assert (x, y) == (pytest.approx(205.5, abs=0.3), pytest.approx(145.5, abs=0.3))
    notebook.run("w.add_stroke([(150, 140), (250, 140)], radius=3, label=0)")
    widget.settled()
    page.mouse.move(0, 0)
    painted(page)
    places = [view.place(x, y) for x, y in points]
    kept = [k for k, p in enumerate(points) if abs(p[0] - 205) + abs(p[1] - 145) > 14]
    shown = colors_in_page(widget, places)
    expected = mask_at(notebook, [points[k] for k in kept])
    assert [shown[k] != bare[k] for k in kept] == expected
    assert 0.1 < sum(expected) / len(expected) < 0.99
    widget.press("0")
    widget.wait(zoom="1.000")


@pytest.mark.parametrize("how", ["middle", "space", "tool"])
def test_a_drag_pans_without_placing_prompts(notebook, page, widget, how):
    widget.stage.focus()
    zoom_at(widget, 225, 150)
    (before,) = colors_in_page(widget, [place(widget, 225, 150)])
    if how == "tool":
        take(notebook, widget, "pan")
    page.mouse.move(*place(widget, 225, 150))
    if how == "space":
        page.keyboard.down("Space")
    draw(widget, [(225, 150), (245, 165)], button="middle" if how == "middle" else "left")
    if how == "space":
        page.keyboard.up("Space")
    painted(page)
    # The view moves by whole device pixels, the pointer need not.
    (after,) = colors_in_page(widget, [place(widget, 245, 165)])
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) < 12
    assert notebook.value("len(w.masks)") == 0


def test_the_wheel_zooms_once_the_widget_has_the_focus(page, notebook, widget):
    widget.stage.focus()
    page.mouse.move(*place(widget, *CAT))
    page.mouse.wheel(0, -240)
    page.wait_for_function("e => Number(e.dataset.zoom) > 1.2", arg=widget.root.element_handle())


def test_a_large_image_is_sharp_when_zoomed_in(notebook, page):
    # Colours in squares of four pixels: lost in the scaled-down picture, visible in the tiles.
    image = (
        "np.kron(np.random.default_rng(0).integers(0, 2, (1000, 1500, 1)) * 255,"
        " np.ones((4, 4, 3))).astype(np.uint8)"
    )
    notebook.open([cell(image=image)]).run_all()
    widget = notebook.widget().ready()
    size = (6000, 4000)
    assert notebook.value("len(w._image['data'])") <= 1_000_000
    view = View(widget, 3002, 2002, size)
    widget.stage.focus()
    view.wheel(20, step=-240)
    points = [(3002 + 4 * i, 2002 + 4 * j) for i in range(-6, 7) for j in range(-4, 5)]
    true = notebook.value(f"[w.image[y, x].tolist() for x, y in {points}]")
    places = [view.place(x, y) for x, y in points]
    page.wait_for_function(
        """([canvas, places, colors]) => {
          const box = canvas.getBoundingClientRect();
          return places.every(([x, y], k) => {
            const [shown] = canvas.getContext("2d").getImageData(
              Math.floor((x - box.x) * canvas.width / box.width),
              Math.floor((y - box.y) * canvas.height / box.height), 1, 1).data;
            return Math.abs(shown - colors[k][0]) < 64;
          });
        }""",
        arg=[widget.stage.element_handle(), places, true],
    )


def test_the_preview_follows_the_pointer_and_stays_a_preview(notebook, page, widget):
    bare = bare_colors(widget)
    notebook.run("w.hover_preview = True")
    widget.wait(preview="on")
    page.mouse.move(*place(widget, 100, 100))
    page.mouse.move(*place(widget, *CAT), steps=3)
    page.wait_for_function(
        """([canvas, [x, y], [r, g, b]]) => {
          const [s, t, u] = canvas.getContext("2d").getImageData(x, y, 1, 1).data;
          return s !== r || t !== g || u !== b;
        }""",
        arg=[
            widget.stage.element_handle(),
            widget.stage.evaluate(
                "(c, [x, y]) => [Math.floor((x + .5) * c.width / 451),"
                " Math.floor((y + .5) * c.height / 300)]",
                [213, 195],
            ),
            bare[213, 195],
        ],
    )
    assert notebook.value("len(w.masks)") == 0
    page.mouse.move(0, 0)
    painted(page)
    assert list(bare_colors(widget).values()) == list(bare.values())


# --- touch and pen --------------------------------------------------------------------------------

TOUCH = [{"viewport": {"width": 1000, "height": 800}, "has_touch": True}]


@pytest.fixture
def devices(page):
    """Touch and pen input of the browser; one session, which keeps the state of the fingers."""
    return page.context.new_cdp_session(page)


def fingers(devices, kind, *places):
    """Dispatch a touch event with all fingers at their positions."""
    points = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(places)]
    devices.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.mark.parametrize("page_options", TOUCH)
def test_two_fingers_zoom_without_placing_prompts(notebook, page, widget, devices):
    (x, y), (right, bottom) = place(widget, 200, 140), place(widget, 230, 160)
    fingers(devices, "touchStart", (x, y))
    fingers(devices, "touchMove", (x - 12, y - 12))
    fingers(devices, "touchStart", (x - 12, y - 12), (right, bottom))
    for step in range(1, 8):
        fingers(devices, "touchMove", (x - 12 * step, y - 12 * step), (right + 12 * step, bottom))
    fingers(devices, "touchEnd", (x - 84, y - 84))
    fingers(devices, "touchEnd")
    page.wait_for_function("e => Number(e.dataset.zoom) > 1.5", arg=widget.root.element_handle())
    widget.settled()
    assert notebook.value("len(w.masks)") == 0
    widget.stage.tap()
    widget.wait(objects=1)


@pytest.mark.parametrize("page_options", TOUCH)
def test_a_finger_draws_a_box_and_a_stroke(notebook, widget, devices):
    for tool, expected in [("box", ["Box"]), ("brush", ["Box", "Stroke"])]:
        take(notebook, widget, tool)
        fingers(devices, "touchStart", place(widget, 80, 40))
        fingers(devices, "touchMove", place(widget, 200, 150))
        fingers(devices, "touchMove", place(widget, 350, 280))
        fingers(devices, "touchEnd")
        widget.wait(objects=1).settled()
        assert notebook.value(KINDS) == expected


@pytest.mark.parametrize("page_options", TOUCH)
def test_a_palm_next_to_the_pen_is_ignored(notebook, widget, devices):
    take(notebook, widget, "brush")

    def pen(kind, at):
        x, y = place(widget, *at)
        button = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
        devices.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **button})

    pen("mousePressed", (100, 100))
    pen("mouseMoved", (150, 100))
    fingers(devices, "touchStart", place(widget, 300, 250))
    fingers(devices, "touchMove", place(widget, 350, 280))
    pen("mouseMoved", (200, 100))
    fingers(devices, "touchEnd")
    pen("mouseReleased", (200, 100))
    widget.wait(objects=1).settled()
    assert notebook.value(KINDS) == ["Stroke"]
    assert mask_at(notebook, [(150, 100), (350, 280)]) == [True, False]
    assert widget.root.get_attribute("data-zoom") == "1.000"


# --- interrupted gestures -------------------------------------------------------------------------


def is_free(notebook, widget):
    """Check that nothing was placed and that the next click works as usual."""
    widget.settled()
    assert notebook.value("len(w.masks)") == 0
    widget.click(*CAT, SIZE)
    assert notebook.value(KINDS) == ["Point"]


@pytest.mark.parametrize("how", ["escape", "capture", "cancel"])
def test_an_interrupted_press_places_no_prompt(notebook, page, widget, how):
    mouse = page.mouse
    mouse.move(*place(widget, 60, 60))
    mouse.down()
    mouse.move(*place(widget, 200, 200), steps=3)
    if how == "escape":
        page.keyboard.press("Escape")
    elif how == "capture":
        widget.stage.evaluate("c => c.releasePointerCapture(1)")
    else:
        widget.stage.evaluate(
            "c => c.dispatchEvent(new PointerEvent('pointercancel', { pointerId: 1 }))"
        )
    mouse.move(*place(widget, 250, 220), steps=2)
    mouse.up()
    is_free(notebook, widget)


@pytest.mark.parametrize("how", ["resize", "theme"])
def test_a_resize_or_theme_change_does_not_disturb_a_drag(notebook, page, widget, how):
    mouse = page.mouse
    mouse.move(*place(widget, 60, 20))
    mouse.down()
    mouse.move(*place(widget, 200, 200), steps=3)
    if how == "resize":
        page.set_viewport_size({"width": 1100, "height": 700})
    else:
        set_theme(page, "JupyterLab Dark")
    painted(page)
    mouse.move(*place(widget, 380, 280), steps=3)
    mouse.up()
    widget.wait(objects=1).settled()
    names = ("x0", "y0", "x1", "y1")
    box = notebook.value(f"[getattr(w.prompts[0].prompts[0], n) for n in {names}]")
    assert box == pytest.approx([60, 20, 380, 280], abs=2)


def test_a_stroke_that_leaves_the_image_ends_at_its_border(notebook, page, widget):
    take(notebook, widget, "brush")
    mouse = page.mouse
    mouse.move(*place(widget, 60, 60))
    mouse.down()
    box = widget.stage.bounding_box()
    mouse.move(box["x"] - 300, box["y"] + 30, steps=5)
    mouse.up()
    widget.wait(objects=1).settled()
    assert mask_at(notebook, [(0, 60), (30, 60)]) != [False, False]
    page.mouse.move(*place(widget, 300, 250), steps=3)
    widget.settled()
    assert notebook.value(KINDS) == ["Stroke"]


def test_masks_are_hidden_while_a_key_is_held(notebook, page, widget):
    bare = bare_colors(widget)
    widget.click(*CAT, SIZE)
    page.mouse.move(0, 0)
    painted(page)
    seen = widget.colors(GRID, SIZE)
    widget.stage.focus()
    page.keyboard.down("m")
    page.keyboard.down("m")
    painted(page)
    assert widget.colors(GRID, SIZE) == list(bare.values())
    page.keyboard.up("m")
    painted(page)
    assert widget.colors(GRID, SIZE) == seen


@pytest.mark.own_page
def test_hand_edits_survive_a_reload(notebook, page, widget):
    # JupyterLab does not always restore the width of its side bar, nor so that of the cell.
    notebook.run("w.layout.width = '700px'")
    painted(page)
    widget.click(*CAT, SIZE)
    take(notebook, widget, "eraser")
    draw(widget, [(150, 200), (300, 200)])
    widget.press("n")
    take(notebook, widget, "brush")
    draw(widget, [(380, 60), (430, 90)])
    widget.wait(objects=2).settled()
    page.mouse.move(0, 0)
    painted(page)
    before = widget.colors(GRID, SIZE)
    notebook.save()
    page.reload(wait_until="domcontentloaded")
    notebook.wait_idle()
    again = notebook.widget().ready()
    again.wait(objects=2, pending="false", tool="brush")
    painted(page)
    assert again.colors(GRID, SIZE) == before
    draw(again, [(20, 280), (60, 280)])
    assert mask_at(notebook, [(40, 280), (400, 72)]) == [True, True]


MANY = """
import random
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
draw = random.Random(2)
image = np.tile(np.arange(250, dtype=np.uint8)[:, None], (3, 1000))
w = SegmentWidget(image, model=FakePredictor(radius=0.08))
for _ in range(150):
    w.add_point(draw.uniform(0, 999), draw.uniform(0, 749))
    w.commit()
w
"""

PIXELS = """
async canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const digest = await crypto.subtle.digest("SHA-256", data);
  return [...new Uint8Array(digest)].join();
}
"""


def test_panning_paints_the_same_pixels_as_a_full_repaint(notebook, page):
    notebook.open([MANY]).run_all()
    widget = notebook.widget().ready().wait(objects=150)
    view = zoom_at(widget, 500, 375, image=(1000, 750))
    widget.press("h")
    x, y = view.fixed
    page.mouse.move(x, y)
    page.mouse.down()
    # Both directions, over areas that were in view and that were not.
    for dx, dy in [(37, 0), (37, -53), (-80, -20), (-81, 44), (15, 9)]:
        page.mouse.move(x + dx, y + dy)
        painted(page)
    page.mouse.up()
    page.mouse.move(0, 0)
    widget.settled()
    painted(page)
    moved = widget.stage.evaluate(PIXELS)
    # Another style and back: everything is painted again.
    for style in ("contour", "both"):
        notebook.run(f"w.mask_style = {style!r}")
        widget.settled()
    painted(page)
    assert widget.stage.evaluate(PIXELS) == moved
