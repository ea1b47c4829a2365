"""The review on the page of a set: lists, rows, pictures, and what must not be possible."""

import io

import numpy as np
import pytest
from PIL import Image

from sam2_widget import SegmentSet
from sam2_widget.comm.review_requests import MAX_CROPS, MAX_ROWS
from sam2_widget.datasets.object_crops import SIDE
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.prompts.collections import Box, ObjectPrompts, Prompts
from tests.waiting import wait_until

from .conftest import Page, settle
from .test_set_page import SetBrowser

NAMES = ("a.png", "b.png", "c.png")


def boxes(*described):
    return Prompts(tuple(ObjectPrompts((Box(*box),), label) for box, label in described))


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / name)
    return tmp_path


@pytest.fixture
def s(folder, predictor):
    embeddings.clear()
    s = SegmentSet(folder, model=predictor, classes={"cat": "#ff0000", "dog": "#0000ff"})
    s.widget._annotator.model.wait()
    settle()
    s["b.png"].prompts = boxes(((5, 5, 20, 25), "cat"), ((30, 3, 50, 30), "dog"))
    s["c.png"].prompts = boxes(((2, 2, 40, 20), "cat"), ((10, 20, 50, 38), None))
    yield s
    predictor.gate.set()
    s.close()


@pytest.fixture
def browser(s):
    return SetBrowser(s)


def listed(browser, **query):
    browser.request("review", **query)
    browser.s.reviewing.wait()
    return browser.answers("review")[-1][0]


def rows(browser, of=None, first=0, count=MAX_ROWS):
    of = listed(browser)["list"] if of is None else of
    browser.request("review_rows", list=of, first=first, count=count)
    browser.s.reviewing.wait()
    return browser.answers("review_rows")[-1][0]["rows"]


def keys(some):
    return [(row["name"], row["object"]) for row in some]


def labels(s):
    return [[one.object.label for one in image.objects] for image in s]


ALL = [("b.png", 1), ("b.png", 2), ("c.png", 1), ("c.png", 2)]


def test_a_page_gets_a_list_and_its_rows(s, browser):
    answer = listed(browser)
    assert (answer["total"], answer["unmeasured"]) == (4, 4)
    found = rows(browser, answer["list"])
    assert keys(found) == ALL
    first = found[0]
    assert (first["label"], first["color"], first["state"]) == ("cat", "#ff0000", "in progress")
    assert (first["score"], first["area"], first["accepted"]) == (None, None, False)
    assert keys(rows(browser, answer["list"], first=1, count=2)) == ALL[1:3]
    assert rows(browser, answer["list"] + 1) == []
    assert rows(browser, answer["list"], first=99) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"labels": ["cat"]}, [ALL[0], ALL[2]]),
        ({"labels": [None]}, [ALL[3]]),
        ({"labels": []}, []),
        ({"state": "done"}, []),
        ({"accepted": False, "sort": "image", "descending": True}, ALL[::-1]),
    ],
)
def test_a_list_is_filtered_and_sorted(browser, query, expected):
    answer = listed(browser, **query)
    assert keys(rows(browser, answer["list"])) == expected


def test_a_list_with_the_same_objects_keeps_its_number_and_order(s, browser):
    s.measure(progress=False)
    first = listed(browser, sort="area", descending=True)
    order = keys(rows(browser, first["list"]))
    small, other = s["b.png"].objects
    large = small.changed_to(boxes(((5, 5, 59, 39), "cat")).objects[0])
    s.change("b.png", objects=(large, other))
    s.measure(progress=False)
    again = listed(browser, sort="area", descending=True, keep=True)
    assert again["list"] == first["list"]
    assert keys(rows(browser, again["list"])) == order
    other = listed(browser, sort="area", descending=True)
    assert other["list"] != first["list"]
    assert keys(rows(browser, other["list"]))[0] == ("b.png", 1)


def test_objects_are_edited_together_and_pages_are_updated(s, browser):
    answer = listed(browser)
    before = browser.page._review["version"]
    browser.act("relabel", list=answer["list"], ranges=[[0, 0], [2, 3]], label="dog")
    assert labels(s) == [[], ["dog", "dog"], ["dog", "dog"]]
    review = browser.page._review
    assert review["version"] > before
    assert (review["undo"], review["message"]) == (
        "Relabel as 'dog'",
        "Relabel as 'dog': 3 objects",
    )
    browser.act("accept", list=answer["list"], ranges=[[1, 2]], accepted=True)
    assert [row["accepted"] for row in rows(browser)] == [False, True, True, False]
    browser.act("delete_objects", list=answer["list"], ranges=[[0, 1]])
    assert labels(s) == [[], [], ["dog", "dog"]]
    for _ in range(3):
        browser.act("undo_review")
    assert labels(s) == [[], ["cat", "dog"], ["cat", None]]
    assert browser.page._review["undo"] == ""
    assert browser.page._review["message"] == "Undone: Relabel as 'dog', 3 objects"
    browser.act("undo_review")
    assert "no bulk edit" in browser.page._notice["text"]


def test_pages_of_the_image_shown_are_updated(s, browser):
    s.go("b.png")
    page = Page(s.widget)
    settle()
    answer = listed(browser, labels=["cat"])
    browser.act("relabel", list=answer["list"], ranges=[[0, 0]], label="dog")
    settle()
    assert [one.label for one in s.widget.objects] == ["dog", "dog"]
    assert {one["label"] for one in page.objects()} == {"dog"}


def test_an_object_is_opened(s, browser):
    browser.act("open_object", number=2, object=2)
    assert s.name == "c.png"
    assert s.widget.active_object == 2
    browser.act("open_object", number=2, object=9)
    assert "no longer there" in browser.page._notice["text"]
    browser.act("open_object", number=9, object=1)
    assert "there is no image 9" in browser.page._notice["text"]


@pytest.mark.parametrize(
    ("action", "fields", "sentence"),
    [
        ("relabel", {"ranges": [[0, 0]], "label": "horse"}, "label must be one of"),
        ("relabel", {"ranges": [[0, 0]], "label": "x" * 300}, "malformed"),
        ("relabel", {"ranges": [], "label": "dog"}, "malformed"),
        ("relabel", {"ranges": [[0]], "label": "dog"}, "malformed"),
        ("relabel", {"ranges": [[-1, 0]], "label": "dog"}, "malformed"),
        ("relabel", {"list": 99, "ranges": [[0, 0]], "label": "dog"}, "list has changed"),
        ("delete_objects", {"ranges": [[0, 0]] * 10_001}, "malformed"),
        ("delete_objects", {"list": 99, "ranges": [[0, 0]]}, "list has changed"),
        ("accept", {"ranges": [[0, 0]], "accepted": "yes"}, "malformed"),
    ],
)
def test_a_page_cannot_do_what_makes_no_sense(s, browser, action, fields, sentence):
    before = labels(s)
    browser.act(action, **{"list": listed(browser)["list"], **fields})
    assert sentence in browser.page._notice["text"]
    assert labels(s) == before


def test_ranges_beyond_the_list_change_nothing_else(s, browser):
    answer = listed(browser)
    browser.act("delete_objects", list=answer["list"], ranges=[[3, 2**53 - 1], [2, 1]])
    assert labels(s) == [[], ["cat", "dog"], ["cat"]]


def test_lists_of_two_pages_are_apart(s, browser):
    other = SetBrowser(s, "other")
    mine, theirs = listed(browser), listed(other, labels=["dog"])
    other.act("delete_objects", list=mine["list"], ranges=[[0, 0]])
    assert "list has changed" in other.page._notice["text"]
    other.act("delete_objects", list=theirs["list"], ranges=[[0, 0]])
    assert labels(s) == [[], ["cat"], ["cat", None]]


def crops(browser, objects):
    before = len(browser.answers("crop"))
    browser.request("crops", objects=objects)
    wait_until(lambda: len(browser.answers("crop")) == before + len(objects))
    return browser.answers("crop")[before:]


def test_pictures_show_objects_with_their_outline(s, browser):
    look = rows(browser)[0]["look"]
    (content, (data,)), (_, (other,)) = crops(browser, [[1, 1], [2, 2]])
    assert (content["number"], content["object"], content["look"]) == (1, 1, look)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG"
        assert max(picture.size) == SIDE
        pixels = np.asarray(picture).astype(int)
    middle, corner = pixels[SIDE // 2, SIDE // 2], pixels[2, 2]
    assert middle[0] > middle[2] + 20  # a red tint
    assert abs(corner[0] - corner[2]) < 10
    assert data != other
    # The masks that were computed for it were measured.
    assert rows(browser)[0]["area"] == s["b.png"].segmentation().objects[0].area
    s.recolor_class("cat", "#00ff00")
    assert rows(browser)[0]["look"] != look


def test_pictures_that_cannot_be_made_are_answered_with_the_reason(s, browser, folder):
    (folder / "c.png").unlink()
    (gone, buffers), (unreadable, _) = crops(browser, [[1, 9], [2, 1]])
    assert "does not exist any more" in gone["error"]
    assert buffers == []
    assert "c.png" in unreadable["error"]
    browser.request("crops", objects=[[1, 1]] * (MAX_CROPS + 1))
    assert "malformed" in browser.page._notice["text"]


def test_objects_are_measured_on_request(s, browser):
    listed(browser)
    browser.act("measure")
    wait_until(lambda: listed(browser)["unmeasured"] == 0)
    assert all(row["score"] is not None for row in rows(browser))


def test_a_locked_object_is_reported_to_the_page(s, browser):
    s.go("b.png")
    s.widget.lock(0)
    answer = listed(browser)
    browser.act("relabel", list=answer["list"], ranges=[[0, 3]], label="dog")
    assert "b.png was left as it is: Object 1 is locked" in browser.page._notice["text"]
    assert labels(s) == [[], ["cat", "dog"], ["dog", "dog"]]
