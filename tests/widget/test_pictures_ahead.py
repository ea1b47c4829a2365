"""Pictures of a set that pages are sent before they are shown."""

from time import monotonic

import msgspec
import numpy as np
import pytest

from sam2_widget.comm.messages import PictureMessage
from sam2_widget.comm.pictures_ahead import IDLE, KEPT
from tests.waiting import wait_until

from .conftest import Page, point, settle

COUNT = 8


@pytest.fixture
def folder():
    draw = np.random.default_rng(5)
    return {f"{n}": draw.integers(0, 255, (40, 60, 3), np.uint8) for n in range(COUNT)}


def sent_ahead(page):
    """Numbers and data of the pictures that were sent ahead."""
    return [
        (data["content"]["plane"], buffers[data["content"]["buffer"]])
        for _, data, buffers in list(page.published)
        if data.get("content", {}).get("type") == "picture"
    ]


def order(page, start):
    """What was sent from a message on: the traits for another image, in their order."""
    messages = list(page.published)[start:]
    names = [name for _, data, _ in messages for name in data.get("state", {})]
    return [name for name in names if name in ("_image", "_state")]


def test_the_next_picture_is_sent_and_then_shown_with_its_state(make_set):
    s = make_set()
    page = Page(s.widget)
    wait_until(lambda: [plane for plane, _ in sent_ahead(page)] == [1, 2])
    pictures = s.widget._planes._pictures
    assert sent_ahead(page)[0][1] == pictures.picture(1).view.data
    content = next(data["content"] for _, data, _ in page.published if "content" in data)
    assert msgspec.to_builtins(msgspec.convert(content, PictureMessage)) == content
    assert (content["width"], content["height"], content["mime"]) == (60, 40, "image/png")
    start = len(page.published)
    s.next()
    assert order(page, start)[:2] == ["_state", "_image"]
    assert page.state["plane"] == page.updates("_image")[-1]["plane"] == 1
    assert s.widget._image["data"] == pictures.picture(1).view.data
    start = len(page.published)
    s.previous()  # the page has kept it
    assert order(page, start)[:2] == ["_state", "_image"]


def test_what_pages_keep_is_bounded(make_set):
    s = make_set()
    page = Page(s.widget)
    ahead = s.widget._publisher.ahead
    for number in range(COUNT - 1):
        wait_until(lambda following=number + 1: following in ahead)
        assert len(ahead._kept) <= KEPT
        s.next()
    planes = [plane for plane, _ in sent_ahead(page)]
    assert sorted(planes) == sorted(set(planes)) == list(range(1, COUNT))


def test_a_picture_that_a_page_may_lack_is_sent_before_its_state(make_set):
    s = make_set()
    page = Page(s.widget)
    wait_until(lambda: 1 in s.widget._publisher.ahead)
    page.send({"type": "hello"})  # it has just opened
    start = len(page.published)
    s.next()
    assert order(page, start)[:2] == ["_image", "_state"]
    s.go("6")
    assert page.updates("_image")[-1]["plane"] == 6


def test_no_picture_is_sent_while_a_page_waits(make_set, predictor):
    s = make_set()
    page = Page(s.widget)
    wait_until(lambda: [plane for plane, _ in sent_ahead(page)] == [1, 2])
    s.next()
    settle()
    predictor.gate.clear()
    page.prompts(point(10, 10))
    s.widget._publisher.ahead.prepared(s.widget._planes._pictures.picture(6))
    s.widget._publisher.ahead._pause.wait(2 * IDLE)
    assert 6 not in s.widget._publisher.ahead
    clicked = monotonic()
    page.send({"type": "ack_probe"})
    predictor.gate.set()
    wait_until(lambda: 6 in s.widget._publisher.ahead)
    assert monotonic() - clicked >= IDLE


def test_a_picture_is_not_sent_when_another_image_is_shown_by_then(make_set, predictor):
    s = make_set()
    page = Page(s.widget)
    wait_until(lambda: [plane for plane, _ in sent_ahead(page)] == [1, 2])
    predictor.gate.clear()
    page.prompts(point(10, 10))
    ahead = s.widget._publisher.ahead
    ahead.prepared(s.widget._planes._pictures.picture(6))
    s.widget._planes.show_plane_later(4)
    wait_until(lambda: s.widget.plane == 4)
    ahead._thread.submit(lambda: None).result(10)
    assert 6 not in [plane for plane, _ in sent_ahead(page)]
