"""Connected regions of masks: holes, specks, and what a click corrects.

They are found with OpenCV, which is fast, runs on every platform, and needs no CUDA extension. The
import takes 0.1 s and most sessions never need it, so it is deferred.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray, Float32Array, Int8Array
from sam2_widget.masks.logits import LogitMask

LabelArray = npt.NDArray[np.int32]


def _cv2() -> Any:
    import cv2  # noqa: PLC0415

    return cv2


def _regions(cells: BoolArray, *, corners: bool) -> tuple[LabelArray, npt.NDArray[np.int32]]:
    """Number of the region of each cell, 0 outside, and the cell count of each region.

    `corners`: whether cells that touch at a corner are connected.
    """
    connectivity = 8 if corners else 4
    _, labels, stats, _ = _cv2().connectedComponentsWithStats(
        cells.astype(np.uint8), connectivity=connectivity
    )
    areas = stats[:, -1].copy()
    areas[0] = 0
    return labels, areas


def connected(pixels: BoolArray) -> tuple[LabelArray, list[tuple[int, int, int, int]]]:
    """The connected regions of a mask, (h, w) bool; pixels that touch at a corner connect.

    Returns
    -------
    (h, w) int32 ndarray
        0 outside, else the region's number from 1.
    list of (x, y, width, height)
        The box of each region.
    """
    _, labels, stats, _ = _cv2().connectedComponentsWithStats(
        pixels.astype(np.uint8), connectivity=8
    )
    return labels, [(x, y, w, h) for x, y, w, h, _ in stats[1:].tolist()]


def cleaned(mask: LogitMask, cleaning: tuple[int, int], size: tuple[int, int]) -> LogitMask:
    """The mask with small holes filled and small specks removed.

    Parameters
    ----------
    mask : LogitMask
    cleaning : (int, int)
        Largest areas of holes and of specks in image pixels; the mask is unchanged if both are 0.
    size : (int, int)
        (height, width) of the image.
    """
    if not any(cleaning):
        return mask
    cells = mask.width * mask.height / (size[0] * size[1])
    holes, specks = (area * cells for area in cleaning)
    return clean(mask, holes=holes, specks=specks)


def clean(mask: LogitMask, *, holes: float, specks: float) -> LogitMask:
    """Fill holes and remove specks of a mask's logits.

    Parameters
    ----------
    mask : LogitMask
    holes, specks : float
        Largest area that is filled or removed, in cells of the logits; 0 for none.

    Returns
    -------
    LogitMask
        Logits with the opposite sign where regions were filled or removed; all other edges are
        unchanged. The largest region is never removed.
    """
    logits = mask.logits.copy()
    if specks and (logits > 0).any():
        labels, areas = _regions(logits > 0, corners=True)
        small = areas <= specks
        small[[0, int(areas.argmax())]] = False
        _flip(logits, small[labels])
    if holes and (logits > 0).any():
        labels, areas = _regions(logits <= 0, corners=False)
        small = areas <= holes
        small[0] = False
        _flip(logits, small[labels])
    return LogitMask.from_quantised(logits)


def _flip(logits: Int8Array, where: BoolArray) -> None:
    # A logit of 0 is outside, and so is its negation.
    logits[where] = np.where(logits[where] == 0, 1, -logits[where])


def touched(cells: BoolArray, seeds: BoolArray) -> BoolArray:
    """The connected regions of `cells` that share a cell with `seeds`, all (h, w) bool."""
    if not cells.size:
        return cells
    labels, areas = _regions(cells, corners=False)
    wanted = np.zeros(len(areas), bool)
    wanted[labels[seeds]] = True
    wanted[0] = False
    return np.asarray(wanted[labels])


def shrink(pixels: BoolArray, size: tuple[int, int]) -> Float32Array:
    """Share of set pixels in each of `size`, (h, w), equal cells: float32 within 0..1."""
    cv2 = _cv2()
    share = cv2.resize(pixels.astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(share / np.float32(255), np.float32)
