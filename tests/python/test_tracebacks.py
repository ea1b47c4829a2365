"""What a traceback that somebody keeps does not keep."""

import os
import signal
import threading
import time
import traceback
import weakref

import numpy as np
import pytest

from sam2_widget._utils.interrupts import defer_sigint
from sam2_widget._utils.tracebacks import as_text
from sam2_widget.models import worker
from tests.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("interruptible")


class Tensor:
    """Anything heavy."""


def failing(kept):
    def inner():
        tensor = Tensor()
        kept.append(weakref.ref(tensor))
        raise ZeroDivisionError("the line stays")

    try:
        inner()
    except ZeroDivisionError as error:
        outer = Tensor()
        kept.append(weakref.ref(outer))
        raise ValueError("what came of it") from error


def test_frames_of_an_error_and_its_causes_are_cleared_but_lines_kept():
    kept = []
    with pytest.raises(ValueError, match="what came of it") as caught:
        failing(kept)
    assert all(ref() is not None for ref in kept)
    shown = "".join(traceback.format_exception(as_text(caught.value)))
    del caught
    assert [ref() for ref in kept] == [None, None]
    assert 'raise ZeroDivisionError("the line stays")' in shown
    assert shown.count("what came of it") > 1


def test_traceback_does_not_grow_when_raised_again():
    error = ValueError("again")
    first = str(as_text(error).__cause__)
    assert str(as_text(error).__cause__) == first


def test_errors_of_the_model_thread_keep_no_local_variables():
    kept = []
    argument = Tensor()
    kept.append(weakref.ref(argument))

    def call(tensor):
        worker.local.run(lambda: (tensor, failing(kept)))

    with pytest.raises(ValueError, match="came of it") as caught:
        call(argument)
    del argument
    # The frame of `call` has its argument still: it is the caller's own.
    frame = caught.traceback[1].frame.raw
    frame.clear()
    worker.local.run(lambda: None)
    assert [ref() for ref in kept] == [None, None, None]


def test_errors_of_the_caller_keep_their_local_variables():
    def caller():
        mine = Tensor()
        raise KeyError(id(mine))

    def handles():
        try:
            caller()
        except KeyError:
            worker.local.run(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError) as caught:
        handles()
    frame = caught.value.__context__.__traceback__.tb_next.tb_frame
    assert isinstance(frame.f_locals["mine"], Tensor)


def test_interrupt_while_waiting_for_the_model_keeps_no_references():
    tensor, begun, handled, raised, done = Tensor(), *(threading.Event() for _ in range(4))
    kept = weakref.ref(tensor)

    def job(tensor=tensor):
        begun.set()
        raised.wait(PATIENCE)
        done.set()
        return tensor

    def handle(*_):
        if not handled.is_set():
            handled.set()
            raise KeyboardInterrupt

    def interrupt():
        # An interrupt just before the wait begins does not end it: the next one does.
        begun.wait(PATIENCE)
        while not handled.wait(1):
            os.kill(os.getpid(), signal.SIGINT)

    waiting = [job]
    del job, tensor
    before = signal.signal(signal.SIGINT, handle)
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            worker.local.run(waiting.pop())
    finally:
        signal.signal(signal.SIGINT, before)
    raised.set()
    assert done.wait(PATIENCE)
    worker.local.run(lambda: None)
    assert kept() is None
    assert caught.value.__traceback__ is not None


def test_an_interrupt_waits_for_the_end_of_the_block():
    steps = []

    def block():
        with defer_sigint():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            steps.append("whole")
        steps.append("after")

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        block()
    assert steps == ["whole"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_nested_blocks_defer_until_the_outermost_ends():
    steps = []

    def block():
        with defer_sigint():
            with defer_sigint():
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)
            steps.append("inner has ended")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert steps == ["inner has ended"]


def test_error_in_the_block_is_chained_to_the_interrupt():
    def block():
        with defer_sigint():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            raise ZeroDivisionError

    with pytest.raises(KeyboardInterrupt) as caught:
        block()
    assert isinstance(caught.value.__context__, ZeroDivisionError)


def test_other_threads_run_the_block_unchanged():
    found = []

    def block():
        with defer_sigint():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]


def test_result_of_a_job_is_returned():
    assert worker.local.run(lambda: np.arange(3)).tolist() == [0, 1, 2]
