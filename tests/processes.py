"""What tests start beside this process, and what that starts: in the end nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager, suppress

import psutil

PATIENCE = 30
"""Seconds that a server has to end by itself."""


@contextmanager
def interrupts():
    """Heed interrupts, in what is started here, too.

    A shell tells what it runs in the background to ignore them, and all that is started by that
    ignores them as well. JupyterHub stops its servers and services by interrupts.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def family_of(process):
    """All that a process has started, in whatever session."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def stop(process, family=()):
    """End a process that leads a session, and all of its family, of which it may have lost some."""
    family = [*family, *family_of(process)]
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=PATIENCE)
    family += family_of(process)
    process.kill()
    process.wait()
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(family, timeout=PATIENCE)
