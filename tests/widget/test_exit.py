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
