import subprocess
import sys

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
