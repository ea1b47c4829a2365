"""Has the encoder of a checkpoint converted, in a process of its own.

Tracing a network takes some seconds, in which this process would answer no click.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from sam2_widget.errors import ModelError

logger = logging.getLogger(__name__)

MODULE = "sam2_widget.models.convert_encoder"
"""The program; it imports what creates predictors, which itself imports this package."""

LONGEST = 600.0
"""Seconds after which a conversion counts as failed."""

PRIORITY = 10
"""What is added to the niceness of the process."""

_running: set[Path] = set()
_failed: dict[Path, str] = {}
_lock = threading.Lock()


def convert(checkpoint: Path, archive: Path) -> None:
    """Convert the encoder of a checkpoint file in another process, and wait for it.

    Raises
    ------
    ModelError
        If it cannot be converted, or the archive not be written.
    """
    command = [sys.executable, "-m", MODULE, str(checkpoint), str(archive), str(os.getpid())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SAM2_WIDGET_CPU_BACKEND": "torch"}
    try:
        done = subprocess.run(  # noqa: S603 - this package's own module
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"the encoder could not be converted for OpenVINO: {error}") from error
    if done.returncode:
        reason = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise ModelError(f"the encoder could not be converted for OpenVINO: {reason}")


def start(checkpoint: Path, archive: Path, done: Callable[[], None]) -> None:
    """Convert in the background, unless that is being done or has failed in this kernel.

    Parameters
    ----------
    checkpoint, archive : Path
    done : callable
        Called on another thread when the archive has been written.
    """
    with _lock:
        if archive in _running or archive in _failed:
            return
        _running.add(archive)

    def run() -> None:
        try:
            convert(checkpoint, archive)
        except ModelError as error:
            logger.warning("%s; torch is used", error)
            with _lock:
                _failed[archive] = str(error)
        else:
            done()
        finally:
            with _lock:
                _running.discard(archive)

    threading.Thread(target=run, name="sam2-widget-conversion", daemon=True).start()


def failure(archive: Path) -> str:
    """Why the conversion to `archive` has failed in this kernel; empty if it has not."""
    with _lock:
        return _failed.get(archive, "")
