"""Inputs that fuzzing has found, and new ones of their kind: none breaks anything, none hangs."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import targets
from .mutate import mutated
from .seeds import CORPUS

INPUTS = sorted(path for path in CORPUS.rglob("*") if path.is_file())
SEEDS = {name: [p.read_bytes() for p in (CORPUS / name).iterdir()] for name in targets.TARGETS}
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", autouse=True)
def prepared():
    undo = targets.prepare()
    yield
    undo()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", INPUTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_an_input_of_the_corpus(path):
    targets.TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("target", targets.JSON)
def test_changed_inputs(target):
    @relaxed
    @given(st.sampled_from(SEEDS[target]), st.integers(0, 2**32))
    def check(data, seed):
        value = targets.parsed(data)
        changed = mutated(value, random.Random(seed))
        targets.TARGETS[target](json.dumps(changed).encode())

    check()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("target", sorted(set(targets.TARGETS) - set(targets.JSON)))
def test_damaged_inputs(target):
    @relaxed
    @given(st.sampled_from(SEEDS[target]), st.integers(0, 2**32), st.binary(max_size=3))
    def check(data, at, patch):
        at %= len(data)
        targets.TARGETS[target](data[:at] + patch + data[at + len(patch) :])

    check()


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in INPUTS) < 300_000
