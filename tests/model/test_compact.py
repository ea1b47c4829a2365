from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sam2_widget.models.bundled.network import (
    build_compact,
    draw_prompts,
    load_compact,
    read_metadata,
)
from sam2_widget.models.checkpoints import BUNDLED, BUNDLED_SHA256

WEIGHTS = BUNDLED
CHECK = np.load(Path(__file__).parent / "data" / "compact_check.npz")
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def model():
    return load_compact(WEIGHTS)


def _input(image: np.ndarray) -> Tensor:
    image = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)
    return ((torch.from_numpy(image) / 255 - MEAN) / STD).permute(2, 0, 1)[None]


def _decode(model, coords: Tensor, labels: Tensor, mask: Tensor, *, multimask: bool):
    features = model.forward_image(_input(CHECK["image"]))["backbone_fpn"]
    sparse, dense = model.sam_prompt_encoder((coords[None], labels[None]), None, mask)
    return model.sam_mask_decoder(
        features[-1] + model.no_mem_embed.reshape(1, -1, 1, 1),
        model.sam_prompt_encoder.get_dense_pe(),
        sparse,
        dense,
        multimask_output=multimask,
        repeat_image=False,
        high_res_features=features[:-1],
    )[:2]


def _prompt(kind: str) -> tuple[Tensor, Tensor]:
    coords = torch.from_numpy(CHECK[f"{kind}_coords"]).float()
    return coords, torch.from_numpy(CHECK[f"{kind}_labels"])


@torch.inference_mode()
def test_trunk_gives_the_recorded_features(model) -> None:
    features = model.image_encoder.trunk(_input(CHECK["image"]))[2]
    np.testing.assert_allclose(features[0], CHECK["trunk_s16"], atol=1e-3)


@pytest.mark.parametrize("kind", ["point", "box"])
@torch.inference_mode()
def test_decoder_gives_the_recorded_masks(model, kind: str) -> None:
    coords, labels = _prompt(kind)
    mask = draw_prompts(coords, labels)
    answers = [_decode(model, coords, labels, mask, multimask=m) for m in (False, True)]
    logits, scores = (torch.cat(parts, 1)[0] for parts in zip(*answers, strict=True))
    np.testing.assert_allclose(logits, CHECK[f"{kind}_logits"], atol=1e-3)
    np.testing.assert_allclose(scores, CHECK[f"{kind}_scores"], atol=1e-4)


@pytest.mark.parametrize("kind", ["point", "box"])
def test_prompts_are_drawn_as_in_the_recording(kind: str) -> None:
    drawn = draw_prompts(*_prompt(kind))
    np.testing.assert_array_equal(drawn[0], CHECK[f"{kind}_mask_input"])


def test_later_clicks_are_drawn_over_clamped_logits_and_the_box_is_not_repeated() -> None:
    coords = torch.tensor([[10.0, 10.0], [200.0, 200.0], [128.0, 128.0]])
    drawn = draw_prompts(coords, torch.tensor([2, 3, 0]), torch.full((1, 1, 64, 64), 20.0))
    assert drawn[0, 0, 32, 32] == -12
    assert drawn[0, 0, 10, 10] == 8


def test_the_last_of_two_clicks_on_one_pixel_has_priority() -> None:
    drawn = draw_prompts(torch.tensor([[50.0, 50.0], [50.0, 50.0]]), torch.tensor([1, 0]))
    assert drawn.min() == -12
    assert drawn.max() == 0


def test_batched_prompts_equal_single_ones() -> None:
    coords = torch.rand(5, 3, 2) * 256
    labels = torch.tensor([[2, 3, 1], [1, 0, -1], [1, -1, -1], [2, 3, -1], [0, 1, 1]])
    batch = draw_prompts(coords, labels)
    singles = [draw_prompts(c, n) for c, n in zip(coords, labels, strict=True)]
    assert torch.equal(batch, torch.cat(singles))


def test_the_model_card_and_the_package_describe_this_file() -> None:
    card = (Path(__file__).parents[2] / "training" / "MODEL_CARD.md").read_text()
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == BUNDLED_SHA256
    assert BUNDLED_SHA256 in card


def test_the_metadata_identify_the_file() -> None:
    metadata = read_metadata(WEIGHTS)
    assert metadata["format"] == "sam2-widget-compact"
    assert metadata["image_size"] == "256"


def test_wrong_names_shapes_and_formats_are_refused(tmp_path: Path) -> None:
    state, metadata = load_file(WEIGHTS), read_metadata(WEIGHTS)
    wrong = tmp_path / "wrong.safetensors"
    save_file({**state, "no_mem_embed": torch.zeros(1, 1, 64)}, wrong, metadata)
    with pytest.raises(ValueError, match="no_mem_embed"):
        load_compact(wrong)
    del state["no_mem_embed"]
    save_file(state, wrong, metadata)
    with pytest.raises(ValueError, match="no_mem_embed"):
        load_compact(wrong)
    save_file(state, wrong)
    with pytest.raises(ValueError, match="not a compact checkpoint"):
        load_compact(wrong)


@torch.inference_mode()
def test_the_merged_neck_gives_the_same_maps(model) -> None:
    whole = build_compact()
    whole.load_state_dict({name: tensor.float() for name, tensor in load_file(WEIGHTS).items()})
    image = _input(CHECK["image"])
    expected = whole.forward_image(image)["backbone_fpn"]
    found = model.forward_image(image)["backbone_fpn"]
    assert [one.shape[1] for one in found] == [16, 32, 128]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_loading_replaces_every_parameter_and_buffer(model) -> None:
    tensors = [*model.parameters(), *model.buffers()]
    assert all(tensor.device.type == "cpu" for tensor in tensors)
    assert not model.training


def test_image_size_is_checked() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        build_compact(100)
