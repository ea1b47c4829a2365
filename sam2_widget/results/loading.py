"""Load existing masks and saved prompts into a widget."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from sam2_widget._utils.files import NamedFile, read_bytes
from sam2_widget._utils.regular_files import open_regular
from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.planes import Planes
from sam2_widget.annotation.session import Session
from sam2_widget.errors import AnnotationError, PromptError
from sam2_widget.masks.settings import Settings
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories
from sam2_widget.prompts.collections import (
    COLOR,
    FORMAT,
    ObjectPrompts,
    Prompt,
    Prompts,
    as_prompts,
)
from sam2_widget.prompts.stacks import FORMAT as STACK_FORMAT
from sam2_widget.prompts.stacks import StackPrompts
from sam2_widget.prompts.types import MaskPrompt

if TYPE_CHECKING:
    from sam2_widget.export.tracks.frames import LabeledFrames
    from sam2_widget.export.values import LabeledMask, LabeledMasks, MasksLike

PromptsLike: TypeAlias = (
    "Prompts | StackPrompts | Prompt | Sequence[Prompt] | Sequence[Sequence[Prompt]]"
    " | str | os.PathLike[str]"
)
"""Prompts, or the path of a file with prompts."""


class Loading:
    """Methods of the widget that add masks and prompts."""

    _annotator: Annotator
    _planes: Planes

    def add_masks(self, masks: MasksLike, **options: Any) -> None:
        """Add existing masks as finished objects, in one undoable step; select one to correct it.

        Parameters
        ----------
        masks : path, label map, masks, Segmentation, Detections, …
            Anything that `read_masks` reads. On a stack, a label volume with as many planes, and
            tracks, are added to all planes: see ``w.planes.add_masks``.
        **options
            Passed on to the reader of a file, e.g. ``classes=``.

        Raises
        ------
        AnnotationError
            If `masks` holds no masks, or masks of another size than the image.
        """
        add_masks(self._planes, self._annotator, masks, **options)

    def add_prompts(self, prompts: PromptsLike) -> None:
        """Add the objects of prompts, or of a file from ``w.prompts.save``, in one undoable step.

        Raises
        ------
        PromptError
            If the file does not hold prompts, or a prompt is outside the image; nothing is changed
            then.
        """
        parsed = saved_prompts(prompts)
        if isinstance(parsed, StackPrompts):
            raise PromptError(
                "w.add_prompts takes prompts of one image, got those of a stack: pass them to "
                "w.planes.add_prompts"
            )
        self._annotator.edit(lambda: self._annotator.session.replay(parsed))


def add_masks(planes: Planes, annotator: Annotator, masks: MasksLike, **options: Any) -> int:
    """Add masks to a plane, or a label volume to all; return the number of objects."""
    by_plane = _prompts_by_plane(planes, annotator, masks, options)
    for index, prompts in by_plane.items():
        annotator_of_plane = planes[index]
        if prompts:
            annotator_of_plane.edit(partial(annotator_of_plane.session.replay, prompts))
    return sum(map(len, by_plane.values()))


def start_from(planes: Planes, masks: MasksLike) -> None:
    """Add the masks that a widget starts from, before it is displayed."""
    for index, prompts in _prompts_by_plane(planes, planes.shown, masks, {}).items():
        planes[index].session.start_with(prompts)


def _prompts_by_plane(
    planes: Planes, annotator: Annotator, masks: MasksLike, options: dict[str, Any]
) -> dict[int, Prompts]:
    """Objects by plane: of all planes for a label volume, else of the plane of `annotator`."""
    session, index = annotator.session, planes.number(annotator)
    options = {"image_name": planes.picture.image.name, **options}
    if not planes.axis or masks is None or "plane" in options:
        return {index: as_objects(masks, session, **options)}
    from sam2_widget.export.volumes import as_volume  # noqa: PLC0415 - on demand

    masks = _rewindable(masks)
    if (tracks := _tracks_in(masks, session, options)) is not None:
        return prompts_from_tracks(planes, tracks)
    volume = as_volume(masks, len(planes), (session.height, session.width))
    if volume is None:
        if hasattr(masks, "seek"):
            masks.seek(0)
        return {index: as_objects(masks, session, **options)}
    return _with_free_numbers(planes, volume)


def _tracks_in(masks: MasksLike, session: Session, options: dict[str, Any]) -> LabeledFrames | None:
    """The tracks in a file or value; None if it holds none."""
    from sam2_widget.export.tracks.formats import read_tracks  # noqa: PLC0415
    from sam2_widget.export.tracks.frames import LabeledFrames  # noqa: PLC0415
    from sam2_widget.export.tracks.recognition import tracks_format  # noqa: PLC0415

    if isinstance(masks, LabeledFrames):
        return masks
    if not isinstance(masks, (str, os.PathLike, NamedFile)):
        return None
    source = masks if isinstance(masks, NamedFile) else Path(masks)
    if (format_ := tracks_format(source)) is None:
        return None
    given = {key: value for key, value in options.items() if key != "image_name"}
    if format_ == "mots" and session.numbers.known.names:
        given = {"classes": session.numbers.known, **given}
    return read_tracks(source, format=format_, size=(session.height, session.width), **given)


def prompts_from_tracks(planes: Planes, tracks: LabeledFrames) -> dict[int, Prompts]:
    """Convert tracks to prompts by plane: each mask becomes a mask prompt, each id a number.

    Raises
    ------
    AnnotationError
        If the stack has no such planes, or planes of another size.
    """
    session, last = planes.shown.session, tracks[-1].frame if len(tracks) else 0
    if tracks and tuple(tracks.size) != (session.height, session.width):
        raise AnnotationError(
            f"the tracks are of frames of {tracks.size[1]} x {tracks.size[0]} pixels, the planes "
            f"have {session.width} x {session.height}"
        )
    if last >= len(planes):
        raise AnnotationError(f"the tracks have a frame {last}, there are {len(planes)} planes")
    labels = {label for frame in tracks for label in frame.labels if label}
    _warn_of_unknown(labels, tracks[0].categories if tracks else NO_CATEGORIES, session)
    return _with_free_numbers(planes, {frame.frame: frame for frame in tracks})


def _with_free_numbers(planes: Planes, masks: Mapping[int, LabeledMasks]) -> dict[int, Prompts]:
    """Masks by plane as prompts, with numbers that no other object has."""
    settings = planes.shown.session.annotation.settings
    found = {plane: prompts_from_masks(some, settings) for plane, some in masks.items()}
    found, assigned = renumbered(planes, found)
    _warn_of_renumbering(assigned)
    return found


def renumbered(
    planes: Planes, prompts: Mapping[int, Prompts]
) -> tuple[dict[int, Prompts], dict[int, int]]:
    """Prompts with the numbers that their objects get on all planes, and the number of each.

    An object whose number is in use on one of its planes gets another on all of them.
    """
    if (numbers := planes.shown.session.object_numbers) is None:
        return dict(prompts), {}
    existing = (planes.existing(plane) for plane in prompts)
    taken = {n for one in existing if one for n in one.session.object_numbers_here}
    assigned = numbers.kept_all((o.number for one in prompts.values() for o in one), taken)
    return {plane: _with_numbers(one, assigned) for plane, one in prompts.items()}, assigned


def _with_numbers(prompts: Prompts, assigned: Mapping[int, int]) -> Prompts:
    objects = tuple(
        one if one.number is None else msgspec.structs.replace(one, number=assigned[one.number])
        for one in prompts
    )
    return replace(prompts, objects=objects)


def _rewindable(masks: MasksLike) -> MasksLike:
    """Copy a file object to memory: it is read again if it does not hold a volume."""
    if not hasattr(masks, "read"):
        return masks
    return NamedFile(read_bytes(masks), getattr(masks, "name", ""))


def _warn_of_renumbering(assigned: Mapping[int, int]) -> None:
    """Warn about numbers that cannot be kept because other objects of the stack have them."""
    from sam2_widget.export.notes import Repairs  # noqa: PLC0415

    repairs = Repairs()
    for number in sorted(assigned):
        if assigned[number] != number:
            repairs.add(
                f"another object here has the number {number}, so the object of the file got the "
                f"number {assigned[number]}"
            )
    repairs.warn("this import")


def saved_prompts(value: PromptsLike) -> Prompts | StackPrompts:
    """Convert prompts, lists of prompts, or a file with prompts, of an image or of a stack.

    Raises
    ------
    PromptError
        If `value` does not hold prompts.
    """
    if isinstance(value, StackPrompts):
        return value
    if not isinstance(value, (str, os.PathLike)):
        return as_prompts(value)
    return StackPrompts.load(value) if _starts_with(value, STACK_FORMAT) else Prompts.load(value)


def _starts_with(path: str | os.PathLike[str], format_: str) -> bool:
    """Whether a file starts like one of that format, as written by this package."""
    try:
        with open_regular(path) as file:
            return format_.encode() in file.read(200)
    except (OSError, ValueError):
        return False  # the error is reported when the file is opened for reading


def as_objects(masks: MasksLike, session: Session, **options: Any) -> Prompts:
    """Read masks as prompts of objects that start from them; None or an empty list is allowed."""
    settings = session.annotation.settings
    if masks is None or (isinstance(masks, (list, tuple)) and not masks):
        return Prompts((), settings)
    if isinstance(masks, (list, tuple)) and all(isinstance(item, MaskPrompt) for item in masks):
        return Prompts(tuple(ObjectPrompts((item,)) for item in masks), settings)
    if isinstance(masks, (str, os.PathLike)) and _starts_with(masks, FORMAT):
        return Prompts.load(masks)
    from sam2_widget.export.read import read_masks  # noqa: PLC0415 - on demand

    if _is_yolo(masks) and session.numbers.known.names:
        # A label file has only class numbers.
        options = {"classes": session.numbers.known.names_from_zero(), **options}
    loaded = read_masks(masks, (session.height, session.width), **options)
    _warn_of_unknown({label for label in loaded.labels if label}, loaded.categories, session)
    if given := session.object_numbers:
        numbers = (item.number for item in loaded)
        _warn_of_renumbering(given.kept_all(numbers, session.object_numbers_here))
    return prompts_from_masks(loaded, settings)


def _is_yolo(masks: MasksLike) -> bool:
    name = masks if isinstance(masks, (str, os.PathLike)) else getattr(masks, "name", None)
    return isinstance(name, (str, os.PathLike)) and os.fspath(name).lower().endswith(".txt")


def prompts_from_masks(masks: LabeledMasks, settings: Settings) -> Prompts:
    """Convert masks to prompts of objects that start from them, with label, number and colour."""
    scores = [mask.score if mask.score is None or isfinite(mask.score) else None for mask in masks]
    mask_prompts = MaskPrompt.from_crops([mask.crop for mask in masks], masks.size, scores)
    objects = tuple(
        ObjectPrompts((mask_prompt,), mask.label, mask.number, _color(mask), mask.crowd)
        for mask_prompt, mask in zip(mask_prompts, masks, strict=True)
    )
    return Prompts(objects, settings, masks.categories)


def _color(mask: LabeledMask) -> str | None:
    return mask.color if mask.color and re.fullmatch(COLOR, mask.color) else None


def _warn_of_unknown(labels: set[str], categories: Categories, session: Session) -> None:
    from sam2_widget.export.notes import Repairs  # noqa: PLC0415

    repairs = Repairs()
    for label in sorted(labels - set(session.classes) if session.classes else ()):
        repairs.add(f"the label {label!r} is not in w.labels; the objects keep it")
    for name in session.numbers.conflicts(categories):
        repairs.add(
            f"the class {name!r} has another number in the file than in the widget; the number "
            "in labels= of the widget will be written"
        )
    repairs.warn("this import")
