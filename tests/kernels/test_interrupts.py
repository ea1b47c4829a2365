"""Interrupted cells and tracebacks: the widget keeps working, and no tensor is leaked."""

import random
import time

import pytest

from tests.waiting import wait_until

from .kernels import VERSIONS, Kernel, point

SET_UP = """
import gc, sys, time, weakref
import numpy as np, torch
from sam2_widget import SegmentWidget, load_model, segment, Point
from sam2_widget.models import worker
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.testing import FakePredictor

image = np.random.default_rng(5).integers(0, 255, (60, 80, 3), np.uint8)

def tensors():
    gc.collect()
    weights = {id(p) for p in load_model("bundled")._model.parameters()}
    weights |= {id(b) for b in load_model("bundled")._model.buffers()}
    found = [t for t in gc.get_objects() if type(t) is torch.Tensor and id(t) not in weights]
    return sum(t.numel() for t in found)
"""


@pytest.fixture(scope="module", params=[VERSIONS[0], VERSIONS[-1]])
def kernel(request, tmp_path_factory):
    with Kernel(request.param, tmp_path_factory.mktemp("kernel")) as running:
        running.run(SET_UP)
        yield running


def test_interrupts_at_any_moment_keep_page_and_python_consistent(kernel):
    kernel.run("fake = FakePredictor()\nw = SegmentWidget(image, model=fake)\n_ = w.masks")
    page = kernel.page_of("w")
    edits = "while True:\n    w.add_point(40, 30)\n    w.add_point(20, 20, 0)\n    w.commit()\n"
    edits += "    w.undo()\n    w.add_box(10, 10, 50, 50)\n    w.commit()\n"
    edits += "    if len(w.prompts) > 9:\n        w.clear()"
    for turn in range(12):
        cell = kernel.start_loop(edits)
        time.sleep(random.Random(turn).random() / 5)
        kernel.interrupt()
        content, _ = kernel.finish(cell)
        assert content["ename"] == "KeyboardInterrupt"
    assert kernel.value("len(w.masks) == len(w.prompts)")
    page.epoch = kernel.value("w._annotator.epoch")
    page.act("commit", prompts=[point(60, 40)])
    page.settle()
    ids = kernel.value("[o.id for o in w.objects]")
    wait_until(lambda: sorted(page.objects) == sorted(ids), "what Python has on the page")
    assert kernel.value("bool(w.masks[-1][40, 60])")


def test_a_widget_still_responds_after_an_interrupted_read(kernel):
    kernel.run("fake = FakePredictor()\nw = SegmentWidget(image, model=fake)\n_ = w.masks")
    page = kernel.page_of("w")
    kernel.run("fake.gate.clear()\nw.add_point(40, 30)")
    cell = kernel.start_loop("w.masks")
    time.sleep(0.2)
    kernel.interrupt()
    assert kernel.finish(cell)[0]["ename"] == "KeyboardInterrupt"
    kernel.run("fake.gate.set()")
    page.epoch = kernel.value("w._annotator.epoch")
    page.click(point(40, 30), point(50, 30))
    page.settle()
    assert kernel.value("bool(w.mask[30, 50])")


# The model is running when the interrupt arrives, and when the error is raised.
SLOW = """
from sam2_widget.models.sam2.predictor import Sam2Predictor
real = Sam2Predictor._decode
def slow(self, embedding, prompts, *, multimask):
    held = embedding.maps[0] + 0
    {what}
    return real(self, embedding, prompts, multimask=multimask)
Sam2Predictor._decode = slow
"""
RESTORE = "Sam2Predictor._decode = real\nembeddings.clear()\nworker.local.run(lambda: None)"


@pytest.mark.parametrize("call", ["w.masks", "segment(image, [Point(40, 30)], model='bundled')"])
def test_an_interrupted_model_leaks_no_tensor(kernel, call, tmp_path):
    begun = tmp_path / "begun"
    kernel.run("w = SegmentWidget(image, model='bundled')\n_ = w.masks\nembeddings.clear()")
    before = kernel.value("tensors()")
    wait = f"open({str(begun)!r}, 'w').close(); released.wait()"
    kernel.run("import threading; released = threading.Event()")
    kernel.run(SLOW.format(what=wait) + "w.add_point(40, 30)")
    cell = kernel.start_loop(call)
    wait_until(begun.exists, "the model at work")
    time.sleep(0.3)  # in the middle of the call rather than at its start
    kernel.interrupt()
    assert kernel.finish(cell)[0]["ename"] == "KeyboardInterrupt"
    kernel.run("released.set()")
    kernel.run(RESTORE)
    assert kernel.value("sys.last_traceback is not None")
    assert kernel.value("tensors()") <= before


@pytest.mark.parametrize("call", ["w.masks", "segment(image, [Point(40, 30)], model='bundled')"])
def test_a_traceback_kept_by_ipython_holds_no_tensor(kernel, call):
    kernel.run("w = SegmentWidget(image, model='bundled')\n_ = w.masks\nembeddings.clear()")
    before = kernel.value("tensors()")
    kernel.run(SLOW.format(what="raise ZeroDivisionError") + "w.add_point(40, 30)")
    content, _ = kernel.finish(kernel.start(call))
    assert content["status"] == "error"
    assert "held = embedding" in "".join(content["traceback"]) or "slow" in "".join(
        content["traceback"]
    )
    kernel.run(RESTORE)
    assert kernel.value("sys.last_traceback is not None")
    assert kernel.value("tensors()") <= before
