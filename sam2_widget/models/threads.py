"""How many threads torch may use on the CPU, on a machine that others use, too.

torch starts one for each core that it sees. In a container or under a batch system it may use far
fewer, and threads that wait for their turn make each other slow.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sam2_widget import resources

T = TypeVar("T")
S = TypeVar("S")

CGROUP = Path("/sys/fs/cgroup")


def wanted(now: int) -> int:
    """How many threads to use, where torch would use `now`.

    What `configure(threads=)` or ``SAM2_WIDGET_THREADS`` says; else what ``OMP_NUM_THREADS`` says,
    which torch knows already; else no more than this process may use.
    """
    given = resources.current().threads
    if given is not None:
        return given
    return now if "OMP_NUM_THREADS" in os.environ else max(1, min(now, allowed()))


def spread(job: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Do a job that is not torch's for each item, on as many cores as this process may use.

    These threads sleep when they wait, so what ``OMP_NUM_THREADS`` says of those that spin does not
    bind them; ``configure(threads=)`` does.
    """
    most = min(resources.current().threads or allowed(), len(items))
    if most < 2:  # noqa: PLR2004 - one is this thread
        return [job(item) for item in items]
    with ThreadPoolExecutor(most - 1) as others:
        later = [others.submit(job, item) for item in items[1:]]
        return [job(items[0]), *(each.result() for each in later)]


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
