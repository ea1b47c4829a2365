"""Training scenes: an image and the masks that a user might want of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from training.augment import crop, photometric, random_window, window_around
from training.composites import composite
from training.datasets import VOID, LabelledImage

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from training.datasets import Library

    Mask = NDArray[np.bool_]
    Scene = tuple[NDArray[np.uint8], NDArray[np.uint16]]


@dataclass(frozen=True)
class Source:
    """How a set is drawn from."""

    share: float
    """Of all scenes."""
    keep: tuple[float, float] = (0.5, 1.0)
    """Shares of the image's sides that a random crop keeps."""
    zoomed: float = 0.6
    """How often a scene is zoomed in on one object, as the predictor does it."""
    least: float = 0.004
    """Share of a scene that an object must cover."""
    groups: bool = True
    """Whether neighbours together are something that a user might want."""
    labelled_fully: bool = False
    """Whether what is unlabelled is background, or may hold objects as well."""


COMPOSITE = "composite"
SOURCES = {
    "train-voc": Source(0.40),
    "train-coco2": Source(0.22, keep=(0.35, 1.0), zoomed=0.65, labelled_fully=True),
    "train-wild": Source(0.10),
    "coco": Source(0.03, keep=(0.35, 1.0), zoomed=0.65),
    "dsb2018": Source(0.08, keep=(0.25, 0.9), zoomed=0.5, least=0.0012, groups=False),
    "train-mushrooms": Source(0.03, keep=(0.2, 0.8), zoomed=0.4, least=0.0012, groups=False),
    COMPOSITE: Source(0.14, zoomed=0.4, labelled_fully=True),
}
"""The diet, by the names of the folders; composites are made of several sets."""
MOST_AREA = 0.9
PART, GROUP, BACKGROUND = 0.1, 0.06, 0.04
"""How often a target is a part of an object, several objects, what lies around them all."""
PART_AREA = (0.1, 0.6)
"""Share of its object that a part covers."""
PART_SIDE, PART_COLOURS = 40, (2, 4)
"""Pixels and colours that an object is reduced to, to find parts in it."""


@dataclass(frozen=True)
class Sample:
    """One image with the targets of its prompts."""

    image: NDArray[np.uint8]
    """(S, S, 3) RGB."""
    targets: Mask
    """(P, S, S), one mask for each prompt; the same mask may come twice."""
    void: Mask
    """(S, S), pixels that teach nothing."""


def objects_of(labels: NDArray[np.uint16], least: float) -> NDArray[np.intp]:
    """Return the labels of the objects that are neither tiny nor everything."""
    counts = np.bincount(labels.ravel(), minlength=VOID + 1)[:VOID]
    found = np.flatnonzero((counts > least * labels.size) & (counts < MOST_AREA * labels.size))
    return found[found > 0]


def part_of(image: NDArray[np.uint8], target: Mask, rng: Generator) -> Mask | None:
    """Return a connected part of an object that has one colour, if there is one."""
    rows, columns = np.flatnonzero(target.any(1)), np.flatnonzero(target.any(0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = cv2.resize(image[box], (PART_SIDE, PART_SIDE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
    cv2.setRNGSeed(int(rng.integers(1 << 30)))
    stop = (cv2.TERM_CRITERIA_MAX_ITER, 5, 0)
    colours = int(rng.integers(PART_COLOURS[0], PART_COLOURS[1] + 1))
    _, nearest, _ = cv2.kmeans(lab, colours, None, stop, 1, cv2.KMEANS_RANDOM_CENTERS)  # type: ignore[call-overload]
    chosen = (nearest == rng.integers(colours)).reshape(PART_SIDE, PART_SIDE).astype(np.uint8)
    chosen = cv2.morphologyEx(chosen, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    size = target[box].shape[::-1]
    inside = (cv2.resize(chosen, size, interpolation=cv2.INTER_LINEAR) > 0) & target[box]
    _, regions, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA] / np.count_nonzero(target)
    fitting = 1 + np.flatnonzero((areas > PART_AREA[0]) & (areas < PART_AREA[1]))
    if not len(fitting):
        return None
    part = np.zeros_like(target)
    part[box] = regions == rng.choice(fitting)
    return part


def group_of(labels: NDArray[np.uint16], label: int) -> Mask | None:
    """Return an object together with those that touch it, if there are any."""
    reach = max(5, len(labels) // 40)
    near = cv2.dilate((labels == label).astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    neighbours = np.setdiff1d(np.unique(labels[near]), [0, VOID])
    return np.isin(labels, neighbours) if len(neighbours) > 1 else None


def _target(scene: Scene, label: int, source: Source, rng: Generator) -> Mask:
    """Return what a user wants who is interested in an object: it, a part of it, or more."""
    image, labels = scene
    mask = labels == label
    chance = rng.random()
    other = None
    if chance < PART:
        other = part_of(image, mask, rng)
    elif chance < PART + GROUP and source.groups:
        other = group_of(labels, label)
    elif chance < PART + GROUP + BACKGROUND and source.labelled_fully:
        other = labels == 0
    usable = other is not None and source.least < other.mean() < MOST_AREA
    return other if usable and other is not None else mask


def _draw(library: Library, name: str, size: int, rng: Generator) -> LabelledImage:
    if name == COMPOSITE:
        return composite(library, size, rng)
    return library.draw(name, rng)


def _scene(library: Library, name: str, size: int, rng: Generator) -> tuple[Scene, int]:
    """Return a whole scene, or one zoomed in on an object, and that object's label or 0."""
    source = SOURCES[name]
    drawn = _draw(library, name, size, rng)
    image, labels = drawn.image, drawn.labels
    choices = objects_of(labels, source.least / 4)
    label = int(rng.choice(choices)) if len(choices) and rng.random() < source.zoomed else 0
    if label:
        window = window_around(labels == label, rng)
    else:
        window = random_window(image.shape, source.keep, rng)
    return crop(image, labels, size, window, rng), label


def draw_sample(library: Library, size: int, prompts: int, rng: Generator) -> Sample:
    """Return a random scene with one target for each of ``prompts`` prompts.

    Half of the prompts are for the object that a scene is zoomed in on.
    """
    names = list(SOURCES)
    name = str(rng.choice(names, p=[source.share for source in SOURCES.values()]))
    while True:
        scene, label = _scene(library, name, size, rng)
        choices = objects_of(scene[1], SOURCES[name].least)
        if len(choices):
            break
    zoomed = label if label in choices else int(rng.choice(choices))
    others = rng.choice(choices, prompts // 2)
    wanted = [zoomed] * (prompts - len(others)) + others.tolist()
    targets = np.stack([_target(scene, one, SOURCES[name], rng) for one in wanted])
    return Sample(photometric(scene[0], rng), targets, scene[1] == VOID)
