"""The model's thread in tests: kept busy, or waited for."""

import threading
from contextlib import contextmanager

from sam2_widget.models import worker


def finish_jobs():
    """Wait until the model's thread has done what was submitted so far."""
    worker.local.run(lambda: None)


@contextmanager
def busy_model_thread():
    """Keep the model's thread busy, also where the model need not run."""
    released = threading.Event()
    worker.local.submit(released.wait)
    try:
        yield
    finally:
        released.set()
