"""Code that might crash, hang or fill the memory, in a process of its own with limits."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap


def run(code, *, seconds=60, megabytes=3072):
    """Run Python code; returns what it printed.

    AssertionError if it crashes, takes more than `seconds` (of a machine that may be busy) or asks
    for more memory than `megabytes`, the libraries' own included.
    """

    def limit():
        limits = megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limits, limits))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    try:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            capture_output=True,
            text=True,
            timeout=seconds,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            preexec_fn=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"it takes more than {seconds} s") from error
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


def peak_kib():
    """The most memory that this process has held, in KiB.

    Unlike `resource.getrusage` without that of its parent, from which it was forked.
    """
    with open("/proc/self/status") as status:  # noqa: PTH123
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1])
