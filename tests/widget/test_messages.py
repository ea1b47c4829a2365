"""Whatever arrives from a browser, the widget stays in a state that it can be in."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import point, settle

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.binary(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
actions = (
    st.sampled_from(
        [
            "hello",
            "ack_probe",
            "commit",
            "select",
            "delete",
            "label",
            "class",
            "undo",
            "redo",
            "clear",
        ]
    )
    | st.sampled_from(
        [
            "show",
            "lock",
            "order",
            "class_add",
            "setting",
            "hover",
            "press",
            "tiles",
            "probe",
            "explode",
        ]
    )
    | st.just("traits")
)
lines = st.lists(st.lists(st.floats() | st.integers(-5, 100), min_size=2, max_size=2), max_size=4)
rids = st.fixed_dictionaries({"client": st.text(max_size=70), "n": st.integers(-1, 2**60)})
prompts = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                ["point", "box", "spline", "scribble", "stroke", "choice", "known", "mask"]
            )
        },
        optional={
            **{
                key: st.floats() | st.integers(-5, 100) | json_values
                for key in ("x", "y", "label", "x0", "y0", "x1", "y1", "extra", "radius", "index")
            },
            "points": lines | json_values,
            "key": json_values,
        },
    ),
    max_size=4,
)
requests = st.fixed_dictionaries(
    {"rid": rids | json_values, "epoch": st.integers(-1, 3) | json_values},
    optional={"prompts": prompts | json_values},
)
messages = st.one_of(
    json_values,
    st.builds(
        lambda kind, request, extra: {"type": kind, **request, **extra},
        actions | json_values,
        requests,
        st.fixed_dictionaries(
            {},
            optional={
                "object": st.integers(-2, 5) | json_values,
                "label": st.integers(0, 1) | json_values,
                "index": st.integers(-1, 9) | json_values,
                "name": st.sampled_from(["overlap", "fill_holes", "drop_specks"]) | json_values,
                "value": st.sampled_from(["cut out", 5, -1]) | json_values,
                "visible": json_values,
                "locked": st.booleans() | json_values,
                "client": st.text(max_size=3),
                "n": st.integers(-1, 9),
                "x": st.floats() | st.integers(-5, 90),
                "y": st.floats() | st.integers(-5, 90),
                "level": st.integers(-1, 20),
                "tiles": lines | json_values,
            },
        ),
    ),
)
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def check(widget):
    settle()
    session = widget._annotator.session
    assert widget.masks.shape[0] == len(session.annotation.objects)
    for annotated in session.annotation.objects:
        for prompt in annotated.prompts:
            prompt.check_inside(80, 60)
    assert widget.status.phase == "ready"
    assert session.annotation.active_id not in session.locked
    active = widget._state["active"]
    assert active is None or not active["pending"]


@shared
@given(st.lists(messages, max_size=5))
def test_no_message_breaks_the_widget(widget, page, sent):
    for content in sent:
        page.send(content)
    check(widget)


@shared
@given(st.lists(requests | json_values, max_size=5))
def test_no_trait_update_breaks_the_widget(widget, page, sent):
    for value in sent:
        page.update({"_prompts": value})
    check(widget)


def test_malformed_message_has_a_notice(widget, page):
    page.send({"type": "explode"})
    assert "malformed message" in page.notice
    page.prompts(point(40, 30))
    settle()
    assert page.notice == ""


@pytest.mark.parametrize(
    "bad",
    [
        point(999, 1),
        point(float("nan"), 1),
        point(1, 1, 2),
        {"type": "box", "x0": 1, "y0": 1, "x1": 1, "y1": 5},
    ],
)
def test_invalid_prompt_has_a_notice_and_changes_nothing(widget, page, bad):
    page.prompts(point(40, 30))
    page.prompts(point(40, 30), bad)
    assert page.notice
    assert len(widget.prompts[0].prompts) == 1


def test_message_about_a_removed_object(widget, page):
    page.act("delete", object=99)
    assert "no longer there" in page.notice


def test_no_trait_but_prompts_and_options_can_be_set_from_a_browser(widget, page):
    before = {name: getattr(widget, name) for name in ("_esm", "_css", "_image", "_status")}
    page.update(
        {"_esm": "evil", "_css": "evil", "_image": {}, "_status": {}, "_state": {}, "_labels": [1]}
    )
    assert {name: getattr(widget, name) for name in before} == before
    assert widget._state["revision"] == page.state["revision"]


def test_the_sign_of_an_action_is_not_taken_for_anything(widget, page):
    before = page.state
    page.update({"_acted": {"client": "me", "n": 1}})
    assert page.state == before
    assert not hasattr(widget, "_acted")


def test_reads_after_a_flood_are_current(widget, page):
    for number in range(200):
        page.prompts(*[point(number % 80, i) for i in range(1 + number % 3)])
    assert len(widget.prompts[0].prompts) == 1 + 199 % 3
    assert widget.mask[0, 199 % 80]


def test_an_action_that_fails_leaves_no_click_unanswered(widget, page):
    page.act("select", prompts=[point(40, 30)], object=99)
    settle()
    assert "no longer there" in page.notice
    assert not page.state["active"]["pending"]
    assert page.state["ack"]["page"] == page.n


@pytest.mark.parametrize(
    "bad", [{"type": "delete", "object": -1}, {"type": "x"}, {"type": "commit", "label": 5}]
)
def test_a_malformed_request_is_acknowledged_all_the_same(widget, page, bad):
    page.send({**bad, "rid": page._rid(), "epoch": 0})
    assert page.state["ack"]["page"] == page.n
    assert page.notice


def test_more_prompts_than_an_object_may_have_are_refused_and_acknowledged(widget, page):
    page.prompts(*[point(1, 1)] * 1001)
    assert "1000 prompts, got 1001" in page.notice
    assert page.state["ack"]["page"] == page.n
    assert not widget.prompts
