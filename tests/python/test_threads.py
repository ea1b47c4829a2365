import os
import subprocess
import sys
import threading

import pytest

from sam2_widget import config, configure
from sam2_widget.config import Resources
from sam2_widget.models import threads


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr(config, "_current", Resources())
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000", None),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("5000 100000", 1),
        ("", None),
        ("no sense", None),
        ("1 0", None),
    ],
)
def test_cpu_quota_of_cgroups_v2(tmp_path, text, cores):
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert threads.quota(tmp_path) == cores


def test_cpu_quota_of_cgroups_v1(tmp_path):
    assert threads.quota(tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert threads.quota(tmp_path) == 3
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert threads.quota(tmp_path) is None


def test_thread_count_follows_the_quota_unless_configured(monkeypatch):
    monkeypatch.setattr(threads, "allowed", lambda: 2)
    assert threads.wanted(64) == 2
    assert threads.wanted(1) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert threads.wanted(8) == 8
    configure(threads=3)
    assert threads.wanted(8) == 3


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_cpu_affinity_limits_the_threads(monkeypatch):
    monkeypatch.setattr(threads, "quota", lambda: None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 6})
    assert threads.allowed() == 3


@pytest.mark.parametrize(("cores", "given", "most"), [(8, None, 3), (2, None, 2), (8, 1, 1)])
def test_work_is_distributed_over_the_allowed_cores(monkeypatch, cores, given, most):
    monkeypatch.setattr(threads, "allowed", lambda: cores)
    if given:
        configure(threads=given)
    together, seen = threading.Barrier(most), set()

    def job(item):
        seen.add(threading.get_ident())
        if item < most:
            together.wait(timeout=10)  # so many at once, or this fails
        return item * item

    assert threads.spread(job, [0, 1, 2]) == [0, 1, 4]
    assert len(seen) == most


def test_error_on_another_thread_is_raised(monkeypatch):
    monkeypatch.setattr(threads, "allowed", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        threads.spread(lambda item: 1 // item, [1, 0])
    assert threads.spread(str, []) == []


# Pools take no more jobs from when the main thread has ended.
AT_THE_END = """
import concurrent.futures.thread, threading, time
from sam2_widget import configure
from sam2_widget.models import threads

def spread():
    while not concurrent.futures.thread._shutdown:
        time.sleep(0.01)
    print(threads.spread(str, [1, 2, 3]))

configure(threads=4)
threading.Thread(target=spread).start()
"""


def test_jobs_run_during_interpreter_shutdown():
    command = [sys.executable, "-c", AT_THE_END]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout == "['1', '2', '3']\n"
    assert found.stderr == ""
