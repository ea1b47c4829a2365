"""Tracking on a replica without a cluster: kernel and replica use a fake transport."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from starlette.requests import Request

from sam2_widget import Box, ObjectPrompts, Prompts, SegmentWidget, StackPrompts, track
from sam2_widget.errors import DeviceError, MessageError, ModelError
from sam2_widget.models.checkpoints import Checkpoint
from sam2_widget.models.cluster import protocol as remote
from sam2_widget.models.cluster import track_protocol as tracking
from sam2_widget.models.cluster import tracks
from sam2_widget.models.cluster.client import RayPredictor
from sam2_widget.models.cluster.tracker import RayTracker
from sam2_widget.predictor import Decoding, Keyframe, PromptArrays, TrackingPredictor
from sam2_widget.ray import Options, Segmenter
from sam2_widget.testing import FakePredictor, FakeTrackingPredictor
from tests.waiting import PATIENCE

COUNT, H, W = 16, 48, 64
RED, BLUE = (220, 30, 30), (30, 30, 220)
FILM = np.zeros((COUNT, H, W, 3), np.uint8)
for number, frame in enumerate(FILM):
    frame[6:20, 2 + 2 * number : 16 + 2 * number] = RED
    frame[28:40, 30:44] = BLUE


class ManyAtOnce:
    predict: Callable[..., Any]

    def predict_many(self, requests, *, size):
        return [self.predict(a.embedding, a.prompts, multimask=a.multimask) for a in requests]


class Tracker(ManyAtOnce, FakeTrackingPredictor):
    pass


class NoTracker(ManyAtOnce, FakePredictor):
    pass


class Served(httpx.BaseTransport):
    """Passes requests of the kernel to a replica in this process."""

    def __init__(self, model, monkeypatch, **options):
        monkeypatch.setattr(
            "sam2_widget.models.cluster.replica.fetch", lambda *_, **__: Checkpoint("fake", None)
        )
        monkeypatch.setattr(
            "sam2_widget.models.cluster.replica.load_checkpoint", lambda *_, **__: model
        )
        monkeypatch.setattr("sam2_widget.models.cluster.replica.check_image_size", lambda *_: None)
        self.loop, self.requests, self.lock = asyncio.new_event_loop(), [], threading.Lock()
        self.segmenter = Segmenter(Options(model="fake", **options))

        async def decode(request):  # Ray batches calls only inside a replica
            return (await self.segmenter._decode_all([request]))[0]

        self.segmenter._decode = decode

    def handle_request(self, request):
        self.requests.append((request.url.path, request.headers.get(remote.KEY_HEADER)))
        status, _, content = self.answer(request.url.path, request.read())
        return httpx.Response(status, content=content)

    def answer(self, path, body):
        coming = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            return coming.pop(0)

        scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        with self.lock:
            found = self.loop.run_until_complete(self.segmenter(Request(scope, receive)))
        return found.status_code, {}, found.body

    def close(self):
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    @property
    def held(self):
        return self.segmenter._replica.held_tracks

    def lose_everything(self):
        """Replace the replica by a new one, as after a crash."""
        self.segmenter._replica.drop_all()
        self.segmenter._replica.held_tracks = tracks.HeldTracks()


@pytest.fixture
def model():
    return Tracker()


@pytest.fixture
def serve(monkeypatch):
    """Start a replica of a model, and connect to it."""
    with contextlib.ExitStack() as stack:

        def start(model, kind=RayTracker, **options):
            served = Served(model, monkeypatch, **options)
            client = httpx.Client(base_url="http://head:8000", transport=served)
            return served, kind(stack.enter_context(client), timeout=20)

        yield start


@pytest.fixture
def both(model, serve):
    return serve(model)


@pytest.fixture
def served(both):
    return both[0]


@pytest.fixture
def there(both):
    return both[1]


def seen(number, *box):
    return Prompts((ObjectPrompts((Box(*box),), number=number),))


PROMPTS = StackPrompts(
    {0: seen(1, 2, 6, 16, 20), 3: seen(2, 30, 28, 44, 42), 9: seen(1, 20, 6, 34, 20)}
)


def compared(here, there):
    for one, other in zip(here, there, strict=True):
        assert (one.frame, one.ids) == (other.frame, other.ids)
        np.testing.assert_array_equal(one.masks, other.masks)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_the_masks_are_those_of_a_model_in_the_kernel(there, served):
    assert isinstance(there, TrackingPredictor)
    here = list(track(FILM, PROMPTS, model=Tracker()))
    assert [one.ids for one in here] == [(1, 2)] * COUNT
    compared(here, track(FILM, PROMPTS, model=there))
    sessions = {key for path, key in served.requests if path in ("/frame", "/remember", "/follow")}
    assert len(sessions) == 1, "all requests of a job go to one replica"


def test_a_frame_is_sent_once_and_memories_stay_on_the_replica(there, served, model):
    list(track(FILM, PROMPTS, model=there))
    frames = [path for path, _ in served.requests if path == "/frame"]
    assert len(frames) == COUNT
    count = model.embedded
    list(track(FILM, PROMPTS, model=there))
    assert model.embedded == count
    assert len([path for path, _ in served.requests if path == "/frame"]) == COUNT


@pytest.mark.parametrize("lost_after", [1, 7, 12])
def test_a_track_restarts_from_its_last_mask_when_its_replica_is_lost(there, served, lost_after):
    here, found = list(track(FILM, PROMPTS, model=Tracker())), []
    for result in track(FILM, PROMPTS, model=there):
        found.append(result)
        if result.frame == lost_after:
            served.lose_everything()
    compared(here[: lost_after + 1], found[: lost_after + 1])
    assert [one.ids for one in found] == [(1, 2)] * COUNT
    for one, other in zip(here, found, strict=True):
        both, either = (one.masks & other.masks).sum(), (one.masks | other.masks).sum()
        assert both > 0.95 * either


def test_a_widget_tracks_and_is_corrected_while_a_replica_is_lost(there, served, mock_comm):
    w = SegmentWidget(FILM, axes="TYXC", model=there)
    w.add_box(2, 6, 16, 20)
    assert w.track().wait(PATIENCE)
    assert [row.present for row in w.tracks] == [True] * COUNT
    served.lose_everything()
    w.plane = 9
    w.add_stroke([(33, 13)], 2)
    job = w.track()
    assert job.wait(PATIENCE)
    assert job.error == ""
    assert {row.state for row in w.tracks} == {"keyframe", "tracked"}
    w.close()


def test_memories_are_limited_and_those_in_use_are_kept(model, serve):
    served, there = serve(model, track_bytes=100_000)
    compared(track(FILM, PROMPTS, model=Tracker()), track(FILM, PROMPTS, model=there))
    assert 0 < served.held._memories.currsize <= 100_000


def test_without_memory_embeddings_are_dropped_first(there, served, model):
    failures, follow = iter([DeviceError("out of memory")]), model.follow

    def failing(frame, some):
        if frame.index == 5 and (error := next(failures, None)):
            raise error
        return follow(frame, some)

    model.follow = failing
    compared(track(FILM, PROMPTS, model=Tracker()), track(FILM, PROMPTS, model=there))
    served.segmenter.check_health()


def test_a_model_that_cannot_track_is_reported(serve):
    served, predictor = serve(NoTracker(), RayPredictor)
    assert not predictor.info.tracks
    with pytest.raises(ModelError, match="does not track"):
        track(FILM, PROMPTS, model=predictor)
    name = tracking.FrameName("a", 0, 1)
    keyframe = Keyframe(np.ones((H, W), bool), np.ones((64, 64), np.float32))
    body = remote.encode(tracking.pack_keyframe(name, keyframe))
    assert served.answer("/remember", body)[0] == remote.NOT_HELD


@pytest.mark.parametrize("decoded", [False, True])
def test_a_keyframe_arrives_as_it_was_sent(decoded):
    rng = np.random.default_rng(3)
    prompts = PromptArrays(
        np.array([[1, 2]], np.float32),
        np.array([1], np.int32),
        np.arange(4, dtype=np.float32),
        None,
    )
    sent = Keyframe(
        rng.random((13, 27)) > 0.5,
        rng.normal(size=(16, 16)).astype(np.float32),
        Decoding(prompts, multimask=True, choice=2) if decoded else None,
    )
    data = remote.encode(tracking.pack_keyframe(tracking.FrameName("a", 3, 9), sent))
    found = tracking.unpack_keyframe(remote.decode(data, tracking.RememberMessage), (16, 16))
    np.testing.assert_array_equal(found.mask, sent.mask)
    np.testing.assert_array_equal(found.logits, sent.logits)
    assert (found.decoding is None) == (not decoded)
    if decoded:
        np.testing.assert_array_equal(found.decoding.prompts.box, prompts.box)
        assert (found.decoding.multimask, found.decoding.choice) == (True, 2)


ONES = remote.pack(np.ones((64, 64), np.float32))
FRAME = tracking.FrameName("a", 0, 4)
GOOD = tracking.RememberMessage(FRAME, (H, W), bytes(H * W // 8), ONES)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (msgspec.structs.replace(GOOD, mask=b"1"), "1 bytes are no mask"),
        (msgspec.structs.replace(GOOD, size=(10**7, 10**7)), "are no mask"),
        (msgspec.structs.replace(GOOD, logits=remote.pack(np.ones((2, 2), np.float32))), "logits"),
        (
            msgspec.structs.replace(
                GOOD, logits=remote.pack(np.full((64, 64), np.nan, np.float32))
            ),
            "finite",
        ),
    ],
)
def test_invalid_keyframes_are_refused(message, expected):
    with pytest.raises(MessageError, match=expected):
        tracking.unpack_keyframe(message, (64, 64))


def test_invalid_requests_do_not_harm_a_replica(there, served):
    list(track(FILM[:2], {0: [Box(2, 6, 16, 20)]}, model=there))
    unknown = tracking.TrackName(("0" * 32,), None, reverse=False)
    key = next(iter(served.held._pixels))
    outside = tracking.FollowMessage(tracking.FrameName(key, 9, 3), (unknown,))
    status, _, body = served.answer("/follow", remote.encode(outside))
    assert (status, msgspec.msgpack.decode(body)["kind"]) == (remote.FAILED, "MessageError")
    lost = tracking.FollowMessage(tracking.FrameName(key, 1, 3), (unknown,))
    assert served.answer("/follow", remote.encode(lost))[0] == remote.MEMORY_LOST
    small = msgspec.structs.replace(
        GOOD, frame=tracking.FrameName(key, 0, 3), size=(8, 8), mask=bytes(8)
    )
    status, _, body = served.answer("/remember", remote.encode(small))
    assert status == remote.FAILED
    assert "the mask must be (48, 64)" in msgspec.msgpack.decode(body)["message"]
    other = remote.ImageMessage(key, remote.pack(255 - FILM[0]))
    status, _, body = served.answer("/frame", remote.encode(other))
    assert "not the one that its key names" in msgspec.msgpack.decode(body)["message"]
    assert served.answer("/follow", b"\x81\xa1x\xc0")[0] == remote.FAILED
    served.segmenter.check_health()


def test_invalid_replies_raise_errors():
    array = remote.pack(np.ones((1, 4, 4), np.float32))
    numbers = remote.pack(np.ones(1))
    memory = (tracking.Remembered("0" * 32, 1),)
    reply = tracking.Followed(array, numbers, numbers, memory)
    assert tracking.unpack_followed(reply, 1)[0].score == 1
    for changed in (
        {"memories": ()},
        {"scores": remote.pack(np.ones(2))},
        {"presences": remote.pack(np.full(1, np.nan))},
        {"logits": remote.pack(np.full((1, 4, 4), np.inf, np.float32))},
        {"logits": remote.pack(np.ones((1, 2000, 1), np.float32))},
    ):
        with pytest.raises(MessageError):
            tracking.unpack_followed(msgspec.structs.replace(reply, **changed), 1)
