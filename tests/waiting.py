"""Waiting for conditions, without a guess of how long it takes."""

import time

PATIENCE = 120.0
"""Seconds after which a test fails; machines are busy."""


def wait_until(condition, what="the condition", patience=PATIENCE):
    """Call `condition` until it returns something true; returns that."""
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not come true within {patience:.0f} s"
        time.sleep(0.01)
    return found
