"""A set of images whose kernel is killed while it is annotated: no object of the page is lost."""

import os
import re
import signal

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from sam2_widget.datasets.annotations import Change
from sam2_widget.datasets.journal import parse
from sam2_widget.datasets.store import journal_path
from tests.waiting import wait_until

from .test_sets import shows

CLASSES = ("cell", "leaf", "stone")
COUNT = 20
SIZE = (160, 120)
PLACES = ((40, 40), (115, 80))
FOLDER = "twenty images"
CELL = f"""
from sam2_widget import SegmentSet
s = SegmentSet({FOLDER!r}, model="bundled", classes={list(CLASSES)})
s"""
NAMES = [f"{number:02}.png" for number in range(COUNT)]

# JupyterLab's own dialog about a kernel that has died.
DIALOG = ".jp-Dialog"

MASKS_WITHOUT_THE_PAGE = f"""
from sam2_widget import ImageSet, segment
from pathlib import Path
s.flush()
replayed = [segment(Path({FOLDER!r}) / one.name, one.prompts, model="bundled").masks for one in s]
np.savez("replayed.npz", *replayed)
s.save("twenty.json", progress=False)
"""


def objects_of(number):
    """The places of an image's objects: two in every third image."""
    return PLACES if number % 3 == 0 else PLACES[:1]


@pytest.fixture
def images(folder):
    """Twenty images, each with one or two bright squares."""
    random = np.random.default_rng(7)
    (folder / FOLDER).mkdir()
    for number, name in enumerate(NAMES):
        picture = random.integers(30, 60, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
        for x, y in objects_of(number):
            side = 14 + number // 4
            picture[y - side : y + side, x - side : x + side] = random.integers(170, 230, 3)
        Image.fromarray(picture).save(folder / FOLDER / name)
    return folder / FOLDER


def test_twenty_images_of_three_classes_survive_two_killed_kernels(notebook, page, folder, images):
    notebook.open([CELL]).run_all()
    user = User(notebook, page)
    user.annotate(NAMES[:6])
    user.mark(NAMES[6])
    wait_until(lambda: objects_on_disk(images, NAMES[6]) == 2, "the objects on disk")
    user.kill_kernel()
    # The image that was being annotated, with its objects.
    user.shows(NAMES[6]).wait(objects=2)
    user.done()
    user.annotate(NAMES[7:12])
    wait_until(lambda: objects_on_disk(images, NAMES[10]) == 1, "the objects on disk")
    # The last image may not be on disk yet: it is shown again, and completed.
    user.kill_kernel()
    rest = user.rest()
    assert set(NAMES[12:]) <= set(rest) <= set(NAMES[10:])
    user.annotate(rest)
    page.get_by_text(f"{COUNT} of {COUNT} done").wait_for()

    notebook.run(f"import numpy as np{MASKS_WITHOUT_THE_PAGE}")
    coco = COCO(folder / "twenty.json")
    replayed = list(np.load(folder / "replayed.npz").values())
    expected = [len(objects_of(number)) for number in range(COUNT)]
    assert [len(masks) for masks in replayed] == expected
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == list(CLASSES)
    images = {one["file_name"]: one["id"] for one in coco.loadImgs(coco.getImgIds())}
    assert sorted(images) == NAMES
    for number, (name, masks) in enumerate(zip(NAMES, replayed, strict=True)):
        annotations = coco.loadAnns(coco.getAnnIds(images[name]))
        labels = {coco.cats[one["category_id"]]["name"] for one in annotations}
        assert labels == {CLASSES[number % 3]}
        stored = np.stack([coco.annToMask(one).astype(bool) for one in annotations])
        assert (stored == masks).all()
        for mask, (x, y) in zip(stored, objects_of(number), strict=True):
            assert mask[y, x]
            assert mask.sum() == pytest.approx((28 + number // 4 * 2) ** 2, rel=0.2)


class User:
    """Annotates the image that the page shows, by keys and clicks."""

    def __init__(self, notebook, page):
        self.notebook, self.page = notebook, page

    @property
    def widget(self):
        return self.notebook.widget().ready()

    def shows(self, name):
        """The widget, once the page shows an image."""
        shows(self.page, name)
        return self.widget.wait(plane=NAMES.index(name)).settled()

    def mark(self, name):
        """Click all objects of an image."""
        number = NAMES.index(name)
        widget = self.shows(name)
        for count, place in enumerate(objects_of(number), start=1):
            widget.press("n").press(str(number % 3 + 1))
            widget.click(*place, SIZE).wait(objects=count)

    def done(self):
        self.page.get_by_role("button", name=re.compile(r"^\W*Done\W*$")).click()

    def annotate(self, names):
        for name in names:
            if self.shows(name).root.get_attribute("data-objects") == "0":
                self.mark(name)
            self.done()

    def rest(self):
        """The images that are not done: the cell opens the first of them."""
        states = self.notebook.value("[one.state for one in s]")
        return [name for name, state in zip(NAMES, states, strict=True) if state != "done"]

    def kill_kernel(self):
        """Kill the kernel, and run the cell again in the one that Jupyter starts in its place."""
        page = self.page
        os.kill(self.notebook.value("__import__('os').getpid()"), signal.SIGKILL)
        page.get_by_role("alert").filter(has_text="restarted").first.wait_for()
        page.locator(DIALOG).get_by_role("button").click()
        self.notebook.wait_idle()
        self.notebook.run_all_again()


def objects_on_disk(images, name):
    """Number of objects in an image's journal."""
    file = journal_path(images / ".sam2-widget", name)
    records = parse(file.read_bytes(), Change, name).records if file.exists() else []
    return len({one.id for record in records for one in record.objects})
