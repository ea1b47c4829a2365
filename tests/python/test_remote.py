import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sam2_widget.errors import MessageError
from sam2_widget.models.cluster import protocol as remote
from sam2_widget.predictor import Candidates, PromptArrays

FLOATS = st.floats(-1e6, 1e6, width=32)
KINDS = (
    remote.Info,
    remote.ImageMessage,
    remote.PromptsMessage,
    remote.CandidatesMessage,
    remote.Held,
    remote.Failure,
)


def over_the_wire(message):
    return remote.decode(remote.encode(message), type(message))


@st.composite
def prompts(draw):
    n = draw(st.integers(0, 5))
    points = draw(arrays(np.float32, (n, 2), elements=FLOATS))
    labels = draw(arrays(np.int32, (n,), elements=st.integers(0, 1)))
    box = draw(st.none() | arrays(np.float32, (4,), elements=FLOATS))
    logits = draw(st.none() | arrays(np.float32, (3, 4), elements=FLOATS))
    return PromptArrays(points, labels, box, logits)


@given(prompts(), st.text(max_size=9), st.booleans())
def test_prompts_round_trip(sent, key, multimask):
    message = over_the_wire(remote.pack_prompts(key, sent, multimask=multimask))
    assert (message.key, message.multimask) == (key, multimask)
    found = remote.unpack_prompts(message)
    for name in ("points", "labels", "box", "logits"):
        np.testing.assert_array_equal(getattr(found, name), getattr(sent, name))


@given(arrays(np.float32, array_shapes(min_dims=3, max_dims=3, max_side=6), elements=FLOATS))
def test_candidates_round_trip(logits):
    sent = Candidates(logits[:, ::-1], np.arange(len(logits), dtype=np.float32))
    found = remote.unpack_candidates(over_the_wire(remote.pack_candidates(sent)))
    np.testing.assert_array_equal(found.logits, sent.logits)
    np.testing.assert_array_equal(found.scores, sent.scores)


@given(st.binary(max_size=200), st.sampled_from(KINDS))
def test_other_bytes_are_refused(data, kind):
    try:
        found = remote.decode(data, kind)
    except MessageError:
        return
    assert isinstance(found, kind)


@given(st.lists(st.integers(0, 2**40), max_size=4), st.binary(max_size=64))
def test_array_with_wrong_number_of_bytes_is_refused(shape, data):
    try:
        found = remote.unpack(msgspec.convert({"shape": shape, "data": data}, remote.Array), *F3)
    except (MessageError, msgspec.ValidationError):
        return
    assert found.nbytes == len(data)


F3 = (np.float32, 3)


@pytest.mark.parametrize(
    ("points", "labels", "box"),
    [
        (np.zeros((2, 2)), [1], None),
        (np.zeros((1, 3)), [1], None),
        (np.full((1, 2), np.nan), [1], None),
        (np.zeros((1, 2)), [2], None),
        (np.zeros((0, 2)), [], np.zeros(3)),
    ],
)
def test_invalid_prompts_are_refused(points, labels, box):
    sent = PromptArrays(
        np.asarray(points, np.float32),
        np.asarray(labels, np.int32),
        None if box is None else np.asarray(box, np.float32),
    )
    with pytest.raises(MessageError):
        remote.unpack_prompts(over_the_wire(remote.pack_prompts("k", sent, multimask=True)))


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 5, 4), (5, 5)])
def test_invalid_images_are_refused(shape):
    with pytest.raises(MessageError):
        remote.unpack_image(remote.pack(np.zeros(shape, np.uint8)))
