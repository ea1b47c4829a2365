"""A small soak: images, edits and faults by the hundred; nothing is lost. `make soak` does more."""

import gc
import logging
import random
import weakref
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.soak_user import Expected
from sam2_widget import SegmentWidget, segment
from sam2_widget.testing import FakePredictor

from .conftest import IMAGE, Page, point, settle

IMAGES, STEPS = 30, 40
NONSENSE = [{}, {"type": "explode"}, {"type": "delete", "rid": {"client": "x", "n": 1}, "epoch": 0}]
ERRORS = [torch.OutOfMemoryError, RuntimeError, ValueError]


class User:
    """Clicks in one of two pages, as a seed has it, and keeps count of what must be there."""

    def __init__(self, widget, predictor, rng):
        self.widget, self.predictor, self.rng = widget, predictor, rng
        self.pages = [Page(widget, "one"), Page(widget, "two")]
        self.expected = Expected()
        self.prompts = []

    def step(self):
        action = self.rng.choices(
            [self.click, self.lose, self.commit, self.undo, self.redo, self.fail, self.nonsense],
            [10, 3, 2, 3, 2, 2, 1],
        )[0]
        action(self.rng.choice(self.pages))

    def add(self):
        x, y = self.rng.randrange(80), self.rng.randrange(60)
        self.prompts.append(point(x, y, self.rng.choice([0, 1, 1])))
        self.expected.add("point")

    def click(self, page):
        self.add()
        page.prompts(*self.prompts)
        if self.rng.random() < 0.3:  # the answer is seldom waited for
            settle()

    def lose(self, page):
        """A click that does not arrive: the next message contains it, too."""
        self.add()

    def fail(self, page):
        settle()
        self.predictor.fail_with = self.rng.choice(ERRORS)("injected")
        self.click(page)
        settle()
        self.predictor.fail_with = None
        self.click(page)
        settle()
        assert self.widget.status.phase == "ready"

    def nonsense(self, page):
        page.send(self.rng.choice(NONSENSE))
        page.update({"_esm": "x", "tool": {}, "_prompts": self.rng.choice(NONSENSE)})
        page.send({"type": "hello"})

    def commit(self, page):
        if self.prompts:
            self.act(page, "commit", self.expected.commit)

    def undo(self, page):
        self.act(page, "undo", self.expected.undo)

    def redo(self, page):
        self.act(page, "redo", self.expected.redo)

    def act(self, page, kind, expect):
        page.act(kind, prompts=self.prompts)
        expect()
        active = page.state["active"]
        self.prompts = list(active["prompts"]) if active else []

    def finish(self):
        """All messages arrived, and what is shown is what a replay gives."""
        self.pages[0].prompts(*self.prompts)
        settle()
        assert [len(o.prompts) for o in self.widget.prompts] == self.expected.counts
        active = self.widget._state["active"]
        assert not active or not active["pending"]
        for page in self.pages:
            assert len(page.objects()) + bool(active) == len(self.expected.counts)
        again = segment(self.widget.image, self.widget.prompts, model=FakePredictor())
        np.testing.assert_array_equal(self.widget.masks, again.masks)
        return len(again.masks)


@pytest.fixture
def log(monkeypatch):
    """What is logged, as text."""
    said, handler, logger = [], logging.Handler(), logging.getLogger("sam2_widget")
    handler.emit = lambda record: said.append(handler.format(record))
    monkeypatch.setattr(logger, "propagate", False)
    logger.addHandler(handler)
    yield said
    logger.removeHandler(handler)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_small_soak(seed, log):
    rng, predictor, objects = random.Random(seed), FakePredictor(), 0
    for _ in range(IMAGES):
        image = np.random.default_rng(rng.randrange(10**6)).integers(0, 255, (60, 80, 3), np.uint8)
        widget = SegmentWidget(image, model=predictor)
        user = User(widget, predictor, rng)
        for _ in range(STEPS):
            user.step()
        objects += user.finish()
        widget.close()
    assert objects > IMAGES
    assert all("injected" in text for text in log)


def test_no_error_that_was_logged_keeps_a_widget(caplog):
    predictor, left = FakePredictor(), weakref.WeakSet()
    for _ in range(5):
        widget = SegmentWidget(IMAGE, model=predictor)
        left.update((widget, widget._annotator, widget._annotator.model, widget._planes))
        widget._annotator.model.wait()
        page = Page(widget)
        for error in ERRORS:
            predictor.fail_with = error("injected")
            page.prompts(point(20, 20), point(30, 20))
            settle()
            page.prompts(point(20, 20))
            settle()
        predictor.fail_with = None
        page.prompts(point(20, 20))
        settle()
        page.update({"_prompts": {"rid": 5}})
        session: Any = widget._annotator.session
        session.undo = lambda: 1 / 0
        page.act("undo")
        widget.close()
    del widget, session, page, error
    settle()
    gc.collect()
    assert "injected" in caplog.text
    assert not list(left)
