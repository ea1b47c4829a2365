"""What all tests share.

No deadlines: the first example may import a library, and machines are busy.
"""

import os

import pytest
from hypothesis import settings

from .processes import interrupts

# Otherwise each kernel that loads a model may convert it in the background.
os.environ.setdefault("SAM2_WIDGET_CPU_BACKEND", "torch")

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture
def interruptible():
    """As in a kernel; what a shell runs in the background ignores interrupts."""
    with interrupts():
        yield
