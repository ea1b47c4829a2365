"""Writes a whole set to files: COCO, folders for training YOLO, Pascal VOC, LabelMe and others."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from sam2_widget._utils.files import check_free, write_bytes
from sam2_widget.datasets.sources import SetImage
from sam2_widget.errors import ExportError, SegmentationError
from sam2_widget.export.folders import make_folder
from sam2_widget.export.registry import COMMAND_LINE, FORMATS, accepts, format_for, load
from sam2_widget.export.yolo import data_yaml, write_yolo
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.prompts.categories import Categories
from sam2_widget.results.segmentation import Segmentation

MAX_REPORTED = 5
"""Most failures that are listed in a warning."""


@dataclass
class SetWriter:
    """Writes the masks of images.

    Attributes
    ----------
    images : mapping of str to SetImage
        The images to be written, by name.
    segmentation : callable
        Computes the masks of an image.
    load : callable
        Reads an image.
    categories : Categories
        All classes of all images.
    overwrite : bool
    progress : callable
        Wraps the iterable of names, to show a progress bar.
    options : mapping
        Passed on to the writer of the format.
    failures : dict of str to str
        Why images could not be written, by name.
    """

    images: Mapping[str, SetImage]
    segmentation: Callable[[str], Segmentation]
    load: Callable[[SetImage], LoadedImage]
    categories: Categories
    overwrite: bool
    progress: Callable[[Sequence[str]], Any]
    options: Mapping[str, Any]
    failures: dict[str, str] = field(default_factory=dict)

    def write(
        self,
        target: Path | None,
        format_: str,
        parts: Mapping[str, Sequence[str]],
        *,
        copy_images: bool,
    ) -> None:
        """Write all parts; one part without a name is the whole set."""
        if format_ == "coco":
            self._coco(_needed(target, format_), parts)
        elif format_ == "yolo":
            self._yolo(_needed(target, format_), parts, copy_images=copy_images)
        else:
            self._each(target, format_, parts)
        if self.failures:
            some = [f"{n}: {why}" for n, why in list(self.failures.items())[:MAX_REPORTED]]
            more = f"; and {len(self.failures) - MAX_REPORTED} more"
            more = more if len(self.failures) > MAX_REPORTED else ""
            warnings.warn(
                f"{len(self.failures)} images were not written: {'; '.join(some)}{more}",
                stacklevel=4,
            )

    def _results(
        self, names: Sequence[str], *, with_image: bool = False
    ) -> Iterator[tuple[str, Segmentation]]:
        """Names and masks; an image that fails is skipped and added to `failures`."""
        for name in self.progress(names):
            if (result := self._result(name, with_image=with_image)) is not None:
                yield name, result

    def _result(self, name: str, *, with_image: bool) -> Segmentation | None:
        try:
            image = self.load(self.images[name]).rgb if with_image else None
            return replace(self.segmentation(name), image=image)
        except SegmentationError as error:
            self.failures[name] = str(error)
            return None

    # --- one file for all -------------------------------------------------------------------------

    def _coco(self, target: Path, parts: Mapping[str, Sequence[str]]) -> None:
        write = load(FORMATS["coco"].set_writer)
        files = {part: _part_file(target, part) for part in parts}
        for file in files.values():
            check_free(file, overwrite=self.overwrite)
        for part, names in parts.items():
            results = dict(self._results(names))
            make_folder(files[part].parent)
            write(
                results,
                files[part],
                classes=self.categories,
                overwrite=self.overwrite,
                **self.options,
            )

    # --- folders for training YOLO ----------------------------------------------------------------

    def _yolo(self, folder: Path, parts: Mapping[str, Sequence[str]], *, copy_images: bool) -> None:
        parts = {part or "train": names for part, names in parts.items()}
        check_free(folder / "data.yaml", overwrite=self.overwrite)
        stems = _stems([name for names in parts.values() for name in names])
        for part, names in parts.items():
            for name, result in self._results(names):
                file = folder / "labels" / part / f"{stems[name]}.txt"
                make_folder(file.parent)
                write_yolo(
                    result,
                    file,
                    classes=self.categories,
                    overwrite=self.overwrite,
                    **self.options,
                )
                if copy_images:
                    self._copy(self.images[name], folder / "images" / part / name)
        # Trainers need a validation set: without one, the first part is used.
        places = {part: part for part in parts}
        places.setdefault("val", next(iter(parts)))
        lines = "".join(f"{part}: images/{place}\n" for part, place in places.items())
        data = lines.encode() + data_yaml(self.categories)
        write_bytes(folder / "data.yaml", data, overwrite=self.overwrite)

    def _copy(self, image: SetImage, target: Path) -> None:
        make_folder(target.parent)
        if image.path is None:
            target = target.with_name(f"{target.name}.png")
        check_free(target, overwrite=self.overwrite)
        try:
            if image.path is None:
                Image.fromarray(self.load(image).rgb).save(target)
            else:
                shutil.copyfile(image.path, target)
        except OSError as error:
            raise ExportError(f"cannot copy the image to {str(target)!r}: {error}") from error

    # --- a file for each image --------------------------------------------------------------------

    def _each(self, target: Path | None, format_: str, parts: Mapping[str, Sequence[str]]) -> None:
        entry = FORMATS[format_]
        writer = load(entry.writer)
        options = dict(self.options)
        if accepts(writer, "classes"):
            options.setdefault("classes", self.categories)
        stems = _stems([name for names in parts.values() for name in names])
        for part, names in parts.items():
            for name, result in self._results(names, with_image=format_ == "cutout"):
                folder = target if target is None or not part else target / part
                if entry.shares_folder:
                    stem = stems[name].replace("/", "_")
                    place = _needed(folder, format_)
                    writer(result, place, name=stem, overwrite=self.overwrite, **options)
                    continue
                file = self._file(name, stems[name] + entry.suffixes[0], folder, format_)
                make_folder(file.parent)
                writer(result, file, overwrite=self.overwrite, **options)

    def _file(self, name: str, relative: str, folder: Path | None, format_: str) -> Path:
        """Path of the file of an image: in a folder, or next to the image."""
        if folder is not None:
            return folder / relative
        path = self.images[name].path
        if path is None:
            raise ExportError(f"the image {name!r} is no file: give the folder to write to")
        if format_ != "labelme":
            raise ExportError(
                f"{format_!r} is not written beside the images: give the folder to write to"
            )
        return path.with_name(PurePosixPath(relative).name)


def _needed(target: Path | None, format_: str) -> Path:
    if target is None:
        raise ExportError(f"the format {format_!r} needs a place: s.save(path, …)")
    return target


def _part_file(target: Path, part: str) -> Path:
    return target.with_name(f"{target.stem}-{part}{target.suffix}") if part else target


def _stems(names: Sequence[str]) -> dict[str, str]:
    """Names without their suffixes; ExportError if two of them are equal."""
    found: dict[str, str] = {}
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        stem = str(path.with_suffix("")).lstrip("/")
        if stem in found:
            raise ExportError(
                f"{found[stem]!r} and {name!r} differ in their suffixes only, and would have the "
                "same file: rename one of them, or write COCO"
            )
        found[stem] = name
    return {name: stem for stem, name in found.items()}


def format_of(target: Path | None, format_: str | None) -> str:
    """The format to write: the given one, or the one that fits the suffix of a file.

    Raises
    ------
    ExportError
        If there is no such format, or the suffix is unknown.
    """
    if format_ is not None:
        if format_ not in COMMAND_LINE:
            raise ExportError(f"no set has the format {format_!r}: use one of {COMMAND_LINE}")
        return format_
    found = format_for(target.name) if target is not None and target.suffix else None
    if found is None or not found.set_writer:
        raise ExportError(
            f"the name {str(target)!r} has no suffix of a format of sets: write 'name.json' for "
            "COCO, or pass format=, e.g. format='yolo'"
        )
    return found.name
