"""Number of CPU threads of torch on shared machines.

torch starts a thread for each core of the machine. In a container or under a batch system far fewer
may be allowed, and more threads than cores make each other slow.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from sam2_widget import config

T = TypeVar("T")
S = TypeVar("S")

CGROUP = Path("/sys/fs/cgroup")


def wanted(now: int) -> int:
    """Number of threads to use; `now` is torch's own choice.

    It is set by `configure(threads=)` or ``SAM2_WIDGET_THREADS``, else by ``OMP_NUM_THREADS``,
    which torch respects itself, else limited to the cores that this process may use.
    """
    given = config.current().threads
    if given is not None:
        return given
    return now if "OMP_NUM_THREADS" in os.environ else max(1, min(now, allowed()))


def spread(job: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Run a job that does not use torch for each item, on the cores that this process may use.

    ``configure(threads=)`` limits these threads. ``OMP_NUM_THREADS`` does not: unlike those of
    OpenMP they do not spin while they wait.
    """
    most = min(config.current().threads or allowed(), len(items))
    if most < 2:  # noqa: PLR2004 - one is this thread
        return [job(item) for item in items]
    with ThreadPoolExecutor(most - 1) as others:
        results = [_submit(others, job, item) for item in items[1:]]
        return [job(items[0]), *(result() for result in results)]


def _submit(pool: ThreadPoolExecutor, job: Callable[[S], T], item: S) -> Callable[[], T]:
    """Start a job; returns a function that waits for its result."""
    try:
        return pool.submit(job, item).result
    except RuntimeError:  # at interpreter exit, pools accept no more jobs
        return partial(job, item)


def allowed() -> int:
    """Cores that this process may use: by its affinity and its control group's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores, quota() or cores))


def quota(root: Path = CGROUP) -> int | None:
    """Cores that the control group may use, rounded up; None if there is no limit."""
    try:
        most, period = (root / "cpu.max").read_text().split()  # version 2
    except (OSError, ValueError):
        most, period = _version_1(root)
    if not (most.isdecimal() and period.isdecimal() and int(period)):
        return None  # "max", or "-1"
    return -(-int(most) // int(period))


def _version_1(root: Path) -> tuple[str, str]:
    try:
        folder = root / "cpu"
        most = (folder / "cpu.cfs_quota_us").read_text().strip()
        return most, (folder / "cpu.cfs_period_us").read_text().strip()
    except OSError:
        return "max", ""
