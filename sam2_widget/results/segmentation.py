"""The result of a segmentation: objects with masks, as immutable Python values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray, Float32Array, UInt8Array
from sam2_widget.annotation.predictions import Prediction, PredictionCache, maker_of
from sam2_widget.annotation.provenance import Maker, Provenance
from sam2_widget.annotation.session import Annotation, Session, number_of
from sam2_widget.export.methods import Exports
from sam2_widget.export.values import NO_NAME, full_masks, numbers_of, paint
from sam2_widget.images.arrays import ImageSource
from sam2_widget.masks.layers import Layers
from sam2_widget.masks.logits import Cropped, MaskCrop, PixelMask, without
from sam2_widget.masks.settings import DEFAULTS, Settings
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories
from sam2_widget.prompts.collections import ObjectPrompts, Prompt, Prompts

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon


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
    number : int or None
        Its value in the label map, or its id in the file, that it was read from; None if it was
        not read from one. ``numbers`` of a `Segmentation` has the values in its own label map.
    crowd : bool
        COCO's ``iscrowd``: whether it stands for many objects.
    """

    id: int
    label: str | None
    prompts: tuple[Prompt, ...]
    color: str
    size: tuple[int, int]
    prediction: Prediction = field(repr=False)
    provenance: Provenance = field(default=Provenance(""), repr=False)
    layers: Layers | None = field(default=None, repr=False)
    """All objects, if pixels of upper objects are removed from those below; else None."""
    place: int = field(default=0, repr=False)
    """Index of this object in `layers`, counted from the top."""
    number: int | None = None
    crowd: bool = False
    given_color: str | None = field(default=None, repr=False)
    """The colour in the file that it was read from."""

    @property
    def tracked(self) -> bool:
        """Whether it was tracked on its plane, and has no prompts there."""
        return number_of(self.id) is not None

    @property
    def score(self) -> float:
        """The model's estimate of the mask's IoU, 0..1; of a mask from a file, its score there."""
        return self.prediction.score

    @property
    def crop(self) -> MaskCrop:  # type: ignore[override]  # read-only in the frozen base, too
        """The mask, cropped to its bounding box."""
        return self._pixels.crop(*self.size)

    @cached_property
    def _pixels(self) -> PixelMask:
        """The mask, cached in compressed form: crops of 500 objects on 2 MP would take 700 MiB."""
        above = self.layers.above(self.place) if self.layers else []
        if not above:
            return self.uncut
        cut = without(self.uncut.crop(*self.size), (other.crop(*self.size) for other in above))
        return PixelMask.from_pixels(cut.pixels, cut.x, cut.y, whole=False)

    @cached_property
    def uncut(self) -> PixelMask:
        """The mask before pixels of higher objects are removed."""
        mask = self.prediction.mask
        if isinstance(mask.base, PixelMask) and not mask.strokes:
            return mask.base
        crop = mask.crop(*self.size)
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
        """Outline along the pixel edges, with holes: a shapely geometry, (x, y) in image pixels.

        Its area is the number of pixels. A mask that is empty or has several parts is a
        MultiPolygon.
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
        The mask settings that were used.
    image : (H, W, 3) uint8 ndarray or None
        The image as the model saw it.
    file_name : str
        Name of the image's file, ``"image.jpg"`` if it was not opened from a file.
    provenance : Provenance
        How the masks were made.
    categories : Categories
        The classes, with their numbers in every format.
    """

    objects: tuple[SegmentedObject, ...]
    size: tuple[int, int]
    model: str
    settings: Settings = DEFAULTS
    image: UInt8Array | None = field(default=None, repr=False)
    file_name: str = NO_NAME
    provenance: Provenance = field(default=Provenance(""), repr=False)
    categories: Categories = field(default=NO_CATEGORIES, repr=False)

    def _to_export(self) -> Segmentation:
        return self

    @property
    def masks(self) -> BoolArray:
        """All masks, (N, H, W) bool."""
        return full_masks(self)

    @property
    def scores(self) -> Float32Array:
        """The model's estimate of each mask's IoU, (N,) float32."""
        return np.array([obj.score for obj in self.objects], np.float32)

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """(H, W) int32: 0 is background, ``objects[i]`` has ``numbers[i]``; later ones on top."""
        return paint(self)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The value of each object in `label_map`: 1, 2, …, or the number that it was read with."""
        return numbers_of(self)

    @property
    def prompts(self) -> Prompts:
        """The prompts of all objects that have prompts: tracked objects have none."""
        objects = tuple(
            ObjectPrompts(obj.prompts, obj.label, obj.number, obj.given_color, obj.crowd)
            for obj in self.objects
            if not obj.tracked
        )
        return Prompts(objects, self.settings, self.categories)


def _provenance(maker: Maker, record: MappingProxyType[str, Any]) -> Provenance:
    return Provenance(
        maker.model,
        maker.device,
        record,
        precision=maker.precision,
        implementation=maker.implementation,
    )


def make_segmentation(
    session: Session,
    cache: PredictionCache,
    *,
    annotation: Annotation | None = None,
    image: ImageSource | None = None,
    predictions: Sequence[Prediction | None] | None = None,
) -> Segmentation:
    """Predict the masks of an annotation.

    Must be called on the thread of the model, unless `predictions` has one for each object, in
    order; objects whose prediction is None are predicted.
    """
    annotation = annotation or session.annotation
    predictor = cache.predictor
    record = image.record if image else MappingProxyType({})
    provenance = _provenance(maker_of(predictor), record)
    size = (session.height, session.width)
    cut_out = annotation.settings.overlap == "cut out"
    layers = Layers() if cut_out else None
    objects: list[SegmentedObject] = []
    given_predictions = predictions or [None] * len(annotation.objects)
    for annotated, given in zip(
        reversed(annotation.objects), reversed(given_predictions), strict=True
    ):
        prediction = given or cache(annotated.prompts, annotation.settings)
        obj = SegmentedObject(
            id=annotated.id,
            label=annotated.label,
            prompts=annotated.prompts,
            color=session.color(annotated),
            size=size,
            prediction=prediction,
            layers=layers,
            place=len(objects),
            number=annotated.number,
            crowd=annotated.crowd,
            given_color=annotated.color,
            # If memory ran out in between, a smaller model has made the later predictions.
            provenance=provenance
            if prediction.maker in (None, maker_of(predictor))
            else _provenance(prediction.maker, record),
        )
        objects.append(obj)
    if layers:
        layers.objects += objects
    return Segmentation(
        tuple(reversed(objects)),
        size,
        predictor.name,
        annotation.settings,
        image=image.rgb if image else None,
        file_name=(image and image.name) or NO_NAME,
        provenance=provenance,
        categories=session.numbers.known,
    )
