"""Proposals in a page: what is sent, accepted and rejected over the comm."""

import numpy as np
import pytest

from sam2_widget import SegmentWidget, segment
from sam2_widget.masks.logits import LogitMask
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.testing import FakePredictor
from tests.waiting import wait_until

from .conftest import Page, settle

IMAGE = np.random.default_rng(3).integers(0, 255, (96, 128, 3), np.uint8)


@pytest.fixture
def image():
    embeddings.clear()
    return IMAGE


class Shown:
    """The proposals as a page puts them together from the messages."""

    def __init__(self, page):
        self.all, self.accepted, self.rejected, self.n, self.job = {}, [], [], 0, 0
        self.likeness = []
        for _, data, buffers in list(page.published):
            content = data.get("content", {})
            if content.get("type") != "proposals":
                continue
            assert content["n"] == self.n + 1
            self.n, self.job = content["n"], content["job"]
            if content["reset"]:
                self.all, self.likeness = {}, []
            if content["likeness"] is not None:
                self.likeness = content["likeness"]
            for one in content["put"]:
                self.all[one["number"]] = (one, bytes(buffers[one["buffer"]]))
            self.accepted, self.rejected = content["accepted"], content["rejected"]


def searched(page, **fields):
    page.act("propose", **{"points_per_side": 3, **fields})
    widget = page.widget
    number = widget._annotator.proposer.job.number
    ended = {"job": number, "running": False}
    wait_until(lambda: ended.items() <= widget._proposing.items())
    return Shown(page)


def test_a_page_gets_each_proposal_once_with_its_logits(widget, page):
    shown = searched(page)
    assert list(shown.all) == list(range(1, 28))
    for one in widget.proposals:
        content, data = shown.all[one.number]
        assert (content["score"], content["stability"]) == (one.score, one.stability)
        assert (content["area"], content["box"]) == (one.area, one.box)
        assert content["crop"] == (0, 0, 128, 96)
        assert LogitMask(content["width"], content["height"], data, empty=False) == one.mask
    trait = widget._proposing
    assert (trait["done"], trait["total"], trait["message"]) == (9, 9, shown.n)
    assert trait["region"] == (0, 0, 128, 96)
    assert (trait["error"], trait["note"]) == ("", "")
    chosen = widget._annotator.proposer.job.filter
    assert trait["thresholds"]["min_score"] == chosen.min_score
    before = len(page.published)
    page.prompts({"type": "point", "x": 10, "y": 10, "label": 1})
    settle()
    later = [data.get("content", {}) for _, data, _ in page.published[before:]]
    assert "proposals" not in {content.get("type") for content in later}


def test_traits_stay_small(widget, page):
    searched(page, points_per_side=6)
    assert len(str(widget._proposing)) < 500


def test_accepted_ones_are_objects_in_one_step_and_come_back_by_undo(widget, page):
    widget.labels = ["cell"]
    shown = searched(page)
    page.act("accept", job=shown.job, numbers=[2, 14, 20])
    assert [one.label for one in widget.objects] == ["cell"] * 3
    assert [o.prompts[0].x for o in widget.prompts] == [
        widget.proposals[number - 1].point[0] for number in (2, 14, 20)
    ]
    again = segment(IMAGE, widget.prompts, model=FakePredictor())
    np.testing.assert_array_equal(again.masks, widget.masks)
    assert Shown(page).accepted == [2, 14, 20]
    page.act("accept", job=shown.job, numbers=[2, 5])  # 2 is an object already
    assert len(widget.objects) == 4
    page.act("undo")
    page.act("undo")
    assert Shown(page).accepted == []
    page.act("redo")
    assert Shown(page).accepted == [2, 14, 20]
    page.act("delete", object=widget.objects[0].id)
    assert Shown(page).accepted == [14, 20]


def test_rejected_ones_are_kept_and_left_out(widget, page):
    shown = searched(page)
    page.act("reject", job=shown.job, numbers=[2, 5, 999])
    assert Shown(page).rejected == [2, 5]
    assert not {2, 5} & set(widget.accept_proposals())
    page.act("reject", job=shown.job, numbers=[2], rejected=False)
    assert Shown(page).rejected == [5]


def test_a_page_that_has_reloaded_gets_what_is_there(widget, page):
    shown = searched(page)
    page.act("accept", job=shown.job, numbers=[2])
    page.act("reject", job=shown.job, numbers=[5])
    newest = Shown(page).n
    page.send({"type": "hello", "proposals": newest})
    assert Shown(page).n == newest  # this page has all
    del page.published[:]
    page.send({"type": "hello"})
    sent = [d["content"] for _, d, _ in page.published if "content" in d]
    first, *rest = [content for content in sent if content["type"] == "proposals"]
    assert (first["reset"], first["put"]) == (True, [])
    assert [one["number"] for content in rest for one in content["put"]] == list(range(1, 28))
    assert (rest[-1]["accepted"], rest[-1]["rejected"]) == ([2], [5])
    assert widget._proposing["message"] == rest[-1]["n"]


def test_a_search_can_be_cancelled_and_keeps_what_is_there(widget, page, predictor):
    predictor.gate.clear()
    page.act("propose", points_per_side=30)
    wait_until(lambda: widget._proposing.get("total") == 900)
    assert widget.status.message == "Looking for objects: 0 of 900 points"
    assert (widget.status.phase, widget.status.progress) == ("predicting", 0.0)
    page.act("cancel_propose")
    predictor.gate.set()
    wait_until(lambda: widget._proposing["running"] is False)
    assert widget._proposing["done"] < 900
    assert widget.status.phase == "ready"
    assert set(Shown(page).all) == {one.number for one in widget.proposals}


def test_a_region_of_a_few_pixels_has_a_notice(widget, page):
    shown = searched(page, region=[3, 3, 9, 9])
    assert shown.all == {}
    assert page.notice == (
        "A region of 6 x 6 pixels is too small for proposals: it must be at least 16 pixels "
        "wide and high."
    )
    assert widget._proposing["note"] != ""


def test_an_image_of_one_colour_has_a_notice():
    widget = SegmentWidget(np.full((64, 64, 3), 90, np.uint8), model=FakePredictor())
    page = Page(widget)
    searched(page)
    assert page.notice == "There is nothing to propose: all pixels have the same colour."
    widget.close()


def test_a_failure_in_the_middle_keeps_what_is_there(widget, page, predictor, monkeypatch):
    predict, runs = predictor._predict, []

    def failing(*args, **options):
        runs.append(1)
        if len(runs) > 4:
            raise RuntimeError("boom")
        return predict(*args, **options)

    monkeypatch.setattr(predictor, "_predict", failing)
    shown = searched(page)
    assert len(shown.all) == 12
    assert "boom" in widget._proposing["error"]
    assert "boom" in page.notice
    page.act("accept", job=shown.job, numbers=[2])
    assert len(widget.objects) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "propose", "region": [0, 0, 900, 900]},
        {"kind": "propose", "region": [5, 5, 5, -1]},
        {"kind": "propose", "region": "all"},
        {"kind": "propose", "points_per_side": 10**6},
        {"kind": "propose", "layers": 99},
        {"kind": "accept", "job": 1, "numbers": ["a"]},
        {"kind": "accept", "job": 10**9, "numbers": [1]},
        {"kind": "reject", "job": 10**9, "numbers": [1]},
        {"kind": "reject", "job": -1, "numbers": [1]},
    ],
    ids=str,
)
def test_what_a_page_sends_is_checked(widget, page, fields):
    page.act(**fields)
    assert page.notice != ""
    assert widget._annotator.proposer.job is None
    assert len(widget.objects) == 0


def test_numbers_that_do_not_exist_change_nothing(widget, page):
    shown = searched(page)
    page.act("accept", job=shown.job, numbers=[777])
    assert len(widget.objects) == 0
    assert not page.state["can_undo"]
    assert page.state["ack"]["page"] == page.n


def test_each_plane_has_its_own_proposals():
    stack = np.random.default_rng(4).integers(0, 255, (2, 96, 128, 3), np.uint8)
    widget = SegmentWidget(stack, model=FakePredictor(), axes="ZYXC")
    page = Page(widget)
    widget._annotator.model.wait()
    first = searched(page)
    widget.plane = 1
    assert (Shown(page).all, Shown(page).job, widget._proposing) == ({}, 0, {})
    widget.plane = 0
    assert list(Shown(page).all) == list(first.all)
    widget.close()


# --- likeness to the objects with the current label -----------------------------------------------


def compared(page, examples):
    """State of the page when the proposals have been compared with so many objects."""
    trait = page.widget._proposing

    def are_compared():
        trait = page.widget._proposing
        return trait["examples"]["count"] == examples and len(Shown(page).likeness) == (
            len(page.widget.proposals) if examples else 0
        )

    wait_until(are_compared, f"the comparison with {examples} objects, not {trait}")
    return Shown(page).likeness


def click(page, x, y, **fields):
    page.act("commit", prompts=[{"type": "point", "x": x, "y": y, "label": 1}], **fields)
    settle()


def test_a_page_gets_the_likeness_and_again_when_examples_change(widget, page):
    click(page, 20, 20)
    searched(page, points_per_side=4)
    first = compared(page, 1)
    trait = {"count": 1, "label": None, "min_likeness": 0.5, "max_overlap": 0.3}
    assert widget._proposing["examples"] == trait
    by_number = widget._annotator.proposer.job.compared.likeness
    assert first == [by_number[one.number] for one in widget.proposals]
    assert 0 <= min(first) < max(first) <= 1
    chosen = widget._annotator.proposer.job.filter
    passing = [n for n in widget.more_like() if first[n - 1] >= 0.5]
    assert list(widget.more_like()) == passing
    assert chosen.min_likeness == 0

    click(page, 100, 70)
    second = compared(page, 2)
    assert all(b >= a for a, b in zip(first, second, strict=True))
    page.act("undo")
    page.act("undo")
    assert compared(page, 1) == first
    page.act("undo")
    page.act("undo")
    assert compared(page, 0) == []
    page.act("redo")
    page.act("redo")
    settle()
    assert compared(page, 1) == first


def test_only_objects_with_the_current_label_are_examples(widget, page):
    widget.labels = ["cell", "dust"]
    searched(page, points_per_side=4)
    assert compared(page, 0) == []
    click(page, 20, 20)
    cells = compared(page, 1)
    page.act("class", label="dust")
    assert compared(page, 0) == []
    assert widget._proposing["examples"]["label"] == "dust"
    page.act("class", label="cell")
    assert compared(page, 1) == cells


def test_what_is_accepted_is_an_example_too(widget, page):
    shown = searched(page, points_per_side=4)
    page.act("accept", job=shown.job, numbers=[2, 14])
    settle()
    likeness = compared(page, 2)
    assert (likeness[1] > 0.9, likeness[13] > 0.9) == (True, True)


def test_a_reloaded_page_gets_the_likeness_again(widget, page):
    click(page, 20, 20)
    searched(page, points_per_side=4)
    expected = compared(page, 1)
    del page.published[:]
    page.send({"type": "hello"})
    sent = [d["content"] for _, d, _ in page.published if "content" in d]
    found = [one["likeness"] for one in sent if one["type"] == "proposals"]
    assert [one for one in found if one is not None] == [expected]


def test_a_failed_comparison_breaks_nothing(widget, page, monkeypatch, caplog):
    searched(page, points_per_side=4)
    job = widget._annotator.proposer.job
    monkeypatch.setattr(job, "compare", lambda *_: 1 / 0)
    click(page, 20, 20)
    wait_until(lambda: "could not be compared" in caplog.text)
    assert len(widget.objects) == 1
    assert widget._proposing["examples"]["count"] == 0
