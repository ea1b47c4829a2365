"""Recovery from out-of-memory errors, at every stage and with every recovery step."""

import copy
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import comm
import numpy as np
import pytest
import torch

import sam2_widget
from sam2_widget import (
    Box,
    OutOfMemoryError,
    Point,
    SegmentWidget,
    config,
    configure,
    segment,
    track,
)
from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget.models import checkpoints, predictors, recovery
from sam2_widget.models.bundled import network as compact_network
from sam2_widget.models.checkpoints import Checkpoint
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.models.out_of_memory import is_out_of_memory
from sam2_widget.models.recovery import Plan
from sam2_widget.models.sam2 import predictor as sam2_predictor
from sam2_widget.testing import FakePredictor, FakeTrackingPredictor
from tests.widget.conftest import MockComm, Page, point, settle

IMAGE = np.random.default_rng(5).integers(0, 255, (60, 80, 3), np.uint8)
FULL = "CUDA out of memory. Tried to allocate 2.00 GiB."

SAID = {
    "the same": "cuda:0 is out of memory: making room and trying again",
    "half": "cuda:0 is out of memory: using large in half precision",
    "smaller": "cuda:0 is out of memory: using the model small",
    "cpu": "cuda:0 is out of memory: using the CPU, which is slower",
}


class Machine:
    """A machine with a GPU whose memory a test chooses; its models are fakes.

    `works` has the (name, device, half) that fit in memory; the others fail at `stage`.
    """

    def __init__(self):
        self.stage = "decode"
        self.works = None
        self.tries = []
        self.kind = Fake

    def check(self, stage, what):
        if stage == self.stage:
            self.tries.append(what)
            if self.works is not None and what not in self.works:
                raise torch.OutOfMemoryError(FULL)

    def load_checkpoint(self, checkpoint, *, device=None, half=False):
        what = (checkpoint.name, device or "cuda:0", half)
        self.check("load", what)
        return self.kind(self, what)


class Fake(FakePredictor):
    def __init__(self, machine, what):
        name, device, half = what
        super().__init__(name=name, device=device, radius=0.1 if name == "large" else 0.2)
        self.precision = "bfloat16" if half else "float32"
        self._machine, self._what = machine, what

    def _embed(self, image):
        self._machine.check("encode", self._what)
        return super()._embed(image)

    def _predict(self, *args, **options):
        self._machine.check("decode", self._what)
        return super()._predict(*args, **options)


class FakeTracker(FakeTrackingPredictor):
    def __init__(self, machine, what):
        super().__init__(name=what[0], device=what[1])
        self.precision = "bfloat16" if what[2] else "float32"
        self._machine, self._what = machine, what
        machine.trackers.append(self)

    def _remember(self, frame, keyframe):
        self._machine.check("remember", self._what)
        return super()._remember(frame, keyframe)

    def _follow(self, frame, track):
        self._machine.check(f"follow {frame.index}", self._what)
        return super()._follow(frame, track)


@pytest.fixture
def machine(monkeypatch):
    made = Machine()
    monkeypatch.setattr(comm, "create_comm", MockComm)
    monkeypatch.setattr("ipywidgets.widgets.widget.comm.create_comm", MockComm)
    monkeypatch.setattr(checkpoints, "load_checkpoint", made.load_checkpoint)
    monkeypatch.setattr(checkpoints, "resolve_device", lambda device: device or "cuda:0")
    monkeypatch.setattr(checkpoints, "is_half", lambda device: False)
    found = {name: Checkpoint(name, Path(name)) for name in ("large", "small")}
    monkeypatch.setattr(checkpoints, "on_this_machine", found.get)
    monkeypatch.setattr(checkpoints, "fetch", lambda name, **_: Checkpoint("large", Path(name)))
    configure(smaller_model=True)
    yield made
    configure(smaller_model=False)
    embeddings.clear()


STEPS = [
    ("the same", ("large", "cuda:0", False)),
    ("half", ("large", "cuda:0", True)),
    ("smaller", ("small", "cuda:0", False)),
    ("cpu", ("large", "cpu", False)),
]


def notices_of(page):
    """Messages of the status about memory, in order."""
    said = [status["message"] for status in page.updates("_status")]
    about_memory = [message for message in said if "out of memory" in message]
    return list(dict.fromkeys(about_memory))


@pytest.mark.parametrize("count", range(1, 5))
@pytest.mark.parametrize("stage", ["load", "encode", "decode"])
def test_each_recovery_step_is_tried_in_order_and_reported(machine, stage, count):
    step, works = STEPS[count - 1]
    machine.stage = stage
    if stage != "decode":
        machine.works = () if step == "the same" else {works}
    if step == "the same":
        only_once(machine)
    w = SegmentWidget(IMAGE, model="auto")
    page = Page(w)
    if stage == "decode":
        w._annotator.model.wait()
        machine.works = () if step == "the same" else {works}
    page.prompts(point(40, 30))
    assert w.mask[30, 40]
    settle()
    assert notices_of(page) == [SAID[name] for name, _ in STEPS[:count]]
    assert w.status.phase == "ready"
    assert w.status.device == works[1]
    made = w.objects[0].provenance
    assert (made.model, made.device) == works[:2]
    assert made.precision == ("bfloat16" if works[2] else "float32")
    assert str(w.status) == ("Ready" if step == "the same" else SAID[step])
    tries = list(dict.fromkeys(machine.tries))
    assert tries == list(dict.fromkeys([what for _, what in STEPS[:count]]))
    w.close()


def only_once(machine):
    """Makes memory run out at the first attempt only."""

    def check(stage, what):
        if stage == machine.stage and machine.works is not None:
            machine.works = None
            machine.tries.append(what)
            raise torch.OutOfMemoryError(FULL)

    machine.check = check


def check_the_next_click(w, page, machine, before):
    """Check that the failed click can be undone, the mask `before` it is kept, and clicks work."""
    page.act("undo")
    np.testing.assert_array_equal(w.masks, before)
    machine.works = None
    page.prompts(point(20, 21))
    np.testing.assert_array_equal(w.masks[0], before[0])
    assert len(w.masks) == 2


def test_choosing_another_model_while_a_smaller_one_loads_works(machine, monkeypatch):
    w = SegmentWidget(IMAGE, model="auto")
    page = Page(w)
    w._annotator.model.wait()
    machine.works = ()
    loading, go = threading.Event(), threading.Event()
    load = machine.load_checkpoint

    def slow(checkpoint, **options):
        if checkpoint.name == "small":
            loading.set()
            assert go.wait(60)
        return load(checkpoint, **options)

    monkeypatch.setattr(checkpoints, "load_checkpoint", slow)
    page.prompts(point(40, 30))
    assert loading.wait(60)
    read = TransientThreadExecutor("reader").submit(lambda: w.masks)
    w.model = FakePredictor(name="chosen")
    go.set()
    assert w.mask[30, 40]
    assert read.result(60)[0, 30, 40]
    settle()
    phases = {status["phase"] for status in page.updates("_status")}
    assert "error" not in phases
    assert not [s for s in page.updates("_status") if "Superseded" in s["message"] + s["hint"]]
    assert (w.status.phase, w.status.model, str(w.status)) == ("ready", "chosen", "Ready")
    w.close()


def test_a_click_while_memory_is_freed_does_not_hide_the_messages(machine, monkeypatch):
    w = SegmentWidget(IMAGE, model=FakePredictor())
    w._annotator.model.wait()
    machine.stage, machine.works = "load", {("small", "cuda:0", False)}
    clicks = iter(range(10, 70, 10))

    def click(*_):
        w.add_point(next(clicks), 30)
        settle()  # the previous model has finished

    monkeypatch.setattr(recovery, "make_room", click)
    w.model = "auto"
    w._annotator.model.wait()
    settle()
    assert w.status.model == "small"
    assert str(w.status) == SAID["smaller"]
    w.close()


def test_the_running_model_stays_while_others_are_unloaded(machine, monkeypatch):
    plan = Plan(Checkpoint("large", Path("large")))
    at_work: Any
    other: Any
    at_work, other = plan.load(), Plan(Checkpoint("small", Path("small"))).load()
    monkeypatch.setattr(checkpoints, "loaded_models", lambda: [at_work, other])
    recovery.make_room("cuda:0", plan)
    assert (at_work.offloaded, other.offloaded) == (False, True)
    # Another model becomes the active one: now this is one of the others.
    recovery.make_room("cuda:0", replace(plan, half=True))
    assert at_work.offloaded


def test_if_recovery_fails_masks_stay_and_the_next_click_retries(machine):
    w = SegmentWidget(IMAGE, model="auto")
    page = Page(w)
    page.prompts(point(40, 30))
    before = w.masks
    machine.works = ()
    page.act("commit")
    page.prompts(point(20, 20))
    settle()
    assert w.status.phase == "error"
    assert "too little memory on cuda:0" in w.status.message
    assert not page.state["active"]["pending"]
    with pytest.raises(OutOfMemoryError, match="too little memory"):
        _ = w.masks
    check_the_next_click(w, page, machine, before)
    assert w.status.phase == "ready"
    w.close()


def test_existing_masks_stay_unchanged_with_the_model_that_made_them(machine):
    w = SegmentWidget(IMAGE, model="auto")
    page = Page(w)
    page.prompts(point(40, 30))
    page.prompts(point(40, 30), point(45, 30, 0))
    page.act("commit", label="first")
    before = w.masks
    machine.works = {("small", "cuda:0", False)}
    page.prompts(point(20, 20))
    assert len(w.masks) == 2
    np.testing.assert_array_equal(w.masks[0], before[0])
    assert [o.provenance.model for o in w.objects] == ["large", "small"]
    page.act("undo")
    np.testing.assert_array_equal(w.masks, before)
    alone = segment(IMAGE, [Point(20, 20)], model=FakePredictor(radius=0.2))
    page.act("redo")
    np.testing.assert_array_equal(w.masks[1], alone.masks[0])
    assert w.model == "small"
    w.close()


def test_a_smaller_model_is_used_only_if_allowed(machine):
    asked = Plan(Checkpoint("large", Path("large")))
    names = lambda plan: [p.checkpoint.name for _, p in recovery.steps(plan)]  # noqa: E731
    assert names(asked) == ["large", "large", "small", "large"]
    configure(smaller_model=False)
    assert names(asked) == ["large", "large", "large"]
    config._current = None
    assert names(asked) == ["large", "large", "large"]
    assert names(Plan(asked.checkpoint, was_auto=True)) == ["large", "large", "small", "large"]


def test_a_script_gets_a_warning_for_each_step(machine):
    machine.works = {("large", "cpu", False)}
    with pytest.warns(UserWarning, match="out of memory") as warned:
        found = segment(IMAGE, [Point(40, 30)], model="auto")
    assert [str(w.message) for w in warned] == list(SAID.values())
    assert found.provenance.device == "cpu"


FRAMES = np.zeros((12, 60, 80, 3), np.uint8)
for number, frame in enumerate(FRAMES):
    frame[20:36, 4 + 4 * number : 20 + 4 * number] = (220, 30, 30)
BOX = Box(4, 20, 20, 36)


@pytest.mark.parametrize("count", range(1, 5))
@pytest.mark.parametrize("stage", ["remember", "follow 7"])
def test_tracking_continues_after_memory_ran_out(machine, stage, count):
    step, works = STEPS[count - 1]
    machine.kind, machine.trackers, machine.stage = FakeTracker, [], stage
    w = SegmentWidget(FRAMES, axes="TYXC", model="auto")
    page = Page(w)
    w.add_box(BOX.x0, BOX.y0, BOX.x1, BOX.y1)
    assert len(w.masks) == 1
    machine.works = () if step == "the same" else {works}
    if step == "the same":
        only_once(machine)
    job = w.track()
    assert job.wait(60)
    assert job.error == ""
    settle()
    said = [text for one in page.updates("_state") for text in one["notices"].values()]
    about_memory = [part for part in dict.fromkeys(said) if "out of memory" in part]
    assert [SAID[name] for name, _ in STEPS[:count]] == [
        one for one in SAID.values() if any(one in text for text in about_memory)
    ]
    followed = sorted(index for one in machine.trackers for index in one.followed)
    assert followed == list(range(1, 12)), "no frame was tracked twice"
    assert [row.present for row in w.tracks] == [True] * 12
    makers = [w.planes[plane].objects[0].provenance.device for plane in range(1, 12)]
    start = 7 if stage == "follow 7" else 1
    assert makers == ["cuda:0"] * (start - 1) + [works[1]] * (12 - start)
    w.close()


def test_if_recovery_fails_tracked_masks_stay_and_tracking_resumes_later(machine):
    machine.kind, machine.trackers, machine.stage = FakeTracker, [], "follow 7"
    w = SegmentWidget(FRAMES, axes="TYXC", model="auto")
    w.add_box(BOX.x0, BOX.y0, BOX.x1, BOX.y1)
    assert len(w.masks) == 1
    machine.works = ()
    job = w.track()
    with pytest.raises(OutOfMemoryError, match="too little memory on cuda:0"):
        job.wait(60)
    assert [row.frame for row in w.tracks] == list(range(7))
    machine.works = None
    assert w.track().wait(60)
    assert [row.present for row in w.tracks] == [True] * 12
    followed = sorted(index for one in machine.trackers for index in one.followed)
    assert followed == list(range(1, 12))
    w.close()


def test_a_tracking_script_gets_a_warning_and_continues(machine):
    machine.kind, machine.trackers, machine.stage = FakeTracker, [], "follow 7"
    machine.works = {("large", "cpu", False)}
    with pytest.warns(UserWarning, match="out of memory") as warned:
        found = list(track(FRAMES, {0: [BOX]}, model="auto"))
    assert [str(w.message) for w in warned] == list(SAID.values())
    assert [one.frame for one in found if one.ids] == list(range(12))
    assert [one.provenance.device for one in found[6:8]] == ["cuda:0", "cpu"]


def test_a_custom_model_is_tried_twice(machine):
    own = Fake(machine, ("own", "cuda:0", False))
    machine.works = ()
    with pytest.warns(UserWarning, match="making room"), pytest.raises(OutOfMemoryError):
        segment(IMAGE, [Point(40, 30)], model=own)
    assert machine.tries == [("own", "cuda:0", False)] * 2


OWN = (
    "there is too little memory on cuda:0, also after making room and trying again: close other "
    "notebooks, or pass a smaller model. 'own' was passed as an object, and no other is put in its "
    "place: of one that is passed by its name half precision and the CPU are tried, too"
)
NAMED = (
    "there is too little memory on cuda:0, also after making room and trying again, using large in "
    "half precision, using the model small, using the CPU, which is slower: close other notebooks, "
    "or use a smaller model"
)


@pytest.mark.parametrize("stage", ["encode", "decode"])
@pytest.mark.parametrize(("name", "said"), [("own", OWN), ("auto", NAMED)])
def test_the_error_lists_attempts_and_remedies_and_the_next_click_works(machine, stage, name, said):
    machine.stage = stage
    model = Fake(machine, ("own", "cuda:0", False)) if name == "own" else name
    w = SegmentWidget(IMAGE, model=model)
    page = Page(w)
    page.prompts(point(40, 30))
    page.act("commit", label="kept")
    before = w.masks
    embeddings.clear()
    machine.works = ()
    page.prompts(point(20, 20))
    settle()
    assert (w.status.phase, w.status.message) == ("error", said)
    assert w.status.hint.startswith("Click again to try once more. Pick a smaller model")
    with pytest.raises(OutOfMemoryError, match="close other notebooks") as raised:
        _ = w.masks
    assert str(raised.value) == said
    check_the_next_click(w, page, machine, before)
    assert [o.label for o in w.objects] == ["kept", None]
    assert w.status.phase == "ready"
    w.close()


def test_a_custom_model_that_never_fits_in_memory_is_reported(machine):
    machine.stage, machine.works = "encode", ()
    w = SegmentWidget(IMAGE, model=Fake(machine, ("own", "cuda:0", False)))
    with pytest.raises(OutOfMemoryError, match="'own' was passed as an object"):
        _ = w.masks
    assert w.status.message == OWN
    machine.works = None
    Page(w).prompts(point(20, 21))
    assert w.masks.any()
    assert w.status.phase == "ready"
    w.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError(FULL), True),
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory"),
            True,
        ),
        (RuntimeError("unable to mmap 17 bytes: cannot allocate memory (12)"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("shapes do not fit"), False),
        (ValueError("not enough memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error, expected):
    assert is_out_of_memory(error) is expected


# --- the real model -------------------------------------------------------------------------------


def once(monkeypatch, owner, name):
    """Make the first call of a method run out of memory; returns the arguments of all calls."""
    real, calls = getattr(owner, name), []

    def failing(*args, **options):
        calls.append(args)
        if len(calls) == 1:
            raise torch.OutOfMemoryError(FULL)
        return real(*args, **options)

    monkeypatch.setattr(owner, name, failing)
    return calls


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (compact_network, "load_compact"),
        (sam2_predictor.Sam2Predictor, "_encode"),
        (sam2_predictor.Sam2Predictor, "_decode"),
    ],
    ids=["load", "encode", "decode"],
)
def test_masks_after_a_second_try_are_identical(monkeypatch, owner, name):
    prompts = [Point(40, 30), Point(20, 20, 0)]
    expected = segment(IMAGE, prompts, model="bundled")
    embeddings.clear()
    checkpoints._loaded.clear()
    calls = once(monkeypatch, owner, name)
    with pytest.warns(UserWarning, match="making room and trying again"):
        found = segment(IMAGE, prompts, model="bundled")
    assert len(calls) > 1
    np.testing.assert_array_equal(found.masks, expected.masks)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_weights_in_half_precision_give_the_masks_of_bfloat16(tiny_checkpoint, tiny):
    half = predictors.load_file(tiny_checkpoint, name="tiny", device="cpu", half=True)
    # With the memory layout of a loaded file, because with another one sums are in another order.
    network = copy.deepcopy(tiny)
    network.image_encoder.to(memory_format=torch.channels_last)
    whole = sam2_predictor.Sam2Predictor(network, name="tiny", dtype=torch.bfloat16)
    assert whole.nbytes - half.nbytes > 50_000_000
    assert half.precision == whole.precision == "bfloat16"
    prompts = [Point(40, 30), Point(20, 20, 0)]
    found = [segment(IMAGE, prompts, model=model) for model in (half, whole)]
    np.testing.assert_array_equal(found[0].masks, found[1].masks)
    np.testing.assert_array_equal(found[0].scores, found[1].scores)


LIMITED = """
import resource, sys, warnings
import numpy as np
from sam2_widget import OutOfMemoryError, Point, SegmentWidget
from sam2_widget.models import worker

def held():
    return int(open("/proc/self/statm").read().split()[5]) * resource.getpagesize()

def limit(more):
    most = resource.RLIM_INFINITY if more is None else held() + more
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))

image = np.random.default_rng(5).integers(0, 255, (60, 80, 3), np.uint8)
first = SegmentWidget(image, model=sys.argv[1])
first.add_point(40, 30)
first.commit()
before = first.masks
limit(100_000_000)
second = SegmentWidget(255 - image, model=sys.argv[1])
second.add_point(40, 30)
try:
    second.masks
except OutOfMemoryError as error:
    print("caught:", error)
print("status:", second.status.phase)
assert (first.masks == before).all()
limit(None)
second.add_point(20, 20, 0)
print("then:", second.masks.shape, second.status.phase)
from sam2_widget import segment
again = segment(255 - image, second.prompts, model=sys.argv[1])
assert (again.masks == second.masks).all()
assert (first.masks == before).all()
"""


def test_a_process_with_little_memory_reports_it_and_keeps_its_masks(tiny_checkpoint):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tiny_checkpoint)],
        env={"PYTHONPATH": str(Path(sam2_widget.__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("caught: there is too little memory on cpu"), done.stderr
    assert lines[1:] == ["status: error", "then: (1, 60, 80) ready"]
