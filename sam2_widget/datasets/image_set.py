"""A set of images and their annotations, without a widget."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias
from weakref import finalize

import numpy as np

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.hashing import sha256_of
from sam2_widget._utils.regular_files import open_regular
from sam2_widget._utils.weakrefs import weak_callback
from sam2_widget.annotation.predictions import cache_without_model, predict_without_model
from sam2_widget.annotation.session import Session
from sam2_widget.autosave.identity import image_key
from sam2_widget.datasets.annotated_image import AnnotatedImage
from sam2_widget.datasets.annotations import ImageAnnotations, State, with_prompts
from sam2_widget.datasets.classes import AttributesLike, as_attributes
from sam2_widget.datasets.finding import Query, checked_query, matching
from sam2_widget.datasets.progress import Progress, progress_of
from sam2_widget.datasets.review_edits import ObjectsChange
from sam2_widget.datasets.set_classes import SetClasses
from sam2_widget.datasets.set_proposals import SetProposals
from sam2_widget.datasets.set_results import SetResults
from sam2_widget.datasets.set_review import SetReview
from sam2_widget.datasets.sources import HIDDEN_FOLDER, SetImage, SetSource, list_images
from sam2_widget.datasets.starting import BoxesLike, Starts
from sam2_widget.datasets.store import AnnotationStore, DeferredChange
from sam2_widget.errors import ImageError, PromptError
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.images.contrast import Channels, ContrastLimits
from sam2_widget.images.sources import load_image
from sam2_widget.models.checkpoints import ModelLike, check_device, check_model
from sam2_widget.prompts.collections import Prompts, check_prompts
from sam2_widget.prompts.colors import checked_labels
from sam2_widget.results.headless import segment
from sam2_widget.results.segmentation import Segmentation, make_segmentation

LabelsLike: TypeAlias = Any
"""The argument of `sam2_widget.prompts.colors.checked_labels`."""

STACK_LEVEL = 3
"""Stack level of warnings, so that they point to the line that creates the set."""

CHANGED = "This image has changed since it was annotated."
RESIZED = (
    "This image has another size than when it was annotated: its {} objects do not fit. They are "
    "kept, but not shown."
)


class ImageSet(SetClasses, SetReview, SetResults, SetProposals):
    """Images and their annotations.

    Parameters
    ----------
    source : path, glob, list, mapping, or DataFrame
        A folder, with its subfolders; a glob; a list of paths or arrays; a mapping from names to
        images; a CSV file or DataFrame with a column of paths (``path``, ``file``, ``filename``,
        ``file_name``, ``image`` or ``image_path``); or a COCO file, whose annotations become the
        initial objects.
    model : str or Predictor
        See `load_model`.
    annotations : path, optional
        The folder in which annotations are stored; by default ``.sam2-widget`` in the folder of the
        images, or memory only if the images are not files.
    classes : see `SegmentWidget`, optional
        The labels that objects may have; classes from stored annotations come after them. By
        default any text may be a label.
    attributes, object_attributes : mapping, optional
        Attributes that each image, and each object, may have: a mapping from names to ``str``,
        ``float``, ``bool`` or a list of choices.
    boxes : mapping, optional
        Boxes (x0, y0, x1, y1) by the names of the images, alone or as ``(box, label)``: each
        becomes an object with that box as prompt, in images that were not annotated yet.
    take_over : bool
        Open annotations that another kernel has open; that kernel then stops saving.
    device, axes, channels, contrast_limits
        See `SegmentWidget`.

    Raises
    ------
    ImageError
        If there are no images.
    LockedError
        If another kernel has the annotations open.
    ExportError
        If the folder of the annotations cannot be written to.
    AnnotationError
        If a COCO file or annotations cannot be read.

    Warns
    -----
    UserWarning
        If images are listed twice, or annotations on disk are damaged (`RepairWarning`).
    """

    def __init__(
        self,
        source: SetSource,
        *,
        model: ModelLike = "auto",
        annotations: str | os.PathLike[str] | None = None,
        classes: LabelsLike | None = None,
        attributes: AttributesLike | None = None,
        object_attributes: AttributesLike | None = None,
        boxes: BoxesLike | None = None,
        take_over: bool = False,
        device: str | None = None,
        axes: str | None = None,
        channels: Channels | None = None,
        contrast_limits: ContrastLimits = "auto",
    ) -> None:
        check_model(model)
        check_device(device)
        declared = (as_attributes(attributes), as_attributes(object_attributes))
        colors, categories = checked_labels(classes)
        listed = list_images(source)
        for note in listed.notes:
            warnings.warn(note, stacklevel=STACK_LEVEL)
        self._images = listed.images
        self._numbers = {one.name: number for number, one in enumerate(listed.images)}
        self._starts = Starts(listed.coco, listed.places, boxes)
        if unknown := self._starts.unknown(self.names):
            warnings.warn(
                f"there are boxes of images that are not in the set: {unknown[:5]}",
                stacklevel=STACK_LEVEL,
            )
        self._model, self._device = model, device
        self._options: dict[str, Any] = {"axes": axes, "channels": channels}
        self._options["contrast_limits"] = contrast_limits
        self._problems: dict[str, str] = {}
        self._unreadable: set[str] = set()
        self._contents: dict[str, tuple[str, tuple[int, int]]] = {}
        if annotations is not None:
            folder: Path | None = Path(annotations).expanduser()
        else:
            folder = None if listed.root is None else listed.root / HIDDEN_FOLDER
        self.any_label = classes is None
        changed = weak_callback(self._store_changed)
        self.store = AnnotationStore(folder, list(self.names), take_over=take_over, changed=changed)
        # Once the set is garbage collected, other processes may open its annotations.
        self._finalizer = finalize(self, self.store.close)
        if not categories.names and listed.coco is not None:
            colors, categories = checked_labels(listed.coco.categories)
        self._declare(colors, categories)
        self._declare_attributes(*declared)
        self._start_review()
        self._start_proposals()

    # --- images -----------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all images: their paths relative to their common folder."""
        return tuple(self._numbers)

    @property
    def folder(self) -> Path | None:
        """Where the annotations are stored; None if in memory only."""
        return self.store.folder

    @property
    def problems(self) -> Mapping[str, str]:
        """Images that could not be read or have changed, by name, among those opened so far."""
        return MappingProxyType(self._problems)

    @property
    def options(self) -> dict[str, Any]:
        """The options with which its images are read; see `load_image`."""
        return dict(self._options)

    @property
    def model(self) -> ModelLike:
        """The model that makes its masks, as it was given."""
        return self._model

    @property
    def device(self) -> str | None:
        """The device of the model, as it was given."""
        return self._device

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[AnnotatedImage]:
        return (AnnotatedImage(self, one) for one in self._images)

    def __getitem__(self, which: str | int) -> AnnotatedImage:
        """An image by its name or number.

        Raises
        ------
        ImageError
            If there is none.
        """
        return AnnotatedImage(self, self._images[self.number(which)])

    def image_at(self, number: int) -> SetImage:
        """The source of an image, by its number."""
        return self._images[number]

    def number(self, which: str | int) -> int:
        """Number of an image, by its name or number, from the end if it is negative.

        Raises
        ------
        ImageError
            If there is none.
        """
        if isinstance(which, str):
            if which in self._numbers:
                return self._numbers[which]
            found = [n for name, n in self._numbers.items() if name.endswith(f"/{which}")]
            if len(found) == 1:
                return found[0]
            raise ImageError(f"there is no image {which!r} in the set: see s.names")
        whole = isinstance(which, (int, np.integer)) and not isinstance(which, bool)
        if not whole or not -len(self) <= which < len(self):
            raise ImageError(
                f"there is no image {which!r}: it must be a name, or a whole number within "
                f"0..{len(self) - 1}"
            )
        return int(which) % len(self)

    def find(
        self, *, text: str = "", state: State | None = None, label: str | None = None
    ) -> tuple[AnnotatedImage, ...]:
        """The images that fulfil all conditions, without reading them.

        Parameters
        ----------
        text : str
            A part of the name, in upper or lower case.
        state : str, optional
            See `AnnotatedImage.state`.
        label : str, optional
            The label of at least one object. Objects that an image starts with (`boxes`, or a COCO
            file) count once it was opened.

        Raises
        ------
        SettingError
            If a value is not valid.
        """
        query = checked_query(text, state, label)
        return tuple(AnnotatedImage(self, self._images[one]) for one in self.find_numbers(query))

    def find_numbers(self, query: Query) -> Sequence[int]:
        """The numbers of the images that match, in order."""
        if query.is_empty:
            return range(len(self))
        return matching(query, self.names, self.store)

    def is_unreadable(self, name: str) -> bool:
        """Whether the last attempt to read an image failed."""
        return name in self._unreadable

    def load(self, image: SetImage) -> LoadedImage:
        """Read an image; ImageError, which is added to `problems`, if it cannot be read."""
        try:
            loaded = load_image(image.image, **self._options)
            self._recognise(image, loaded)
        except ImageError as error:
            self._problems[image.name] = str(error)
            self._unreadable.add(image.name)
            raise
        self._unreadable.discard(image.name)
        problem = self._changes(image.name)
        if not problem:
            self._problems.pop(image.name, None)
            return loaded
        self._problems[image.name] = problem
        notes = [*loaded.record.get("notes", ()), problem]
        return replace(loaded, record=MappingProxyType({**loaded.record, "notes": notes}))

    @property
    def reading_options(self) -> Mapping[str, Any]:
        """The options with which images are read."""
        return MappingProxyType(self._options)

    def pixels(self, image: SetImage) -> UInt8Array:
        """Read an image, (H, W, 3) uint8, without recording anything; ImageError if it fails."""
        return load_image(image.image, **self._options).rgb

    def _recognise(self, image: SetImage, loaded: LoadedImage) -> None:
        """Store the size and the hash of the content of an image that was read."""
        height, width = loaded.rgb.shape[:2]
        if image.path is None:
            content = image_key(loaded.rgb)
        else:
            try:
                with open_regular(image.path) as file:
                    content = sha256_of(file)[:32]
            except OSError as error:
                raise ImageError(f"cannot read the image {image.name!r}: {error}") from error
        self._contents[image.name] = (content, (height, width))

    def _changes(self, name: str) -> str:
        """How an image has changed since it was annotated; "" if it has not."""
        content, size = self._contents[name]
        known = self.store[name]
        if not fits(known.prompts, size):
            return RESIZED.format(len(known.objects))
        is_changed = known.content and known.content != content and known.objects
        return CHANGED if is_changed else ""

    # --- objects ----------------------------------------------------------------------------------

    def annotations(self, name: str) -> ImageAnnotations:
        """The annotations of an image, including its initial objects.

        An image with initial objects is read on the first call, because its size is needed.
        """
        known = self.store[name]
        if not self._is_to_start(name, known):
            return known
        if name not in self._contents:
            self.load(self._images[self._numbers[name]])
        prompts = self._starts.prompts(name, self._contents[name][1])
        self._use_labels(prompts)

        def started(known: ImageAnnotations) -> dict[str, Any]:
            fields = {**with_prompts(known, prompts), "state": known.state}
            return fields if self._is_to_start(name, known) else {}

        return self.update(name, started)

    def _is_to_start(self, name: str, known: ImageAnnotations) -> bool:
        """Whether an image has initial objects that are not among its annotations yet."""
        # What was read has a content; without it only a note or a state may be known.
        return name in self._starts and not known.content and not known.objects

    def replace_prompts(self, name: str, prompts: Prompts) -> None:
        """Replace the objects of an image, in the widget too if it is open there.

        Raises
        ------
        PromptError
            If one of them is outside the image, or one that is replaced is locked in the widget.
        """
        known = self.annotations(name)
        _, size = self._contents.get(name, ("", known.size))
        if size is not None:
            check_inside(prompts, size)
        self.edit_objects(name, lambda known: with_prompts(known, prompts))

    def change(self, name: str, **fields: Any) -> None:
        """Change fields of an image's `ImageAnnotations`; written to disk within a second."""
        in_history = fields.keys() & {"objects", "settings"}
        change = self.edit_objects if in_history else self.update
        change(name, lambda _: fields)

    def update(self, name: str, change: ObjectsChange) -> ImageAnnotations:
        """Store changed fields of an image, but do not change a widget that has it open."""
        return self.store.update(name, lambda known: self._with_content(name, change(known)))

    def edit_later(self, names: Iterable[str], change: DeferredChange) -> Sequence[str]:
        """Change the objects of many images, each when it is read or written next."""
        self.store.update_later(
            names, lambda name, known: self._with_content(name, change(name, known))
        )
        return ()

    def _with_content(self, name: str, changed: dict[str, Any]) -> dict[str, Any]:
        """Changed fields, with the content of the image to which changed objects belong."""
        if "objects" not in changed or name not in self._contents:
            return changed
        content, size = self._contents[name]
        return {"content": content, "size": size, **changed}

    def fitting_prompts(self, name: str, size: tuple[int, int]) -> Prompts:
        """The prompts of an image if they lie within that (height, width), else none."""
        prompts = self.annotations(name).prompts
        return prompts if fits(prompts, size) else Prompts((), prompts.settings)

    def segmentation(self, name: str) -> Segmentation:
        """The masks of an image from its prompts; loads the model only if it is needed."""
        known, image = self.annotations(name), self._images[self._numbers[name]]
        prompts = replace(known.prompts, categories=self.categories)
        predictions = [predict_without_model(one.prompts) for one in prompts]
        if any(one is None for one in predictions):
            found = segment(self.load(image), prompts, model=self._model, device=self._device)
        else:
            height, width = size = known.size or self.load(image).rgb.shape[:2]
            session = Session(width, height, self.classes)
            session.replay(prompts)
            made = make_segmentation(session, cache_without_model(size), predictions=predictions)
            found = replace(made, categories=self.categories)
        return replace(found, file_name=name.rpartition("/")[2])

    def result_of(self, name: str) -> Segmentation:
        """As `segmentation`; a hook for subclasses that have some results already."""
        return self.segmentation(name)

    # --- the set as a whole -----------------------------------------------------------------------

    @property
    def progress(self) -> Progress:
        """How many images are in which state, and how long they take."""
        known = self.store.by_old_names
        unreadable = sum(not known(name).is_finished for name in list(self._unreadable))
        return progress_of((known(name) for name in self._numbers), unreadable)

    def first_unfinished(self, after: int = -1) -> int | None:
        """Number of the first image after `after` that needs work; None if there is none."""
        names = list(self._numbers)
        for number in range(after + 1, len(names)):
            if not self.store.by_old_names(names[number]).is_finished:
                return number
        return None

    @property
    def error(self) -> str:
        """Why the newest changes are not on disk; "" if they are, or will be in a moment."""
        return self.store.error

    def _store_changed(self) -> None:
        """Called when `error` has changed; a hook for subclasses."""

    def flush(self) -> None:
        """Wait until all changes so far are on disk; ExportError if they cannot be written."""
        self.store.flush()

    def close(self) -> None:
        """Write pending changes, and release the lock, so that others can open the annotations."""
        if "_proposals" in self.__dict__:
            self._end_proposals()
        self.store.close()


def check_inside(prompts: Prompts, size: tuple[int, int]) -> None:
    """Raise `PromptError` unless all prompts lie in an image of that (height, width)."""
    for one in prompts:
        check_prompts(one.prompts, size[1], size[0])


def fits(prompts: Prompts, size: tuple[int, int]) -> bool:
    """Whether all prompts lie in an image of that (height, width)."""
    try:
        check_inside(prompts, size)
    except PromptError:
        return False
    return True
