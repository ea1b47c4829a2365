import threading

import comm
import numpy as np
import pytest
from comm.base_comm import BaseComm
from jupyter_client.session import json_packer
from PIL import Image

from sam2_widget import SegmentSet, SegmentWidget
from sam2_widget.annotation.notices import tab_of
from sam2_widget.models import worker
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.testing import FakePredictor
from tests.waiting import PATIENCE


class MockComm(BaseComm):
    """A comm without a kernel: keeps what is published."""

    def __init__(self, *args, **kwargs):
        self.published = []
        self.lock = threading.Lock()
        super().__init__(*args, **kwargs)

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        json_packer(data or {})  # what a kernel cannot encode never leaves it
        with self.lock:
            self.published.append((msg_type, data or {}, buffers or []))


class Page:
    """What a browser is to a widget: sends prompts and actions, sees traits and messages."""

    def __init__(self, widget, client="page"):
        self.widget, self.client, self.n = widget, client, 0

    def _rid(self):
        self.n += 1
        return {"client": self.client, "n": self.n, "seen": self.state["noticed"]}

    def deliver(self, data, buffers=()):
        message = {"content": {"data": data}, "buffers": list(buffers), "metadata": {}}
        self.widget.comm.handle_msg(message)

    def prompts(self, *prompts, epoch=None, rid=None):
        value = {
            "rid": rid or self._rid(),
            "epoch": self.state["epoch"] if epoch is None else epoch,
            "prompts": list(prompts),
        }
        self.update({"_prompts": value})

    def update(self, state):
        self.deliver({"method": "update", "state": state, "buffer_paths": []})

    def send(self, content):
        self.deliver({"method": "custom", "content": content})

    def act(self, kind, **fields):
        self.send({"type": kind, "rid": self._rid(), "epoch": self.state["epoch"], **fields})

    @property
    def state(self):
        return self.widget._state

    @property
    def notice(self):
        """What the page shows, as in store.js."""
        notices = self.state["notices"]
        return notices.get(tab_of(self.client)) or notices.get("") or self.state["notice"]

    @property
    def published(self):
        return self.widget.comm.published

    def updates(self, trait):
        return [d["state"][trait] for t, d, _ in self.published if trait in d.get("state", {})]

    def objects(self):
        """Finished objects as a page puts them together from the messages."""
        objects = []
        for _, data, buffers in self.published:
            content = data.get("content", {})
            if content.get("type") != "objects":
                continue
            if content["reset"]:
                objects = []
            objects = [o for o in objects if o["id"] not in content["drop"]]
            for put in content["put"]:
                objects = [o for o in objects if o["id"] != put["id"]]
                mask = put["mask"] and dict(put["mask"])
                if mask:
                    mask["data"] = buffers[mask.pop("buffer")]
                objects.insert(put["index"], {**put, "mask": mask})
        return objects


def point(x, y, label=1):
    return {"type": "point", "x": x, "y": y, "label": label}


def mark(s, x=10, y=10, label=None):
    """Make an object of a click on the image of a set that is shown."""
    s.widget.add_point(x, y)
    s.widget.commit(label)


def settle():
    """Wait for the model thread to have nothing left to do; a job may submit the next."""
    for _ in range(50):
        worker.local.run(lambda: None)


def observed(widget):
    """Wait for its observers to have been called."""
    called = threading.Event()
    widget._call(called.set)
    assert called.wait(PATIENCE)


def served():
    """Wait for the requested pictures."""
    for thread in threading.enumerate():
        if thread.name in ("sam2-widget-tiles", "sam2-widget-planes"):
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture(autouse=True)
def mock_comm(monkeypatch):
    monkeypatch.setattr(comm, "create_comm", MockComm)
    monkeypatch.setattr("ipywidgets.widgets.widget.comm.create_comm", MockComm)


@pytest.fixture
def predictor():
    return FakePredictor()


IMAGE = np.random.default_rng(5).integers(0, 255, (60, 80, 3), np.uint8)


@pytest.fixture
def image():
    """The image of `widget`; a test file may define another one."""
    return IMAGE


@pytest.fixture
def widget(image, predictor):
    widget = SegmentWidget(image, model=predictor)
    widget._annotator.model.wait()
    _ = widget.saved  # waits until the page has been sent the state
    settle()
    yield widget
    predictor.gate.set()
    widget.close()


@pytest.fixture
def page(widget):
    return Page(widget)


NAMES = ("a.png", "b.png", "c.png")


@pytest.fixture
def folder(tmp_path):
    """Three images of noise, 40 rows and 60 columns."""
    draw = np.random.default_rng(3)
    for name in NAMES:
        Image.fromarray(draw.integers(0, 255, (40, 60, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


@pytest.fixture
def make_set(folder, predictor):
    """Makes sets of the images in `folder`, and closes them after the test."""
    made = []
    embeddings.clear()

    def make(source=folder, **options):
        found = SegmentSet(source, **{"model": predictor, **options})
        made.append(found)
        found.widget._annotator.model.wait()
        settle()
        return found

    yield make
    predictor.gate.set()
    for one in made:
        one.close()
