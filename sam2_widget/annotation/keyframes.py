"""Masks of objects on their keyframes, in the form that a tracker takes."""

from __future__ import annotations

import numpy as np

from sam2_widget._utils.arrays import BoolArray, Float32Array
from sam2_widget.annotation.predictions import PredictionCache, PromptList
from sam2_widget.masks.correction import CERTAIN
from sam2_widget.masks.logits import LogitMask, MaskCrop
from sam2_widget.masks.regions import shrink
from sam2_widget.masks.settings import DEFAULTS, Settings
from sam2_widget.predictor import Keyframe


def keyframe_of(
    cache: PredictionCache, prompts: PromptList, settings: Settings = DEFAULTS
) -> Keyframe:
    """The keyframe of an object on the frame of `cache`; runs on the model's thread."""
    prediction = cache(prompts, settings)
    mask = full_mask(prediction.mask.crop(*cache.size), cache.size)
    repeatable = cache.decoding(prompts, settings)
    if repeatable is not None:
        decoding, logits = repeatable
        return Keyframe(mask, logits, decoding)
    return Keyframe(mask, certain_logits(mask, cache.predictor.logits_size))


def keyframe_of_mask(
    mask: LogitMask, size: tuple[int, int], logits_size: tuple[int, int]
) -> Keyframe:
    """A tracked mask in a frame of `size`, (height, width), as if the user had drawn it."""
    pixels = full_mask(mask.crop(*size), size)
    return Keyframe(pixels, certain_logits(pixels, logits_size))


def full_mask(crop: MaskCrop, size: tuple[int, int]) -> BoolArray:
    """(H, W) bool mask of a crop."""
    mask = np.zeros(size, bool)
    crop.paste(mask, value=True)
    return mask


def certain_logits(mask: BoolArray, size: tuple[int, int]) -> Float32Array:
    """Logits of `size`, (h, w), from the fraction of each cell's pixels that lie in the mask."""
    return np.asarray((2 * shrink(mask, size) - 1) * CERTAIN, np.float32)
