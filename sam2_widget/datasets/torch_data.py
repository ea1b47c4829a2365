"""A set as a torch `Dataset`, with targets for training torchvision's detectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from sam2_widget.datasets.sources import SetImage
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.results.segmentation import Segmentation

Item = tuple[Any, dict[str, Any]]


class SegmentationDataset(Dataset[Item]):
    """Images and the masks of their objects.

    The masks were computed before and are held in compressed form: a worker of a `DataLoader` needs
    no model.

    Parameters
    ----------
    images : list of SetImage
    results : list of Segmentation
        Results of the images, without their pixels.
    numbers : mapping of str to int
        The number of each class, from 1.
    load : callable
        Reads an image.
    transforms : callable, optional
        Takes image and target, and returns both.
    """

    def __init__(
        self,
        images: list[SetImage],
        results: list[Segmentation],
        numbers: Mapping[str, int],
        load: Callable[[Any], LoadedImage],
        transforms: Callable[[Any, dict[str, Any]], Item] | None = None,
    ) -> None:
        self._images = images
        self._results = results
        self._numbers = dict(numbers)
        self._load = load
        self._transforms = transforms

    @property
    def classes(self) -> dict[str, int]:
        """The number of each class; 0 is the background."""
        return dict(self._numbers)

    @property
    def names(self) -> list[str]:
        """The names of the images."""
        return [one.name for one in self._images]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Item:
        """Image, (3, H, W) uint8, and target.

        The target has ``boxes`` (N, 4) float32 x0, y0, x1, y1, ``labels`` (N,) int64, ``masks``
        (N, H, W) uint8, ``image_id``, ``area`` and ``iscrowd``. Empty masks are left out.
        """
        result = self._results[index]
        objects = [one for one in result.objects if one.area]
        image = torch.from_numpy(np.array(self._load(self._images[index].image).rgb))
        masks = np.zeros((len(objects), *result.size), np.uint8)
        for mask, one in zip(masks, objects, strict=True):
            one.crop.paste(mask, 1)
        boxes = torch.tensor([one.bbox for one in objects], dtype=torch.float32)
        target = {
            "boxes": boxes.reshape(-1, 4),
            "labels": torch.tensor([self._number(one.label) for one in objects], dtype=torch.int64),
            "masks": torch.from_numpy(masks),
            "image_id": index,
            "area": torch.tensor([one.area for one in objects], dtype=torch.float32),
            "iscrowd": torch.tensor([int(one.crowd) for one in objects], dtype=torch.int64),
        }
        item = image.permute(2, 0, 1).contiguous(), target
        return item if self._transforms is None else self._transforms(*item)

    def _number(self, label: str | None) -> int:
        from sam2_widget.export.values import UNLABELED  # noqa: PLC0415

        return self._numbers[UNLABELED if label is None else label]
