"""No objects are lost when a cell or a loop over images is run again, or the kernel restarts."""

import json

from playwright.sync_api import expect

from sam2_widget import Prompts
from tests.waiting import wait_until

SIZE = (451, 300)
IMPORT = "from skimage import data\nfrom sam2_widget import SegmentWidget\n"
CELL = IMPORT + 'w = SegmentWidget(data.chelsea(), model="bundled"{})\nw'
CAT, CUSHION = (220, 190), (420, 100)


def mark_two(widget):
    """Two objects, the second one not finished."""
    widget.ready().click(*CAT, SIZE).press("n")
    return widget.click(*CUSHION, SIZE).wait(objects=2)


def prompts(notebook):
    return json.loads(notebook.value("w.prompts.to_json()"))


def restart(notebook, page):
    page.evaluate("() => { jupyterapp.shell.currentWidget.sessionContext.restartKernel(); }")
    page.get_by_role("alert").filter(has_text="restarted").first.wait_for()
    notebook.wait_idle()


def run_first_cell(page):
    """Run the first cell again, and wait until the previous widget is removed."""
    page.locator(".sam2-widget").evaluate("root => void (root.dataset.old = 'true')")
    page.evaluate(
        "() => { const { content } = jupyterapp.shell.currentWidget;"
        " content.deselectAll(); content.activeCellIndex = 0;"
        ' jupyterapp.commands.execute("notebook:run-cell"); }'
    )
    page.locator(".sam2-widget[data-old]").wait_for(state="detached")


def test_a_cell_that_is_run_again_offers_to_restore_objects(notebook, page):
    notebook.open([CELL.format("")]).run_all()
    mark_two(notebook.widget())
    marked = prompts(notebook)
    run_first_cell(page)
    widget = notebook.widget().ready()
    offer = widget.root.locator(".sam2-offer")
    offer.filter(has_text="2 objects of this image from").wait_for()
    assert notebook.value("len(w.prompts)") == 0
    widget.button("restore").wait(objects=2)
    offer.wait_for(state="hidden")
    assert prompts(notebook) == marked
    assert notebook.value("w.masks.shape") == [2, 300, 451]
    widget.press("Control+z").wait(objects=0)
    run_first_cell(page)
    widget = notebook.widget().ready()
    widget.button("dismiss")
    offer.wait_for(state="hidden")
    assert notebook.value("w.saved is None and len(w.prompts) == 0")


def test_prompts_on_disk_are_restored_after_a_restart(notebook, page, folder):
    notebook.open([CELL.format(', autosave="saved here"')]).run_all()
    widget = mark_two(notebook.widget())
    widget.button("files")
    widget.root.locator(".sam2-keeping", has_text=str(folder / "saved here")).wait_for()
    marked = prompts(notebook)
    [file] = (folder / "saved here").iterdir()
    wait_until(lambda: json.loads(Prompts.load(file).to_json()) == marked, "the prompts on disk")
    restart(notebook, page)
    run_first_cell(page)
    widget = notebook.widget().ready()
    widget.button("restore").wait(objects=2)
    assert prompts(notebook) == marked


TWENTY = (
    IMPORT
    + """
from IPython.display import display
from sam2_widget.testing import FakePredictor
fake = FakePredictor()  # what is lost does not depend on the model, and twenty images take time
names = ["camera", "coins", "moon", "page", "text"]
images = [getattr(data, name)()[:120, :160][:, ::step] for name in names for step in (1, -1)]
images += [image[::-1] for image in images]
widgets = [SegmentWidget(image, model=fake, labels={"a": 4, "b": 17}) for image in images]
for widget in widgets:
    display(widget)
"""
)
MARK = """
for n, widget in enumerate(widgets):
    widget.add_point(30 + n, 40)
    widget.commit("b" if n % 3 else "a")
    widget.add_stroke([(80, 60), (90 + n, 70)], 4)
    widget.commit()
"""
HELD = (
    "[[w.prompts.to_json(), [o.label for o in w.objects], [int(m.sum()) for m in w.masks],"
    " __import__('hashlib').sha1(w.label_map.tobytes()).hexdigest(), w._categories]"
    " for w in widgets]"
)
HAVE_TWO = """document.querySelectorAll('.sam2-widget[data-objects="2"]').length === 20"""
OFFERED = "document.querySelectorAll('.sam2-offer:not([hidden])').length === 20"
RUN_AGAIN = """() => {
  for (const root of document.querySelectorAll(".sam2-widget")) root.dataset.old = "true";
  const { content } = jupyterapp.shell.currentWidget;
  content.deselectAll();
  content.activeCellIndex = 0;
  jupyterapp.commands.execute("notebook:run-cell");
}"""
IS_NEW = """document.querySelectorAll(".sam2-widget:not([data-old])").length === 20
  && !document.querySelector(".sam2-widget[data-old]")"""


def run_loop_again_and_restore(page):
    """Run the first cell again and press Restore in each of its twenty widgets."""
    page.evaluate(RUN_AGAIN)
    page.wait_for_function(IS_NEW)
    page.wait_for_function(OFFERED)
    offers = page.locator(".sam2-offer:not([hidden])")
    expect(offers.filter(has_text="2 objects of this image from")).to_have_count(20)
    page.evaluate("() => document.querySelectorAll('.sam2-restore').forEach((one) => one.click())")
    page.wait_for_function(HAVE_TWO)


def test_a_loop_over_twenty_images_loses_nothing_by_a_rerun_or_a_restart(notebook, page, console):
    notebook.open([TWENTY]).run_all()
    page.locator(".sam2-widget").nth(19).wait_for(state="attached")
    notebook.run(MARK)
    page.wait_for_function(HAVE_TWO)
    marked = notebook.value(HELD)
    assert len({held[3] for held in marked}) == 20
    run_loop_again_and_restore(page)
    assert notebook.value(HELD) == marked
    restart(notebook, page)
    run_loop_again_and_restore(page)
    assert notebook.value(HELD) == marked


def test_without_a_kernel_the_page_saves_prompts_that_give_the_same_masks(notebook, page, folder):
    notebook.open([CELL.format("")]).run_all()
    widget = mark_two(notebook.widget())
    widget.press("b")
    widget.drag((200, 200), (260, 240), SIZE)
    widget.press("n").press("p")
    widget.click(60, 250, SIZE).wait(objects=3)
    marked = prompts(notebook)
    notebook.run("import numpy as np; np.save('masks.npy', w.masks)")
    restart(notebook, page)
    widget.root.locator(".sam2-message", has_text="kernel was restarted").wait_for()
    widget.root.locator('[data-action="files"]').click()
    with page.expect_download() as download:
        widget.root.locator('[data-format="prompts"]').click()
    file = download.value
    assert file.suggested_filename.endswith(".prompts.json")
    file.save_as(folder / "kept.prompts.json")
    kept = Prompts.load(folder / "kept.prompts.json")
    assert json.loads(kept.to_json()) == marked
    notebook.run(
        IMPORT + "w = SegmentWidget(data.chelsea(), model='bundled', prompts='kept.prompts.json')"
    )
    assert notebook.value("bool((w.masks == __import__('numpy').load('masks.npy')).all())")


def test_each_click_a_new_object_and_objects_merged(notebook, page):
    notebook.open([CELL.format("")]).run_all()
    widget = notebook.widget().ready()
    widget.press("o")
    widget.click(*CAT, SIZE).wait(objects=1)
    widget.click(*CUSHION, SIZE).wait(objects=2)
    widget.drag((20, 20), (120, 90), SIZE).wait(objects=3)
    widget.stage.click(position=widget.at(*CUSHION, SIZE), modifiers=["Alt"])
    widget.settled().wait(objects=3)
    assert notebook.value("[len(one.prompts) for one in w.prompts]") == [1, 1, 2]
    rows = widget.root.locator(".sam2-object .sam2-select")
    rows.nth(0).click(modifiers=["Control"])
    rows.nth(1).click(modifiers=["Control"])
    rows.nth(2).click(modifiers=["Control"])
    areas = notebook.value("[int(m.sum()) for m in (w.masks[0] | w.masks[1], w.masks[2])]")
    widget.button("merge").wait(objects=2)
    assert notebook.value("sorted(int(m.sum()) for m in w.masks)") == sorted(areas)
    widget.press("Control+z").wait(objects=3)
    # The next widget has the same setting.
    notebook.start("v = SegmentWidget(data.astronaut(), model='bundled')\nv")
    switch = notebook.widget(1).ready().root.locator('[data-action="perClick"]')
    expect(switch).to_have_attribute("aria-pressed", "true")
