"""Delayed calls, with timers that the test ends."""

import threading

import pytest

from sam2_widget._utils.timers import DelayedCall


class Timer:
    """As a `threading.Timer`, but the test ends it."""

    def __init__(self, seconds, run):
        self.seconds, self.run, self.running = seconds, run, False

    def start(self):
        self.running = True

    def is_alive(self):
        return self.running

    def end(self):
        self.run()
        self.running = False


@pytest.fixture
def started(monkeypatch):
    """The timers that were started, and whether the next may be."""
    made = []

    def make(*args):
        made.append(Timer(*args))
        return made[-1]

    monkeypatch.setattr(threading, "Timer", make)
    return made


def test_one_call_for_all_requests_until_then(started):
    calls = []
    request = DelayedCall(lambda: calls.append(1), "test")
    request(0.2)
    request(0.1)
    assert [timer.seconds for timer in started] == [0.2]
    assert (started[0].daemon, started[0].name, calls) == (True, "test", [])
    started[0].end()
    assert calls == [1]
    request(0.3)
    assert [timer.seconds for timer in started] == [0.2, 0.3]


def test_the_call_may_request_another_one(started):
    request = DelayedCall(lambda: request(0.1) if len(started) < 3 else None, "test")
    request(0.2)
    started[0].end()
    started[1].end()
    assert [timer.seconds for timer in started] == [0.2, 0.1, 0.1]


def test_a_timer_that_a_fork_has_ended_is_replaced(started):
    request = DelayedCall(lambda: None, "test")
    request(0.2)
    started[0].running = False
    request(0.2)
    assert len(started) == 2


def test_no_error_at_the_end_of_the_interpreter(monkeypatch):
    def refuse(timer):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Timer, "start", refuse)
    DelayedCall(lambda: None, "test")(0.2)


def test_it_is_called_on_a_thread_of_its_own():
    called = threading.Event()
    names = []
    DelayedCall(lambda: [names.append(threading.current_thread().name), called.set()], "late")(0)
    assert called.wait(60)
    assert names == ["late"]
