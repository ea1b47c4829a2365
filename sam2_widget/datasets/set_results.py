"""Results of a whole set: files, splits, tables, a torch `Dataset`."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tqdm.auto import tqdm

from sam2_widget.datasets.agreed_objects import Match
from sam2_widget.datasets.agreement import Agreement, matches
from sam2_widget.datasets.agreement_view import ComparedImage, most_different
from sam2_widget.datasets.annotated_image import AnnotatedImage
from sam2_widget.datasets.annotations import State
from sam2_widget.datasets.hugging_face import MaskForm, TableMaker, import_datasets
from sam2_widget.datasets.object_table import ObjectRow, ObjectTable
from sam2_widget.datasets.set_base import SetBase
from sam2_widget.datasets.sources import HIDDEN_FOLDER, SetImage
from sam2_widget.datasets.splits import Fractions, split
from sam2_widget.datasets.writing import SetWriter, format_of
from sam2_widget.errors import ExportError, ImageError, SettingError
from sam2_widget.export.read import read_masks
from sam2_widget.export.values import UNLABELED, ResultLike
from sam2_widget.images.sources import load_image
from sam2_widget.prompts.categories import Categories
from sam2_widget.results.segmentation import Segmentation

if TYPE_CHECKING:
    from sam2_widget.datasets.torch_data import SegmentationDataset

ANNOTATED: tuple[State, ...] = ("in progress", "done", "empty", "review")
"""States of the images that are written by default; untouched ones may not be empty."""

GroupLike: TypeAlias = "str | Callable[[AnnotatedImage], Hashable]"
"""A column of the table of images, an attribute, or a function of the image."""


class SetResults(SetBase):
    """The results of a set, as methods."""

    _options: dict[str, Any]

    @property
    @abstractmethod
    def categories(self) -> Categories:
        """The classes of the set."""

    @abstractmethod
    def __getitem__(self, which: str | int) -> AnnotatedImage:
        """An image."""

    # --- files ------------------------------------------------------------------------------------

    def save(
        self,
        target: str | os.PathLike[str] | None = None,
        *,
        format: str | None = None,  # noqa: A002 - the same name as everywhere in this package
        states: Iterable[State] = ANNOTATED,
        splits: Fractions | None = None,
        seed: int = 0,
        group: GroupLike | None = None,
        stratify: bool = False,
        copy_images: bool = True,
        overwrite: bool = False,
        progress: bool = True,
        **options: Any,
    ) -> None:
        """Write the whole set. If an image fails, the others are still written.

        Parameters
        ----------
        target : path, optional
            A file ``….json`` for COCO; a folder for other formats. None writes LabelMe's files next
            to the images.
        format : str, optional
            ``"coco"``, ``"yolo"`` (a folder with images, labels and ``data.yaml``), ``"voc"``,
            ``"labelme"`` and every other format of ``w.to_file``, with a file for each image.
        states : iterable of str
            States of the images that are written; by default those that were annotated.
        splits, seed, group, stratify : optional
            Write parts, see `split`: for COCO a file for each, e.g. ``coco-train.json``, for other
            formats a folder.
        copy_images : bool
            Whether to copy the images to YOLO's folder, too.
        overwrite : bool
            Whether existing files may be replaced.
        progress : bool
            Whether to show a progress bar.
        **options
            For the writer of the format, e.g. ``segmentation="polygons"`` for COCO.

        Raises
        ------
        ExistsError
            If files exist and `overwrite` is false.
        ExportError
            If they cannot be written, or no image is in one of these states.

        Warns
        -----
        UserWarning
            If images could not be written.

        Examples
        --------
        >>> s.save("coco.json")  # doctest: +SKIP
        >>> s.save("yolo", format="yolo", splits={"train": 0.8, "val": 0.2})  # doctest: +SKIP
        """
        path = None if target is None else Path(target).expanduser()
        chosen = format_of(path, format)
        names = self._in_states(states)
        if splits is None:
            parts: Mapping[str, Sequence[str]] = {"": names}
        else:
            parts = self.split(splits, states=states, seed=seed, group=group, stratify=stratify)
        writer = SetWriter(
            {name: self._image(name) for name in names},
            self.segmentation,
            self.load,
            self._all_categories(names),
            overwrite,
            partial(tqdm, unit="image", disable=None if progress else True),
            options,
        )
        writer.write(path, chosen, parts, copy_images=copy_images)

    def _image(self, name: str) -> SetImage:
        return self.image_at(self.number(name))

    def _in_states(self, states: Iterable[State]) -> list[str]:
        wanted = set(states)
        found = [name for name in self.names if self.store[name].state in wanted]
        if not found:
            raise ExportError(
                f"no image of the set is in one of the states {sorted(wanted)}: annotate some, or "
                "pass states="
            )
        return found

    def _all_categories(self, names: Iterable[str]) -> Categories:
        """The classes of the set, then other labels; objects without a label come last."""
        labels: set[str | None] = set()
        for name in names:
            with suppress(ImageError):  # an image whose initial objects need its size
                labels.update(one.object.label for one in self.annotations(name).objects)
        named = sorted(label for label in labels if label is not None)
        return self.categories.with_names([*named, *([UNLABELED] if None in labels else [])])

    # --- parts ------------------------------------------------------------------------------------

    def split(
        self,
        fractions: Fractions,
        *,
        seed: int = 0,
        group: GroupLike | None = None,
        stratify: bool = False,
        states: Iterable[State] = ANNOTATED,
    ) -> dict[str, tuple[str, ...]]:
        """Divide the images into parts; the same seed gives the same parts.

        Parameters
        ----------
        fractions : mapping of str to float
            The fraction of each part, e.g. ``{"train": 0.8, "val": 0.2}``.
        seed : int
        group : str or callable, optional
            Images with the same value are put into the same part: a column of the table of images,
            an attribute, or a function of the `AnnotatedImage`.
        stratify : bool
            Whether to balance the objects of each class among the parts, as far as groups allow.
        states : iterable of str
            See `save`.

        Returns
        -------
        dict of str to tuple of str
            Names of the images of each part.

        Raises
        ------
        SettingError
            If the fractions are not above 0 or do not add up to 1, or no image has such a column.
        """
        return split(
            (
                (name, self._group(name, group), self._counts(name))
                for name in self._in_states(states)
            ),
            fractions,
            seed=seed,
            stratify=stratify,
        )

    def _group(self, name: str, group: GroupLike | None) -> Hashable:
        if group is None:
            return name
        image = self[name]
        if callable(group):
            return group(image)
        values = {**image.row, **image.attributes}
        if group not in values:
            raise SettingError(
                f"{name!r} has neither a column nor an attribute {group!r}: it has {list(values)}"
            )
        found: Hashable = values[group]
        return found

    def _counts(self, name: str) -> Counter[str | None]:
        return Counter(one.object.label for one in self.annotations(name).objects)

    # --- tables -----------------------------------------------------------------------------------

    @property
    def objects(self) -> ObjectTable:
        """All objects of all images that were annotated or opened, one row each."""
        return ObjectTable(list(self._rows()), self.segmentation)

    def _rows(self) -> Iterator[ObjectRow]:
        for name in self.names:
            known = self.store[name]
            for place, one in enumerate(known.objects):
                yield ObjectRow(name, place, known.state, one)

    def agreement(
        self,
        other: SetResults | Mapping[str, Any],
        *,
        threshold: float = 0.5,
        states: Iterable[State] = ANNOTATED,
        progress: bool = True,
    ) -> Agreement:
        """Agreement between this set and another one, or the masks of a model.

        Objects are matched by IoU: pairs with the highest IoU first, each object once.

        Parameters
        ----------
        other : ImageSet, or mapping of str to masks
            Another set with the same images, with its own ``annotations=``; or a mapping from names
            of images to anything that `read_masks` reads.
        threshold : float
            The lowest IoU of two objects that match.
        states : iterable of str
            States of the images of this set that are compared; the other must have them.
        progress : bool
            Whether to show a progress bar.

        Raises
        ------
        AnnotationError
            If an image has another size in `other`.
        ExportError
            If no image can be compared.
        """
        if not 0 < threshold <= 1:
            raise SettingError(f"threshold must be above 0 and at most 1, got {threshold!r}")
        names = [name for name in self._in_states(states) if _has(other, name, set(states))]
        if not names:
            raise ExportError("the two have no annotated image in common")
        found: list[Match] = []
        worst: list[ComparedImage] = []
        for name in tqdm(names, unit="image", disable=None if progress else True):
            one = self._compared(name, other, threshold)
            found += one.matches
            worst = most_different([*worst, one])
        return Agreement(found, worst, names=(_name(self, "this set"), _name(other, "the other")))

    def _compared(
        self, name: str, other: SetResults | Mapping[str, Any], threshold: float
    ) -> ComparedImage:
        mine = replace(self.segmentation(name), image=None)
        theirs = _result(other, name, mine.size)
        found = tuple(matches(name, mine, theirs, threshold))
        return ComparedImage(name, (mine, theirs), found, lambda: self.load(self._image(name)).rgb)

    # --- torch ------------------------------------------------------------------------------------

    def to_torch(
        self,
        *,
        names: Iterable[str] | None = None,
        states: Iterable[State] = ANNOTATED,
        transforms: Callable[[Any, dict[str, Any]], Any] | None = None,
        progress: bool = True,
    ) -> SegmentationDataset:
        """A torch `Dataset` with the targets of torchvision's detectors: boxes, labels, masks.

        The masks are computed now; images are read when they are accessed.

        Parameters
        ----------
        names : iterable of str, optional
            Which images, e.g. a part of `split`; by default all in `states`.
        states : iterable of str
            See `save`.
        transforms : callable, optional
            Takes image, (3, H, W) uint8, and target, and returns both.
        progress : bool
            Whether to show a progress bar.
        """
        from sam2_widget.datasets.torch_data import SegmentationDataset  # noqa: PLC0415 - torch

        chosen = self._in_states(states) if names is None else [self[one].name for one in names]
        shown = tqdm(chosen, unit="image", disable=None if progress else True)
        results = [replace(self.segmentation(name), image=None) for name in shown]
        numbers = self._all_categories(chosen).numbers(first=1)
        images = [self._image(name) for name in chosen]
        load = partial(load_image, **self._options)
        return SegmentationDataset(images, results, numbers, load, transforms)

    # --- Hugging Face -----------------------------------------------------------------------------

    def to_hugging_face(
        self,
        *,
        states: Iterable[State] = ANNOTATED,
        splits: Fractions | None = None,
        masks: MaskForm = "rle",
        seed: int = 0,
        group: GroupLike | None = None,
        stratify: bool = False,
        progress: bool = True,
    ) -> Any:
        """A `Dataset` of Hugging Face's library ``datasets``, with a row for each image.

        Its columns are ``image`` (the file, or the pixels of an image in memory), ``name``,
        ``width``, ``height`` and ``objects``: lists of ``id`` (1, 2, …), ``bbox`` (x, y, width,
        height), ``category`` (a ``ClassLabel``), ``area``, ``iscrowd`` and ``segmentation``. Empty
        masks are left out.

        Parameters
        ----------
        states : iterable of str
            See `save`.
        splits, seed, group, stratify : optional
            Make a ``DatasetDict`` of parts, see `split`.
        masks : {"rle", "png"}
            ``"rle"``: the mask of each object in ``segmentation``, as COCO's RLE. ``"png"``: a
            column ``mask`` instead, a picture with the ``id`` of the topmost object, 0 where there
            is none.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        datasets.Dataset or datasets.DatasetDict

        Raises
        ------
        MissingLibraryError
            If ``datasets`` is not installed.
        ExportError
            If no image is in one of these states.
        ImageError
            If an image cannot be read.

        Examples
        --------
        >>> s.to_hugging_face(splits={"train": 0.8, "test": 0.2})  # doctest: +SKIP
        """
        library = import_datasets()
        names = self._in_states(states)
        classes = tuple(self._all_categories(names).names)
        maker = TableMaker(classes, masks, lambda image: self.load(image).rgb)

        def table(part: Sequence[str]) -> Any:
            shown = tqdm(part, unit="image", disable=None if progress else True)
            return maker.make((self._image(name), self.segmentation(name)) for name in shown)

        if splits is None:
            return table(names)
        parts = self.split(splits, states=states, seed=seed, group=group, stratify=stratify)
        return library.DatasetDict({part: table(some) for part, some in parts.items()})


def _name(one: SetResults | Mapping[str, Any], otherwise: str) -> str:
    """What an annotator is called: by the folder of the annotations, unless it is the usual one."""
    folder = one.store.folder if isinstance(one, SetResults) else None
    return otherwise if folder is None or folder.name == HIDDEN_FOLDER else folder.name


def _has(other: SetResults | Mapping[str, Any], name: str, states: set[State]) -> bool:
    if isinstance(other, SetResults):
        return name in other.names and other.store[name].state in states
    return name in other


def _result(other: SetResults | Mapping[str, Any], name: str, size: tuple[int, int]) -> ResultLike:
    if isinstance(other, SetResults):
        return replace(other.segmentation(name), image=None)
    found = other[name]
    return found if isinstance(found, Segmentation) else read_masks(found, size)
