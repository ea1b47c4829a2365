"""Training scenes: an image and the masks that a user might want of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.augment import crop, photometric, random_window, window_around
from training.composites import composite

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from training.library import Library

    Scene = tuple[NDArray[np.uint8], list[NDArray[np.bool_]], list[float]]

MIX = {"composite": 0.44, "objects": 0.24, "photos": 0.05, "nuclei": 0.12, "coco": 0.15}
CROPS = {"objects": (0.6, 1.0), "photos": (0.5, 1.0), "nuclei": (0.25, 0.9), "coco": (0.35, 1.0)}
ZOOMED = {"composite": 0.4, "objects": 0.5, "photos": 0.0, "nuclei": 0.5, "coco": 0.6}
"""How often a scene is zoomed in on one object, as the predictor does it."""
OBJECT_WEIGHT, REGION_WEIGHT, BACKGROUND_WEIGHT = 1.0, 0.05, 0.1
LEAST_AREA = {"nuclei": 0.0012}
DEFAULT_LEAST_AREA = 0.004
MOST_AREA = 0.85


@dataclass(frozen=True)
class Sample:
    """One image with the targets of its prompts."""

    image: NDArray[np.uint8]
    """(S, S, 3) RGB."""
    targets: NDArray[np.bool_]
    """(P, S, S), one mask for each prompt; the same mask may come twice."""


def _masks(layer: NDArray[np.generic], least: float) -> list[NDArray[np.bool_]]:
    """Return the masks of a label map whose area is neither tiny nor everything."""
    counts = np.bincount(layer.ravel())
    labels = np.flatnonzero((counts > least * layer.size) & (counts < MOST_AREA * layer.size))
    return [layer == label for label in labels if label]


def _weighted(
    layers: NDArray[np.generic], source: str
) -> tuple[list[NDArray[np.bool_]], list[float]]:
    """Return masks and weights: objects first, then regions, and what lies around the objects."""
    least = LEAST_AREA.get(source, DEFAULT_LEAST_AREA)
    objects = _masks(layers[0], least)
    regions = [mask for layer in layers[1:] for mask in _masks(layer, least)]
    weights = [OBJECT_WEIGHT] * len(objects) + [REGION_WEIGHT] * len(regions)
    background = layers[0] == 0
    if objects and source != "nuclei" and 0.1 < background.mean() < MOST_AREA:  # noqa: PLR2004
        return [*objects, *regions, background], [*weights, BACKGROUND_WEIGHT]
    return objects + regions, weights


def _chosen_object(layer: NDArray[np.generic], source: str, rng: Generator) -> int:
    """Return the label of a random object that is not tiny; 0 if there is none."""
    counts = np.bincount(layer.ravel())[1:]
    least = LEAST_AREA.get(source, DEFAULT_LEAST_AREA)
    labels = 1 + np.flatnonzero(counts > least * layer.size)
    return int(rng.choice(labels)) if len(labels) else 0


def _scene(library: Library, source: str, size: int, rng: Generator) -> Scene:
    """Return a whole scene, or one zoomed in on an object, who then gets half of the prompts."""
    if source == "composite":
        image, layers = composite(library, size, rng)
    else:
        drawn = library.draw(source, rng)
        image, layers = drawn.image, drawn.layers
    label = _chosen_object(layers[0], source, rng) if rng.random() < ZOOMED[source] else 0
    if label:
        window = window_around(layers[0] == label, rng)
    elif source != "composite":
        window = random_window(image.shape, CROPS[source], rng)
    if label or source != "composite":
        image, layers = crop(image, layers, size, window, rng)
    masks, weights = _weighted(layers, source)
    if label:
        zoomed = layers[0] == label
        masks, weights = [*masks, zoomed], [*weights, max(OBJECT_WEIGHT, sum(weights))]
    return photometric(image, rng), masks, weights


def draw_sample(library: Library, size: int, prompts: int, rng: Generator) -> Sample:
    """Return a random scene with one target for each of ``prompts`` prompts."""
    source = str(rng.choice(list(MIX), p=list(MIX.values())))
    while True:
        image, masks, weights = _scene(library, source, size, rng)
        if masks:
            break
    chances = np.array(weights) / sum(weights)
    chosen = rng.choice(len(masks), prompts, p=chances)
    return Sample(image, np.stack([masks[index] for index in chosen]))
