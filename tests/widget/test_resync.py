"""A page that has lost a message requests it again, and receives it once and completely."""

import numpy as np
import pytest

from .conftest import point, settle


def sent_since(page, count):
    """What kinds of messages went to pages."""
    return [
        data["content"]["type"] if "content" in data else next(iter(data["state"]))
        for _, data, _ in page.published[count:]
        if "content" in data or "_state" in data.get("state", {})
    ]


def seen(page):
    return page.state["objects"]


def test_state_has_the_number_of_the_last_objects_message(widget, page):
    for x in (10, 30, 50):
        page.prompts(point(x, 20))
        page.act("commit")
        settle()
    page.act("delete", object=widget._annotator.session.annotation.objects[0].id)
    settle()
    numbers = [d["content"]["n"] for _, d, _ in page.published if "content" in d]
    assert numbers == list(range(1, len(numbers) + 1))
    assert seen(page) == numbers[-1]


def test_who_has_seen_all_gets_the_state_and_nothing_else(widget, page):
    page.prompts(point(10, 20))
    page.act("commit")
    page.prompts(point(40, 30))
    settle()
    before, count = page.state, len(page.published)
    page.send({"type": "hello", "objects": seen(page)})
    assert sent_since(page, count) == ["_state"]
    assert page.state["revision"] == before["revision"] + 1
    assert page.state["ack"] == before["ack"]


@pytest.mark.parametrize("lacking", [-1, 0, 10**6])
def test_who_lacks_something_gets_all_objects(widget, page, lacking):
    for x in (10, 30):
        page.prompts(point(x, 20))
        page.act("commit")
    settle()
    count = len(page.published)
    page.send({"type": "hello", "objects": lacking})
    assert sent_since(page, count)[0] == "objects"
    assert sent_since(page, count)[-1] == "_state"
    assert len(page.objects()) == 2


def test_traits_in_a_message_are_what_they_are_as_traits(widget, page):
    prompts = {"rid": {"client": "page", "n": 1}, "epoch": 0, "prompts": [point(40, 30)]}
    page.send({"type": "traits", "traits": {"_prompts": prompts, "opacity": 0.25, "_esm": "bad"}})
    settle()
    assert len(widget.prompts[0].prompts) == 1
    assert widget.opacity == 0.25
    assert widget._esm != "bad"
    assert page.state["ack"] == {"page": 1}


def test_a_request_that_comes_twice_is_carried_out_once(widget, page):
    page.prompts(point(40, 30))
    commit = {"type": "commit", "rid": {"client": "page", "n": 2}, "epoch": 0, "label": "cat"}
    click = {"rid": {"client": "page", "n": 3}, "epoch": 1, "prompts": [point(10, 10)]}
    for _ in range(2):
        page.send(commit)
    for _ in range(2):
        page.send({"type": "traits", "traits": {"_prompts": click}})
    page.send(commit)
    settle()
    assert [len(o.prompts) for o in widget.prompts] == [1, 1]
    assert [o.label for o in widget.objects] == ["cat", None]
    assert page.state["ack"] == {"page": 3}
    assert np.any(widget.masks[1])
