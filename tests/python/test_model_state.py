"""The model behind an annotator: Loading, Ready, Failed or Closed."""

import numpy as np
import pytest

from sam2_widget import ClosedError, ModelError, UnknownModelError, load_image
from sam2_widget.annotation.model_state import Closed, CurrentModel, Failed, Loading, Ready
from sam2_widget.models import advice
from sam2_widget.testing import FakePredictor
from tests.waiting import wait_until

IMAGE = load_image(np.zeros((60, 80, 3), np.uint8))


@pytest.fixture
def phases():
    return []


@pytest.fixture
def model(phases):
    found = CurrentModel(IMAGE, (60, 80), device=None, changed=lambda: phases.append(found.status))
    yield found
    found.close()


def test_new_model_state_is_loading_without_predictions(model):
    assert isinstance(model.state, Loading)
    assert model.predictions is None
    assert model.is_loading


def test_a_loaded_model_is_ready_with_the_image_encoded(model, phases):
    fake = FakePredictor()
    model.load(fake)
    predictions = model.wait()
    assert isinstance(model.state, Ready)
    assert predictions is model.predictions
    assert (predictions.predictor, fake.embedded) == (fake, 1)
    wait_until(lambda: model.status.phase == "ready", "the status")
    assert [status.phase for status in phases] == ["loading", "encoding", "ready", "ready"]


def test_unknown_model_fails(model):
    model.load("no such model")
    with pytest.raises(UnknownModelError, match="no such model"):
        model.wait()
    assert isinstance(model.state, Failed)
    wait_until(lambda: model.status.phase == "error", "the status")


def test_the_current_model_stays_until_another_is_ready(model):
    first, second = FakePredictor(name="first"), FakePredictor(name="second")
    model.load(first)
    before = model.wait()
    second.gate.clear()
    model.load(second)
    assert isinstance(model.state, Loading)
    assert model.predictions is before
    second.gate.set()
    assert model.wait().predictor is second


def test_the_current_model_stays_if_another_cannot_be_loaded(model):
    model.load(FakePredictor(name="first"))
    before = model.wait()
    model.load("no such model")
    assert model.wait() is before
    assert isinstance(model.state, Ready)
    assert model.note.startswith("Still using the model first: ")


class PublishedPredictor(FakePredictor):
    """Stands in for a published checkpoint of SAM 2 on a CPU."""

    architecture = "SAM 2"
    implementation = "sam2 1.1.0"


def test_a_quicker_model_is_offered_once_on_a_cpu(model, monkeypatch):
    monkeypatch.setattr(advice, "_given", set())
    model.load(FakePredictor(name="mine"))
    model.wait()
    assert model.note == ""
    first = PublishedPredictor(name="tiny")
    model.load(first)
    assert model.wait().predictor is first, "the model is not changed"
    assert model.note.startswith("The model 'tiny' takes seconds for each image on a CPU; ")
    assert "w.model = 'edgetam' is several times quicker" in model.note
    model.load(PublishedPredictor(name="small"))
    model.wait()
    assert model.note == ""


@pytest.mark.parametrize(("name", "device"), [("tiny", "cuda:0"), ("my/own.pt", "cpu")])
def test_no_quicker_model_is_offered_on_a_gpu_or_for_own_checkpoints(monkeypatch, name, device):
    monkeypatch.setattr(advice, "_given", set())
    predictor = PublishedPredictor(name=name)
    predictor.device = device
    assert advice.advice_on(predictor) == ""


def test_newer_of_two_loads_is_used(model):
    slow, quick = FakePredictor(name="slow"), FakePredictor(name="quick")
    slow.gate.clear()
    model.load(slow)
    model.load(quick)
    slow.gate.set()
    assert model.wait().predictor is quick
    assert model.status.model == "quick"


def test_a_job_runs_on_the_models_thread_only(model):
    model.load(FakePredictor())
    model.wait()
    with pytest.raises(ModelError, match="no model is loaded yet, or it has been replaced"):
        model.run(lambda predictions: predictions)
    made_with, result = model.worker.run(lambda: model.run(lambda predictions: predictions.seconds))
    assert made_with is model.predictions
    assert result == 0.0


def test_closed_model_keeps_predictions_and_loads_nothing(model):
    model.load(FakePredictor())
    predictions = model.wait()
    model.close()
    assert isinstance(model.state, Closed)
    assert model.wait() is predictions
    with pytest.raises(ClosedError, match="make another one"):
        model.load(FakePredictor())
    assert model.status.phase == "closed"


def test_closing_ends_a_wait_for_a_model(model):
    slow = FakePredictor()
    slow.gate.clear()
    model.load(slow)
    model.close()
    with pytest.raises(ClosedError, match="before its model was loaded"):
        model.wait()
    slow.gate.set()
