import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
w = SegmentWidget(np.zeros((9, 9, 3), np.uint8), model=FakePredictor())
w.add_point(4, 4)
w.masks
w.itself = w
print("done")
"""


def test_a_program_with_a_widget_ends():
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True
    )
    assert found.stdout == "done\n"


CALLED = """
import threading, time
called = threading.Event()
def write(_):
    called.set()
    time.sleep(0.5)
    print("written")
w.on_commit(write)
w.commit()
called.wait()
"""


def test_a_program_that_ends_lets_the_users_functions_end():
    command = [sys.executable, "-c", SCRIPT + CALLED]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout == "done\nwritten\n"


PENDING = """
import threading, numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
predictor = FakePredictor()
if {loaded}:
    w = SegmentWidget(np.zeros((9, 9, 3), np.uint8), model=predictor)
    w.masks
    predictor.gate.clear()
else:
    predictor.gate.clear()
    w = SegmentWidget(np.zeros((9, 9, 3), np.uint8), model=predictor)
w.on_commit(lambda found: print(found.id, found.area > 0, flush=True))
for x in range(3):
    w.add_point(2 + x, 4)
    w.commit()

def answer():
    threading.main_thread().join()
    predictor.gate.set()

threading.Thread(target=answer).start()
"""


@pytest.mark.parametrize("loaded", [True, False])
def test_observer_is_called_for_a_commit_pending_at_exit(loaded):
    command = [sys.executable, "-c", PENDING.format(loaded=loaded)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout == "0 True\n1 True\n2 True\n"
    assert found.stderr == ""
