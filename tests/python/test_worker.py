"""The thread of the models: its queue, what is done when it is idle, and how a program ends."""

import subprocess
import sys
import threading
from typing import Any

import pytest

from sam2_widget._utils.executors import PersistentThreadExecutor, TransientThreadExecutor
from sam2_widget.models.worker import Worker


@pytest.fixture(params=[PersistentThreadExecutor, TransientThreadExecutor])
def worker(request):
    found: Any = Worker(request.param("sam2-widget-test"))
    yield found
    found.submit(lambda: None).result(10)
    if request.param is PersistentThreadExecutor:
        found._executor._stop()


def busy(worker):
    """Keep the thread busy; returns what ends that."""
    started, go = threading.Event(), threading.Event()
    worker.submit(lambda: [started.set(), go.wait(10)])
    assert started.wait(10)
    return go


def test_idle_jobs_run_in_order_after_all_waiting_jobs(worker):
    done, last = [], threading.Event()
    go = busy(worker)
    worker.submit_idle(lambda: done.append("idle 1"))
    worker.submit(lambda: [done.append("click 1"), worker.submit(lambda: done.append("click 3"))])
    worker.submit_idle(lambda: [done.append("idle 2"), last.set()])
    worker.submit(lambda: done.append("click 2"))
    go.set()
    assert last.wait(10)
    assert done == ["click 1", "click 2", "click 3", "idle 1", "idle 2"]


def test_cancelled_job_does_not_delay_idle_jobs(worker):
    submitted, submit = [], worker._executor.submit
    go, last = busy(worker), threading.Event()
    cancelled = worker.submit(lambda: pytest.fail("it was cancelled"))
    worker._executor.submit = lambda *args: [submitted.append(args), submit(*args)][1]
    worker.submit_idle(last.set)
    assert cancelled.cancel()
    go.set()
    assert last.wait(10)
    assert not worker._waiting
    assert len(submitted) <= 2


def test_failing_idle_job_does_not_stop_others(worker):
    last = threading.Event()
    go = busy(worker)
    worker.submit_idle(lambda: 1 / 0)
    worker.submit_idle(last.set)
    go.set()
    assert last.wait(10)


def test_lost_thread_is_restarted():
    """As after a fork, in whose child there are no other threads."""
    executor = PersistentThreadExecutor("sam2-widget-test")
    first = executor.submit(threading.current_thread).result(10)
    executor._tasks.put(None)
    first.join(10)
    second = executor.submit(threading.current_thread).result(10)
    assert second is not first
    assert second.daemon
    executor._stop()


ENDS = """
import threading
from sam2_widget._utils.executors import PersistentThreadExecutor, TransientThreadExecutor
model = PersistentThreadExecutor("model")
main = threading.main_thread()

def asks_late():
    main.join()
    for number in range(3):
        print(model.submit(lambda: number).result(), flush=True)

TransientThreadExecutor("observers", daemon=False).submit(asks_late)
"""


def test_jobs_run_until_the_last_thread_ends():
    found = subprocess.run(
        [sys.executable, "-c", ENDS], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stderr == ""
    assert found.stdout == "0\n1\n2\n"
