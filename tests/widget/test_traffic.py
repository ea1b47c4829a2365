"""What crosses the comm for a click: the same for the first object and for the five hundredth."""

import json
from collections import Counter

from .conftest import point, settle

OBJECTS = 500


def size(published):
    """Bytes of messages, their buffers included."""
    return sum(
        len(json.dumps(data, default=lambda buffer: "")) + sum(map(len, buffers))
        for _, data, buffers in published
    )


def click_and_commit(page, k):
    """Messages of a click, and of its commit."""
    start = len(page.published)
    page.prompts(point(5 + k % 70, 5 + k % 50))
    settle()
    clicked = len(page.published)
    page.act("commit")
    settle()
    return page.published[start:clicked], page.published[clicked:]


def test_the_last_click_costs_what_the_first_did(widget, page):
    page.send({"type": "hello"})
    costs = [click_and_commit(page, k) for k in range(OBJECTS)]
    (first_click, first_commit), (last_click, last_commit) = costs[0], costs[-1]
    assert len(last_click) == len(first_click) == 1
    assert len(last_commit) == len(first_commit)
    # Ids and counters have more digits; places differ, and their masks with them.
    assert size(last_click) <= 1.3 * size(first_click)
    assert size(last_commit) <= 1.3 * size(first_commit)
    assert size(last_click) < 12 * 1024
    assert len(widget.masks) == OBJECTS


def test_a_finished_object_travels_once(widget, page):
    page.send({"type": "hello"})
    for k in range(20):
        click_and_commit(page, k)
    put = Counter(
        entry["id"]
        for _, data, _ in page.published
        for entry in data.get("content", {}).get("put", ())
    )
    assert set(put.values()) == {1}
    assert len(put) == 20
