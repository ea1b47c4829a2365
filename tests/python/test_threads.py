import os
import threading

import pytest

from sam2_widget import configure, resources
from sam2_widget.models import threads
from sam2_widget.resources import Resources


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr(resources, "_current", Resources())
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
def test_the_quota_of_a_control_group(tmp_path, text, cores):
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert threads.quota(tmp_path) == cores


def test_the_quota_of_the_first_version(tmp_path):
    assert threads.quota(tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert threads.quota(tmp_path) == 3
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert threads.quota(tmp_path) is None


def test_no_more_than_allowed_unless_somebody_says_so(monkeypatch):
    monkeypatch.setattr(threads, "allowed", lambda: 2)
    assert threads.wanted(64) == 2
    assert threads.wanted(1) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert threads.wanted(8) == 8
    configure(threads=3)
    assert threads.wanted(8) == 3


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_the_affinity_counts(monkeypatch):
    monkeypatch.setattr(threads, "quota", lambda: None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 6})
    assert threads.allowed() == 3


@pytest.mark.parametrize(("cores", "given", "most"), [(8, None, 3), (2, None, 2), (8, 1, 1)])
def test_work_is_spread_over_the_cores_that_may_be_used(monkeypatch, cores, given, most):
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


def test_what_fails_on_another_thread_is_raised(monkeypatch):
    monkeypatch.setattr(threads, "allowed", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        threads.spread(lambda item: 1 // item, [1, 0])
    assert threads.spread(str, []) == []
