"""`make hub`: whoever ends it ends all that it has started."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from deploy import try_hub
from tests.browser.lab import free_port, wait_for
from tests.processes import family_of, stop

PATIENCE = 60


def started_by(process):
    """The hub, its proxy and its services, when all are there."""
    end = time.monotonic() + PATIENCE
    while not any("jupyterhub_idle_culler" in one.cmdline() for one in family_of(process)):
        assert time.monotonic() < end
        time.sleep(0.1)
    return family_of(process)


@pytest.fixture
def hub(tmp_path):
    """Started as by a shell in the background: it is told to ignore interrupts."""
    port, log = free_port(), tmp_path / "log"
    as_shell = ["sh", "-c", """trap '' INT; exec "$0" "$@" """]
    command = [*as_shell, sys.executable, try_hub.__file__, f"--port={port}"]
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
    wait_for(f"http://127.0.0.1:{port}/hub/health", process, log)
    family = started_by(process)
    yield process, family
    stop(process, family)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left(hub, how):
    process, family = hub
    assert len(family) >= 3
    os.killpg(process.pid, how)  # as a terminal does
    assert process.wait(PATIENCE) == 0
    _, left = psutil.wait_procs(family, timeout=1)
    assert not left
