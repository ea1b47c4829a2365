"""What the user takes home: objects with masks, as plain Python values."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sam2_widget.answers import Answer, Answers, maker_of
from sam2_widget.export.methods import Exports
from sam2_widget.export.values import full_masks, paint
from sam2_widget.images.arrays import ImageSource
from sam2_widget.masks.logits import (
    BoolArray,
    Cropped,
    Float32Array,
    MaskCrop,
    PixelMask,
    without,
)
from sam2_widget.predictor import UInt8Array
from sam2_widget.prompts import ObjectPrompts, Prompt, Prompts
from sam2_widget.provenance import Maker, Provenance
from sam2_widget.session import Annotation, Session
from sam2_widget.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon


NO_NAME = "image.jpg"
"""What files call an image that came from none."""


@dataclass(frozen=True, eq=False)
class SegmentedObject(Cropped):
    """An object and its mask.

    Attributes
    ----------
    id : int
        Unique within the widget, and kept through undo and redo.
    label : str or None
    prompts : tuple of Prompt
    color : str
        ``"#rrggbb"``, as drawn.
    size : (int, int)
        (height, width) of the image in pixels.
    provenance : Provenance
        How the mask was made.
    """

    id: int
    label: str | None
    prompts: tuple[Prompt, ...]
    color: str
    size: tuple[int, int]
    answer: Answer = field(repr=False)
    provenance: Provenance = field(default=Provenance(""), repr=False)
    above: tuple[SegmentedObject, ...] = field(default=(), repr=False)
    """Objects that cut their pixels out of this one."""

    @property
    def score(self) -> float:
        """The model's estimate of the mask's IoU, within 0..1."""
        return self.answer.score

    @property
    def crop(self) -> MaskCrop:  # type: ignore[override]  # read-only there, too: both are frozen
        """The part of the mask that is not empty."""
        return self._pixels.crop(*self.size)

    @cached_property
    def _pixels(self) -> PixelMask:
        """The mask, kept deflated: the crops of 500 objects on 2 MP would be 700 MiB."""
        near = [each for other in self.above if self._whole.touches(each := other._whole)]  # noqa: SLF001
        if not near:
            return self._whole
        cut = without(self._whole.crop(*self.size), (each.crop(*self.size) for each in near))
        return PixelMask.from_pixels(cut.pixels, cut.x, cut.y, whole=False)

    @cached_property
    def _whole(self) -> PixelMask:
        """The same before other objects are cut out."""
        crop = self.answer.mask.crop(*self.size)
        return PixelMask.from_pixels(crop.pixels, crop.x, crop.y, whole=False)

    @property
    def centroid(self) -> tuple[float, float]:
        """Centre of mass (x, y) in image pixels, NaN for an empty mask.

        Pixel ``i`` has its centre at ``i + 0.5``: scikit-image's ``regionprops`` gives 0.5 less.
        """
        from sam2_widget.export.tables import centroid  # noqa: PLC0415 - on demand

        return centroid(self.crop)

    @cached_property
    def polygon(self) -> Polygon | MultiPolygon:
        """Outline along the pixels' edges with its holes, a shapely geometry of (x, y) pixels.

        Its area is the number of pixels; an empty or scattered mask is a MultiPolygon.
        """
        from sam2_widget.export.outlines import outline  # noqa: PLC0415

        return outline(self.crop)


@dataclass(frozen=True, eq=False)
class Segmentation(Exports):
    """All objects of one image.

    Attributes
    ----------
    objects : tuple of SegmentedObject
        From bottom to top.
    size : (int, int)
        (height, width) of the image in pixels.
    model : str
        Name of the model that made the masks.
    settings : Settings
        Those that the masks were made with.
    image : (H, W, 3) uint8 ndarray or None
        The image as the model saw it.
    file_name : str
        Name of the image's file, ``"image.jpg"`` if it came from none.
    provenance : Provenance
        How the masks were made.
    """

    objects: tuple[SegmentedObject, ...]
    size: tuple[int, int]
    model: str
    settings: Settings = DEFAULTS
    image: UInt8Array | None = field(default=None, repr=False)
    file_name: str = NO_NAME
    provenance: Provenance = field(default=Provenance(""), repr=False)

    def _to_export(self) -> Segmentation:
        return self

    @property
    def masks(self) -> BoolArray:
        """All masks, (N, H, W) bool."""
        return full_masks(self)

    @property
    def scores(self) -> Float32Array:
        """The model's estimate of each mask's IoU, (N,) float32."""
        return np.array([found.score for found in self.objects], np.float32)

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """(H, W) int32: 0 is background, ``i + 1`` is ``objects[i]``; later objects lie on top."""
        return paint(self)

    @property
    def prompts(self) -> Prompts:
        """The prompts that `segment` was given."""
        objects = tuple(ObjectPrompts(o.prompts, o.label) for o in self.objects)
        return Prompts(objects, self.settings)


def _provenance(maker: Maker, record: MappingProxyType[str, Any]) -> Provenance:
    return Provenance(maker.model, maker.device, record, precision=maker.precision)


def make_segmentation(
    session: Session,
    answers: Answers,
    *,
    annotation: Annotation | None = None,
    image: ImageSource | None = None,
) -> Segmentation:
    """Put the model's answers to the objects' prompts together; on the model's thread."""
    annotation = annotation or session.annotation
    predictor = answers.predictor
    record = image.record if image else MappingProxyType({})
    provenance = _provenance(maker_of(predictor), record)
    size = (session.height, session.width)
    cut_out = annotation.settings.overlap == "cut out"
    found: list[SegmentedObject] = []
    for o in reversed(annotation.objects):
        answer = answers(o.prompts, annotation.settings)
        made = SegmentedObject(
            id=o.id,
            label=o.label,
            prompts=o.prompts,
            color=session.color(o),
            size=size,
            answer=answer,
            above=tuple(found) if cut_out else (),
            # Memory may have run out in between, and another model have taken over.
            provenance=provenance
            if answer.maker in (None, maker_of(predictor))
            else _provenance(answer.maker, record),
        )
        found.append(made)
    return Segmentation(
        tuple(reversed(found)),
        size,
        predictor.name,
        annotation.settings,
        image=image.rgb if image else None,
        file_name=(image and image.name) or NO_NAME,
        provenance=provenance,
    )
