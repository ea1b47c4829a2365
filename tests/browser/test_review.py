"""The review of a set in the page: objects are filtered, selected, edited together and undone."""

import json

import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

from .lab import painted, set_theme

CELL = """
import numpy as np
from pathlib import Path
from PIL import Image
from sam2_widget import Box, ImageSet, SegmentSet
from sam2_widget.prompts.collections import ObjectPrompts, Prompts
random = np.random.default_rng(4)
photos = Path("review-of-the-test")
photos.mkdir(exist_ok=True)
for number in range(4):
    picture = random.integers(30, 60, (120, 160, 3)).astype(np.uint8)
    picture[20:50, 20:60] = random.integers(180, 220, 3)
    picture[60:110, 80:140] = random.integers(180, 220, 3)
    Image.fromarray(picture).save(photos / f"{number}.png")
first = ImageSet(photos, classes=["box", "other"])
for image in first:
    image.prompts = Prompts((
        ObjectPrompts((Box(20, 20, 60, 50),), "box"),
        ObjectPrompts((Box(80, 60, 140, 110),), "other"),
    ))
first.close()
s = SegmentSet(photos, model="bundled", classes=["box", "other"])
s"""

LABELS = "[[one.object.label for one in image.objects] for image in s]"
AS_AT_FIRST = [["box", "other"]] * 4


@pytest.fixture
def review(notebook, page):
    notebook.open([CELL]).run_all()
    notebook.widget().ready()
    page.get_by_role("button", name="Review", exact=True).click()
    page.locator(".sam2-review-grid[data-count='8']").wait_for()
    return page.locator(".sam2-review")


def cell(review, position):
    return review.locator(f".sam2-review-cell[data-position='{position}']")


def selected(review, count):
    review.locator(f".sam2-review-grid[data-selected='{count}']").wait_for()


def test_objects_are_reviewed_with_the_mouse(notebook, page, review):
    for position in range(8):
        cell(review, position).locator("img[src^='blob:']").wait_for()
    review.get_by_label("Class", exact=True).select_option(label="box")
    review.locator(".sam2-review-grid[data-count='4']").wait_for()
    cell(review, 0).click()
    cell(review, 2).click(modifiers=["Shift"])
    selected(review, 3)
    cell(review, 1).click(modifiers=["ControlOrMeta"])
    selected(review, 2)
    review.get_by_label("Class of the selected objects").select_option(label="other")
    review.locator(".sam2-review-grid[data-count='2']").wait_for()
    changed = [["other", "other"], ["box", "other"], ["other", "other"], ["box", "other"]]
    assert notebook.value(LABELS) == changed
    review.get_by_role("button", name="Undo").click()
    review.locator(".sam2-review-grid[data-count='4']").wait_for()
    assert notebook.value(LABELS) == AS_AT_FIRST
    cell(review, 3).click()
    review.get_by_role("button", name="Accept", exact=True).click()
    cell(review, 3).and_(page.locator("[data-accepted='true']")).wait_for()
    review.get_by_label("Accepted or not").select_option(label="Not accepted")
    review.locator(".sam2-review-grid[data-count='3']").wait_for()
    assert notebook.value("[(row.image, row.id) for row in s.review(accepted=True)]") == [
        ["3.png", 1]
    ]


def test_objects_are_reviewed_by_keys_and_opened(notebook, page, review, folder):
    review.get_by_label("Sort", exact=True).select_option(label="By image")
    grid = review.locator(".sam2-review-grid")
    grid.focus()
    for key in ("ArrowRight", "Space", "Shift+ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    selected(review, 3)
    page.keyboard.press("Delete")
    review.locator(".sam2-review-grid[data-count='5']").wait_for()
    assert notebook.value(LABELS) == [["box"], [], ["box", "other"], ["box", "other"]]
    grid.focus()
    page.keyboard.press("ControlOrMeta+z")
    review.locator(".sam2-review-grid[data-count='8']").wait_for()
    page.keyboard.press("ControlOrMeta+a")
    selected(review, 8)
    page.keyboard.press("a")
    cell(review, 7).and_(page.locator("[data-accepted='true']")).wait_for()
    page.keyboard.press("End")
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.press("Enter")
    page.locator(".sam2-set[data-shown='3']").wait_for()
    notebook.widget().wait(objects="2", plane=3).settled()
    # It is selected after its image is shown.
    wait_until(lambda: notebook.value("s.widget.active_object") == 2, "the object")
    # What is exported is what was reviewed.
    notebook.run("s.review(label='box').relabel('other'); s.save('reviewed.json', progress=False)")
    coco = json.loads((folder / "reviewed.json").read_text())
    assert len(coco["annotations"]) == 8
    assert {one["category_id"] for one in coco["annotations"]} == {
        one["id"] for one in coco["categories"] if one["name"] == "other"
    }


def test_the_grid_keeps_its_columns_when_the_theme_changes(page, review):
    grid = review.locator(".sam2-review-grid")
    columns = grid.get_attribute("aria-colcount")
    assert int(columns) > 1
    set_theme(page, "JupyterLab Dark")
    painted(page)
    assert grid.get_attribute("aria-colcount") == columns
    expect(review.locator(".sam2-review-cell")).to_have_count(8)


MANY = """
s["0.png"].prompts = Prompts(tuple(
    ObjectPrompts((Box(x, y, x + 9, y + 9),), "box")
    for x in range(0, 150, 6)
    for y in range(0, 108, 9)
))"""

# The position of the first object that is in view.
FIRST = """
grid => {
  const { top } = grid.getBoundingClientRect();
  const cells = [...grid.querySelectorAll(".sam2-review-cell")];
  const shown = cells.filter(cell => cell.getBoundingClientRect().top >= top - 1);
  return Math.min(...shown.map(({ dataset }) => Number(dataset.position)));
}
"""


def test_the_grid_stays_at_its_objects_as_its_width_and_the_theme_change(notebook, page, review):
    grid = review.locator(".sam2-review-grid")
    notebook.run(MANY)
    review.locator(".sam2-review-grid[data-count='306']").wait_for()
    wide = int(grid.get_attribute("aria-colcount"))
    grid.evaluate("grid => { grid.scrollTop = 10 * 124; }")
    cell(review, 12 * wide).wait_for()
    assert grid.evaluate(FIRST) == 10 * wide
    for width, columns in (("300px", 2), ("auto", wide)):
        notebook.run(f"s.bar.layout.width = {width!r}")
        review.locator(f".sam2-review-grid[aria-colcount='{columns}']").wait_for()
        painted(page)
        assert grid.evaluate(FIRST) == 10 * wide // columns * columns
    set_theme(page, "JupyterLab Dark")
    painted(page)
    assert grid.evaluate(FIRST) == 10 * wide
