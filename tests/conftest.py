"""What all tests share.

No deadlines: the first example may import a library, and machines are busy.
"""

import pytest
from hypothesis import settings

from .processes import interrupts

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture
def interruptible():
    """As in a kernel; what a shell runs in the background ignores interrupts."""
    with interrupts():
        yield
