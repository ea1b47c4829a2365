"""Recording and replaying of CUDA graphs of the decoder, with a fake graph instead of a GPU."""

import logging
from typing import Any

import pytest
import torch

from sam2_widget.models.base import cuda_graphs as graphs


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

    def decode(self, points=1, value=1.0, previous=None, *, multimask=False):
        maps, coords = (torch.full((2,), value),), torch.full((1, points, 2), value)
        given = graphs.Inputs(maps, coords, torch.ones(1, points), previous, multimask)
        found, expected = self.decoder(given), self._decode(given)
        assert [f.item() for f in found] == [e.item() for e in expected]


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    monkeypatch.setattr(graphs, "_Graph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    FakeGraph.made, FakeGraph.fails = 0, False


def test_each_kind_of_call_is_recorded_the_second_time():
    decoder = Decoder()
    decoder.decode(1)
    assert FakeGraph.made == 0
    for value in (2.0, 3.0, 4.0):
        decoder.decode(1, value)
    assert FakeGraph.made == 1
    for _ in range(3):
        decoder.decode(2)
        decoder.decode(1, multimask=True)
        decoder.decode(1, previous=torch.ones(2))
    assert FakeGraph.made == 4


def test_a_moved_model_is_recorded_again():
    decoder = Decoder()
    for _ in range(3):
        decoder.decode()
    decoder.weight = torch.full((1,), 5.0)
    decoder.decode()
    assert FakeGraph.made == 2


def test_cleared_recordings_are_recorded_again():
    decoder = Decoder()
    for _ in range(3):
        decoder.decode()
    decoder.decoder.clear()
    decoder.decode()
    assert FakeGraph.made == 2


def test_without_memory_for_a_recording_the_decoder_still_runs(caplog):
    decoder = Decoder()
    FakeGraph.fails = True
    with caplog.at_level(logging.WARNING):
        for value in (1.0, 2.0, 3.0):
            decoder.decode(value=value)
    assert caplog.text.count("cannot be recorded") == 1


def test_a_recording_that_failed_once_is_tried_again_later(caplog):
    decoder = Decoder()
    FakeGraph.fails = True
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            decoder.decode()
        FakeGraph.fails = False
        for _ in range(graphs.PAUSE):
            decoder.decode()
        assert FakeGraph.made == 0
        decoder.decode()
    assert FakeGraph.made == 1
    assert not [record for record in caplog.records if record.exc_info]


def test_recordings_that_always_fail_are_retried_ever_less_often():
    decoder, tries = Decoder(), []
    FakeGraph.fails = True
    recorded: Any = decoder.decoder
    replayed = recorded._replayed
    recorded._replayed = lambda inputs: [tries.append(None), replayed(inputs)][1]
    for _ in range(graphs.PAUSE * (1 + 2 + 4) + 4):
        decoder.decode()
    assert len(tries) == 3
