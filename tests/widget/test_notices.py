"""A notice stays until the user of its page has seen it and done something else."""

import pytest

from sam2_widget.comm.receiving import CONFLICT

from .conftest import Page, point, settle


@pytest.fixture
def other(widget):
    return Page(widget, "other")


def refused(widget, page):
    """A click on what has changed meanwhile."""
    epoch = page.state["epoch"]
    widget.add_point(3, 3)
    page.prompts(point(20, 20), epoch=epoch)
    assert page.notice == CONFLICT


def test_a_notice_is_for_the_page_whose_request_was_refused(widget, page, other):
    refused(widget, page)
    assert other.notice == ""


def test_other_pages_and_python_do_not_erase_it(widget, page, other):
    refused(widget, page)
    other.prompts(point(30, 20))
    other.act("commit")
    settle()
    widget.add_point(40, 40)
    assert page.notice == CONFLICT


def test_reloaded_page_shows_its_notice_until_its_user_acts(widget):
    refused(widget, Page(widget, "tab.1"))
    again = Page(widget, "tab.2")
    again.send({"type": "hello"})
    assert again.notice == CONFLICT
    assert Page(widget, "other.1").notice == ""
    again.prompts(point(20, 20))
    settle()
    assert again.notice == Page(widget, "tab.3").notice == ""


def test_late_notice_is_shown_by_the_next_page_of_the_tab(widget):
    before, again = Page(widget, "tab.1"), Page(widget, "tab.2")
    again.act("class", label=None)
    before.act("delete", object=99)
    assert "no longer there" in again.notice
    for number in range(31):
        Page(widget, f"page {number}").act("class", label=None)
    assert "no longer there" in again.notice
    Page(widget, "page 31").act("class", label=None)
    assert widget._state["notices"] == {}


def test_what_is_no_edit_does_not_erase_it(widget, page):
    refused(widget, page)
    page.send({"type": "ack_probe"})
    page.send({"type": "hello", "objects": -1})
    page.send({"type": "probe", "client": "page", "n": 1, "x": 1.0, "y": 1.0})
    settle()
    assert page.notice == CONFLICT


def test_a_request_that_was_on_its_way_does_not_erase_it(widget, page):
    before = page.state["noticed"]
    refused(widget, page)
    page.prompts(point(21, 20), rid={"client": "page", "n": page.n + 1, "seen": before})
    page.n += 1
    assert page.notice == CONFLICT


def test_the_next_edit_of_its_user_erases_it(widget, page):
    refused(widget, page)
    page.prompts(point(20, 20))
    settle()
    assert page.notice == ""


def test_two_pages_can_have_different_notices(widget, page, other):
    refused(widget, page)
    other.act("delete", object=99)
    assert "no longer there" in other.notice
    assert page.notice == CONFLICT
    other.prompts(point(20, 20))
    settle()
    assert (page.notice, other.notice) == (CONFLICT, "")


def test_what_is_for_all_goes_with_the_first_who_has_seen_it(widget, page, other):
    widget._notify("on_commit failed")
    assert page.notice == other.notice == "on_commit failed"
    other.prompts(point(20, 20))
    settle()
    assert page.notice == ""


def test_a_page_that_has_sent_nothing_for_long_is_dropped(widget, page):
    refused(widget, page)
    for number in range(40):
        Page(widget, f"page {number}").act("class", label=None)
    assert page.state["notices"] == {}
