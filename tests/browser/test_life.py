"""The life cycle of a widget: slow kernels, reloads, restarts, two views, other screens."""

import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

from .conftest import ARTIFACTS
from .lab import Widget, set_theme

SIZE = (451, 300)
IMPORT = "from skimage import data\nfrom sam2_widget import SegmentWidget\n"
CELL = IMPORT + 'w = SegmentWidget(data.chelsea(), model="bundled")\nw'
CAT, CUSHION = (220, 190), (420, 100)


# The import of torch is blocked until the file appears.
SLOW_TORCH = """
import builtins, pathlib, time
gate = pathlib.Path("gate")
gate.unlink(missing_ok=True)
real = builtins.__import__
def slow(name, *rest, **options):
    while name == "torch" and not gate.exists():
        time.sleep(0.05)
    return real(name, *rest, **options)
builtins.__import__ = slow
"""


@pytest.fixture
def widget(notebook):
    notebook.open([CELL]).run_all()
    return notebook.widget().ready().settled()


def test_the_image_is_shown_before_the_model_is_loaded_and_early_clicks_count(notebook, page):
    notebook.open([SLOW_TORCH, CELL], kernel="python3").run_all()
    widget = notebook.widget()
    widget.wait(phase="loading")
    widget.stage.wait_for()
    widget.stage.click(position=widget.at(*CAT, SIZE))
    widget.wait(pending="true", objects=1)
    notebook.wait_idle()
    assert notebook.value("len(w.prompts)") == 1
    notebook.run("gate.touch()")
    widget.ready().settled()
    assert notebook.value("bool(w.mask[190, 220])")


def test_a_click_while_a_cell_runs_gets_its_mask(notebook, widget):
    widget.click(*CAT, SIZE)
    notebook.start("import time\nfor _ in range(600):\n    time.sleep(0.1)")
    notebook.running.wait_for()
    widget.click(*CUSHION, SIZE)
    widget.press("n")
    widget.click(60, 60, SIZE)
    assert notebook.running.count() == 1
    notebook.interrupt()
    assert notebook.value("[len(o.prompts) for o in w.prompts]") == [2, 1]


def test_a_long_cell_that_sets_options_does_not_delay_clicks(notebook, widget):
    notebook.start("w.add_point(220, 190)\nimport time\nfor _ in range(600):\n    time.sleep(0.1)")
    widget.wait(objects=1)
    widget.settled()
    widget.click(*CUSHION, SIZE)
    assert notebook.running.count() == 1
    notebook.interrupt()
    assert notebook.value("len(w.prompts[0].prompts)") == 2


def test_two_views_of_one_widget_show_the_same(notebook, widget):
    notebook.start("w")
    second = notebook.widget(1)
    second.ready().settled()
    bare = second.colors([(x, 150) for x in range(30, 430, 40)], SIZE)
    widget.stage.scroll_into_view_if_needed()
    widget.click(*CAT, SIZE)
    second.wait(objects=1, pending="false")
    second.stage.scroll_into_view_if_needed()
    second.click(*CUSHION, SIZE, modifiers=["Alt"])
    assert notebook.value("[p.label for p in w.prompts[0].prompts]") == [1, 0]
    points = [(x, 150) for x in range(30, 430, 40)]
    for view in (widget, second):
        view.settled().wait(moving="false")
    shown = widget.colors(points, SIZE)
    assert shown == second.colors(points, SIZE)
    assert shown != bare


@pytest.mark.own_page
def test_a_reload_of_the_page_keeps_everything(notebook, page, widget):
    # JupyterLab does not always restore the width of its side bar, nor so that of the cell.
    notebook.run("w.layout.width = '700px'")
    points = [(x, y) for x in range(30, 430, 40) for y in (60, 160, 260)]
    bare = widget.colors(points, SIZE)
    widget.click(*CAT, SIZE)
    widget.press("n")
    widget.click(*CUSHION, SIZE).wait(moving="false")
    before = widget.colors(points, SIZE)
    assert before != bare
    notebook.save()
    page.reload(wait_until="domcontentloaded")
    notebook.wait_idle()
    again = notebook.widget().ready()
    again.wait(objects=2, pending="false", moving="false")
    assert again.colors(points, SIZE) == before
    again.click(60, 60, SIZE, modifiers=["Alt"])
    assert notebook.value("[len(o.prompts) for o in w.prompts]") == [1, 2]


@pytest.mark.own_page
def test_a_reload_keeps_messages_which_other_pages_do_not_see(notebook, page, widget, lab):
    widget.click(*CAT, SIZE)
    widget.wait(objects="1")
    notebook.run("w._annotator.notify('Only for you.', list(w._publisher._ack)[-1])")
    message = page.locator(".sam2-message").get_by_text("Only for you.")
    message.wait_for()
    notebook.save()
    page.reload(wait_until="domcontentloaded")
    notebook.wait_idle()
    again = notebook.widget().ready()
    message.wait_for()
    other = page.context.new_page()
    other.goto(f"{lab}/doc/tree/{notebook.path}", wait_until="domcontentloaded")
    there = Widget(other, other.locator(".sam2-widget").first)
    there.wait(ready="true", objects="1", pending="false")
    assert not other.locator(".sam2-message").get_by_text("Only for you.").count()
    other.close()
    again.click(*CUSHION, SIZE)
    message.wait_for(state="detached")


@pytest.mark.own_page
def test_a_second_tab_on_the_kernel_sees_the_same(notebook, page, widget, lab):
    widget.click(*CAT, SIZE)
    notebook.save()
    other = page.context.new_page()
    other.goto(f"{lab}/doc/tree/{notebook.path}", wait_until="domcontentloaded")
    there = Widget(other, other.locator(".sam2-widget").first)
    there.wait(ready="true", objects="1", pending="false")
    there.stage.scroll_into_view_if_needed()
    there.click(*CUSHION, SIZE)
    page.bring_to_front()
    assert notebook.value("len(w.prompts[0].prompts)") == 2
    widget.wait(pending="false")
    other.close()


def test_a_kernel_restart_shows_what_to_do(notebook, page, widget):
    widget.click(*CAT, SIZE)
    page.evaluate("() => { jupyterapp.shell.currentWidget.sessionContext.restartKernel(); }")
    alert = widget.root.get_by_role("alert")
    expect(alert).to_contain_text("restarted")
    expect(alert).to_contain_text("Run the cell again")
    notebook.wait_idle()
    notebook.run_all_again()
    notebook.widget().ready().click(*CAT, SIZE)
    assert notebook.value("len(w.masks)") == 1


def test_an_unavailable_model_is_reported_and_another_is_used(notebook, page):
    notebook.open(
        [
            IMPORT
            + "open('bad.pt', 'w').write('x')\nw = SegmentWidget(data.chelsea(), model='bad.pt')\nw"
        ]
    ).run_all()
    widget = notebook.widget()
    widget.wait(phase="error")
    expect(widget.root.get_by_role("alert")).to_contain_text("bad.pt")
    widget.stage.click(position=widget.at(*CAT, SIZE))
    widget.wait(objects=1)
    notebook.wait_idle()
    notebook.run("w.model = 'bundled'")
    widget.ready().settled()
    assert notebook.value("bool(w.mask[190, 220])")


def test_given_labels_are_offered(notebook, page):
    notebook.open(
        [
            IMPORT
            + "w = SegmentWidget(data.chelsea(), model='bundled', labels=['cat', 'cushion'])\nw"
        ]
    ).run_all()
    widget = notebook.widget().ready()
    widget.click(*CAT, SIZE)
    widget.root.locator(".sam2-object select").select_option("cushion")
    widget.settled()
    assert notebook.value("w.objects[0].label") == "cushion"


def test_an_exif_rotated_photo_is_clicked_where_it_is_seen(notebook, page):
    cell = IMPORT + (
        "from PIL import Image\n"
        "exif = Image.Exif(); exif[0x0112] = 6\n"
        "turned = Image.fromarray(data.chelsea()).rotate(90, expand=True)\n"
        "turned.save('turned.jpg', exif=exif, quality=95)\n"
        "w = SegmentWidget('turned.jpg', model='bundled')\nw"
    )
    notebook.open([cell]).run_all()
    widget = notebook.widget().ready()
    assert notebook.value("w.image.shape") == [300, 451, 3]
    widget.click(*CAT, SIZE)
    assert notebook.value("bool(w.mask[190, 220])")


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (3000, 1), (6000, 8000)])
def test_images_of_any_shape_can_be_clicked(notebook, page, shape):
    notebook.open(
        [
            (
                f"import numpy as np\nfrom sam2_widget import SegmentWidget\n"
                f"image = np.full(({shape[0]}, {shape[1]}, 3), 90, np.uint8)\n"
                f"w = SegmentWidget(image, model='bundled')\nw"
            )
        ]
    ).run_all()
    widget = notebook.widget().ready()
    widget.stage.click()
    widget.settled()
    x, y = notebook.value("[w.prompts[0].prompts[0].x, w.prompts[0].prompts[0].y]")
    assert 0 <= x < shape[1]
    assert 0 <= y < shape[0]
    assert x == pytest.approx(shape[1] / 2, abs=shape[1] * 0.02)
    assert notebook.value("w.masks.shape") == [1, *shape]


@pytest.mark.parametrize(
    "page_options",
    [{"viewport": {"width": 1000, "height": 800}, "has_touch": True}],
)
def test_a_tap_is_a_click(notebook, widget):
    widget.stage.tap(position=widget.at(*CAT, SIZE))
    widget.settled()
    assert notebook.value("bool(w.mask[190, 220])")


@pytest.mark.parametrize(
    "page_options",
    [{"viewport": {"width": 1280, "height": 900}, "device_scale_factor": s} for s in (2, 1.5)],
)
def test_the_stage_has_as_many_pixels_as_the_screen(notebook, widget, page_options):
    ratio = "c => c.width / c.getBoundingClientRect().width"
    wanted = pytest.approx(page_options["device_scale_factor"], rel=0.01)
    wait_until(lambda: widget.stage.evaluate(ratio) == wanted, "the size of the canvas")
    widget.click(*CAT, SIZE)
    assert notebook.value("bool(w.mask[190, 220])")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize(
    "page_options", [{"viewport": {"width": w, "height": 900}} for w in (600, 1600)]
)
def test_the_widget_fits_the_page_in_light_and_dark(notebook, page, widget, theme, page_options):
    set_theme(page, theme)
    if page_options["viewport"]["width"] < 700:
        notebook.command("application:toggle-left-area")
    widget.click(*CAT, SIZE)
    widget.press("n")
    widget.click(*CUSHION, SIZE)
    box, room = widget.root.bounding_box(), widget.stage.bounding_box()
    assert room["x"] >= box["x"] - 1
    assert room["x"] + room["width"] <= box["x"] + box["width"] + 1
    assert widget.root.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    name = f"{theme.split()[1].lower()}-{page_options['viewport']['width']}.png"
    page.screenshot(path=ARTIFACTS / name)
