"""The kernel's side of a model on a cluster, with a fake cluster: every kind of reply."""

import gc
import threading
import weakref

import httpx
import numpy as np
import pytest

from sam2_widget import CheckpointError, ClusterError, ModelError, Point, precompute, ray_model
from sam2_widget.annotation.predictions import to_arrays
from sam2_widget.models.cluster import protocol as remote
from sam2_widget.models.cluster.client import RayPredictor
from sam2_widget.models.embeddings import cache
from sam2_widget.models.out_of_memory import is_out_of_memory
from sam2_widget.predictor import Candidates, Predictor, RemotePredictor
from sam2_widget.testing import FakeRemotePredictor

IMAGE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
ANSWER = Candidates(np.ones((3, 2, 2), np.float32), np.array([0.1, 0.2, 0.3], np.float32))
CLICK = to_arrays((Point(1, 2),))
INFO = remote.Info("tiny", "cuda:0", (256, 256), "0.1", 3, "a note")


class FakeCluster(httpx.MockTransport):
    """Answers as a replica does, after `faults` have been given."""

    def __init__(self):
        super().__init__(self.reply)
        self.held, self.requests, self.faults = {}, [], []

    def reply(self, request):
        path = request.url.path.strip("/")
        self.requests.append((path, request.headers.get(remote.KEY_HEADER), len(request.content)))
        if self.faults and path != "info":
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        return self.good(path, request.content)

    def good(self, path, body):
        if path == "info":
            return reply(INFO)
        if path == "embed":
            message = remote.decode(body, remote.ImageMessage)
            if message.rgb is not None:
                self.held[message.key] = remote.unpack_image(message.rgb)
            here = message.key in self.held
            return reply(remote.Held(8, "a:1")) if here else httpx.Response(remote.NOT_HELD)
        prompts = remote.decode(body, remote.PromptsMessage)
        here = prompts.key in self.held
        return reply(remote.pack_candidates(ANSWER)) if here else httpx.Response(remote.NOT_HELD)


def reply(message, status=200):
    return httpx.Response(status, content=remote.encode(message))


@pytest.fixture
def cluster():
    return FakeCluster()


@pytest.fixture
def model(cluster):
    with httpx.Client(base_url="http://head:8000", transport=cluster) as client:
        yield RayPredictor(client, timeout=3)


def click(model, embedding):
    return model.predict(embedding, CLICK, multimask=True)


def test_ray_predictor_reports_the_model_of_the_cluster(model):
    as_predictor: Predictor = model
    assert (as_predictor.name, as_predictor.device) == ("tiny", "cuda:0 at head:8000")
    assert (model.logits_size, model.note) == ((256, 256), "a note")
    assert isinstance(model, RemotePredictor)


def test_image_is_sent_once_and_requests_refer_to_it(cluster, model):
    embedding = model.embed(IMAGE)
    assert embedding.nbytes == IMAGE.nbytes
    np.testing.assert_array_equal(cluster.held[embedding.key], IMAGE)
    np.testing.assert_array_equal(click(model, embedding).logits, ANSWER.logits)
    assert model.embed(IMAGE).key == embedding.key
    assert {key for path, key, _ in cluster.requests if path != "info"} == {embedding.key}
    sent = [size for path, _, size in cluster.requests if path == "embed"]
    assert sum(size > IMAGE.nbytes for size in sent) == 1


def test_images_are_encoded_concurrently_and_not_kept(cluster, model, monkeypatch):
    together, good = threading.Barrier(model.parallel), cluster.good

    def all_at_once(path, body):
        if path == "embed" and len(body) < 60:
            together.wait(timeout=20)
        return good(path, body)

    monkeypatch.setattr(cluster, "good", all_at_once)
    before = cache.embeddings.nbytes
    images = [IMAGE + i for i in range(2 * model.parallel)]
    found = precompute(images, model=model, progress=False)
    assert (found.encoded, found.known) == (12, 0)
    assert cache.embeddings.nbytes == before
    assert precompute(images, model=model, progress=False).known == 12


def test_image_dropped_by_a_replica_is_sent_again(cluster, model):
    embedding = model.embed(IMAGE)
    cluster.held.clear()
    np.testing.assert_array_equal(click(model, embedding).scores, ANSWER.scores)
    assert embedding.key in cluster.held


@pytest.mark.parametrize(
    ("fault", "notice"),
    [
        (httpx.Response(429), "busy with other users"),
        (httpx.Response(404), "is being started"),
        (httpx.Response(500), "was lost"),
        (httpx.Response(503), "was lost"),
        (httpx.ConnectError("refused"), "cannot be reached"),
        (httpx.RemoteProtocolError("closed"), "was lost"),
    ],
)
def test_temporary_failures_are_reported_and_retried(cluster, model, fault, notice):
    class Watcher:
        def __init__(self):
            self.said = []

        def changed(self):
            self.said.append(model.waiting)

    watcher = Watcher()
    model.watch(watcher.changed)
    embedding = model.embed(IMAGE)
    cluster.faults = [fault, fault]
    np.testing.assert_array_equal(click(model, embedding).logits, ANSWER.logits)
    first, last = watcher.said
    assert notice in first
    assert last == ""


class Heard:
    def __init__(self):
        self.count = 0

    def changed(self):
        self.count += 1


@pytest.mark.parametrize("kind", ["real", "fake"])
def test_repeated_watcher_is_notified_once(model, kind):
    watched = model if kind == "real" else FakeRemotePredictor()
    one, other = Heard(), Heard()
    for watcher in (one, other, one, one):
        watched.watch(watcher.changed)
    watched._set_waiting("something")
    assert (one.count, other.count) == (1, 1)


def test_permanent_failure_times_out(cluster):
    with httpx.Client(base_url="http://head:8000", transport=cluster) as client:
        model = RayPredictor(client, timeout=0.3)
        embedding = model.embed(IMAGE)
        cluster.faults = [httpx.ConnectError("refused")] * 9
        with pytest.raises(ClusterError, match=r"within 0\.3 s \(it cannot be reached\)"):
            click(model, embedding)
        assert model.waiting == ""


@pytest.mark.parametrize("status", [401, 403])
def test_authentication_errors_are_reported_without_retry(cluster, model, status):
    cluster.faults = [httpx.Response(status)]
    with pytest.raises(ClusterError, match="Authorization"):
        model.embed(IMAGE)
    assert len(cluster.requests) == 2


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("CheckpointError", CheckpointError),
        ("DeviceError", ClusterError),
        ("OutOfMemoryError", ClusterError),
        ("KeyError", ModelError),
        ("annotations", ModelError),
    ],
)
def test_model_errors_are_translated(cluster, model, kind, expected):
    cluster.faults = [reply(remote.Failure(kind, "out of memory"), remote.FAILED)]
    with pytest.raises(expected, match="out of memory") as caught:
        model.embed(IMAGE)
    assert type(caught.value) is expected
    assert not is_out_of_memory(caught.value) or expected is not ClusterError


def test_invalid_reply_is_reported(cluster, model):
    cluster.faults = [httpx.Response(200, content=b"<html>")]
    with pytest.raises(ClusterError, match="is it the URL of sam2-widget"):
        model.embed(IMAGE)


def test_a_watcher_is_not_kept_alive(model):
    class Watcher:
        def changed(self):
            raise AssertionError

    watcher = Watcher()
    model.watch(watcher.changed)
    gone = weakref.ref(watcher)
    del watcher
    gc.collect()
    assert gone() is None
    model._set_waiting("something")
    model._set_waiting("")


@pytest.mark.parametrize("url", ["head:8000", "", "http://[", "ftp://head"])
def test_invalid_url_is_refused(url):
    with pytest.raises(ClusterError):
        ray_model(url, timeout=0.2)


def test_unreachable_cluster_is_reported_in_time():
    with pytest.raises(ClusterError, match="it cannot be reached"):
        ray_model("http://127.0.0.1:9", timeout=0.5)


def test_closed_model_reconnects(cluster):
    made = []

    def connect():
        made.append(httpx.Client(base_url="http://head:8000", transport=cluster))
        return made[-1]

    model = RayPredictor(connect(), timeout=3, connect=connect)
    embedding = model.embed(IMAGE)
    model.close()
    assert made[0].is_closed
    np.testing.assert_array_equal(click(model, embedding).logits, ANSWER.logits)
    assert len(made) == 2
    # Another thread closes it between the look whether it is open and the request.
    stream = made[1].stream

    def closed(*args, **options):
        made[1].close()
        return stream(*args, **options)

    made[1].stream = closed
    np.testing.assert_array_equal(click(model, embedding).logits, ANSWER.logits)
    assert len(made) == 3
    model.close()


def test_loading_a_closed_model_again_returns_a_working_one(cluster, monkeypatch):
    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **options: client(**options, transport=cluster))
    url = "http://closed-and-asked-for-again:8000"
    with pytest.warns(UserWarning, match="a note"):
        first = ray_model(url, timeout=3)
    first.close()
    again = ray_model(url, timeout=3)
    assert again is first
    assert click(again, again.embed(IMAGE)).logits.shape == (3, 2, 2)
    again.close()
