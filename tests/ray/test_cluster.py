"""The model on a real Ray cluster of several processes, including failures."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from sam2_widget import (
    Box,
    ClusterError,
    ModelError,
    Point,
    SegmentWidget,
    load_model,
    precompute,
    ray_model,
    segment,
    track,
)
from sam2_widget.annotation.predictions import to_arrays
from sam2_widget.errors import MessageError
from sam2_widget.models.cluster import protocol as remote
from sam2_widget.models.cluster.client import RayEmbedding
from sam2_widget.models.embeddings.cache import image_key
from tests.ray.conftest import IMAGE, image
from tests.waiting import PATIENCE, wait_until
from tests.widget.conftest import Page, point, settle

CLICK = to_arrays((Point(70, 50),))


def click(model, embedding):
    return model.predict(embedding, CLICK, multimask=True)


def owner(model, embedding):
    """Process id of the replica that holds an embedding."""
    question = remote.encode(remote.ImageMessage(embedding.key))
    found = model._call("embed", question, embedding.key, remote.Held, model._deadline())
    return found and int(found.replica.split(":")[1])


@pytest.fixture
def widget(model):
    widget = SegmentWidget(IMAGE, model=model)
    widget._annotator.model.wait()
    settle()
    yield widget
    widget.close()


def test_the_masks_are_those_of_a_model_in_the_kernel(model):
    local = load_model("bundled", device="cpu")
    assert (model.name, model.logits_size) == (local.name, local.logits_size)
    prompts = [[Point(70, 50)], [Point(70, 50), Point(5, 5, 0)], [Box(35, 25, 115, 85)]]
    here, there = segment(IMAGE, prompts, model=local), segment(IMAGE, prompts, model=model)
    np.testing.assert_array_equal(there.masks, here.masks)
    np.testing.assert_array_equal(there.scores, here.scores)
    assert here.masks.any(axis=(1, 2)).all()


def test_the_kernel_needs_neither_torch_nor_ray(cluster):
    code = f"""
import sys
from sam2_widget import ray_model, segment, Point
import numpy as np
image = np.zeros((60, 80, 3), np.uint8)
image[20:40, 20:60] = 255
assert segment(image, [[Point(40, 30)]], model=ray_model({cluster.url!r})).masks.any()
assert not {{"torch", "ray", "sam2"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)


def test_all_requests_for_an_image_go_to_the_replica_that_holds_it(cluster, model):
    embeddings = [model.embed(image(i)) for i in range(12)]
    owners = [owner(model, embedding) for embedding in embeddings]
    assert set(owners) == cluster.replicas()
    for _ in range(3):
        assert [owner(model, embedding) for embedding in embeddings] == owners


def test_a_replica_uses_one_thread(cluster, model):
    click(model, model.embed(IMAGE))
    for pid in cluster.replicas():
        environment = psutil.Process(pid).environ()
        assert environment["OMP_NUM_THREADS"] == "1"


def test_a_click_survives_the_crash_of_its_replica(cluster, model, widget):
    page = Page(widget)
    cluster.hold.touch()
    page.prompts(point(70, 50))
    wait_until(cluster.held)
    victim = cluster.held().pop()
    assert str(widget.status) == "Predicting"
    os.kill(victim, signal.SIGKILL)
    cluster.release()
    expected = segment(IMAGE, [[Point(70, 50)]], model=load_model("bundled", device="cpu"))
    np.testing.assert_array_equal(widget.masks, expected.masks)
    assert not psutil.pid_exists(victim) or psutil.Process(victim).status() == "zombie"
    assert widget.status.phase == "ready"
    wait_until(lambda: len(cluster.replicas() - {victim}) == 2)


def test_a_waiting_click_does_not_block_local_models_and_can_be_cancelled(cluster, model, widget):
    cluster.hold.touch()
    Page(widget).prompts(point(70, 50))
    wait_until(cluster.held)
    expected = segment(IMAGE, [[Point(70, 50)]], model="bundled", device="cpu")
    assert cluster.held()
    assert str(widget.status) == "Predicting"
    widget.model = "bundled"
    np.testing.assert_array_equal(widget.masks, expected.masks)
    assert cluster.held()
    cluster.release()
    click(model, model.embed(IMAGE))
    assert (widget.model, str(widget.status)) == ("bundled", "Ready")


def test_an_embedding_lost_by_a_replica_is_computed_again(cluster, model):
    embedding = model.embed(image(77))
    before = click(model, embedding)
    lost = owner(model, embedding)
    os.kill(lost, signal.SIGKILL)
    np.testing.assert_array_equal(click(model, embedding).logits, before.logits)
    assert owner(model, embedding) != lost
    wait_until(lambda: len(cluster.replicas() - {lost}) == 2)


def test_a_full_queue_is_reported_and_the_click_is_processed_later(cluster, model, widget):
    cluster.hold.touch()
    embedding = model.embed(IMAGE)
    # Two requests are in progress and one is queued: the next one is refused.
    others = [threading.Thread(target=click, args=(model, embedding)) for _ in range(6)]
    for other in others:
        other.start()
    wait_until(lambda: model.waiting)
    Page(widget).prompts(point(70, 50))
    wait_until(lambda: "busy with other users" in str(widget.status))
    assert widget.status.phase == "predicting"
    assert "busy with other users" in widget._status["message"]
    cluster.release()
    assert widget.masks.any()
    assert (widget.status.phase, str(widget.status)) == ("ready", "Ready")
    for other in others:
        other.join(PATIENCE)
        assert not other.is_alive()


def test_a_timeout_is_reported_and_the_next_click_works(cluster, model):
    hasty = ray_model(cluster.url, timeout=5)
    widget = SegmentWidget(image(5), model=hasty)
    widget._annotator.model.wait()
    settle()
    cluster.hold.touch()
    started = time.monotonic()
    Page(widget).prompts(point(70, 50))
    with pytest.raises(ClusterError, match=r"no answer from http://127\.0\.0\.1:.* within 5 s"):
        _ = widget.masks
    assert time.monotonic() - started < PATIENCE
    assert widget.status.phase == "error"
    assert "w.model = 'bundled'" in widget.status.hint
    cluster.release()
    # The replica may still be processing requests that were cancelled.
    click(model, model.embed(image(5)))
    widget.add_point(75, 55)
    assert widget.masks.any()
    widget.close()


def test_an_error_of_the_model_is_reported(model):
    embedding = model.embed(IMAGE)
    bad = to_arrays((Point(70, 50),))
    bad.labels[0] = 7
    with pytest.raises(ModelError, match="labels 0 or 1"):
        model.predict(embedding, bad, multimask=True)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", remote.encode(remote.Failure("a", "b"))])
def test_malformed_messages_do_not_harm_a_replica(cluster, model, body):
    before = cluster.replicas()
    reply = model._client.post("predict", content=body)
    assert reply.status_code == remote.FAILED
    assert remote.decode(reply.content, remote.Failure).kind == MessageError.__name__
    click(model, model.embed(IMAGE))
    assert cluster.replicas() == before


def test_a_set_is_encoded_ahead_by_all_replicas(cluster, model):
    images = [image(100 + i) for i in range(10)]
    # An unreadable image does not prevent the others from being encoded.
    with pytest.warns(UserWarning, match=r"1 not encoded: no such file\.png"):
        found = precompute([*images, "no such file.png"], model=model, progress=False)
    assert (found.encoded, found.known, len(found.failures)) == (10, 0, 1)
    embeddings = [RayEmbedding(image_key(one), one) for one in images]
    assert {owner(model, embedding) for embedding in embeddings} == cluster.replicas()
    again = precompute(images, model=model, progress=False)
    assert (again.encoded, again.known) == (0, 10)


def test_unreachable_cluster_raises_and_is_used_again_when_it_is_back(cluster, model):
    """The last test: the service is restarted with fewer replicas, to start faster."""
    widget = SegmentWidget(IMAGE, model=ray_model(cluster.url, timeout=4))
    widget.add_point(70, 50)
    first = widget.masks.copy()
    cluster.stop_service()
    widget.add_point(50, 40)
    with pytest.raises(ClusterError, match="cannot be reached"):
        _ = widget.masks
    assert widget.status.phase == "error"
    # Local models are not blocked.
    assert segment(IMAGE, [[Point(70, 50)]], model="bundled", device="cpu").masks.any()
    # Earlier objects are still there.
    widget.undo()
    np.testing.assert_array_equal(widget.masks, first)
    cluster.start_service(replicas=1)
    widget.add_point(50, 40)
    assert widget.masks.any()
    assert widget.status.phase == "ready"
    widget.close()


def test_frames_and_memories_of_a_track_stay_on_one_replica(cluster, model):
    frames = np.stack([np.roll(IMAGE, 4 * n, axis=1) for n in range(5)])
    prompts = {0: [Box(40, 30, 110, 80)]}
    here = list(track(frames, prompts, model=load_model("bundled", device="cpu")))
    for one, other in zip(here, track(frames, prompts, model=model), strict=True):
        assert one.ids == other.ids
        np.testing.assert_array_equal(one.masks, other.masks)
