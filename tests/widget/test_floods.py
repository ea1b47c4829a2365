"""Pages that say far too much: what is kept and sent stays small, and other pages go on."""

import threading

import numpy as np
import pytest
from jupyter_client.session import json_packer

from sam2_widget import SegmentWidget
from sam2_widget.annotation.notices import MAX_LENGTH, MAX_TABS
from sam2_widget.comm import receiving, tiles

from .conftest import Page, point, served, settle


def test_notices_of_many_pages_do_not_make_every_message_large(widget, page):
    for number in range(1000):
        widget._annotator.notify("é" * 5000, f"page {number}")
    notices = widget._state["notices"]
    assert list(notices) == [f"page {number}" for number in range(1000 - MAX_TABS, 1000)]
    assert {len(text) for text in notices.values()} == {MAX_LENGTH}
    assert len(json_packer(widget._state)) < 8 * MAX_TABS * MAX_LENGTH
    widget._annotator.notify("for all")
    widget._annotator.notify("for one", "another")
    assert page.notice == "for all"
    assert list(widget._state["notices"])[-1] == "another"


def test_a_request_of_many_pages_ago_is_not_carried_out_again(widget, page):
    page.prompts(point(40, 30))
    commit = {"type": "commit", "rid": {"client": "page", "n": 2}, "epoch": 0}
    page.send(commit)
    widget.add_point(10, 10)
    for number in range(200):
        Page(widget, f"page {number}").act("class", label=None)
    assert "page" not in widget._state["ack"]
    assert len(widget._state["ack"]) == receiving.CLIENTS_KEPT
    page.send({**commit, "epoch": page.state["epoch"]})
    settle()
    assert widget._annotator.session.annotation.active is not None
    page.n = 2
    page.act("commit")
    assert widget._annotator.session.annotation.active is None
    assert widget._state["ack"]["page"] == 3


def test_what_is_remembered_of_pages_has_an_end(widget, page, monkeypatch):
    monkeypatch.setattr(receiving, "CLIENTS_REMEMBERED", 8)
    for number in range(100):
        Page(widget, f"page {number}").act("class", label=None)
    assert len(widget._receiver._left) == 8


@pytest.mark.parametrize("n", [receiving.MAX_GAP + 3, 2**40, 2**53])
def test_a_number_far_ahead_in_the_name_of_a_page_silences_it_not(widget, page, n):
    page.prompts(point(40, 30))
    page.prompts(point(40, 30), point(42, 30))
    stolen = {"client": page.client, "n": n}
    page.prompts(rid=stolen)
    page.send({"type": "clear", "rid": stolen, "epoch": page.state["epoch"]})
    assert "reload the page" in page.notice
    assert page.state["ack"]["page"] == 2
    page.prompts(point(40, 30), point(42, 30), point(44, 30))
    settle()
    assert len(widget.prompts[0].prompts) == 3
    assert page.state["ack"]["page"] == 3


def test_requests_that_were_merged_while_the_kernel_was_busy_are_no_fault(widget, page):
    page.n = receiving.MAX_GAP - 2
    page.prompts(point(40, 30))
    page.n += receiving.MAX_GAP - 1
    page.prompts(point(40, 30), point(42, 30))
    assert len(widget.prompts[0].prompts) == 2


def asks_for_tiles(page, client, column):
    page.send({"type": "tiles", "client": client, "level": 0, "tiles": [[column, 0]]})


def tiles_sent(page):
    contents = [data.get("content", {}) for _, data, _ in page.published]
    return [
        (content["client"], [tile["col"] for tile in content["tiles"]])
        for content in contents
        if content.get("type") == "tiles"
    ]


@pytest.fixture
def large(predictor):
    widget = SegmentWidget(np.zeros((8, 4096, 3), np.uint8), model=predictor)
    yield widget
    widget.close()


def test_of_a_flood_of_requests_for_tiles_the_newest_are_answered(large):
    page, started, go = Page(large), threading.Event(), threading.Event()
    pyramid = large._planes.picture.pyramid
    tile = pyramid.tile

    def slow(*place):
        started.set()
        assert go.wait(10)
        return tile(*place)

    pyramid.tile = slow
    asks_for_tiles(page, "first", 0)
    assert started.wait(10)
    for number in range(2000):
        asks_for_tiles(page, "flood", number % 8)
    asks_for_tiles(page, "quiet", 5)
    go.set()
    served()
    flood = [("flood", [column]) for column in (4, 5, 6, 7)]
    assert tiles_sent(page) == [("first", [0]), *flood, ("quiet", [5])]


def test_of_a_flood_of_pages_too(large):
    page, started, go = Page(large), threading.Event(), threading.Event()
    large._planes.picture.pyramid.tile = lambda *_: [started.set(), go.wait(10)] and b"tile"
    asks_for_tiles(page, "first", 0)
    assert started.wait(10)
    for number in range(500):
        asks_for_tiles(page, f"page {number}", 0)
    go.set()
    served()
    last = [f"page {number}" for number in range(500 - tiles.MAX_WAITING_IN_ALL, 500)]
    assert [client for client, _ in tiles_sent(page)] == ["first", *last]


def test_a_flood_of_requested_planes_is_one_job(predictor):
    widget = SegmentWidget(np.zeros((3, 60, 80), np.uint8), axes="ZYX", model=predictor)
    page, started, go = Page(widget), threading.Event(), threading.Event()
    reader = widget._planes._reader
    reader.submit(lambda: [started.set(), go.wait(10)])
    assert started.wait(10)
    for number in range(1000):
        page.act("plane", plane=number % 3)
    assert len(reader._tasks) == 1
    go.set()
    served()
    assert widget.plane == 999 % 3
    widget.close()
