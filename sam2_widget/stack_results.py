"""What has been segmented on each plane: ``w.planes``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import overload

import numpy as np
import numpy.typing as npt

from sam2_widget.errors import PromptError
from sam2_widget.export.methods import Exports
from sam2_widget.files import Target
from sam2_widget.masks.logits import BoolArray, Float32Array
from sam2_widget.planes import Planes
from sam2_widget.predictor import UInt8Array
from sam2_widget.prompts import Prompts, check_prompts
from sam2_widget.results import NO_NAME, Segmentation, SegmentedObject
from sam2_widget.stack_prompts import StackPrompts


class PlaneResult(Exports):
    """What has been segmented on one plane; reading it waits for what is pending."""

    def __init__(self, planes: Planes, index: int) -> None:
        self._planes = planes
        self._index = index

    def __repr__(self) -> str:
        count = len(self.prompts)
        place = f"{self._planes.along or 'plane'} {self._index}"
        return f"PlaneResult({place}, {count} object{'' if count == 1 else 's'})"

    def _to_export(self) -> Segmentation:
        annotator = self._planes[self._index]
        session = annotator.session
        if not session.annotation.objects and annotator is not self._planes.shown:
            # Neither its pixels nor the model are needed to know that there is nothing.
            name = self._planes.picture.image.name or NO_NAME
            settings = session.annotation.settings
            return Segmentation((), (session.height, session.width), "", settings, file_name=name)
        return self._planes.equipped(self._index).current_result()

    @property
    def masks(self) -> BoolArray:
        """All masks, (N, H, W) bool."""
        return self._to_export().masks

    @property
    def scores(self) -> Float32Array:
        """The model's estimate of each mask's IoU, (N,) float32."""
        return self._to_export().scores

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """(H, W) int32: 0 is background, ``i + 1`` is ``objects[i]``."""
        return self._to_export().label_map

    @property
    def objects(self) -> tuple[SegmentedObject, ...]:
        """All objects with label, mask, score, area, …."""
        return self._to_export().objects

    @property
    def prompts(self) -> Prompts:
        """The prompts of all objects; ``segment(stack[i], prompts)`` gives the same masks."""
        return self._planes[self._index].session.prompts

    @property
    def image(self) -> UInt8Array:
        """The plane as shown and as the model sees it, (H, W, 3) uint8."""
        return self._planes[self._index].rgb


class StackResults(Sequence[PlaneResult]):
    """What has been segmented on all planes; a plain image is one plane."""

    def __init__(self, planes: Planes) -> None:
        self._planes = planes

    def __len__(self) -> int:
        return len(self._planes)

    @overload
    def __getitem__(self, index: int) -> PlaneResult: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[PlaneResult, ...]: ...
    def __getitem__(self, index: int | slice) -> PlaneResult | tuple[PlaneResult, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no plane {index}: there are {len(self)}")
        return PlaneResult(self._planes, int(index) % len(self))

    def __repr__(self) -> str:
        return f"StackResults({len(self)} planes, objects on {self.annotated})"

    @property
    def along(self) -> str:
        """Letter of the axis, e.g. ``"Z"``; "" for a plain image."""
        return self._planes.along

    @property
    def annotated(self) -> tuple[int, ...]:
        """Numbers of the planes that have objects."""
        return tuple(self._planes.annotated)

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """Label volume (planes, H, W) int32: in plane z, ``i + 1`` is ``planes[z].objects[i]``."""
        session = self._planes.shown.session
        volume = np.zeros((len(self), session.height, session.width), np.int32)
        for index in self.annotated:
            volume[index] = self[index].label_map
        return volume

    def to_tiff(self, path: Target, *, overwrite: bool = False) -> None:
        """Write `label_map` as a TIFF stack; see `sam2_widget.export.tiff.write_label_stack`."""
        from sam2_widget.export.tiff import write_label_stack  # noqa: PLC0415 - on demand

        write_label_stack(self.label_map, path, axis=self.along, overwrite=overwrite)

    @property
    def prompts(self) -> StackPrompts:
        """The prompts of all planes that have objects, to be saved and replayed."""
        found = {index: self[index].prompts for index in self.annotated}
        return StackPrompts(found, self.along)

    def add_prompts(self, prompts: StackPrompts | str | os.PathLike[str]) -> None:
        """Add the objects of all planes, or of a file that ``w.planes.prompts.save`` wrote.

        Raises
        ------
        PromptError
            If the file is none, there is no such plane, or a prompt is outside the image. Nothing
            is changed then.
        """
        if not isinstance(prompts, StackPrompts):
            prompts = StackPrompts.load(prompts)
        self._check(prompts)
        for index, one in prompts.items():
            annotator = self._planes[index]
            annotator.edit(partial(annotator.session.replay, one))

    def _check(self, prompts: StackPrompts) -> None:
        session = self._planes.shown.session
        for index, one in prompts.items():
            if index >= len(self):
                raise PromptError(f"there is no plane {index}: there are {len(self)}")
            for described in one:
                check_prompts(described.prompts, session.width, session.height)
