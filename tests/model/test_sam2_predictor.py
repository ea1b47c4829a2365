"""The predictor compared with sam2's own, on the real architecture with random weights."""

import warnings

import numpy as np
import pytest
import torch
from sam2.sam2_image_predictor import SAM2ImagePredictor

from sam2_widget import DeviceError
from sam2_widget.models.base.devices import resolve_device
from sam2_widget.models.embeddings.store import decode, encode
from sam2_widget.models.sam2.predictor import Sam2Predictor
from sam2_widget.predictor import PromptArrays

SIZE = (90, 160)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(1).integers(0, 255, (*SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def theirs(tiny, image):
    with warnings.catch_warnings():
        # sam2 scripts its transforms, which torch has deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        predictor = SAM2ImagePredictor(tiny)
    predictor.set_image(image)
    return predictor


@pytest.fixture(scope="module")
def ours(tiny):
    """Keeps embeddings in float32, so that masks can be compared with those of sam2."""
    return Sam2Predictor(tiny, name="tiny", dtype=torch.float32, kept=torch.float32)


@pytest.fixture(scope="module")
def plain(tiny):
    """Decodes with sam2's own modules, as on a GPU, so that masks can be compared exactly."""
    return Sam2Predictor(
        tiny, name="tiny", dtype=torch.float32, kept=torch.float32, fast_decoder=False
    )


@pytest.fixture(scope="module")
def halved(tiny):
    """Keeps embeddings in half precision, as by default."""
    return Sam2Predictor(tiny, name="tiny", dtype=torch.float32)


@pytest.fixture(scope="module")
def embedding(ours, image):
    return ours.embed(image)


def arrays(points=(), labels=(), box=None, logits=None):
    return PromptArrays(
        np.array(points, np.float32).reshape(-1, 2),
        np.array(labels, np.int32),
        None if box is None else np.array(box, np.float32),
        logits,
    )


@pytest.fixture(scope="module")
def small(halved, image):
    return halved.embed(image)


PROMPTS = {
    "a point": ([(80, 40)], [1], None, True),
    "points": ([(80, 40), (20, 70), (100, 10)], [1, 0, 1], None, False),
    "a box": ([], [], (10, 10, 100, 80), False),
    "a box with points": ([(80, 40), (12, 12)], [1, 0], (10, 10, 100, 80), False),
    "an ambiguous box": ([], [], (10, 10, 100, 80), True),
}


def test_the_size_of_the_logits_is_known_beforehand(ours, embedding):
    candidates = ours.predict(embedding, arrays([(80, 40)], [1]), multimask=True)
    assert candidates.logits.shape == (3, *ours.logits_size)
    previous = np.zeros(ours.logits_size, np.float32)
    ours.predict(embedding, arrays([(80, 40)], [1], logits=previous), multimask=False)


def upsampled(logits):
    full = torch.nn.functional.interpolate(
        torch.from_numpy(logits)[None], SIZE, mode="bilinear", align_corners=False
    )
    return (full[0] > 0).numpy()


def of_sam2(theirs, prompts, multimask):
    """Masks, scores and logits of sam2's own predictor."""
    return theirs.predict(
        point_coords=prompts.points if len(prompts.points) else None,
        point_labels=prompts.labels if len(prompts.labels) else None,
        box=prompts.box,
        mask_input=None if prompts.logits is None else prompts.logits[None],
        multimask_output=multimask,
    )


@pytest.fixture(params=PROMPTS)
def kind(request):
    return PROMPTS[request.param]


@pytest.fixture(params=[False, True], ids=["without logits", "with logits"])
def given(request, plain, embedding, kind):
    """Prompts of one kind, alone or with the logits of another click, and `multimask`."""
    points, labels, box, multimask = kind
    logits = None
    if request.param:
        logits = plain.predict(embedding, arrays([(60, 60)], [1]), multimask=False).logits[0]
    return arrays(points, labels, box, logits), multimask


def test_masks_equal_those_of_sam2(theirs, plain, embedding, given):
    prompts, multimask = given
    masks, scores, low = of_sam2(theirs, prompts, multimask)
    found = plain.predict(embedding, prompts, multimask=multimask)
    np.testing.assert_array_equal(found.logits, low)
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_array_equal(upsampled(found.logits), masks.astype(bool))
    assert len(found.scores) == (3 if multimask else 1)
    assert found.best == int(scores.argmax())


def test_the_decoder_of_a_cpu_gives_the_masks_of_sam2(theirs, ours, embedding, given):
    prompts, multimask = given
    masks, scores, low = of_sam2(theirs, prompts, multimask)
    found = ours.predict(embedding, prompts, multimask=multimask)
    np.testing.assert_allclose(found.logits, low, rtol=0, atol=1e-4 * low.std())
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    assert (upsampled(found.logits) != masks.astype(bool)).sum() <= 1e-4 * masks.size
    assert found.best == int(scores.argmax())


def test_the_decoder_of_a_cpu_replaces_an_unstable_mask_as_sam2_does(
    theirs, ours, embedding, monkeypatch
):
    prompts = arrays([(80, 40), (20, 70)], [1, 0])
    found = {}
    for threshold in (0.0, 1.1):  # all masks are stable, or none
        monkeypatch.setattr(
            theirs.model.sam_mask_decoder, "dynamic_multimask_stability_thresh", threshold
        )
        _, scores, low = of_sam2(theirs, prompts, multimask=False)
        found[threshold] = ours.predict(embedding, prompts, multimask=False)
        np.testing.assert_allclose(found[threshold].logits, low, rtol=0, atol=1e-4 * low.std())
        np.testing.assert_allclose(found[threshold].scores, scores, atol=1e-5)
    assert np.abs(found[0.0].logits - found[1.1].logits).mean() > 0.01


def test_the_masks_depend_on_the_prompts(ours, embedding):
    one = ours.predict(embedding, arrays([(80, 40)], [1]), multimask=False)
    other = ours.predict(embedding, arrays([(10, 80)], [1]), multimask=False)
    assert not np.array_equal(one.logits, other.logits)


def test_masks_depend_on_the_image_of_their_embedding(ours, image, embedding):
    prompts = arrays([(80, 40)], [1])
    before = ours.predict(embedding, prompts, multimask=True)
    ours.embed(255 - image)
    after = ours.predict(embedding, prompts, multimask=True)
    np.testing.assert_array_equal(before.logits, after.logits)


def test_an_embedding_reports_its_memory_size(embedding, small):
    numbers = 256 * 64 * 64 + 64 * 128 * 128 + 32 * 256 * 256
    assert embedding.nbytes == 4 * numbers
    assert small.nbytes == 2 * numbers


@pytest.mark.parametrize("kind", PROMPTS)
def test_half_precision_gives_nearly_the_same_masks(ours, halved, embedding, small, kind):
    points, labels, box, multimask = PROMPTS[kind]
    prompts = arrays(points, labels, box)
    exact = ours.predict(embedding, prompts, multimask=multimask)
    found = halved.predict(small, prompts, multimask=multimask)
    np.testing.assert_allclose(found.scores, exact.scores, atol=0.002)
    for one, other in zip(found.logits > 0, exact.logits > 0, strict=True):
        assert (one & other).sum() >= 0.995 * (one | other).sum()


def test_an_embedding_gives_the_same_mask_after_moving_or_packing(halved, small):
    prompts = arrays([(80, 40)], [1])
    expected = halved.predict(small, prompts, multimask=True)
    stored = decode(encode(halved.pack(small), "m", "i"), "m", "i")
    for other in (small.to("cpu"), halved.unpack(stored), small):
        found = halved.predict(other, prompts, multimask=True)
        np.testing.assert_array_equal(found.logits, expected.logits)
        np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize(
    "change",
    [
        {"map0": None},
        {"map1": np.zeros((1, 64, 128, 128), np.float32)},
        {"map2": np.zeros((1, 256, 64, 63), np.float16)},
        {"size": np.array([1])},
        {"size": None},
    ],
)
def test_arrays_that_are_no_embedding_of_this_model_are_refused(halved, small, change):
    packed = {**halved.pack(small), **change}
    with pytest.raises(ValueError, match=next(iter(change))):
        halved.unpack({name: array for name, array in packed.items() if array is not None})


def test_an_embedding_of_another_kind_is_refused(ours):
    with pytest.raises(TypeError, match="what embed"):
        ours.predict(object(), arrays([(1, 1)], [1]), multimask=False)


def test_the_out_of_memory_error_names_a_remedy(ours, image, monkeypatch):
    def fail(_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(ours._model, "forward_image", fail)
    with pytest.raises(DeviceError, match="smaller model, or device='cpu'"):
        ours.embed(image)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_device_is_reported():
    with pytest.raises(DeviceError, match="no device 'cuda'"):
        resolve_device("cuda")
    assert resolve_device(None) in ("cpu", "mps")
