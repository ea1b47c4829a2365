"""A kernel that ends while there are widgets."""

import pytest

from .kernels import VERSIONS, Kernel

# ipykernel sends on a separate thread, and after this thread has ended on the thread of the caller.
# Two threads that send at the same time mix frames of their messages. Here comms are closed then.
RECORD = """
import threading
from comm.base_comm import BaseComm
from ipykernel.iostream import IOPubThread

stopped = threading.Event()
sent = threading.Event()
stop, send, close = IOPubThread.stop, IOPubThread._really_send, BaseComm.close

def recorded_stop(self):
    stop(self)
    stopped.set()
    while not sent.is_set() and any("sam2-widget-end" == t.name for t in threading.enumerate()):
        sent.wait(0.01)

def recorded_send(self, *arguments, **options):
    thread = threading.current_thread()
    if thread is not self.thread:
        with open({path!r}, "a") as file:
            file.write(thread.name + "\\n")
        sent.set()
    send(self, *arguments, **options)

def late_close(self, *arguments, **options):
    stopped.wait()
    close(self, *arguments, **options)

IOPubThread.stop, IOPubThread._really_send = recorded_stop, recorded_send
BaseComm.close = late_close
"""
MAKE = """
import numpy as np, sys
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
sys.path.append({folder!r})
import record
w = SegmentWidget(np.zeros((9, 9, 3), np.uint8), model=FakePredictor())
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_no_thread_sends_after_the_iopub_thread_has_ended(version, tmp_path):
    path = tmp_path / "threads.txt"
    path.touch()
    (tmp_path / "record.py").write_text(RECORD.format(path=str(path)))
    with Kernel(version, tmp_path) as kernel:
        kernel.run(MAKE.format(folder=str(tmp_path)))
        kernel.shut_down()
    assert set(path.read_text().split()) <= {"MainThread"}
