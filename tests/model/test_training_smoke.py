"""Smoke test of the training package on synthetic images, without testing what is learned."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sam2_widget.models.bundled.network import load_compact
from training import scenes
from training.cases import load_cases
from training.clicks import bounding_box, correcting_click, first_click
from training.composites import composite
from training.datasets import VOID, LabelledImage, Library, iou, load_labelled
from training.loss import Targets, mask_iou, mask_loss
from training.scenes import SOURCES, draw_sample
from training.train import Stage, make_dialogues, start, train

pytestmark = pytest.mark.timeout(120)

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
