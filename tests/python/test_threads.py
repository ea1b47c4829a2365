import os

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
