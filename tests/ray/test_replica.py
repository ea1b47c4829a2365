"""One replica without a cluster: its caches and its replies."""

import asyncio
import re
from typing import Any

import msgspec
import numpy as np
import pytest
from starlette.requests import Request

from sam2_widget import DeviceError, PromptError
from sam2_widget.errors import MessageError, SettingError
from sam2_widget.models.cluster import protocol as remote
from sam2_widget.models.cluster.replica import TOO_MANY_FAILURES, Replica
from sam2_widget.models.embeddings.cache import image_key
from sam2_widget.predictor import PromptArrays
from sam2_widget.ray import Options, Segmenter, app

RGB = np.random.default_rng(64).integers(0, 255, (64, 64, 3), np.uint8)
KEY = image_key(RGB)


def picture():
    return remote.ImageMessage(KEY, remote.pack(RGB))


@pytest.fixture
def replica():
    return Replica("bundled", device="cpu")


def test_the_least_recently_used_embedding_is_evicted_first():
    size = Replica("bundled", device="cpu").embed(picture()).nbytes
    replica = Replica("bundled", device="cpu", capacity=2 * size)
    for key in ("a", "b"):
        assert replica.keep(key, replica.embed(picture()))[0] == 200
    replica.held("a")
    replica.keep("c", replica.embed(picture()))
    held = [key for key in "abc" if replica.held(key)[0] == 200]
    assert held == ["a", "c"]
    assert replica.held("b")[0] == remote.NOT_HELD


def test_an_embedding_larger_than_the_cache_is_reported():
    replica = Replica("bundled", device="cpu", capacity=1000)
    reply: Any
    status, reply = replica.keep("a", replica.embed(picture()))
    assert status == remote.FAILED
    assert "raise cache_bytes" in reply.message


def test_the_replica_reports_its_model(replica):
    status, info = replica.info(4)
    assert (status, info.name, info.device, info.note) == (200, "bundled", "cpu", "")
    assert info.replicas == 4


def test_package_errors_are_sent_by_name_and_others_make_the_replica_unhealthy(replica):
    for error in (PromptError("a"), DeviceError("b"), MessageError("c")):
        status, reply = replica.failed(error)
        assert (status, reply.kind, reply.message) == (422, type(error).__name__, str(error))
    replica.check_health()
    for _ in range(TOO_MANY_FAILURES):
        assert replica.failed(RuntimeError("broken"))[1].kind == "ModelError"
    with pytest.raises(RuntimeError, match="3 failures in a row"):
        replica.check_health()
    replica.answered()
    replica.check_health()


def test_without_memory_for_an_image_other_embeddings_are_dropped(monkeypatch):
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
    assert (replica.held(KEY)[0], replica.held("other")[0]) == (200, remote.NOT_HELD)


@pytest.mark.parametrize(
    "arguments", [{"replicas": 0}, {"num_gpus": "half"}, {"models": "tiny"}, {"batch": -1}]
)
def test_unknown_options_and_invalid_values_are_refused(arguments):
    with pytest.raises(SettingError, match=next(iter(arguments))):
        app(arguments)


def test_options_may_be_strings_from_the_command_line(monkeypatch):
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


# --- malicious requests -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def segmenter(loop):
    segmenter: Any = Segmenter(Options(model="bundled", device="cpu"))
    segmenter.loop = loop

    async def decode(request):  # Ray batches calls only inside a replica
        return (await segmenter._decode_all([request]))[0]

    segmenter._decode = decode
    return segmenter


def reply_to(segmenter, path, *parts, pause=0.0):
    """Status and message of the reply to a request whose body comes in `parts`."""
    coming = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    coming.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        await asyncio.sleep(pause)
        return coming.pop(0)

    request = Request({"type": "http", "method": "POST", "path": path, "headers": []}, receive)
    response = segmenter.loop.run_until_complete(segmenter(request))
    kind = {200: dict, 422: remote.Failure}.get(response.status_code)
    return response.status_code, kind and msgspec.msgpack.decode(response.body, type=kind)


def prompts(count=1, box=None, logits=None):
    points, labels = np.full((count, 2), 5, np.float32), np.ones(count, np.int32)
    given = PromptArrays(points, labels, box, logits)
    return remote.encode(remote.pack_prompts(KEY, given, multimask=True))


def held(segmenter):
    assert reply_to(segmenter, "/embed", remote.encode(picture()))[0] == 200


def test_an_image_is_stored_only_under_the_hash_of_its_pixels(segmenter):
    held(segmenter)
    before = reply_to(segmenter, "/predict", prompts())
    segmenter._replica.drop_all()
    other = remote.ImageMessage(KEY, remote.pack(255 - RGB))
    status, failure = reply_to(segmenter, "/embed", remote.encode(other))
    assert (status, failure.kind) == (422, "MessageError")
    assert "not the one that its key names" in failure.message
    assert segmenter._replica.held(KEY)[0] == remote.NOT_HELD
    held(segmenter)
    assert reply_to(segmenter, "/predict", prompts()) == before
    assert before[0] == 200


NAN = np.float32(np.nan)
BAD = {
    "NaN in a box": (prompts(box=np.array([0, 0, NAN, 9], np.float32)), "must be finite"),
    "infinite box": (prompts(box=np.array([0, 0, np.inf, 9], np.float32)), "must be finite"),
    "NaN in logits": (prompts(logits=np.full((64, 64), NAN)), "must be finite"),
    "logits of another size": (prompts(logits=np.zeros((3, 4), np.float32)), "logits must be"),
    "many points": (prompts(20_000), "may have 4096 points, got 20000"),
    "a long key": (
        remote.encode(msgspec.structs.replace(picture(), key="k" * 1000)),
        "no PromptsMessage",
    ),
    "nesting": (b"\x81\xa1x" + b"\x91" * 100_000 + b"\xc0", "no PromptsMessage"),
    "a claim of four billion points": (b"\x81\xa6points\xdd\xff\xff\xff\xff", "no PromptsMessage"),
}


@pytest.mark.parametrize("kind", BAD)
def test_invalid_requests_are_refused_and_the_replica_stays_healthy(segmenter, kind):
    body, expected = BAD[kind]
    held(segmenter)
    for _ in range(TOO_MANY_FAILURES + 1):
        status, failure = reply_to(segmenter, "/predict", body)
        assert (status, failure.kind) == (422, "MessageError")
        assert re.search(expected, failure.message)
    segmenter.check_health()
    assert reply_to(segmenter, "/predict", prompts())[0] == 200


def test_a_message_is_read_up_to_its_limit(segmenter):
    part = b"\0" * 2**20
    status, failure = reply_to(segmenter, "/predict", *[part] * 40)
    assert (status, failure.kind) == (422, "MessageError")
    assert f"may have {remote.MOST_PROMPTS_BYTES} bytes" in failure.message
    assert reply_to(segmenter, "/info", part)[0] == 422
    assert reply_to(segmenter, "/info")[1]["name"] == "bundled"
    assert segmenter._received == 0


def test_requests_beyond_the_byte_limit_are_refused_with_a_time_to_retry(segmenter, monkeypatch):
    monkeypatch.setattr("sam2_widget.ray.RECEIVED_AT_ONCE", 100_000)
    segmenter.receive(95_000)
    assert reply_to(segmenter, "/embed", remote.encode(picture())) == (429, None)
    segmenter.receive(-95_000)
    held(segmenter)
    assert segmenter._received == 0


def test_a_request_that_arrives_too_slowly_is_aborted(segmenter, monkeypatch):
    monkeypatch.setattr("sam2_widget.ray.RECEIVE_TIMEOUT", 0.2)
    status, failure = reply_to(segmenter, "/predict", *[b"a"] * 1000, pause=0.05)
    assert (status, failure.kind) == (422, "MessageError")
    assert "did not arrive within 0.2 s" in failure.message
    assert segmenter._received == 0


def test_a_failure_of_the_model_counts_once_for_all_waiting_requests(segmenter, monkeypatch):
    held(segmenter)

    def fail(*args, **kwargs):
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(segmenter._replica._predictor, "predict_many", fail)
    monkeypatch.setattr(segmenter._replica, "_failures", 0)
    for count in range(1, TOO_MANY_FAILURES + 1):
        segmenter.check_health()
        status, failure = reply_to(segmenter, "/predict", prompts())
        assert (status, failure.kind) == (422, "ModelError")
        assert "CUDA error" in failure.message
        assert segmenter._replica._failures == count
    with pytest.raises(RuntimeError, match="3 failures in a row"):
        segmenter.check_health()
