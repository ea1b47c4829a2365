"""When the decoder is recorded, replayed and recorded anew; what a GPU does with it needs a GPU."""

import logging

import pytest
import torch

from sam2_widget.models import graphs


class FakeGraph:
    """Runs what it was given, on its own copies of the inputs."""

    made = 0
    fails = False

    def __init__(self, decode, inputs, pool):
        if FakeGraph.fails:
            raise torch.OutOfMemoryError("CUDA out of memory")
        FakeGraph.made += 1
        self._decode, self._inputs = decode, inputs.copied()

    def __call__(self, inputs):
        graphs._copy(self._inputs.prompts, inputs.prompts)
        return self._decode(self._inputs)


class Decoder:
    def __init__(self):
        self.weight = torch.ones(1)
        self.decoder = graphs.GraphedDecoder(self._decode, lambda: [self.weight])

    def _decode(self, inputs):
        maps, coords, labels, previous, multimask = inputs
        value = maps[0].sum() + coords.sum() * labels.sum() * self.weight
        value = value + (0 if previous is None else previous.sum())
        return value + multimask, value

    def ask(self, points=1, value=1.0, previous=None, *, multimask=False):
        maps, coords = (torch.full((2,), value),), torch.full((1, points, 2), value)
        given = graphs.Inputs(maps, coords, torch.ones(1, points), previous, multimask)
        found, expected = self.decoder(given), self._decode(given)
        assert [f.item() for f in found] == [e.item() for e in expected]


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    monkeypatch.setattr(graphs, "_Graph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    FakeGraph.made, FakeGraph.fails = 0, False


def test_each_kind_is_recorded_the_second_time():
    decoder = Decoder()
    decoder.ask(1)
    assert FakeGraph.made == 0
    for value in (2.0, 3.0, 4.0):
        decoder.ask(1, value)
    assert FakeGraph.made == 1
    for _ in range(3):
        decoder.ask(2)
        decoder.ask(1, multimask=True)
        decoder.ask(1, previous=torch.ones(2))
    assert FakeGraph.made == 4


def test_a_model_that_has_moved_is_recorded_anew():
    decoder = Decoder()
    for _ in range(3):
        decoder.ask()
    decoder.weight = torch.full((1,), 5.0)
    decoder.ask()
    assert FakeGraph.made == 2


def test_what_was_cleared_is_recorded_anew():
    decoder = Decoder()
    for _ in range(3):
        decoder.ask()
    decoder.decoder.clear()
    decoder.ask()
    assert FakeGraph.made == 2


def test_no_room_for_a_recording_costs_no_answer(caplog):
    decoder = Decoder()
    FakeGraph.fails = True
    with caplog.at_level(logging.WARNING):
        for value in (1.0, 2.0, 3.0):
            decoder.ask(value=value)
    assert caplog.text.count("cannot be recorded") == 1
