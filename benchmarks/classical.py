"""The classical methods: OpenCV's GrabCut, random walker and geodesic of scikit-image.

All see a click as a small disc, and none gets a negative click before the first correction, so each
needs a belief about the background. GrabCut expects the object within a ball around the first
click, and later where the mask before the last click was. The other two expect background at the
image's frame, but for the discs of positive clicks. With a box, what is outside it is background
and its inner half, in width and height, is object: without that GrabCut calls many a box empty.

Parameters are the libraries' own or plain guesses, not tuned. Where a guess had to be made, of a
few values the best on some twenty objects of the training sets was taken: the ball's radius, the
flat cost, that the frame stays background, and that GrabCut keeps only what hangs together with a
positive click, without which it marks every nucleus at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2lab
from skimage.graph import MCP_Geometric
from skimage.segmentation import random_walker

from benchmarks.methods import Image, Mask, Method, Pixels
from training.clicks import Click

Seeds = NDArray[np.int8]

ON, BESIDE, UNKNOWN = 1, 0, -1
DISC_RADIUS = 3
"""Of a click, in pixels."""
BALL_RADIUS = 0.08
"""Of GrabCut's first guess, in units of the image's longest side."""
GRABCUT_ITERATIONS = 5
FLAT_COST = 0.03
"""Of a geodesic step of one pixel where nothing changes, in units of the image's mean gradient."""
LEAST_SLOPE = 0.01
"""In Lab units a pixel: what counts as the mean gradient of a flat image."""


def disc(shape: tuple[int, ...], click: Click, radius: int) -> Mask:
    """Return the pixels, (H, W), within `radius` of a click."""
    drawn = cv2.circle(np.zeros(shape[:2], np.uint8), (click.x, click.y), radius, 1, -1)
    return np.asarray(drawn > 0)


def frame(shape: tuple[int, ...]) -> Mask:
    """Return the outermost pixels, (H, W), of an image."""
    outermost = np.ones(shape[:2], bool)
    outermost[1:-1, 1:-1] = False
    return outermost


def click_seeds(shape: tuple[int, ...], clicks: tuple[Click, ...]) -> Seeds:
    """Return (H, W) with the clicks as discs; a later one covers all of an earlier but its centre.

    So no click is lost, however near the next one is.
    """
    seeds = np.full(shape[:2], UNKNOWN, np.int8)
    for click in clicks:
        seeds[disc(shape, click, DISC_RADIUS)] = click.label
    for click in clicks:
        seeds[click.y, click.x] = click.label
    return seeds


def box_seeds(shape: tuple[int, ...], box: Pixels) -> Seeds:
    """Return (H, W) with background outside a box, and its inner half as object."""
    x0, y0, x1, y1 = (round(edge) for edge in box)
    seeds = np.full(shape[:2], BESIDE, np.int8)
    seeds[y0 : y1 + 1, x0 : x1 + 1] = UNKNOWN
    seeds[box_core(shape, box)] = ON
    return seeds


def box_core(shape: tuple[int, ...], box: Pixels) -> Mask:
    """Return (H, W), the inner half of a box in width and height, one pixel at least."""
    x0, y0, x1, y1 = box
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    across = abs(columns - (x0 + x1) / 2) <= max((x1 - x0) / 4, 0.5)
    along = abs(rows - (y0 + y1) / 2) <= max((y1 - y0) / 4, 0.5)
    return np.asarray(across & along)


@dataclass(frozen=True)
class GrabCut:
    """Two colour models and a graph cut; only what hangs together with a positive click is kept."""

    image: Image

    def clicked(self, clicks: tuple[Click, ...], previous: Mask | None) -> Mask:
        """See `Segmenter`."""
        shape = self.image.shape
        if previous is None:
            previous = disc(shape, clicks[0], round(BALL_RADIUS * max(shape)))
        mask = self._cut(click_seeds(shape, clicks), previous)
        return _touching(mask, clicks)

    def in_box(self, box: Pixels) -> Mask:
        """See `Segmenter`."""
        seeds = box_seeds(self.image.shape, box)
        return self._cut(seeds, seeds != BESIDE)

    def _cut(self, seeds: Seeds, likely: Mask) -> Mask:
        labels = np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        labels[seeds == ON] = cv2.GC_FGD
        labels[seeds == BESIDE] = cv2.GC_BGD
        # It needs a pixel of each kind to begin with.
        if not np.isin(labels, (cv2.GC_BGD, cv2.GC_PR_BGD)).any():
            labels[frame(labels.shape) & (seeds != ON)] = cv2.GC_PR_BGD
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        mode = cv2.GC_INIT_WITH_MASK
        # The box is ignored in this mode.
        cv2.grabCut(self.image, labels, (0, 0, 0, 0), *models, GRABCUT_ITERATIONS, mode)
        return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _touching(mask: Mask, clicks: tuple[Click, ...]) -> Mask:
    """Return the components of a mask that hold a positive click."""
    _, components = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    held = {int(components[click.y, click.x]) for click in clicks if click.label == ON}
    return np.isin(components, [number for number in held if number])


@dataclass(frozen=True)
class Seeded:
    """A method that needs seeds of both kinds and nothing else.

    Attributes
    ----------
    shape : tuple of int
        Of the image.
    grow : callable
        Seeds, (H, W) → mask, (H, W).
    """

    shape: tuple[int, ...]
    grow: Callable[[Seeds], Mask]

    def clicked(self, clicks: tuple[Click, ...], previous: Mask | None) -> Mask:
        """See `Segmenter`."""
        del previous
        seeds = click_seeds(self.shape, clicks)
        seeds[frame(self.shape) & (seeds != ON)] = BESIDE
        return self.grow(seeds)

    def in_box(self, box: Pixels) -> Mask:
        """See `Segmenter`."""
        seeds = box_seeds(self.shape, box)
        if not (seeds == BESIDE).any():
            seeds[frame(self.shape) & (seeds != ON)] = BESIDE
        return self.grow(seeds)


def random_walk(image: Image) -> Seeded:
    """Where a walker that shuns edges comes to a positive seed first; scikit-image's own beta."""

    def grow(seeds: Seeds) -> Mask:
        labels = np.select([seeds == ON, seeds == BESIDE], [1, 2])
        with warnings.catch_warnings():
            # Probabilities outside [0, 1] by the solver's tolerance.
            warnings.simplefilter("ignore", UserWarning)
            return np.asarray(random_walker(image, labels, mode="cg_j", channel_axis=-1) == 1)

    return Seeded(image.shape, grow)


def geodesic(image: Image) -> Seeded:
    """What is nearer to a positive seed, by paths that avoid to cross edges."""
    slope = gradient(image)
    paths = MCP_Geometric(FLAT_COST + slope / max(float(slope.mean()), LEAST_SLOPE))

    def costs(seeds: Seeds, kind: int) -> NDArray[np.float64]:
        # A copy, because the next search writes into the same memory.
        return np.array(paths.find_costs(np.argwhere(seeds == kind))[0])

    return Seeded(image.shape, lambda seeds: costs(seeds, ON) < costs(seeds, BESIDE))


def gradient(image: Image) -> NDArray[np.float32]:
    """Return the strength, (H, W), of the gradient over all Lab channels, in Lab units a pixel."""
    lab = rgb2lab(image).astype(np.float32)
    slopes = [cv2.Sobel(lab, cv2.CV_32F, *axis, ksize=3, scale=1 / 8) for axis in ((1, 0), (0, 1))]
    return np.asarray(np.sqrt(sum((slope**2).sum(-1) for slope in slopes)), np.float32)


CLASSICAL = {
    "grabcut": Method("GrabCut", GrabCut),
    "random-walker": Method("random walker", random_walk),
    "geodesic": Method("geodesic", geodesic),
}
