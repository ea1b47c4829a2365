"""Correcting a given mask with the model: only regions that a prompt points at change."""

from __future__ import annotations

import math

import numpy as np

from sam2_widget._utils.arrays import BoolArray, Float32Array
from sam2_widget.masks.logits import LogitMask, MaskCrop, PixelMask
from sam2_widget.masks.regions import shrink, touched
from sam2_widget.masks.rle import decode
from sam2_widget.prompts.types import Box, MaskPrompt, Point, Prompt, Scribble

CERTAIN = 10.0
"""Logit of given and hand-drawn pixels: about the largest that the model itself predicts."""


def given_logits(prompt: MaskPrompt, size: tuple[int, int]) -> Float32Array:
    """A given mask as the model's mask input: float32 logits of `size`, (h, w).

    A cell's logit is proportional to the share of its pixels inside the mask.
    """
    share = shrink(decode(prompt.counts, prompt.size), size)
    return np.asarray((2 * share - 1) * CERTAIN, np.float32)


def corrected(
    given: PixelMask, predicted: LogitMask, prompts: tuple[Prompt, ...], size: tuple[int, int]
) -> PixelMask:
    """The given mask, replaced by the predicted one in regions that `prompts` point at.

    Parameters
    ----------
    given : PixelMask
    predicted : LogitMask
        The model's mask for `prompts`.
    prompts : tuple of Prompt
        A connected region where the masks differ is taken from `predicted` if it contains a click
        with the label that is predicted there, or overlaps a box.
    size : (int, int)
        (height, width) of the image.
    """
    before, after = given.crop(*size), predicted.crop(*size)
    x0, y0, x1, y1 = _around(before, after)
    old, new = (_placed(crop, x0, y0, x1, y1) for crop in (before, after))
    difference = old ^ new
    seeds = np.zeros_like(difference)
    for prompt in prompts:
        _seed(seeds, new, prompt, (x0, y0))
    pixels = np.where(touched(difference, seeds), new, old)
    whole = pixels.size == size[0] * size[1] and bool(pixels.all())
    return PixelMask.from_pixels(pixels, x0, y0, whole=whole)


def _around(*crops: MaskCrop) -> tuple[int, int, int, int]:
    boxes = [crop.bbox for crop in crops if crop.pixels.size]
    if not boxes:
        return 0, 0, 0, 0
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _placed(crop: MaskCrop, x0: int, y0: int, x1: int, y1: int) -> BoolArray:
    pixels = np.zeros((y1 - y0, x1 - x0), bool)
    MaskCrop(crop.x - x0, crop.y - y0, crop.pixels).paste(pixels, value=True)
    return pixels


def _seed(seeds: BoolArray, predicted: BoolArray, prompt: Prompt, origin: tuple[int, int]) -> None:
    """Set the pixels that `prompt` points at, in an array whose top-left pixel is `origin`."""
    height, width = seeds.shape
    if isinstance(prompt, Box):
        x0, x1 = (int(np.clip(x - origin[0], 0, width)) for x in (prompt.x0, math.ceil(prompt.x1)))
        y0, y1 = (int(np.clip(y - origin[1], 0, height)) for y in (prompt.y0, math.ceil(prompt.y1)))
        seeds[y0:y1, x0:x1] = True
    for point in _clicks(prompt):
        x, y = int(point.x) - origin[0], int(point.y) - origin[1]
        if 0 <= x < width and 0 <= y < height and predicted[y, x] == bool(point.label):
            seeds[y, x] = True


def _clicks(prompt: Prompt) -> tuple[Point, ...]:
    if isinstance(prompt, Scribble):
        return prompt.samples
    return (prompt,) if isinstance(prompt, Point) else ()
