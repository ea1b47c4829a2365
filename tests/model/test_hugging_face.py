"""EdgeTAM of transformers: the real architecture with seeded weights."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import EdgeTamModel
from transformers.utils import logging as transformers_logging

from sam2_widget import Box, Point, SegmentWidget, load_model, segment
from sam2_widget.errors import CheckpointError, MissingLibraryError, SettingError
from sam2_widget.models.batches import DecodeRequest
from sam2_widget.models.hugging_face.files import build
from sam2_widget.models.hugging_face.predictor import HuggingFacePredictor
from sam2_widget.predictor import PromptArrays

IMAGE = np.random.default_rng(5).integers(0, 255, (90, 140, 3), np.uint8)
IMAGE[20:60, 30:100] = (180, 60, 50)
IMAGE.setflags(write=False)

NO_POINTS = (np.empty((0, 2), np.float32), np.empty(0, np.int32))
LOGITS = np.random.default_rng(6).normal(0, 4, (256, 256)).astype(np.float32)
POINTS = (np.array([[60, 40], [10, 80]], np.float32), np.array([1, 0], np.int32))
PROMPTS = {
    "points": PromptArrays(*POINTS),
    "box": PromptArrays(*NO_POINTS, np.array([30, 20, 100, 60], np.float32)),
    "box and points": PromptArrays(*POINTS, np.array([30, 20, 100, 60], np.float32)),
    "points and logits": PromptArrays(*POINTS, logits=LOGITS),
}


@pytest.fixture(scope="module")
def exact(edgetam):
    """In float32 throughout, so that it can be compared with transformers."""
    return HuggingFacePredictor(edgetam, name="exact", dtype=torch.float32, kept=torch.float32)


@pytest.fixture(scope="module")
def embedding(exact):
    return exact.embed(IMAGE)


@pytest.fixture
def copied(edgetam_folder, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(edgetam_folder, tmp_path / "copy")


def of_transformers(model, maps, prompts, multimask):
    """Logits and scores of the model's own `forward`, from the same embeddings."""
    coords, labels = prompts.points, prompts.labels
    if prompts.box is not None:
        coords = np.concatenate([prompts.box.reshape(2, 2), coords])
        labels = np.concatenate([np.array([2, 3], np.int32), labels])
    logits = None if prompts.logits is None else torch.tensor(prompts.logits)[None, None]
    size = np.array([IMAGE.shape[1], IMAGE.shape[0]], np.float32)
    with torch.inference_mode():
        found = model(
            image_embeddings=list(maps),
            input_points=torch.tensor(coords / size * 1024)[None, None],
            input_labels=torch.tensor(labels)[None, None],
            input_masks=logits,
            multimask_output=multimask,
        )
    return found.pred_masks[0, 0].numpy(), found.iou_scores[0, 0].numpy()


@pytest.mark.parametrize("multimask", [False, True])
@pytest.mark.parametrize("name", PROMPTS)
def test_masks_equal_those_of_transformers(edgetam, exact, embedding, name, multimask):
    found = exact.predict(embedding, PROMPTS[name], multimask=multimask)
    logits, scores = of_transformers(edgetam, embedding.maps, PROMPTS[name], multimask)
    assert len(found.scores) == (3 if multimask else 1)
    assert logits.std() > 0.1
    np.testing.assert_allclose(found.logits, logits.clip(-32, 32), atol=1e-3)
    np.testing.assert_allclose(found.scores, scores, atol=1e-4)


def test_masks_depend_on_the_prompt(exact, embedding):
    answers = [exact.predict(embedding, one, multimask=False).logits for one in PROMPTS.values()]
    for i, one in enumerate(answers):
        for other in answers[i + 1 :]:
            assert np.abs(one - other).mean() > 0.1


def test_embeddings_equal_those_of_transformers(edgetam, exact, embedding):
    with torch.inference_mode():
        maps = edgetam.get_image_embeddings(exact._pixels(IMAGE)[None])
    for own, other in zip(embedding.maps, maps, strict=True):
        assert own.shape == other.shape
        torch.testing.assert_close(own, other, atol=1e-4, rtol=1e-4)


def test_batched_masks_equal_single_masks(exact, embedding):
    other = exact.embed(IMAGE[::-1].copy())
    requests = [DecodeRequest(e, PROMPTS["points"], multimask=True) for e in (embedding, other)]
    together = exact.predict_many(requests, size=2)
    for request, found in zip(requests, together, strict=True):
        alone = exact.predict(request.embedding, request.prompts, multimask=True)
        np.testing.assert_allclose(found.logits, alone.logits, atol=1e-3)
    assert np.abs(together[0].logits - together[1].logits).mean() > 0.1


def test_batched_points_get_the_masks_of_single_points(exact, embedding):
    points = np.array([(20, 30), (60, 40), (50, 10)], np.float32)
    together = exact.predict_points(embedding, points)
    assert len(together) == 3
    for point, found in zip(points, together, strict=True):
        prompts = PromptArrays(point[None], np.ones(1, np.int32))
        alone = exact.predict(embedding, prompts, multimask=True)
        np.testing.assert_allclose(found.logits, alone.logits, atol=1e-4)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)


def test_packed_embedding_gives_the_same_mask(exact, embedding):
    unpacked = exact.unpack(exact.pack(embedding))
    one, other = (
        exact.predict(e, PROMPTS["box"], multimask=False).logits for e in (embedding, unpacked)
    )
    np.testing.assert_array_equal(one, other)


def loaded_from(path: Path) -> HuggingFacePredictor:
    return cast(HuggingFacePredictor, load_model(path, device="cpu"))


def test_model_is_loaded_from_a_folder_and_segments(edgetam_folder):
    folder = edgetam_folder
    model = loaded_from(folder)
    assert loaded_from(folder / "model.safetensors").identity == model.identity
    assert model.logits_size == (256, 256)
    result = segment(IMAGE, [[Point(60, 40)], [Box(30, 20, 100, 60)]], model=model)
    assert result.masks.shape == (2, 90, 140)
    assert result.provenance.implementation.startswith("transformers ")
    widget = SegmentWidget(IMAGE, model=folder, device="cpu")
    widget.add_point(60, 40)
    np.testing.assert_array_equal(widget.masks[0], result.masks[0])
    widget.close()


def test_loading_prints_nothing_and_leaves_the_progress_bars_of_the_user(edgetam_folder, capfd):
    assert transformers_logging.is_progress_bar_enabled()
    path = edgetam_folder / "model.safetensors"
    build(path, load_file(path))
    assert capfd.readouterr() == ("", "")
    assert transformers_logging.is_progress_bar_enabled()


def test_configuration_for_videos_is_accepted(copied, edgetam_folder):
    settings = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**settings, "model_type": "edgetam_video"}))
    one, other = (loaded_from(path) for path in (copied, edgetam_folder))
    assert one.identity == other.identity


def test_missing_configuration_is_reported(copied):
    (copied / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"needs '.*config\.json' beside them"):
        load_model(copied, device="cpu")


@pytest.mark.parametrize("text", ["{", "", "\xff", "[" * 10_000])
def test_damaged_configuration_is_reported(copied, text):
    (copied / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"config\.json' is damaged"):
        load_model(copied, device="cpu")


@pytest.mark.parametrize("settings", [[], {"model_type": "sam"}, {"model_type": ["sam2"]}, {}])
def test_configuration_of_another_model_is_refused(copied, settings):
    (copied / "config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match="supported are 'edgetam'"):
        load_model(copied, device="cpu")


def test_configuration_of_another_size_is_refused(copied):
    settings = json.loads((copied / "config.json").read_text())
    settings["mask_decoder_config"]["mlp_dim"] = 10**6
    (copied / "config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"does not fit its config\.json"):
        load_model(copied, device="cpu")


def test_missing_weights_of_transformers_are_reported(copied):
    weights = load_file(copied / "model.safetensors")
    del weights["mask_decoder.conv_s0.weight"]
    save_file(weights, copied / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"lacks 1 of the weights .* 'mask_decoder.conv_s0"):
        load_model(copied, device="cpu")


def test_image_size_cannot_be_chosen(edgetam_folder):
    with pytest.raises(SettingError, match="part of its configuration, got image_size=512"):
        load_model(edgetam_folder, device="cpu", image_size=512)
    with pytest.raises(SettingError, match="leave it out"):
        load_model("edgetam", image_size=512)


def test_missing_transformers_is_reported(copied, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingLibraryError, match="pip install transformers timm"):
        load_model(copied, device="cpu")


def test_too_old_transformers_is_reported(copied, monkeypatch):
    old = SimpleNamespace(__version__="4.40.0", __spec__="found")
    monkeypatch.setitem(sys.modules, "transformers", old)
    with pytest.raises(MissingLibraryError, match=r"transformers 4\.40\.0 is too old"):
        load_model(copied, device="cpu")


def test_missing_timm_is_reported(copied, monkeypatch):
    def without_timm(*args, **options):
        raise ImportError("the package timm")

    monkeypatch.setattr(EdgeTamModel, "from_pretrained", without_timm)
    with pytest.raises(MissingLibraryError, match="EdgeTAM needs the package timm"):
        load_model(copied, device="cpu")
