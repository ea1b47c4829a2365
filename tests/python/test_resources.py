from pathlib import Path

import pytest

from sam2_widget import SettingError, config, configure
from sam2_widget.config import Resources, from_environment


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr(config, "_current", Resources())


@pytest.mark.parametrize(
    ("text", "size"),
    [(7, 7), ("7", 7), ("512MiB", 512 * 2**20), ("1.5 GB", 1_500_000_000), ("2k", 2000), ("0", 0)],
)
def test_sizes(text, size):
    assert configure(host_memory=text).host_memory == size
    assert config.current().host_memory == size


@pytest.mark.parametrize(
    "change",
    [
        {"host_memory": "much"},
        {"host_memory": -1},
        {"device_memory": True},
        {"store_size": "1 MB2"},
        {"threads": 0},
        {"threads": 1.5},
        {"store": 3},
    ],
)
def test_invalid_options_change_nothing(change):
    before = config.current()
    with pytest.raises(SettingError, match=next(iter(change))):
        configure(**{"host_memory": 5, **change})
    assert config.current() is before


def test_store_is_off_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert config.current().store is None
    assert configure(store=True).store == tmp_path / "sam2-widget" / "embeddings"
    assert configure(store=False).store is None
    assert configure(store=tmp_path).store == tmp_path
    assert configure(store="~/here").store == Path.home() / "here"
    assert configure(threads=1).store == Path.home() / "here"


def test_options_from_environment_variables():
    found = from_environment(
        {"SAM2_WIDGET_STORE": "/tmp/x", "SAM2_WIDGET_THREADS": "3", "SAM2_WIDGET_STORE_SIZE": "1GB"}
    )
    assert found == Resources(store=Path("/tmp/x"), threads=3, store_size=10**9)
    assert from_environment({"SAM2_WIDGET_STORE": "off"}) == Resources()


def test_invalid_environment_variables_are_ignored_with_a_warning():
    with pytest.warns(UserWarning, match="SAM2_WIDGET_THREADS is ignored: threads must be"):
        found = from_environment({"SAM2_WIDGET_THREADS": "all", "SAM2_WIDGET_STORE_SIZE": "1GB"})
    assert found == Resources(store_size=10**9)


def test_observers_are_notified():
    seen = []
    config.subscribe(lambda: seen.append(config.current().threads))
    configure(threads=2)
    assert seen[-1] == 2
