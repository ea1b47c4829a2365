"""Messages nested deeper than Python can read are reported, and nothing is lost."""

import pytest

from sam2_widget.widget import options

from .conftest import point, settle

DEPTHS = (300, 10_000)


def nested(depth, kind=list):
    """Lists in lists, or mappings in mappings."""
    value = [] if kind is list else {}
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


@pytest.fixture
def clicked(widget, page):
    page.prompts(point(40, 30))
    settle()
    return widget


@pytest.mark.parametrize("kind", [list, dict])
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "send",
    [
        lambda page, deep: page.update({"_prompts": deep}),
        lambda page, deep: page.prompts(deep),
        lambda page, deep: page.prompts({**point(9, 9), "x": deep}),
        lambda page, deep: page.update({"_prompts": {"rid": deep, "epoch": 0, "prompts": []}}),
        lambda page, deep: page.send(deep),
        lambda page, deep: page.send({"type": deep}),
        lambda page, deep: page.act("commit", label=deep),
        lambda page, deep: page.act("setting", name="overlap", value=deep),
        lambda page, deep: page.send({"type": "traits", "traits": {"_prompts": deep}}),
        lambda page, deep: page.deliver(deep),
        lambda page, deep: page.deliver({"method": deep}),
        lambda page, deep: page.deliver({"method": "update", "state": [deep]}),
    ],
)
def test_deeply_nested_message_has_a_notice_and_changes_nothing(clicked, page, send, depth, kind):
    before, mask = clicked.prompts, clicked.mask
    send(page, nested(depth, kind))
    settle()
    assert clicked.prompts == before
    assert (clicked.mask == mask).all()
    assert 0 < len(page.notice) < 1010
    page.prompts(point(40, 30), point(45, 30))
    settle()
    assert page.notice == ""
    assert len(clicked.prompts[0].prompts) == 2


@pytest.mark.parametrize("kind", [list, dict])
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", sorted(options.NAMES))
def test_an_option_that_is_nested_too_deeply_is_not_taken(clicked, page, name, depth, kind):
    before = getattr(clicked, name)
    page.update({name: nested(depth, kind), "_esm": nested(depth, kind)})
    page.send({"type": "traits", "traits": {name: nested(depth, kind)}})
    assert getattr(clicked, name) == before
    page.prompts(point(40, 30), point(45, 30))
    settle()
    assert len(clicked.prompts[0].prompts) == 2
