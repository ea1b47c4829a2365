"""The training package runs end to end on synthetic images; it is not asked to learn much."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sam2_widget.models.compact import load_compact
from sam2_widget.models.sam2_predictor import load
from training import evaluate, prepare
from training.cases import load_cases
from training.clicks import bounding_box, correcting_click, first_click
from training.library import Library
from training.pseudo import iou
from training.relabel import refine
from training.scenes import draw_sample
from training.train import Stage, start, train

pytestmark = pytest.mark.timeout(120)

PLAN = (
    Stage(1, 1e-3, 1.0, images=2, prompts=2, image_size=64, corrections=False),
    Stage(2, 1e-3, 1.0, trunk_rate=0.25, images=2, prompts=2, image_size=64),
)


def _disk(centre: tuple[int, int], radius: int) -> np.ndarray:
    return cv2.circle(np.zeros((96, 128), np.uint8), centre, radius, 255, -1)


def _write_sources(root: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("photos", "set/images", "set/masks", "cutouts"):
        (root / folder).mkdir(parents=True)
    for index in range(2):
        mask = _disk((64 + 5 * index, 48), 28)
        image = rng.integers(0, 60, (96, 128, 3), dtype=np.uint8)
        image[mask > 0] += np.array([150, 90, 20 * index], np.uint8)
        cv2.imwrite(str(root / f"photos/{index}.png"), image)
        cv2.imwrite(str(root / f"set/images/{index}.png"), image)
        cv2.imwrite(str(root / f"set/masks/{index}.png"), (mask > 0).astype(np.uint16))
        cv2.imwrite(str(root / f"cutouts/{index}.png"), np.dstack([image, mask]))


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("sources")
    _write_sources(root)
    return root


@pytest.fixture(scope="module")
def library(sources: Path) -> Library:
    root = sources / "prepared"
    prepare.prepare("photos", sources / "photos", root / "photos")
    prepare.prepare("instances", sources / "set", root / "coco")
    prepare.prepare("instances", sources / "set", root / "nuclei")
    prepare.prepare("cutouts", sources / "cutouts", root / "emoji")
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


def test_pseudo_objects_are_found_where_they_are_plain(library: Library) -> None:
    layers = [np.load(path)["layers"] for path in library.names["photos"]]
    assert all(0.1 < layer[0].mean() < 0.3 for layer in layers)


def test_samples_are_the_same_for_the_same_seed(library: Library) -> None:
    first, second = (draw_sample(library, 64, 3, np.random.default_rng(5)) for _ in range(2))
    assert first.image.shape == (64, 64, 3)
    assert first.targets.shape == (3, 64, 64)
    assert first.targets.any((1, 2)).all()
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.targets, second.targets)


def test_a_run_that_was_cut_off_gives_the_same_weights(tmp_path: Path, library: Library) -> None:
    folder = tmp_path / "whole"
    folder.mkdir()
    torch.manual_seed(0)
    train(start(folder, PLAN, None, seed=0), folder, library, PLAN, seed=0, minutes=9)
    whole = load_compact(folder / "latest.safetensors").state_dict()
    parts = load_compact(_train(tmp_path / "parts", library, PLAN, 3)).state_dict()
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, msg=name)


def test_evaluation_gives_every_figure(tmp_path: Path, sources: Path, library: Library) -> None:
    file = _train(tmp_path / "run", library, PLAN[:1], 1)
    predictor = load(file, name="run", device="cpu")
    chosen = load_cases(sources / "set", count=1, seed=0, longest=256)
    figures = evaluate.evaluate(predictor, chosen)
    assert 0 <= figures["box"] <= 1
    assert 1 <= figures["clicks_85%"] <= 20
    assert figures["obeyed"] == 1


def test_a_user_clicks_the_middle_of_the_largest_error() -> None:
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


def test_relabelling_keeps_only_what_grabcut_confirms(library: Library) -> None:
    with np.load(library.names["photos"][0]) as arrays:
        image, mask = arrays["image"], arrays["layers"][0] > 0
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert iou(refine(image, grown), mask) > iou(grown, mask)
