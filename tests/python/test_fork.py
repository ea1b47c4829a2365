"""A forked process, as of multiprocessing or a DataLoader, works or raises a clear error."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no forks")

PRELUDE = """
import os, signal, sys, threading, warnings
import numpy as np
from sam2_widget import ModelError, Point, SegmentWidget, segment
from sam2_widget.models import worker
from sam2_widget.testing import FakePredictor, FakeRemotePredictor

warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, since Python 3.12
image = np.zeros((40, 50, 3), np.uint8)
local, remote = FakePredictor(), FakeRemotePredictor()

def area(model):
    return int(segment(image, [Point(20, 20)], model=model).masks.sum())

def error_of(call):
    try:
        call()
    except ModelError as error:
        return str(error)

def in_child(job):
    \"\"\"What `job` returns in a child, within 30 s.\"\"\"
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(30)
        os.write(writer, repr(job()).encode())
        os._exit(0)
    os.close(writer)
    found = os.read(reader, 10_000).decode()
    assert os.waitpid(child, 0)[1] == 0, "the child hung or failed"
    return eval(found)
"""

CASES = {
    "a model of the child alone works": """
        assert in_child(lambda: area(local)) == area(local) > 0
    """,
    "after the parent's model it is refused": """
        before = area(local)
        for model in (local, FakePredictor(), "bundled"):
            assert "start it by 'spawn'" in in_child(lambda: error_of(lambda: area(model)))
        assert area(local) == before
    """,
    "also in the middle of an answer, with the model's thread": """
        entered, go_on = threading.Event(), threading.Event()
        busy = worker.local.submit(lambda: (entered.set(), go_on.wait()))
        entered.wait()
        assert "start it by 'spawn'" in in_child(lambda: error_of(lambda: area(local)))
        go_on.set()
        busy.result()
        assert area(local) > 0
    """,
    "and in a child of the child": """
        area(local)
        def grandchild():
            return in_child(lambda: error_of(lambda: area(local)))
        assert "start it by 'spawn'" in in_child(grandchild)
    """,
    "a cluster's model works in both": """
        before = area(remote)
        assert in_child(lambda: area(remote)) == before
        assert area(remote) == before
    """,
    "a lock that a thread held is open": """
        with worker._lock:
            assert in_child(lambda: area(remote)) > 0
    """,
    "a widget of the parent is refused": """
        w = SegmentWidget(image, model=local)
        w.add_point(20, 20)
        before = int(w.masks.sum())
        def add():
            w.add_point(5, 5)
            return w.masks
        assert "start it by 'spawn'" in in_child(lambda: error_of(add))
        assert int(w.masks.sum()) == before > 0
        w.close()
    """,
    "as by multiprocessing": """
        import multiprocessing
        area(local)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            message = pool.apply_async(error_of, (lambda_area,)).get(30)
        assert "start it by 'spawn'" in message
    """,
}


@pytest.mark.parametrize("case", CASES)
def test_a_fork(case):
    script = "\n".join(line.removeprefix(" " * 8) for line in CASES[case].splitlines())
    more = "\ndef lambda_area():\n    return area(local)\n"
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + more + script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
