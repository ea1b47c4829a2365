"""What crosses the comm for a click: the same for the first object and for the five hundredth."""

import json
from collections import Counter

import numpy as np

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


def test_strokes_and_masks_among_the_prompts_travel_once_with_their_object(widget, page):
    page.send({"type": "hello"})
    line = [[x + 0.125, 20.0625] for x in range(60)]
    page.prompts({"type": "stroke", "points": line, "radius": 2, "label": 1})
    settle()
    page.act("commit")
    widget.add_mask(np.eye(60, 80, dtype=bool), "line")
    counts = widget.prompts[1].prompts[0].counts
    for _ in range(3):
        for annotated in widget.objects:
            page.act("select", object=annotated.id)
            settle()
            page.act("commit")
            page.act("label", object=annotated.id, label="other")
    objects = [data for _, data, _ in page.published if "content" in data]
    sent = json.dumps([data["content"]["large_prompts"] for data in objects])
    assert sent.count("59.125") == 1
    assert sent.count(json.dumps(counts)[1:-1]) == 1
    masks = json.dumps([data for _, data, _ in page.published], default=lambda buffer: "")
    assert masks.count("59.125") == 2  # to be painted, before that


def test_commit_sends_little_data_of_prompts(widget, page):
    page.send({"type": "hello"})
    page.prompts(*(point(5 + k, 5 + k % 50) for k in range(40)))
    settle()
    start = len(page.published)
    page.act("commit")
    settle()
    assert page.objects()[0]["prompts"] == [point(5 + k, 5 + k % 50) for k in range(40)]
    assert size(page.published[start:]) < 12 * 1024
