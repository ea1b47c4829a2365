"""Groups crops of masks into batches with a limited number of pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sam2_widget.masks.logits import MaskCrop


def batches(crops: Iterable[MaskCrop], pixels: int) -> Iterator[list[MaskCrop]]:
    """Crops in order, in batches of at most `pixels` pixels; a larger crop is a batch alone."""
    batch: list[MaskCrop] = []
    count = 0
    for crop in crops:
        size = crop.pixels.size
        if batch and count + size > pixels:
            yield batch
            batch, count = [], 0
        batch.append(crop)
        count += size
    if batch:
        yield batch
