"""Initial objects of an image: masks from a COCO file, or a detector's boxes as prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sam2_widget._utils.text import shown
from sam2_widget.errors import PromptError
from sam2_widget.export.coco_read import CocoSet
from sam2_widget.masks.settings import DEFAULTS
from sam2_widget.prompts.collections import Box, ObjectPrompts, Prompts
from sam2_widget.results.loading import prompts_from_masks

BoxLike: TypeAlias = "Sequence[float] | tuple[Sequence[float], str]"
"""(x0, y0, x1, y1) in image pixels, alone or with a label."""

BoxesLike: TypeAlias = "Mapping[str, Sequence[BoxLike]]"
"""Boxes by the names of the images."""

CORNERS = 4


class Starts:
    """The initial objects of each image.

    Parameters
    ----------
    coco : CocoSet, optional
    places : mapping of str to int
        Index in `coco` of each image, by name.
    boxes : mapping, optional
        Further boxes by image.

    Raises
    ------
    PromptError
        If `boxes` is not such a mapping.
    """

    def __init__(
        self,
        coco: CocoSet | None = None,
        places: Mapping[str, int] | None = None,
        boxes: BoxesLike | None = None,
    ) -> None:
        self._coco = coco
        self._places = places or {}
        if boxes is not None and not isinstance(boxes, Mapping):
            raise PromptError(
                f"boxes must be a mapping from the names of images to boxes, got {shown(boxes)}"
            )
        self._boxes = {
            name: tuple(_labelled_box(one, name) for one in several)
            for name, several in (boxes or {}).items()
        }

    def __contains__(self, name: object) -> bool:
        return name in self._places or name in self._boxes

    def unknown(self, names: Sequence[str]) -> list[str]:
        """Names in `boxes` that do not belong to an image."""
        return sorted(self._boxes.keys() - set(names))

    def prompts(self, name: str, size: tuple[int, int]) -> Prompts:
        """The initial objects of an image of `size`, (height, width) in pixels.

        Boxes that extend beyond the image are clipped to it.

        Raises
        ------
        AnnotationError
            If the masks cannot be decoded or are of another size.
        """
        objects: tuple[ObjectPrompts, ...] = ()
        boxes = list(self._boxes.get(name, ()))
        if self._coco is not None and name in self._places:
            place = self._places[name]
            objects = prompts_from_masks(self._coco.masks(place, size), DEFAULTS).objects
            boxes = [*self._coco.boxes(place), *boxes]
        found = (_object(box, label, size) for box, label in boxes)
        return Prompts((*objects, *(one for one in found if one is not None)))


def _labelled_box(box: Any, name: str) -> tuple[tuple[float, ...], str | None]:
    label = None
    values = box
    if isinstance(box, (tuple, list)) and box and isinstance(box[-1], str):
        label = box[-1]
        values = box[0] if len(box) == 2 else box[:-1]  # noqa: PLR2004 - (box, label)
    try:
        numbers = tuple(float(one) for one in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != CORNERS:
        raise PromptError(
            f"a box of {name!r} must be (x0, y0, x1, y1), alone or as (box, label), got "
            f"{shown(box)}"
        )
    return numbers, label


def _object(box: Sequence[float], label: str | None, size: tuple[int, int]) -> ObjectPrompts | None:
    """An object with a box as prompt; None if the box lies outside the image."""
    height, width = size
    x0, x1 = sorted(min(max(x, 0.0), width) for x in (box[0], box[2]))
    y0, y1 = sorted(min(max(y, 0.0), height) for y in (box[1], box[3]))
    if not (x1 > x0 and y1 > y0):
        return None
    return ObjectPrompts((Box(x0, y0, x1, y1),), label)
