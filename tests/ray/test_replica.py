"""One replica without a cluster: what it keeps, and what it says."""

import asyncio

import numpy as np
import pytest

from sam2_widget import DeviceError, PromptError
from sam2_widget.errors import MessageError, SettingError
from sam2_widget.models import remote
from sam2_widget.models.replica import TOO_MANY_FAILURES, Replica
from sam2_widget.ray import Options, Segmenter, app


def picture(side=64):
    rgb = np.random.default_rng(side).integers(0, 255, (side, side, 3), np.uint8)
    return remote.ImageMessage("key", remote.pack(rgb))


@pytest.fixture
def replica():
    return Replica("bundled", device="cpu")


def test_the_least_recently_used_embedding_goes_first():
    size = Replica("bundled", device="cpu").embed(picture()).nbytes
    replica = Replica("bundled", device="cpu", capacity=2 * size)
    for key in ("a", "b"):
        assert replica.keep(key, replica.embed(picture()))[0] == 200
    replica.held("a")
    replica.keep("c", replica.embed(picture()))
    held = [key for key in "abc" if replica.held(key)[0] == 200]
    assert held == ["a", "c"]
    assert replica.held("b")[0] == remote.NOT_HELD


def test_an_embedding_larger_than_the_cache_is_told():
    replica = Replica("bundled", device="cpu", capacity=1000)
    status, told = replica.keep("a", replica.embed(picture()))
    assert status == remote.FAILED
    assert "raise cache_bytes" in told.message


def test_it_tells_what_it_runs(replica):
    status, info = replica.info(4)
    assert (status, info.name, info.device, info.note) == (200, "bundled", "cpu", "")
    assert info.replicas == 4


def test_errors_of_ours_are_told_by_name_and_others_make_it_unhealthy(replica):
    for error in (PromptError("a"), DeviceError("b"), MessageError("c")):
        status, told = replica.failed(error)
        assert (status, told.kind, told.message) == (422, type(error).__name__, str(error))
    replica.check_health()
    for _ in range(TOO_MANY_FAILURES):
        assert replica.failed(RuntimeError("broken"))[1].kind == "ModelError"
    with pytest.raises(RuntimeError, match="3 failures in a row"):
        replica.check_health()
    replica.answered()
    replica.check_health()


def test_without_memory_for_an_image_others_are_dropped_first(monkeypatch):
    segmenter = Segmenter(Options(model="bundled", device="cpu"))
    replica, embed = segmenter._replica, Replica.embed

    def with_room_for_one(self, message):
        if self._kept:
            raise DeviceError("out of memory")
        return embed(self, message)

    monkeypatch.setattr(Replica, "embed", with_room_for_one)
    replica.keep("other", embed(replica, picture()))
    status, _ = asyncio.run(segmenter._answer("/embed", remote.encode(picture())))
    assert status == 200
    assert (replica.held("key")[0], replica.held("other")[0]) == (200, remote.NOT_HELD)


@pytest.mark.parametrize(
    "arguments", [{"replicas": 0}, {"num_gpus": "half"}, {"models": "tiny"}, {"batch": -1}]
)
def test_an_option_that_does_not_exist_or_makes_no_sense_is_refused(arguments):
    with pytest.raises(SettingError, match=next(iter(arguments))):
        app(arguments)


def test_options_may_be_texts_as_the_command_line_has_them(monkeypatch):
    found = {}

    class Configured:
        def __call__(self, segmenter):
            return self

        def bind(self, options):
            found["options"] = options

    monkeypatch.setattr(
        "sam2_widget.ray.serve.deployment", lambda **given: found.update(given) or Configured()
    )
    app({"model": "tiny", "replicas": "4", "num_gpus": "0.25", "max_replicas": "8"})
    assert found["options"] == Options(model="tiny", replicas=4, num_gpus=0.25, max_replicas=8)
    assert found["ray_actor_options"] == {"num_cpus": 1, "num_gpus": 0.25}
    assert found["autoscaling_config"] == {"min_replicas": 4, "max_replicas": 8}
