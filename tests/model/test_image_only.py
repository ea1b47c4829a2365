"""Only the parts of SAM 2 for images are in memory, and give exactly the same masks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sam2_widget.models.base.architecture import VIDEO_ONLY
from sam2_widget.models.base.weight_files import read
from sam2_widget.models.predictors import load_file
from sam2_widget.models.sam2.files import build
from sam2_widget.models.sam2.predictor import Sam2Predictor
from sam2_widget.predictor import PromptArrays

from .conftest import random_sam2

ARCHITECTURES = {
    "2 tiny": "configs/sam2/sam2_hiera_t.yaml",
    "2.1 tiny": "configs/sam2.1/sam2.1_hiera_t.yaml",
    "2.1 small": "configs/sam2.1/sam2.1_hiera_s.yaml",
    "2.1 base-plus": "configs/sam2.1/sam2.1_hiera_b+.yaml",
    "2.1 large": "configs/sam2.1/sam2.1_hiera_l.yaml",
}
IMAGE = np.random.default_rng(1).integers(0, 255, (90, 160, 3), np.uint8)
POINT = PromptArrays(np.array([[80, 40]], np.float32), np.ones(1, np.int32))


def for_images(weights):
    return {name: w for name, w in weights.items() if name.split(".")[0] not in VIDEO_ONLY}


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_exactly_the_weights_for_images_are_loaded(kind):
    whole = random_sam2(ARCHITECTURES[kind]).state_dict()
    model = build(Path("whole.pt"), whole)
    found, expected = model.state_dict(), for_images(whole)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    # Tensors that are held besides the weights have data, too: none is on the meta device.
    held = [t for m in model.modules() for t in vars(m).values() if isinstance(t, torch.Tensor)]
    assert not any(tensor.is_meta for tensor in held)
    dropped = sum(weight.nbytes for weight in whole.values()) - sum(
        w.nbytes for w in found.values()
    )
    assert dropped == pytest.approx(28.7 * 2**20, rel=0.01)


@pytest.mark.parametrize(
    ("kind", "dtype"), [("2 tiny", torch.float32), ("2.1 tiny", torch.bfloat16)]
)
def test_masks_are_those_of_the_whole_model(kind, dtype, tmp_path):
    whole = random_sam2(ARCHITECTURES[kind])
    torch.save({"model": for_images(whole.state_dict())}, tmp_path / "images.pt")
    torch.save({"model": whole.state_dict()}, tmp_path / "whole.pt")
    expected = answers(Sam2Predictor(channels_last(whole), name="whole", dtype=dtype))
    for name in ("images.pt", "whole.pt"):
        model = build(tmp_path / name, read(tmp_path / name).weights)
        predictor = Sam2Predictor(channels_last(model), name=name, dtype=dtype)
        for one, other in zip(answers(predictor), expected, strict=True):
            np.testing.assert_array_equal(one.logits, other.logits)
            np.testing.assert_array_equal(one.scores, other.scores)


def channels_last(model):
    """As `load_file` does on a CPU."""
    model.image_encoder.to(memory_format=torch.channels_last)
    return model


def answers(predictor):
    """A first click's three candidates, and one mask with the logits of the best fed back."""
    embedding = predictor.embed(IMAGE)
    first = predictor.predict(embedding, POINT, multimask=True)
    again = PromptArrays(POINT.points, POINT.labels, logits=first.logits[first.best])
    return first, predictor.predict(embedding, again, multimask=False)


def test_it_reports_its_memory_size(tiny, tiny_checkpoint):
    predictor = load_file(tiny_checkpoint, name="tiny", device="cpu")
    images = sum(p.nbytes for name, p in for_images(dict(tiny.named_parameters())).items())
    assert predictor.nbytes == images
