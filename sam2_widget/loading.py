"""What was made before, put into a widget: masks of any program, prompts of a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, TypeAlias

from sam2_widget.annotator import Annotator
from sam2_widget.kinds import MaskPrompt
from sam2_widget.prompts import ObjectPrompts, Prompts
from sam2_widget.session import Session

MasksLike: TypeAlias = Any
"""Whatever `read_masks` takes."""


class Loading:
    """Imports of a widget, as methods."""

    _annotator: Annotator

    def add_masks(self, masks: MasksLike, **options: Any) -> None:
        """Add finished objects that are existing masks, in one step; select one to correct it.

        Parameters
        ----------
        masks : path, label map, masks, Segmentation, Detections, …
            All that `read_masks` reads: files of every format that is written here, too.
        **options
            Passed on to the reader of a file, e.g. ``classes=``.

        Raises
        ------
        AnnotationError
            If there are no masks in it, or they have not the size of the image.
        """
        session = self._annotator.session
        prompts = as_objects(masks, session, **options)
        self._annotator.edit(lambda: session.replay(prompts))

    def add_prompts(self, prompts: Prompts | str | os.PathLike[str]) -> None:
        """Add the objects of prompts, or of a file that ``w.prompts.save`` wrote, in one step.

        Raises
        ------
        PromptError
            If the file is none, or a prompt is outside the image. Nothing is changed then.
        """
        found = Prompts.load(prompts) if isinstance(prompts, (str, os.PathLike)) else prompts
        self._annotator.edit(lambda: self._annotator.session.replay(found))


def as_objects(masks: MasksLike, session: Session, **options: Any) -> Prompts:
    """Masks as objects that start from them; `masks` may be None or an empty list."""
    settings = session.annotation.settings
    if masks is None or (isinstance(masks, (list, tuple)) and not masks):
        return Prompts((), settings)
    if isinstance(masks, (list, tuple)) and all(isinstance(one, MaskPrompt) for one in masks):
        return Prompts(tuple(ObjectPrompts((one,)) for one in masks), settings)
    from sam2_widget.export.read import read_masks  # noqa: PLC0415 - on demand

    found = read_masks(masks, (session.height, session.width), **options)
    _warn_of_unknown((one.label for one in found), session)
    objects = (ObjectPrompts((MaskPrompt.from_mask(one.mask),), one.label) for one in found)
    return Prompts(tuple(objects), settings)


def _warn_of_unknown(labels: Iterable[str | None], session: Session) -> None:
    from sam2_widget.export.notes import Repairs  # noqa: PLC0415

    repairs = Repairs()
    unknown = {label for label in labels if label and session.classes} - set(session.classes)
    for label in sorted(unknown):
        repairs.add(f"the label {label!r} is none of w.labels; the objects keep it")
    repairs.warn("this import")
