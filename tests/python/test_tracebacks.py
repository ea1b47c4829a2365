"""What a traceback that somebody keeps does not keep."""

import os
import signal
import threading
import time
import traceback
import weakref

import numpy as np
import pytest

from sam2_widget.interrupts import held_back
from sam2_widget.models import worker
from sam2_widget.tracebacks import as_text

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


def test_an_error_and_its_causes_lose_their_frames_and_keep_their_lines():
    kept = []
    with pytest.raises(ValueError, match="what came of it") as caught:
        failing(kept)
    assert all(ref() is not None for ref in kept)
    shown = "".join(traceback.format_exception(as_text(caught.value)))
    del caught
    assert [ref() for ref in kept] == [None, None]
    assert 'raise ZeroDivisionError("the line stays")' in shown
    assert shown.count("what came of it") > 1


def test_an_error_that_is_raised_again_does_not_grow():
    error = ValueError("again")
    first = str(as_text(error).__cause__)
    assert str(as_text(error).__cause__) == first


def test_what_the_model_thread_raises_keeps_no_local_of_its():
    kept = []
    argument = Tensor()
    kept.append(weakref.ref(argument))

    def ask(tensor):
        worker.local.run(lambda: (tensor, failing(kept)))

    with pytest.raises(ValueError, match="came of it") as caught:
        ask(argument)
    del argument
    # The frame of `ask` has its argument still: it is the caller's own.
    frame = caught.traceback[1].frame.raw
    frame.clear()
    worker.local.run(lambda: None)
    assert [ref() for ref in kept] == [None, None, None]


def test_errors_of_the_caller_keep_their_locals():
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


def test_an_interrupt_while_waiting_for_the_model_keeps_nothing_and_the_job_ends():
    tensor, done = Tensor(), threading.Event()
    kept = weakref.ref(tensor)

    def job(tensor=tensor):
        time.sleep(0.5)
        done.set()
        return tensor

    waiting = [job]
    del job, tensor
    threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt) as caught:
        worker.local.run(waiting.pop())
    assert done.wait(timeout=10)
    worker.local.run(lambda: None)
    assert kept() is None
    assert caught.value.__traceback__ is not None


def test_an_interrupt_waits_for_the_end_of_the_block():
    steps = []

    def block():
        with held_back():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            steps.append("whole")
        steps.append("after")

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        block()
    assert steps == ["whole"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_blocks_within_blocks_are_one():
    steps = []

    def block():
        with held_back():
            with held_back():
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)
            steps.append("inner has ended")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert steps == ["inner has ended"]


def test_an_error_in_the_block_is_not_lost_to_the_interrupt():
    def block():
        with held_back():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            raise ZeroDivisionError

    with pytest.raises(KeyboardInterrupt) as caught:
        block()
    assert isinstance(caught.value.__context__, ZeroDivisionError)


def test_other_threads_just_run_the_block():
    found = []

    def block():
        with held_back():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]


def test_results_come_back():
    assert worker.local.run(lambda: np.arange(3)).tolist() == [0, 1, 2]
