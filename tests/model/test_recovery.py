"""Memory that runs out, at every stage and for every step of the ladder."""

import subprocess
import sys
from pathlib import Path

import comm
import numpy as np
import pytest
import torch

import sam2_widget
from sam2_widget import OutOfMemoryError, Point, SegmentWidget, configure, segment
from sam2_widget.models import checkpoints, recovery, sam2_files, sam2_predictor
from sam2_widget.models.cache import embeddings
from sam2_widget.models.checkpoints import Checkpoint
from sam2_widget.models.recovery import Plan, is_out_of_memory
from sam2_widget.testing import FakePredictor
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
    """A machine with a GPU whose memory is whatever a test says; its models are fakes.

    `works` says which of (name, device, half) have room; `stage` is where the others run out.
    """

    def __init__(self):
        self.stage = "decode"
        self.works = None
        self.tries = []

    def check(self, stage, what):
        if stage == self.stage:
            self.tries.append(what)
            if self.works is not None and what not in self.works:
                raise torch.OutOfMemoryError(FULL)

    def load_checkpoint(self, checkpoint, *, device=None, half=False):
        what = (checkpoint.name, device or "cuda:0", half)
        self.check("load", what)
        return Fake(self, what)


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


def told(page):
    """What the status said of memory, in its order."""
    said = [status["message"] for status in page.updates("_status")]
    heard = [message for message in said if "out of memory" in message]
    return list(dict.fromkeys(heard))


@pytest.mark.parametrize("count", range(1, 5))
@pytest.mark.parametrize("stage", ["load", "encode", "decode"])
def test_each_step_is_tried_in_order_told_and_helps(machine, stage, count):
    step, works = STEPS[count - 1]
    machine.stage = stage
    if stage != "decode":
        machine.works = () if step == "the same" else {works}
    if step == "the same":
        only_once(machine)
    w = SegmentWidget(IMAGE, model="auto")
    page = Page(w)
    if stage == "decode":
        w._annotator.engine.wait()
        machine.works = () if step == "the same" else {works}
    page.prompts(point(40, 30))
    assert w.mask[30, 40]
    settle()
    assert told(page) == [SAID[name] for name, _ in STEPS[:count]]
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
    """Memory runs out at the first try, and at no other."""

    def check(stage, what):
        if stage == machine.stage and machine.works is not None:
            machine.works = None
            machine.tries.append(what)
            raise torch.OutOfMemoryError(FULL)

    machine.check = check


def check_the_next_click(w, page, machine, before):
    """What has failed can be undone, the mask drawn `before` it is there, and a click works."""
    page.act("undo")
    np.testing.assert_array_equal(w.masks, before)
    machine.works = None
    page.prompts(point(20, 21))
    np.testing.assert_array_equal(w.masks[0], before[0])
    assert len(w.masks) == 2


def test_when_nothing_helps_the_masks_stay_and_the_next_click_tries_again(machine):
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


def test_masks_that_were_drawn_stay_as_they_are_and_tell_who_made_them(machine):
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


def test_a_smaller_model_takes_over_only_if_it_may(machine):
    asked = Plan(Checkpoint("large", Path("large")))
    names = lambda plan: [p.checkpoint.name for _, p in recovery.steps(plan)]  # noqa: E731
    assert names(asked) == ["large", "large", "small", "large"]
    configure(smaller_model=False)
    assert names(asked) == ["large", "large", "large"]
    recovery.resources._current = None
    assert names(asked) == ["large", "large", "large"]
    assert names(Plan(asked.checkpoint, was_auto=True)) == ["large", "large", "small", "large"]


def test_a_script_is_warned_of_each_step(machine):
    machine.works = {("large", "cpu", False)}
    with pytest.warns(UserWarning, match="out of memory") as warned:
        found = segment(IMAGE, [Point(40, 30)], model="auto")
    assert [str(w.message) for w in warned] == list(SAID.values())
    assert found.provenance.device == "cpu"


def test_a_model_of_the_users_own_is_tried_twice(machine):
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
def test_what_was_tried_and_what_to_do_is_told_and_the_next_click_works(machine, stage, name, said):
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


def test_a_model_of_the_users_own_for_which_there_never_was_room(machine):
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
    """The first call of a method runs out of memory, and says what it held then."""
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
        (sam2_files, "build"),
        (sam2_predictor.Sam2Predictor, "_encode"),
        (sam2_predictor.Sam2Predictor, "_decode"),
    ],
    ids=["load", "encode", "decode"],
)
def test_after_a_second_try_the_masks_are_the_same_to_the_bit(monkeypatch, owner, name):
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


def test_half_the_weights_answer_as_bfloat16_does(tiny_checkpoint, tiny):
    half = sam2_predictor.load(tiny_checkpoint, name="tiny", device="cpu", half=True)
    whole = sam2_predictor.Sam2Predictor(tiny, name="tiny", dtype=torch.bfloat16)
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
    print("told:", error)
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


def test_a_process_with_little_memory_says_so_keeps_its_masks_and_goes_on(tiny_checkpoint):
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
    assert lines[0].startswith("told: there is too little memory on cpu"), done.stderr
    assert lines[1:] == ["status: error", "then: (1, 60, 80) ready"]
