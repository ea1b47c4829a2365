"""The page of a set: what it sends, what it gets, and what it must not be able to do."""

import io
import threading

import numpy as np
import pytest
from PIL import Image

from sam2_widget import Point
from sam2_widget.comm.set_action_queue import MAX_WAITING
from sam2_widget.comm.set_requests import MAX_ITEMS, MAX_THUMBNAILS
from sam2_widget.datasets.thumbnails import SIDE
from sam2_widget.prompts.collections import ObjectPrompts
from tests.waiting import wait_until

from .conftest import Page, point, settle

NAMES = ("a.png", "b.jpg", "broken.png", "c.png", "d.png")


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(3)
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in NAMES:
        Image.fromarray(draw.integers(0, 255, (40, 60, 3), np.uint8)).save(photos / name)
    (photos / "broken.png").write_bytes(b"no image")
    return photos


class SetBrowser:
    """What a browser is to the page of a set."""

    def __init__(self, s, client="page"):
        self.s, self.page, self.client, self.n = s, s.bar, client, 0

    def deliver(self, data):
        message = {"content": {"data": data}, "buffers": [], "metadata": {}}
        self.page.comm.handle_msg(message)

    def send(self, content):
        self.deliver({"method": "custom", "content": content})

    def act(self, kind, **fields):
        self.n += 1
        self.send({"type": kind, "rid": {"client": self.client, "n": self.n}, **fields})
        return self.settled()

    def request(self, kind, **fields):
        self.n += 1
        self.send({"type": kind, "client": self.client, "n": self.n, **fields})
        return self.settled()

    def settled(self):
        self.s._navigation.submit(lambda: None).result()
        self.s._page_updates.submit(lambda: None).result()
        self.s._items.wait()
        return self

    def answers(self, kind):
        return [
            (data["content"], buffers)
            for _, data, buffers in list(self.page.comm.published)
            if data.get("content", {}).get("type") == kind
        ]

    def items(self, first=0, count=50):
        self.request("items", list=self.page._images["list"], first=first, count=count)
        return self.answers("items")[-1][0]["items"]


def test_the_page_goes_through_the_images(make_set):
    s = make_set()
    browser = SetBrowser(s)
    page = browser.page
    assert page._shown["name"] == "a.png"
    assert page._images["total"] == page._images["matches"] == 5
    assert (page._images["before"], page._images["is_match"]) == (0, True)
    browser.act("step", steps=1)
    assert (s.name, page._shown["name"], page._images["before"]) == ("b.jpg", "b.jpg", 1)
    browser.act("step", steps=1)
    assert s.name == "c.png"  # the broken one is passed over
    browser.act("step", steps=-1)
    assert s.name == "b.jpg"
    browser.act("seek", text=" 5 ")
    assert s.name == "d.png"
    browser.act("seek", text="a.png")
    assert s.name == "a.png"
    browser.act("show", number=3)
    assert s.name == "c.png"
    assert page._notice["count"] == 0


@pytest.mark.parametrize(
    ("action", "fields", "sentence"),
    [
        ("seek", {"text": "nowhere"}, "there is no image 'nowhere'"),
        ("seek", {"text": "0"}, "the first image has the number 1"),
        ("seek", {"text": "broken.png"}, "broken.png"),
        ("show", {"number": 99}, "there is no image 99"),
        ("step", {"steps": -1}, "there is no image before 'a.png'"),
        ("values", {"number": 0, "values": {"nothing": 1}}, "there is no attribute 'nothing'"),
        ("note", {"number": 0, "object": 7, "text": "x"}, "no longer there"),
        ("state", {"number": 0, "state": "finished"}, "malformed"),
        ("search", {"text": "x" * 1001}, "malformed"),
        ("note", {"number": 0, "text": "x" * 10_001}, "malformed"),
        ("nonsense", {}, "malformed"),
    ],
)
def test_the_reason_why_an_action_was_refused_is_sent_to_the_page(
    make_set, action, fields, sentence
):
    s = make_set()
    browser = SetBrowser(s).act(action, **fields)
    assert sentence in browser.page._notice["text"]
    assert browser.page._notice["client"] == "page"
    assert s.name == "a.png"


def test_steps_that_wait_are_joined_and_too_many_actions_are_refused(make_set):
    s = make_set()
    browser = SetBrowser(s)
    started, go_on = threading.Event(), threading.Event()
    s._navigation.submit(lambda: [started.set(), go_on.wait(30)])
    assert started.wait(30)
    for n in range(1, 601):
        browser.send({"type": "step", "rid": {"client": "page", "n": n}, "steps": 1})
    browser.send({"type": "step", "rid": {"client": "page", "n": 601}, "steps": -1})
    assert len(s._actions._waiting) == 1
    go_on.set()
    browser.settled()
    assert s.name == "d.png"
    assert browser.page._shown["actions"] == {"page": 601}
    started.clear()
    go_on.clear()
    s._navigation.submit(lambda: [started.set(), go_on.wait(30)])
    assert started.wait(30)
    for n in range(602, 602 + MAX_WAITING):
        rid = {"client": "page", "n": n}
        browser.send({"type": "state", "rid": rid, "number": 0, "state": "review"})
    assert browser.page._notice["count"] == 0
    browser.send({"type": "step", "rid": {"client": "page", "n": 5000}, "steps": -1})
    assert "actions wait already" in browser.page._notice["text"]
    go_on.set()
    browser.settled()
    browser.send({"type": "step", "rid": {"client": "page", "n": 999_999}, "steps": -1})
    assert "reload the page" in browser.page._notice["text"]
    assert s.name == "d.png"


def test_done_and_skip_mark_the_image_that_the_page_has_shown(make_set):
    s = make_set()
    browser = SetBrowser(s)
    s.widget.add_point(10, 10)
    browser.act("done", number=0)
    assert (s["a.png"].state, s.name) == ("done", "b.jpg")
    # Pressed twice: the second is about an image that is left already.
    browser.act("done", number=0)
    assert (s["b.jpg"].state, s.name) == ("untouched", "b.jpg")
    browser.act("skip", number=1)
    assert (s["b.jpg"].state, s.name) == ("skipped", "c.png")
    browser.act("state", number=3, state="review")
    assert browser.page._shown["state"] == "review"
    assert browser.page._progress["done"] == 2


def test_done_after_a_step_marks_the_image_to_which_the_step_leads(make_set):
    s = make_set()
    browser = SetBrowser(s)
    s.go("d.png")
    started, go_on = threading.Event(), threading.Event()
    s._navigation.submit(lambda: [started.set(), go_on.wait(30)])
    assert started.wait(30)
    rids = [{"client": "page", "n": n} for n in (1, 2)]
    browser.send({"type": "step", "rid": rids[0], "steps": -1})
    browser.send({"type": "skip", "rid": rids[1], "number": None})
    go_on.set()
    browser.settled()
    assert {one.name: one.state for one in s if one.state != "untouched"} == {"c.png": "skipped"}
    assert s.name == "d.png"
    assert browser.page._shown["actions"] == {"page": 2}


def test_the_page_knows_which_of_its_actions_the_image_shown_follows(make_set):
    s = make_set()
    browser = SetBrowser(s)
    browser.act("step", steps=1)
    assert browser.page._shown["actions"] == {"page": 1}
    browser.act("seek", text="nowhere")  # refused: it is over, too
    assert browser.page._shown["actions"] == {"page": 2}
    SetBrowser(s, "other").act("done", number=1)
    assert browser.page._shown["actions"] == {"page": 2, "other": 1}
    assert (browser.page._shown["number"], s["b.jpg"].state) == (3, "empty")


def updates(comm, trait):
    """All values of a trait that were sent, oldest first."""
    states = [data.get("state", {}) for _, data, _ in list(comm.published)]
    return [state[trait] for state in states if trait in state]


def test_an_action_is_shown_together_with_the_image_that_follows_it(make_set):
    s = make_set()
    browser = SetBrowser(s)
    browser.act("done", number=0)
    shown = updates(browser.page.comm, "_shown")
    # Otherwise the page takes Done for under way on that image, and ignores a second one.
    assert [one["actions"] for one in shown if one["number"] == 1] == [{"page": 1}]


def test_the_page_shows_another_image_before_the_widget_does(make_set):
    s = make_set()
    page, order = s.bar, []
    for name, comm in (("page", page.comm), ("widget", s.widget.comm)):
        record(comm, name, order)
    started, go_on = threading.Event(), threading.Event()
    s._page_updates.submit(lambda: [started.set(), go_on.wait(30)])
    assert started.wait(30)
    s.go("d.png")
    assert page._shown["number"] == 4
    assert page._images["before"] == 4
    assert order[0] == "page"
    assert "widget" in order
    go_on.set()


def record(comm, name, order):
    """Append `name` to a list whenever something is sent."""
    publish = comm.publish_msg

    def publish_and_record(*args, **options):
        order.append(name)
        return publish(*args, **options)

    comm.publish_msg = publish_and_record


def test_each_action_is_carried_out_once_and_acknowledged(make_set):
    s = make_set()
    browser = SetBrowser(s)
    browser.act("step", steps=1)
    assert browser.page._acks == {"page": 1}
    again = {"type": "step", "rid": {"client": "page", "n": 1}, "steps": 1}
    browser.send(again)
    assert browser.settled().s.name == "b.jpg"
    for n in range(40):
        SetBrowser(s, client=f"other{n}").act("state", number=0, state="review")
    assert len(browser.page._acks) == 32


def test_the_search_is_made_in_the_kernel_and_gone_through(make_set):
    s = make_set(classes=["cat"])
    browser = SetBrowser(s)
    images = lambda: (browser.page._images["matches"], browser.page._images["is_match"])  # noqa: E731
    browser.act("search", text="PNG")
    assert browser.page._search == {"text": "PNG", "state": None, "label": None}
    assert images() == (4, True)
    assert [one["name"] for one in browser.items()] == ["a.png", "broken.png", "c.png", "d.png"]
    browser.act("step", steps=1)
    assert s.name == "c.png"
    browser.act("search", state="untouched")
    assert images() == (5, True)
    # It stays in the list until it is left, although it does not match any more.
    browser.act("state", number=3, state="review")
    assert images() == (5, True)
    browser.act("step", steps=1)
    browser.act("state", number=4, state="review")
    assert [one["name"] for one in browser.items()] == ["a.png", "b.jpg", "broken.png", "d.png"]
    s.widget.add_point(10, 10)
    s.widget.commit("cat")
    browser.act("search", label="cat")
    assert [one["name"] for one in browser.items()] == ["d.png"]
    browser.act("search")
    assert images() == (5, True)


def test_labels_that_objects_have_are_offered_beside_the_classes(make_set):
    s = make_set(classes=["cat"])
    browser = SetBrowser(s)
    s["c.png"].prompts = [ObjectPrompts((Point(5, 5),), "owl")]
    browser.settled()
    assert (browser.page._declared["classes"], browser.page._declared["used"]) == (["cat"], ["owl"])
    browser.act("search", label="owl")
    assert [one["name"] for one in browser.items()] == ["c.png"]
    s["c.png"].prompts = []
    browser.settled()
    assert browser.page._declared["used"] == []


def test_done_shows_the_next_image_of_the_search(make_set):
    s = make_set()
    browser = SetBrowser(s).act("search", text="png")
    browser.act("done", number=0)
    assert s.name == "c.png"
    browser.act("search", state="empty")
    assert [one["name"] for one in browser.items()] == ["a.png"]
    browser.act("show", number=0)
    browser.act("done", number=0)
    assert s.name == "a.png"


def test_ranges_of_items_are_sent_and_none_of_a_list_before(make_set):
    s = make_set()
    browser = SetBrowser(s)
    assert [one["number"] for one in browser.items(1, 2)] == [1, 2]
    assert browser.items(4, 50)[0]["name"] == "d.png"
    assert browser.items(99, 50) == []
    old = browser.page._images["list"]
    browser.act("search", text="a")
    browser.request("items", list=old, first=0, count=50)
    assert browser.answers("items")[-1][0]["items"] == []
    browser.request("items", list=0, first=0, count=MAX_ITEMS + 1)
    assert "malformed" in browser.page._notice["text"]


def thumbnails(browser, *numbers):
    before = len(browser.answers("thumbnail"))
    browser.request("thumbnails", numbers=list(numbers))
    wait_until(lambda: len(browser.answers("thumbnail")) >= before + len(numbers), "the thumbnails")
    return browser.answers("thumbnail")[before:]


def test_thumbnails_are_made_and_kept_beside_the_annotations(make_set, folder):
    Image.fromarray(np.full((2000, 1000, 3), (200, 30, 60), np.uint8)).save(folder / "b.jpg")
    s = make_set()
    browser = SetBrowser(s)
    answers = thumbnails(browser, 1, 0, 2)
    assert [one["number"] for one, _ in answers] == [1, 0, 2]
    sizes = [Image.open(io.BytesIO(buffers[0])).size for _, buffers in answers[:2]]
    assert sizes == [(SIDE // 2, SIDE), (60, 40)]
    color = np.asarray(Image.open(io.BytesIO(answers[0][1][0])))[100, 50]
    assert np.abs(color.astype(int) - (200, 30, 60)).max() < 8
    assert "broken.png" in answers[2][0]["error"]
    assert answers[2][1] == []
    stored = list((folder / ".sam2-widget" / "thumbnails").iterdir())
    assert len(stored) == 2
    for one in stored:
        one.write_bytes(b"<script>")  # what is damaged is made anew
    s.close()
    again = thumbnails(SetBrowser(make_set()), 0)
    assert Image.open(io.BytesIO(again[0][1][0])).size == (60, 40)


def test_thumbnails_out_of_view_are_dropped_for_those_in_view(make_set):
    s = make_set()
    browser = SetBrowser(s)
    thumbnails(browser, 0)
    started, go_on = threading.Event(), threading.Event()
    read = s._thumbnails._read

    def slow(number):
        started.set()
        assert go_on.wait(30)
        return read(number)

    s._thumbnails._read = slow
    browser.request("thumbnails", numbers=[0, 1])
    assert started.wait(30)
    browser.request("thumbnails", numbers=[4])
    go_on.set()
    wait_until(
        lambda: [one["number"] for one, _ in browser.answers("thumbnail")] == [0, 0, 4],
        "the newest thumbnails",
    )
    browser.request("thumbnails", numbers=list(range(MAX_THUMBNAILS + 1)))
    assert "malformed" in browser.page._notice["text"]


def test_arrays_have_thumbnails_in_memory(make_set):
    browser = SetBrowser(make_set([np.zeros((20, 30), np.uint8)]))
    assert len(thumbnails(browser, 0)[0][1]) == 1


def test_notes_and_attributes_are_stored_for_their_image_and_object(make_set):
    s = make_set(
        attributes={"site": ["A", "B"], "note": bool, "i": float},
        object_attributes={"age": float, "self": str},
    )
    browser = SetBrowser(s)
    page = browser.page
    assert page._declared["image"][0] == {"name": "site", "type": "choice", "choices": ["A", "B"]}
    browser.act("note", number=0, text="dark")
    browser.act("values", number=0, values={"site": "B", "note": True, "i": 2.5})
    assert page._shown["note"] == "dark"
    assert page._shown["values"] == {"site": "B", "note": True, "i": 2.5}
    browser.act("values", number=0, values={"i": None})
    assert dict(s["a.png"].attributes) == {"site": "B", "note": True}
    assert page._shown["object"] is None
    s.widget.add_point(10, 10)
    settle()
    assert browser.settled().page._shown["object"]["place"] == 1
    number = page._shown["object"]["id"]
    browser.act("values", number=0, object=number, values={"age": 7, "self": "x"})
    browser.act("note", number=0, object=number, text="blurred")
    assert page._shown["object"]["values"] == {"age": 7, "self": "x"}
    # Undo removes the point, not what was noted.
    assert s.widget.undo()
    assert s.widget.redo()
    s.widget.commit()
    assert browser.settled().page._shown["object"] is None
    # What is sent late is about the image that it names.
    s.go("d.png")
    browser.act("note", number=0, object=number, text="sharp")
    (one,) = s["a.png"].objects
    assert (one.note, one.attributes) == ("sharp", {"age": 7, "self": "x"})
    assert s["d.png"].note == ""


def test_keys_on_the_image_are_about_that_image(make_set):
    s = make_set()
    browser, page = SetBrowser(s), Page(s.widget)
    page.act("advance", to="next")
    browser.settled()
    assert s.name == "b.jpg"
    epoch = page.state["epoch"]
    page.act("advance", to="done", prompts=[point(10, 10)])
    browser.settled()
    assert (s["b.jpg"].state, len(s["b.jpg"].objects), s.name) == ("done", 1, "c.png")
    page.send({"type": "advance", "to": "skip", "rid": page._rid(), "epoch": epoch})
    browser.settled()
    assert (s["b.jpg"].state, s["c.png"].state) == ("done", "untouched")
    page.act("advance", to="skip")
    browser.settled()
    page.act("advance", to="next")
    browser.settled()
    assert (s["c.png"].state, s.name) == ("skipped", "d.png")
    assert "there is no image after 'd.png'" in page.notice


def test_a_page_sets_no_trait_and_calls_no_method(make_set):
    browser = SetBrowser(make_set())
    for trait in ("_esm", "_shown", "_progress", "_acks", "layout", "_view_name"):
        before = getattr(browser.page, trait)
        browser.deliver({"method": "update", "state": {trait: "evil"}, "buffer_paths": []})
        assert getattr(browser.page, trait) is before
    browser.deliver({"method": "update", "state": {}, "buffer_paths": [["_shown"]]})
    assert "malformed" in browser.page._notice["text"]
    browser.send({"id": "1", "kind": "anywidget-command", "name": "close", "msg": []})
    assert browser.page.comm is not None


def test_a_page_that_has_missed_something_gets_all_traits(make_set):
    browser = SetBrowser(make_set())
    seen = len(browser.page.comm.published)
    browser.send({"type": "hello"})
    (state,) = [d["state"] for _, d, _ in browser.page.comm.published[seen:] if "state" in d]
    assert {"_images", "_shown", "_progress", "_search", "_declared", "_acks"} <= set(state)


def test_the_page_of_a_closed_set_does_nothing(make_set):
    s = make_set()
    browser = SetBrowser(s)
    comm, take = browser.page.comm, browser.page._receiver.message
    s.close()
    seen = len(comm.published)
    take({"type": "step", "rid": {"client": "page", "n": 1}, "steps": 1})
    take({"type": "items", "client": "page", "n": 2, "list": 0, "first": 0, "count": 5})
    take({"type": "thumbnails", "client": "page", "n": 3, "numbers": [0]})
    browser.settled()
    assert browser.page.comm is None
    assert comm.published[seen:] == []
