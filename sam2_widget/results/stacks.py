"""Results of the planes of a stack: ``w.planes``."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray, Float32Array, UInt8Array
from sam2_widget._utils.files import Target
from sam2_widget.annotation.planes import Planes
from sam2_widget.export.methods import Exports
from sam2_widget.export.values import MasksLike
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.prompts.collections import Prompts
from sam2_widget.prompts.stacks import StackPrompts
from sam2_widget.results.segmentation import Segmentation, SegmentedObject
from sam2_widget.results.tracks import StackMasks


class PlaneResult(Exports):
    """The result of one plane; reading its properties waits for pending predictions."""

    def __init__(self, planes: Planes, index: int) -> None:
        self._planes = planes
        self._index = index

    def __repr__(self) -> str:
        count = sum(bool(one.prompts) for one in self.prompts)
        place = f"{self._planes.axis or 'plane'} {self._index}"
        return f"PlaneResult({place}, {count} object{'' if count == 1 else 's'})"

    def __reduce__(self) -> tuple[Callable[[Segmentation], Segmentation], tuple[Segmentation]]:
        # Pickle the current result: planes, locks and models cannot be pickled.
        return _unpickled, (self._to_export(),)

    def _to_export(self) -> Segmentation:
        if not self._planes.has_no_prompts(self._index):
            return self._planes.result(self._index)
        return self._planes.tracked_result(self._index, with_image=True)

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
        """(H, W) int32: 0 is background, ``objects[i]`` has ``numbers[i]``; later ones on top."""
        return self._to_export().label_map

    @property
    def numbers(self) -> tuple[int, ...]:
        """The value of each object in `label_map`, and in the label volume of all planes."""
        return self._to_export().numbers

    @property
    def objects(self) -> tuple[SegmentedObject, ...]:
        """All objects, each with label, mask, score, area and more."""
        return self._to_export().objects

    @property
    def prompts(self) -> Prompts:
        """The prompts of all objects; ``segment(stack[i], prompts)`` gives the same masks."""
        annotator = self._planes.existing(self._index)
        if annotator is None:
            return Prompts((), self._planes.shown.session.annotation.settings)
        return annotator.session.prompts

    @property
    def image(self) -> UInt8Array:
        """The plane as displayed and as the model sees it, (H, W, 3) uint8."""
        return self._planes.image(self._index).rgb


class _Results(Mapping[int, Segmentation]):
    """Results of planes, each computed when it is accessed and not kept."""

    def __init__(self, planes: Planes, indices: Collection[int]) -> None:
        self._planes = planes
        self._indices = indices
        self._categories = planes.categories

    def __getitem__(self, index: int) -> Segmentation:
        if index not in self._indices:
            raise KeyError(index)
        return self._planes.without_image(index, self._categories)

    def __iter__(self) -> Iterator[int]:
        return iter(self._indices)

    def __len__(self) -> int:
        return len(self._indices)


def _unpickled(result: Segmentation) -> Segmentation:
    return result


class StackResults(Sequence[PlaneResult]):
    """The results of all planes; a single image is one plane."""

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
            raise IndexError(f"the stack has {len(self)} planes, got plane {index}")
        return PlaneResult(self._planes, int(index) % len(self))

    def __repr__(self) -> str:
        return f"StackResults({len(self)} planes, objects on {self.annotated})"

    @property
    def along(self) -> str:
        """Letter of the axis of the planes, e.g. ``"Z"``; "" for a single image."""
        return self._planes.axis

    @property
    def annotated(self) -> tuple[int, ...]:
        """Indices of the planes that have objects."""
        return tuple(self._planes.annotated)

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """Label volume (planes, H, W) int32: ``planes[z].objects[i]`` has ``planes[z].numbers[i]``.

        An object has the same number on every plane where it was tracked or corrected. Objects that
        were read with a number keep it, so an opened label volume is unchanged. Waits for running
        tracking jobs.
        """
        from sam2_widget.export.volumes import volume_of  # noqa: PLC0415 - on demand

        return volume_of(self, self.results())

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a plane in pixels."""
        return self._planes.size

    @property
    def masks(self) -> StackMasks:
        """The masks of each object on all planes, by its id in `label_map`.

        ``w.planes.masks[3][12]`` is the mask, (H, W) bool, of the object with the id 3 on plane 12;
        ``np.asarray(w.planes.masks[3])`` is (planes, H, W). Waits for running tracking jobs.
        """
        self._planes.wait_for_tracking()
        return StackMasks(self._planes)

    def results(self) -> Mapping[int, Segmentation]:
        """The result of each plane that has objects, by plane index; `image` may be None.

        A result is computed when it is accessed. Waits for running tracking jobs.
        """
        self._planes.wait_for_tracking()
        return _Results(self._planes, self._planes.with_objects())

    def every_result(self) -> Mapping[int, Segmentation]:
        """As `results`, for all planes: those without objects have empty results."""
        self._planes.wait_for_tracking()
        return _Results(self._planes, range(len(self)))

    @property
    def images(self) -> Sequence[LoadedImage]:
        """The image of each plane, read when it is accessed."""
        return self._planes.stack or [self._planes.picture.image]

    def to_file(
        self,
        path: Target,
        *,
        format: str | None = None,  # noqa: A002 - as for one plane
        overwrite: bool = False,
        **options: Any,
    ) -> Path | None:
        """Write the objects of all planes to one file, with the same id on all planes.

        Planes are written one after the other. Waits for running tracking jobs. `add_masks` reads
        all but videos.

        Parameters
        ----------
        path : path or file object
            The end of its name decides the format: ``.json`` COCO with tracks as in YouTube-VIS,
            ``.txt`` MOTS, ``.csv``, ``.tif`` and ``.npz`` label volumes, a folder or ``.zip`` a PNG
            for each plane, ``.mp4`` (``.mov``, ``.mkv``, ``.webm``) a video with the masks over the
            planes.
        format : str, optional
            ``"youtube-vis"``, ``"mots"``, ``"csv"``, ``"tiff"``, ``"npz"``, ``"pngs"`` or
            ``"overlay"``; by default chosen by the end of the name.
        overwrite : bool
            Whether existing files may be replaced.
        **options : Any
            Passed on to the writer, e.g. ``opacity=`` and ``frame_rate=`` of the video; see
            `write_tracks`.

        Returns
        -------
        Path or None
            The path that was written; None for a file object.

        Raises
        ------
        ExistsError
            If a file exists and `overwrite` is False.
        ExportError
            If the format is not known, or the file cannot be written.
        MissingLibraryError
            If a library is missing: PyAV for videos, tifffile for TIFF.

        Examples
        --------
        >>> w.planes.to_file("cells.mots.txt")  # doctest: +SKIP
        """
        from sam2_widget.export.tracks.stacks import write_stack  # noqa: PLC0415 - on demand

        write_stack(self, path, format=format, overwrite=overwrite, **options)
        return Path(path) if isinstance(path, (str, os.PathLike)) else None

    def to_tiff(self, path: Target, *, overwrite: bool = False) -> None:
        """Write `label_map` as a TIFF stack; see `sam2_widget.export.tiff.write_label_stack`.

        Where objects overlap, the lower one loses these pixels, with a `LossWarning`.
        """
        from sam2_widget.export.volumes import write_volume  # noqa: PLC0415 - on demand

        write_volume(self, path, overwrite=overwrite)

    def add_masks(self, masks: MasksLike, **options: Any) -> None:
        """Add existing masks as finished objects; label volumes and tracks to all planes.

        Parameters
        ----------
        masks : label volume, tracks, or any value that `SegmentWidget.add_masks` accepts
            A volume is an array (planes, H, W) of integers or bool, or a TIFF or NPY file of one:
            each number is an object with this number on all planes. Tracks are what `read_tracks`
            returns, or a file that it reads. Other masks are added to the plane that is shown.
        **options
            Passed on to the reader of a file.

        Raises
        ------
        AnnotationError
            If `masks` holds no masks, or masks of another size than the planes.
        """
        from sam2_widget.results.loading import add_masks  # noqa: PLC0415 - on demand

        add_masks(self._planes, self._planes.shown, masks, **options)

    @property
    def prompts(self) -> StackPrompts:
        """The prompts of all planes that have any, for saving and replaying.

        An object that is marked as absent from a plane has an empty list of prompts there.
        """
        by_plane = {index: self[index].prompts for index in self._planes.described}
        return StackPrompts(by_plane, self.along)

    def add_prompts(self, prompts: StackPrompts | str | os.PathLike[str]) -> None:
        """Add the objects of prompts of a stack, or of a file from ``w.planes.prompts.save``.

        Raises
        ------
        PromptError
            If the file does not hold such prompts, a plane does not exist, or a prompt is outside
            the image; nothing is changed then.
        """
        if not isinstance(prompts, StackPrompts):
            prompts = StackPrompts.load(prompts)
        self._planes.check_prompts(prompts)
        for index, plane_prompts in self._renumbered(prompts).items():
            annotator = self._planes[index]
            annotator.edit(partial(annotator.session.replay, plane_prompts))

    def replay(self, prompts: Prompts | StackPrompts) -> None:
        """Add objects to the sessions of their planes without notifying the front end.

        Prompts of a single image are added to the plane that is shown.

        Raises
        ------
        PromptError
            If a plane does not exist, or a prompt is outside the image; nothing is changed then.
        """
        if not isinstance(prompts, StackPrompts):
            self._planes.shown.session.replay(prompts)
            return
        self._planes.check_prompts(prompts)
        for index, plane_prompts in self._renumbered(prompts).items():
            self._planes[index].session.replay(plane_prompts)

    def _renumbered(self, prompts: StackPrompts) -> dict[int, Prompts]:
        from sam2_widget.results.loading import renumbered  # noqa: PLC0415 - on demand

        return renumbered(self._planes, prompts)[0]
