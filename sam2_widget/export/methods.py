"""The export methods that widgets and the results of `segment` share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.files import Target
from sam2_widget.annotation.provenance import Provenance
from sam2_widget.errors import ExportError
from sam2_widget.export.docstrings import documented
from sam2_widget.export.registry import COMMAND_LINE, format_for, load, writable_format
from sam2_widget.export.values import ResultLike
from sam2_widget.prompts.categories import ClassesLike
from sam2_widget.prompts.collections import Prompts

if TYPE_CHECKING:
    import pandas as pd

    from sam2_widget.export.coco import Segmentation
    from sam2_widget.export.geojson import Transform
    from sam2_widget.export.label_map import Values
    from sam2_widget.export.labelme import Shapes


class Exportable(ResultLike, Protocol):
    """The segmentation of one image, with its prompts and provenance."""

    @property
    def model(self) -> str:
        """Name of the model that made the masks."""

    @property
    def file_name(self) -> str:
        """Name of the image's file."""

    @property
    def image(self) -> UInt8Array | None:
        """(H, W, 3) uint8; None if the result has no image."""

    @property
    def prompts(self) -> Prompts:
        """The prompts that the masks were predicted from."""

    @property
    def provenance(self) -> Provenance:
        """How the masks were made: model, device, image and settings."""


class Exports:
    """Methods that write a result to files or convert it for other libraries.

    Existing files are replaced only with ``overwrite=True``, and files are written completely or
    not at all. A `LossWarning` lists what a format cannot keep. ``sam2_widget.read_masks`` reads
    all formats that hold masks.
    """

    def _to_export(self) -> Exportable:
        """The result to write; a widget waits here for pending predictions."""
        raise NotImplementedError

    def to_file(
        self,
        path: Target,
        *,
        format: str | None = None,  # noqa: A002 - the word that a caller expects
        overwrite: bool = False,
        **options: Any,
    ) -> Path | None:
        """Write a file in the format of its suffix.

        Parameters
        ----------
        path : path or file object
            Where to write it, relative to the notebook's folder.
        format : str, optional
            The format: ``"coco"``, ``"yolo"``, ``"voc"``, ``"labelme"``, ``"geojson"``, ``"tiff"``,
            ``"png"``, ``"pngs"``, ``"npz"``, ``"cutout"``, ``"csv"`` or ``"prompts"``; by default
            chosen by the suffix.
        overwrite : bool
            Whether existing files may be replaced.
        **options : Any
            Further parameters of the format's method, e.g. ``tolerance=`` of `to_geojson`.

        Returns
        -------
        Path or None
            The path that was written; None for a file object.

        Raises
        ------
        ExistsError
            If a file exists and `overwrite` is False.
        ExportError
            If there is no such format, or no format has this suffix.
        """
        chosen = writable_format(format or _format_of(path))
        source = self._to_export() if chosen.needs_masks else self
        load(chosen.writer)(source, path, overwrite=overwrite, **options)
        return Path(path) if isinstance(path, (str, os.PathLike)) else None

    def to_frame(self) -> pd.DataFrame:
        """A pandas table with one row per object; see `sam2_widget.export.tables.to_frame`."""
        from sam2_widget.export.tables import to_frame  # noqa: PLC0415 - on demand, as below

        result = self._to_export()
        return to_frame(result, model=result.model)

    def to_supervision(self) -> Any:
        """A `supervision.Detections` with boxes, masks, scores and class names."""
        from sam2_widget.export.tables import to_supervision  # noqa: PLC0415

        return to_supervision(self._to_export())

    def to_labels(self) -> npt.NDArray[np.int32]:
        """Label map (H, W) int32 as scikit-image's ``regionprops`` expects it: 0 is background."""
        from sam2_widget.export.tables import to_labels  # noqa: PLC0415

        return to_labels(self._to_export())

    @documented(
        segmentation=(
            '{"rle", "polygons"}',
            (
                "RLE keeps every pixel. Polygons are read by more programs, but COCO's cannot have "
                "holes: each hole is joined to its outline by a zero-width bridge."
            ),
        ),
    )
    def to_coco(
        self,
        path: Target,
        *,
        segmentation: Segmentation = "rle",
        file_name: str | None = None,
        classes: ClassesLike | None = None,
        tolerance: float = 0.0,
        overwrite: bool = False,
    ) -> Path | None:
        """Write COCO JSON: exact masks as RLE, or polygons."""
        return self.to_file(
            path,
            format="coco",
            segmentation=segmentation,
            file_name=file_name,
            classes=classes,
            tolerance=tolerance,
            overwrite=overwrite,
        )

    @documented(
        path=(
            "path or file object",
            (
                "Where to write it, relative to the notebook's folder; usually the name of the "
                "image with the suffix ``.txt``. With ``.zip``, a ZIP file with "
                "``labels/name.txt`` and ``data.yaml`` is written."
            ),
        ),
        name=(
            "str, optional",
            "Name of the label file in a ZIP file, without suffix; by default that of the image.",
        ),
        data=(
            "path, optional",
            "Where to write a ``data.yaml`` with the class names; label files have numbers only.",
        ),
    )
    def to_yolo(
        self,
        path: Target,
        *,
        classes: ClassesLike | None = None,
        data: str | Path | None = None,
        name: str | None = None,
        tolerance: float = 0.0,
        overwrite: bool = False,
    ) -> Path | None:
        """Write a YOLO segmentation label file: one line per object, in fractions of the image."""
        return self.to_file(
            path,
            format="yolo",
            classes=classes,
            data=data,
            name=name,
            tolerance=tolerance,
            overwrite=overwrite,
        )

    @documented(
        shapes=(
            '{"auto", "polygons", "masks"}',
            (
                "LabelMe's polygons cannot have holes; its masks are exact, but have no vertices "
                'to edit. "auto" writes masks for objects with holes and polygons for others.'
            ),
        ),
    )
    def to_labelme(
        self,
        path: Target,
        *,
        shapes: Shapes = "auto",
        file_name: str | None = None,
        tolerance: float = 0.0,
        overwrite: bool = False,
    ) -> Path | None:
        """Write LabelMe JSON without the embedded image."""
        return self.to_file(
            path,
            format="labelme",
            shapes=shapes,
            file_name=file_name,
            tolerance=tolerance,
            overwrite=overwrite,
        )

    @documented(
        transform=(
            "6 floats, optional",
            (
                "Pixel to map coordinates, as rasterio's ``dataset.transform``; without it the "
                "coordinates are (x, y) in image pixels, y down."
            ),
        ),
        crs=(
            "str, optional",
            (
                'Coordinate reference system of the map coordinates, e.g. ``"EPSG:32633"``; '
                "requires `transform`."
            ),
        ),
    )
    def to_geojson(
        self,
        path: Target,
        *,
        transform: Transform | None = None,
        crs: str | None = None,
        tolerance: float = 0.0,
        overwrite: bool = False,
    ) -> Path | None:
        """Write a GeoJSON FeatureCollection: one feature per object, with holes and parts."""
        return self.to_file(
            path,
            format="geojson",
            transform=transform,
            crs=crs,
            tolerance=tolerance,
            overwrite=overwrite,
        )

    @documented()
    def to_png(
        self,
        path: Target,
        *,
        values: Values = "objects",
        classes: ClassesLike | None = None,
        overwrite: bool = False,
    ) -> Path | None:
        """Write a label map as PNG: 0 is background, later objects lie on top."""
        return self.to_file(path, format="png", values=values, classes=classes, overwrite=overwrite)

    @documented()
    def to_pngs(self, folder: Target, *, overwrite: bool = False) -> Path | None:
        """Write a black and white PNG of the size of the image for each object."""
        return self.to_file(folder, format="pngs", overwrite=overwrite)

    @documented()
    def to_npz(self, path: Target, *, overwrite: bool = False) -> Path | None:
        """Write arrays for `numpy.load` that keep everything: masks, labels, scores, prompts."""
        return self.to_file(path, format="npz", overwrite=overwrite)

    @documented(
        stack=(
            "bool",
            (
                "Whether to write one slice per object instead of a label map, so that overlapping "
                "objects keep all their pixels."
            ),
        ),
    )
    def to_tiff(
        self,
        path: Target,
        *,
        values: Values = "objects",
        classes: ClassesLike | None = None,
        stack: bool = False,
        overwrite: bool = False,
    ) -> Path | None:
        """Write a label map as TIFF for ImageJ: 0 is background, later objects lie on top."""
        return self.to_file(
            path, format="tiff", values=values, classes=classes, stack=stack, overwrite=overwrite
        )

    def to_cutout(
        self,
        path: Target | None = None,
        *,
        index: int | None = None,
        crop: bool = True,
        image: UInt8Array | None = None,
        overwrite: bool = False,
    ) -> UInt8Array:
        """The image inside the masks, transparent elsewhere, (h, w, 4) uint8; also as a PNG.

        Parameters
        ----------
        path : path or file object, optional
            Where to write the PNG; by default nothing is written.
        index : int, optional
            Index of the only object to cut out; by default all.
        crop : bool
            Whether to crop the result to the bounding box of the masks.
        image : (H, W, 3) uint8 ndarray, optional
            Pixels to cut out instead of those that were segmented.
        overwrite : bool
            Whether an existing file may be replaced.
        """
        from sam2_widget.export.cutout import cutout, image_of  # noqa: PLC0415

        result = self._to_export()
        pixels = image_of(result, image)
        if path is not None:
            options = {"index": index, "crop": crop, "image": pixels}
            self.to_file(path, format="cutout", overwrite=overwrite, **options)
        return cutout(result, pixels, index=index, crop=crop)

    @documented(
        name=("str, optional", "Name of the files without suffix; by default that of the image."),
    )
    def to_voc(
        self,
        folder: Target,
        *,
        name: str | None = None,
        classes: ClassesLike | None = None,
        overwrite: bool = False,
    ) -> Path | None:
        """Write Pascal VOC files: boxes as XML, objects and classes as palette images.

        They go into the subfolders ``Annotations``, ``SegmentationObject`` and
        ``SegmentationClass``.
        """
        return self.to_file(folder, format="voc", name=name, classes=classes, overwrite=overwrite)

    def to_code(self) -> str:
        """Python code that makes the same masks again."""
        result = self._to_export()
        record = result.provenance.image
        return result.prompts.to_code(
            record.get("source"), result.model, **record.get("options", {})
        )


def _format_of(target: Target) -> str:
    """The format with the suffix of `target`."""
    is_path = isinstance(target, (str, os.PathLike))
    name = str(target) if is_path else getattr(target, "name", None)
    found = format_for(name) if isinstance(name, str) else None
    if found is None:
        raise ExportError(
            f"no format is known for the file name {name!r}: pass format=, one of "
            f"{', '.join(COMMAND_LINE)}"
        )
    return found.name
