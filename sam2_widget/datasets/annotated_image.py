"""One image of a set, with its annotations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray, UInt8Array
from sam2_widget.datasets.annotations import ImageAnnotations, State, StoredObject, Value
from sam2_widget.datasets.classes import Attribute, checked_text
from sam2_widget.datasets.review_edits import ObjectsChange
from sam2_widget.datasets.sources import SetImage
from sam2_widget.datasets.store import AnnotationStore
from sam2_widget.errors import SettingError
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.prompts.collections import Prompts
from sam2_widget.results.loading import PromptsLike, saved_prompts
from sam2_widget.results.segmentation import Segmentation


class SetLink(Protocol):
    """The interface of a set that its images use."""

    store: AnnotationStore

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """The attributes that images may have."""

    @property
    def object_attributes(self) -> Mapping[str, Attribute]:
        """The attributes that objects may have."""

    @property
    def problems(self) -> Mapping[str, str]:
        """Problems with images, by name."""

    def annotations(self, name: str) -> ImageAnnotations:
        """The annotations of an image."""

    def change(self, name: str, **fields: Any) -> None:
        """Change fields of the annotations of an image."""

    def update(self, name: str, change: ObjectsChange) -> ImageAnnotations:
        """Store changed fields of the annotations of an image."""

    def replace_prompts(self, name: str, prompts: Prompts) -> None:
        """Replace all objects of an image."""

    def edit_objects(self, name: str, change: ObjectsChange) -> None:
        """Change the objects of an image, also those shown in a widget."""

    def load(self, image: SetImage) -> LoadedImage:
        """Read an image."""

    def segmentation(self, name: str) -> Segmentation:
        """The masks of an image."""


class AnnotatedImage:
    """An image of a set; its properties always have current values.

    Attributes
    ----------
    name : str
    row : mapping
        The other columns of the table that lists the image.
    """

    def __init__(self, images: SetLink, image: SetImage) -> None:
        self._set = images
        self._image = image
        self.name = image.name
        self.row = image.row

    @property
    def path(self) -> Path | None:
        """The image's file; None if it is in memory."""
        return self._image.path

    @property
    def _known(self) -> ImageAnnotations:
        return self._set.annotations(self.name)

    @property
    def state(self) -> State:
        """State of the work on the image.

        ``"untouched"``, ``"in progress"``, ``"done"``, ``"empty"`` (done, without objects),
        ``"review"`` (to be checked again) or ``"skipped"``.
        """
        return self._set.store.by_old_names(self.name).state

    @state.setter
    def state(self, state: State) -> None:
        if state not in get_args(State):
            raise SettingError(f"state must be one of {get_args(State)}, got {state!r}")
        self._set.change(self.name, state=state)

    @property
    def is_finished(self) -> bool:
        """Whether it needs no more work: it is done, empty or skipped."""
        return self._set.store.by_old_names(self.name).is_finished

    @property
    def note(self) -> str:
        """A text about the image."""
        return self._set.store.by_old_names(self.name).note

    @note.setter
    def note(self, note: str) -> None:
        self._set.change(self.name, note=checked_text("note", note))

    @property
    def attributes(self) -> Mapping[str, Value]:
        """The attributes of the image that have a value."""
        return MappingProxyType(self._set.store.by_old_names(self.name).attributes)

    def set_attributes(self, **values: Value) -> None:
        """Set attributes; None removes one.

        Raises
        ------
        SettingError
            If the set has no such attribute, or it cannot have that value.
        """
        self.change_attributes(values)

    def change_attributes(self, values: Mapping[str, Value]) -> None:
        """Set attributes whose names need not be names of Python, as `set_attributes`."""
        declared = self._set.attributes

        def changed(known: ImageAnnotations) -> dict[str, Any]:
            return {"attributes": _with_values(known.attributes, values, declared, "attributes")}

        self._set.update(self.name, changed)

    @property
    def seconds(self) -> float:
        """Time spent on it."""
        return self._set.store.by_old_names(self.name).seconds

    @property
    def problem(self) -> str:
        """Why it could not be read, or how it has changed; "" if no problem is known."""
        return self._set.problems.get(self.name, "")

    @property
    def objects(self) -> tuple[StoredObject, ...]:
        """Its objects from bottom to top, with their prompts; no model is needed."""
        return self._known.objects

    @property
    def prompts(self) -> Prompts:
        """The prompts of its objects; ``segment(image, prompts)`` gives the masks."""
        return self._known.prompts

    @prompts.setter
    def prompts(self, prompts: PromptsLike) -> None:
        found = saved_prompts(prompts)
        if not isinstance(found, Prompts):
            raise SettingError("an image of a set has prompts of one image, got those of a stack")
        self._set.replace_prompts(self.name, found)

    def set_object(self, i: int, *, note: str | None = None, **values: Value) -> None:
        """Set the note or attributes of ``objects[i]``; None removes an attribute.

        Raises
        ------
        SettingError
            If there is no such object or attribute, or it cannot have that value.
        """
        self.change_object(i, values, note=note)

    def change_object(
        self, i: int, values: Mapping[str, Value] = MappingProxyType({}), *, note: str | None = None
    ) -> None:
        """Set attributes whose names need not be names of Python, as `set_object`."""
        objects = self.objects
        try:
            key = objects[i].id
        except (IndexError, TypeError):
            raise SettingError(
                f"there is no object {i!r} in {self.name!r}: there are {len(objects)}"
            ) from None
        if note is not None:
            checked_text("note", note)
        self._set.edit_objects(self.name, partial(self._with_details, key, values, note))

    def _with_details(
        self, key: int, values: Mapping[str, Value], note: str | None, known: ImageAnnotations
    ) -> dict[str, Any]:
        """The objects of `known`, of which the one with the id `key` has other details."""

        def changed(one: StoredObject) -> StoredObject:
            attributes = _with_values(
                one.attributes, values, self._set.object_attributes, "object_attributes"
            )
            text = one.note if note is None else note
            return msgspec.structs.replace(one, note=text, attributes=attributes)

        return {"objects": tuple(changed(o) if o.id == key else o for o in known.objects)}

    def read(self) -> UInt8Array:
        """The pixels, (H, W, 3) uint8; ImageError if the image cannot be read."""
        return self._set.load(self._image).rgb

    def segmentation(self) -> Segmentation:
        """The objects with their masks, computed without opening the image in the widget."""
        return self._set.segmentation(self.name)

    @property
    def masks(self) -> BoolArray:
        """All masks, (N, H, W) bool."""
        return self.segmentation().masks

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """(H, W) int32: 0 is background; later objects on top."""
        return self.segmentation().label_map

    def __repr__(self) -> str:
        number = len(self._set.store.by_old_names(self.name).objects)
        objects = "1 object" if number == 1 else f"{number} objects"
        return f"AnnotatedImage({self.name!r}, {self.state}, {objects})"


def _with_values(
    known: Mapping[str, Value],
    values: Mapping[str, Any],
    declared: Mapping[str, Attribute],
    parameter: str,
) -> dict[str, Value]:
    changed = dict(known)
    for name, value in values.items():
        if name not in declared:
            raise SettingError(
                f"there is no attribute {name!r}: declare it with {parameter}={{{name!r}: …}}, "
                f"there are {list(declared)}"
            )
        changed[name] = declared[name].checked(name, value)
    return {name: value for name, value in changed.items() if value is not None}
