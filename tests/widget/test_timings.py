"""Where the time of a click goes, as page and kernel tell each other."""

import pytest

from .conftest import point, settle

PAGE = {"client": "page", "n": 1, "browser": 2000, "trip": 9_000_000, "paint": 4000}


def test_timing_of_a_click_has_parts(widget, page):
    page.prompts(point(40, 30))
    settle()
    timing = page.updates("_state")[-1]["timing"]
    assert (timing["client"], timing["n"]) == ("page", 1)
    assert 0 < timing["decoder"] < timing["kernel"]
    (half,) = widget.timings
    assert half.total is None
    assert half.decoder > 0
    assert "has not reported" in str(half)
    page.send({"type": "ack_probe", "timings": [PAGE]})
    (whole,) = widget.timings
    assert (whole.browser, whole.paint) == (2, 4)
    assert whole.total == pytest.approx(9006)
    assert whole.comm == pytest.approx(9000 - whole.queue - whole.decoder - whole.kernel)
    assert str(whole).startswith("click 9006 ms: browser 2.0, comm ")


def test_cached_prediction_has_no_decoder_time(widget, page):
    page.prompts(point(40, 30))
    page.prompts(point(40, 30), point(20, 30))
    settle()
    page.act("undo")
    settle()
    assert widget.timings[-1].decoder == 0
    assert widget.timings[-1].queue == 0


def test_edits_of_python_are_no_clicks(widget, page):
    page.prompts(point(40, 30))
    settle()
    before = widget.timings[0].decoder
    widget.add_point(20, 20)
    settle()
    assert len(widget.timings) == 1
    assert widget.timings[0].decoder == before
    assert len([state for state in page.updates("_state") if state["timing"]]) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"paint": -1}, {"trip": float("nan")}, {"browser": 1e12}, {"n": "1"}, {"more": 1}],
)
def test_times_of_a_page_are_checked(widget, page, wrong):
    page.prompts(point(40, 30))
    settle()
    page.send({"type": "ack_probe", "timings": [{**PAGE, **wrong}]})
    assert widget.timings[0].total is None
    assert "malformed message" in page.notice


def test_times_of_an_unknown_click_are_ignored(widget, page):
    page.send({"type": "ack_probe", "timings": [PAGE]})
    assert widget.timings == ()
    assert page.notice == ""


def test_missing_timings_are_requested_from_the_page(widget, page):
    page.prompts(point(40, 30))
    settle()

    def requests():
        return [d for _, d, _ in page.published if d.get("content", {}).get("type") == "timings"]

    assert requests() == []
    _ = widget.timings
    assert len(requests()) == 1
    page.send({"type": "ack_probe", "timings": [PAGE]})
    _ = widget.timings
    assert len(requests()) == 1
