"""Smoke test of the training package on synthetic images, without testing what is learned."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn
from torch.nn import functional

from sam2_widget.models.bundled.network import (
    LITE2,
    SameConv2d,
    TrunkSize,
    build_compact,
    load_compact,
)
from training import new_trunk, scenes
from training.cases import load_cases
from training.clicks import bounding_box, correcting_click, first_click
from training.composites import composite
from training.datasets import VOID, LabelledImage, Library, iou, load_labelled
from training.dialogue import Dialogues, encode
from training.layers import Depthwise, Pointwise
from training.loss import Targets, mask_iou, mask_loss
from training.model import EPSILON, NORM_OF, merge_batch_norms, parameter_groups, prepare
from training.scenes import SOURCES, draw_sample
from training.train import Stage, make_dialogues, start, train

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(120)

MAPS = ((16, 16), (32, 8), (128, 4))
"""Channels and sides of the feature maps of an image of 64 pixels."""

PLAN = (
    Stage(1, 1e-3, 1.0, images=2, prompts=2, image_size=64, corrections=False),
    Stage(2, 1e-3, 1.0, trunk_rate=0.25, images=2, prompts=2, image_size=64),
)


def _disk(centre: tuple[int, int], radius: int) -> np.ndarray:
    return cv2.circle(np.zeros((96, 128), np.uint8), centre, radius, 255, -1)


def _write_set(folder: Path, rng: np.random.Generator, *, labelled: bool) -> None:
    """Write two photos of a disk in a ring of unlabelled pixels, with a square next to it."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for index in range(2):
        disk = _disk((44 + 5 * index, 48), 28)
        labels = np.where(disk, 3, 0).astype(np.uint16)
        labels[(_disk((44 + 5 * index, 48), 31) > 0) & (disk == 0)] = VOID
        labels[30:70, 90:120] = 7
        image = rng.integers(0, 60, (96, 128, 3), dtype=np.uint8)
        image[(labels > 0) & (labels < VOID)] += np.array([150, 90, 20 * index], np.uint8)
        cv2.imwrite(str(folder / f"images/{index}.png"), image)
        if labelled:
            cv2.imwrite(str(folder / f"masks/{index}.png"), labels)


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Library:
    root = tmp_path_factory.mktemp("sets")
    for name in {*SOURCES, "photos"} - {scenes.COMPOSITE}:
        _write_set(root / name, np.random.default_rng(0), labelled=name != "photos")
    return Library(root)


def _train(folder: Path, library: Library, plan: tuple[Stage, ...], steps: int) -> Path:
    """Train the first ``steps`` steps of a plan, in as many calls as there are steps."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    run = start(folder, plan, None, seed=0)
    while run.step < steps:
        train(run, folder, library, plan, seed=0, minutes=0, until=run.step + 1)
        run = start(folder, plan, None, seed=0)
    return folder / "latest.safetensors"


def test_samples_are_the_same_for_the_same_seed(library: Library) -> None:
    first, second = (draw_sample(library, 64, 3, np.random.default_rng(5)) for _ in range(2))
    assert first.image.shape == (64, 64, 3)
    assert first.targets.shape == (3, 64, 64)
    assert first.targets.any((1, 2)).all()
    assert first.void.shape == (64, 64)
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.targets, second.targets)


def test_an_interrupted_training_gives_the_same_weights(tmp_path: Path, library: Library) -> None:
    folder = tmp_path / "whole"
    folder.mkdir()
    torch.manual_seed(0)
    train(start(folder, PLAN, None, seed=0), folder, library, PLAN, seed=0, minutes=9)
    whole = load_compact(folder / "latest.safetensors").state_dict()
    parts = load_compact(_train(tmp_path / "parts", library, PLAN, 3)).state_dict()
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, msg=name)


def test_a_stage_begins_from_the_averaged_weights(tmp_path: Path, library: Library) -> None:
    run = start(tmp_path, PLAN, None, seed=0)
    train(run, tmp_path, library, PLAN, seed=0, minutes=9, until=1)
    averaged = {name: tensor.clone() for name, tensor in run.average.state_dict().items()}
    name = "sam_mask_decoder.iou_token.weight"
    assert not torch.equal(run.model.state_dict()[name], averaged[name])
    run.enter(PLAN[1], 0)
    for name, tensor in run.model.state_dict().items():
        torch.testing.assert_close(tensor, averaged[name], rtol=0, atol=0, msg=name)


_AVERAGE = """
import sys
from pathlib import Path

import torch

from training import parallel

parallel.connect()
used, unused = torch.zeros(2, 3, requires_grad=True), torch.zeros(4, requires_grad=True)
used.grad = torch.arange(6.0).reshape(2, 3) * (1 + 2 * parallel.rank())
parallel.average_gradients(torch.optim.SGD([{"params": [used]}, {"params": [unused]}]))
found = used.grad.tolist(), unused.grad
Path(sys.argv[1], str(parallel.rank())).write_text(repr(found))
"""
_TRAIN = """
import sys
from pathlib import Path

import torch

from training import parallel
from training.datasets import Library
from training.train import Stage, start, train

parallel.connect()
folder, data = map(Path, sys.argv[1:])
plan = (Stage(2, 1e-3, 1.0, trunk_rate=0.25, images=2, prompts=2, image_size=64),)
run = start(folder, plan, None, seed=0)
train(run, folder, Library(data), plan, seed=0, minutes=9)
torch.save(run.model.state_dict(), folder / f"{parallel.rank()}.pt")
"""


def _run_twice(code: str, folder: Path, *arguments: Path) -> None:
    """Run a program in two processes of torchrun, with a folder for its results."""
    script = folder / "program.py"
    script.write_text(code)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", *map(str, (script, folder, *arguments))]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=100)


def test_processes_average_their_gradients(tmp_path: Path) -> None:
    _run_twice(_AVERAGE, tmp_path)
    mean = [[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]
    for rank in range(2):
        assert (tmp_path / str(rank)).read_text() == repr((mean, None))


def test_two_processes_train_the_same_weights(tmp_path: Path, library: Library) -> None:
    root = library.paths["photos"][0].parents[2]
    _run_twice(_TRAIN, tmp_path, root)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2]


def _batch_norm(channels: int, generator: torch.Generator) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, eps=EPSILON).eval()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        tensor.copy_(torch.rand(channels, generator=generator) + 0.5)
    return norm


def test_merged_batch_norms_give_the_same_output() -> None:
    generator = torch.Generator().manual_seed(0)
    convs = {"_conv_stem": nn.Conv2d(3, 4, 3, bias=False), "_project_conv": nn.Conv2d(4, 5, 1)}
    norms = {"_bn0": _batch_norm(4, generator), "_bn2": _batch_norm(5, generator)}
    convs["_project_conv"].bias = None
    blocks = nn.ModuleList(
        [nn.ModuleDict({"_project_conv": convs["_project_conv"], "_bn2": norms["_bn2"]})]
    )
    classifier = nn.Conv2d(5, 2, 1, bias=False)
    published = {"_conv_stem": convs["_conv_stem"], "_bn0": norms["_bn0"], "_blocks": blocks}
    state = nn.ModuleDict(published | {"_conv_head": classifier}).state_dict()
    merged = merge_batch_norms(state)
    assert sorted(merged) == [
        "blocks.0._project_conv.bias", "blocks.0._project_conv.weight", "stem.bias", "stem.weight",
    ]  # fmt: skip
    images = torch.rand(2, 3, 6, 6, generator=generator)
    expected = norms["_bn2"](convs["_project_conv"](norms["_bn0"](convs["_conv_stem"](images))))
    middle = functional.conv2d(images, merged["stem.weight"], merged["stem.bias"])
    weight, bias = (merged[f"blocks.0._project_conv.{kind}"] for kind in ("weight", "bias"))
    torch.testing.assert_close(functional.conv2d(middle, weight, bias), expected)


def _model_that_sees(seed: int, trunk_size: TrunkSize = LITE2) -> SAM2Base:
    """A model with random weights whose features depend on the image: default ones shrink it."""
    torch.manual_seed(seed)
    model = build_compact(64, trunk_size)
    for module in model.image_encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return model


def _deviation(maps: Tensor) -> Tensor:
    """Root mean square of what is left of maps without the mean of each channel."""
    return (maps - maps.mean((0, 2, 3), keepdim=True)).square().mean().sqrt()


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_layers_for_training_compute_what_torch_computes(kernel: int) -> None:
    torch.manual_seed(0)
    conv = SameConv2d(6, 6, kernel, 1, groups=1 if kernel == 1 else 6)
    conv.weight.requires_grad = kernel == 1
    image, weights = torch.randn(2, 6, 9, 11), torch.randn(2, 6, 9, 11)
    results = []
    for layer in (conv, Pointwise(conv) if kernel == 1 else Depthwise(conv)):
        x = image.clone().requires_grad_()
        conv.zero_grad()
        y = layer(x)
        (y * weights).sum().backward()
        results.append((y, x.grad, conv.bias.grad, conv.weight.grad))
    tolerance = {"atol": 0.05, "rtol": 0.05} if kernel == 1 else {"atol": 1e-5, "rtol": 1e-5}
    for found, expected in zip(results[1], results[0], strict=True):
        assert (found is None) == (expected is None)
        if found is not None:
            torch.testing.assert_close(found, expected, **tolerance)


def test_a_model_to_train_gives_the_same_features_and_keeps_depthwise_weights() -> None:
    model = _model_that_sees(0)
    quick = prepare(copy.deepcopy(model))
    parameter_groups(quick, 0.5)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    features = encode(quick, images)
    torch.stack([feature.square().mean() for feature in features]).sum().backward()
    for found, expected in zip(features, encode(model, images), strict=True):
        error = (found - expected).square().mean().sqrt()
        assert error < 0.2 * _deviation(expected)  # bfloat16, in some 50 layers
    learning = {name for name, p in quick.named_parameters() if p.grad is not None}
    block = "image_encoder.trunk.blocks.6."
    assert f"{block}_expand_conv.weight" in learning
    assert f"{block}_depthwise_conv.bias" in learning
    assert f"{block}_depthwise_conv.weight" not in learning
    assert "image_encoder.trunk.blocks.3._project_conv.weight" not in learning


def test_quick_answers_are_those_of_the_decoder() -> None:
    torch.manual_seed(0)
    model = build_compact(64)
    targets = np.zeros((4, 64, 64), bool)
    targets[:, 16:40, 8:32] = True
    dialogues = Dialogues(targets, np.zeros_like(targets), np.random.default_rng(0))
    features = [torch.randn(2, channels, side, side) for channels, side in MAPS]
    expected, _ = dialogues.ask(model, features)
    assert (expected[:2] - expected[2:]).abs().max() > 0.01  # it matters of which image they are
    dialogues.ask_quickly(model, features)
    torch.testing.assert_close(dialogues.previous, expected[:, 0], atol=1e-4, rtol=1e-3)


def test_a_new_trunk_learns_the_features_of_an_old_checkpoint(
    tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_trunk, "SIDE", 64)
    monkeypatch.setattr(new_trunk, "BATCHES", 2)
    old = _model_that_sees(0, new_trunk.LITE0)
    torch.save(_published(_model_that_sees(1)), tmp_path / "trunk.pth")
    fitted_to = new_trunk.draw_images(library, np.random.default_rng(0))
    model = new_trunk.with_new_trunk(old, tmp_path / "trunk.pth", library, 0)
    with torch.no_grad():
        for found, expected in zip(encode(model, fitted_to), encode(old, fitted_to), strict=True):
            error = (found - expected).square().mean().sqrt()
            assert error < 0.5 * _deviation(expected)
    for conv in model.image_encoder.neck.convs:
        nn.init.zeros_(conv.conv.weight)
    losses = new_trunk.imitate(model, old, library, 8)
    assert losses[-1] < 0.95 * losses[0]


def _published(model: SAM2Base) -> dict[str, Tensor]:
    """A trunk's state by the published names, with batch normalisations that change nothing."""
    names = {"stem": "_conv_stem"} | {name: name for name in NORM_OF}
    state = {}
    for name, tensor in model.image_encoder.trunk.state_dict().items():
        owner, conv, kind = f".{name}".rsplit(".", 2)
        owner = owner.removeprefix(".").replace("blocks", "_blocks")
        prefix = f"{owner}." if owner else ""
        norm = prefix + NORM_OF[names[conv]]
        if kind == "weight":
            state[f"{prefix}{names[conv]}.weight"] = tensor
            state[f"{norm}.weight"] = torch.full((len(tensor),), (1 + EPSILON) ** 0.5)
            state[f"{norm}.running_var"] = torch.ones(len(tensor))
            state[f"{norm}.running_mean"] = torch.zeros(len(tensor))
        else:
            state[f"{norm}.bias"] = tensor
    return state


def test_a_photo_without_labels_has_no_objects(library: Library) -> None:
    found = load_labelled(library.paths["photos"][0])
    assert found.image.shape == (96, 128, 3)
    assert not found.labels.any()


def test_uncertain_pixels_count_neither_as_object_nor_in_metrics(library: Library) -> None:
    found = load_labelled(library.paths["train-voc"][0])
    assert scenes.objects_of(found.labels, 0.004).tolist() == [3, 7]
    case = load_cases(library.root / "train-voc", count=9, seed=0, longest=256)[0]
    assert case.void is not None
    grown = case.target | case.void
    assert iou(grown, case.target) < 0.9
    assert iou(grown, case.target, case.void) == 1
    assert correcting_click(case.seen(grown), case.target) is None


def test_touching_objects_form_a_group() -> None:
    labels = np.zeros((40, 60), np.uint16)
    labels[5:20, 5:20], labels[5:20, 21:30], labels[25:40, 40:60] = 1, 2, 3
    labels[5:20, 20] = VOID
    group = scenes.group_of(labels, 1)
    assert group is not None
    np.testing.assert_array_equal(group, (labels == 1) | (labels == 2))
    assert scenes.group_of(labels, 3) is None


def test_a_part_has_one_colour_and_lies_within_its_object() -> None:
    target = np.zeros((60, 60), bool)
    target[10:50, 10:50] = True
    image = np.full((60, 60, 3), 90, np.uint8)
    image[10:50, 10:30], image[10:50, 30:50] = (200, 30, 30), (30, 30, 200)
    found = [scenes.part_of(image, target, np.random.default_rng(seed)) for seed in range(9)]
    parts = [part for part in found if part is not None]
    left, right = target.copy(), target.copy()
    left[:, 30:], right[:, :30] = False, False
    assert parts
    assert all(max(iou(part, left), iou(part, right)) > 0.85 for part in parts)


def test_uncertain_cells_do_not_change_the_loss() -> None:
    wanted = torch.zeros(1, 8, 8)
    wanted[:, :4] = 1
    certain = torch.ones(1, 8, 8)
    certain[:, :, 6:] = 0
    targets = Targets(wanted, certain)
    logits = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    other = logits.clone()
    other[..., 6:] *= -5
    torch.testing.assert_close(mask_loss(logits, targets), mask_loss(other, targets))
    torch.testing.assert_close(mask_iou(logits, targets), mask_iou(other, targets))
    other[..., 5] *= -5
    assert not torch.allclose(mask_loss(logits, targets), mask_loss(other, targets))


def test_the_simulated_user_does_not_correct_uncertain_pixels() -> None:
    target, void = np.zeros((1, 64, 64), bool), np.zeros((64, 64), bool)
    target[0, 16:48, 8:32], void[16:48, 32:40] = True, True
    sample = scenes.Sample(np.zeros((64, 64, 3), np.uint8), target, void)
    dialogues = make_dialogues([sample], np.random.default_rng(0))
    prompts = list(dialogues.prompts[0])
    grown = torch.from_numpy((target[0] | void)[2::4, 2::4])
    dialogues.previous = torch.where(grown, 5.0, -5.0)[None]
    dialogues.correct()
    assert dialogues.prompts[0] == prompts


def test_a_composite_labels_only_pasted_objects(library: Library) -> None:
    drawn = composite(library, 64, np.random.default_rng(1))
    assert isinstance(drawn, LabelledImage)
    assert drawn.image.shape == (64, 64, 3)
    assert 0 < drawn.labels.max() <= 5


def test_the_simulated_user_clicks_the_middle_of_the_largest_error() -> None:
    target = np.zeros((20, 30), bool)
    target[5:16, 5:16] = True
    assert first_click(target) == (10, 10, 1)
    assert bounding_box(target) == (5, 5, 15, 15)
    too_much = target.copy()
    too_much[:, 17:] = True
    click = correcting_click(too_much, target)
    assert click is not None
    assert (click.label, target[click.y, click.x]) == (0, False)
    assert correcting_click(target, target) is None
