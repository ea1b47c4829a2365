"""The exports as methods: of a widget and of what `segment` returns alike."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sam2_widget.errors import ExportError
from sam2_widget.files import Target
from sam2_widget.predictor import UInt8Array

if TYPE_CHECKING:
    import pandas as pd

    from sam2_widget.export.coco import Segmentation as CocoSegmentation
    from sam2_widget.export.geojson import Transform
    from sam2_widget.export.label_map import Values
    from sam2_widget.export.labelme import Shapes
    from sam2_widget.results import Segmentation


class Exports:
    """Everything that a result can be written as.

    Existing files are replaced only with ``overwrite=True``, and files are written whole or not at
    all. What a format cannot keep is told by a `LossWarning`. ``sam2_widget.read_masks`` reads all
    of them.
    """

    def _to_export(self) -> Segmentation:
        """What is written; a widget waits here for what is pending."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """A pandas table with a row an object; see `sam2_widget.export.tables.to_frame`."""
        from sam2_widget.export.tables import to_frame  # noqa: PLC0415 - as all of them: on demand

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

    def to_coco(
        self,
        path: Target,
        *,
        segmentation: CocoSegmentation = "rle",
        file_name: str | None = None,
        classes: Sequence[str] | None = None,
        tolerance: float = 0.0,
        overwrite: bool = False,
    ) -> None:
        """Write COCO JSON; see `sam2_widget.export.coco.write_coco`."""
        from sam2_widget.export.coco import write_coco  # noqa: PLC0415

        result = self._to_export()
        write_coco(
            result,
            path,
            segmentation=segmentation,
            file_name=file_name or result.file_name,
            classes=classes,
            tolerance=tolerance,
            overwrite=overwrite,
        )

    def to_yolo(
        self,
        path: Target,
        *,
        classes: Sequence[str] | None = None,
        data: str | Path | None = None,
        tolerance: float = 0.0,
        overwrite: bool = False,
    ) -> None:
        """Write YOLO segmentation labels; see `sam2_widget.export.yolo.write_yolo`."""
        from sam2_widget.export.yolo import write_yolo  # noqa: PLC0415

        result = self._to_export()
        write_yolo(
            result, path, classes=classes, data=data, tolerance=tolerance, overwrite=overwrite
        )

    def to_labelme(
        self,
        path: Target,
        *,
        shapes: Shapes = "auto",
        file_name: str | None = None,
        tolerance: float = 0.0,
        overwrite: bool = False,
    ) -> None:
        """Write LabelMe JSON; see `sam2_widget.export.labelme.write_labelme`."""
        from sam2_widget.export.labelme import write_labelme  # noqa: PLC0415

        result = self._to_export()
        name = file_name or result.file_name
        write_labelme(
            result, path, shapes=shapes, file_name=name, tolerance=tolerance, overwrite=overwrite
        )

    def to_geojson(
        self,
        path: Target,
        *,
        transform: Transform | None = None,
        crs: str | None = None,
        tolerance: float = 0.0,
        overwrite: bool = False,
    ) -> None:
        """Write GeoJSON; see `sam2_widget.export.geojson.write_geojson`."""
        from sam2_widget.export.geojson import write_geojson  # noqa: PLC0415

        result = self._to_export()
        write_geojson(
            result, path, transform=transform, crs=crs, tolerance=tolerance, overwrite=overwrite
        )

    def to_png(
        self,
        path: Target,
        *,
        values: Values = "objects",
        classes: Sequence[str] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write a label map as PNG; see `sam2_widget.export.label_map.write_png`."""
        from sam2_widget.export.label_map import write_png  # noqa: PLC0415

        result = self._to_export()
        write_png(result, path, values=values, classes=classes, overwrite=overwrite)

    def to_pngs(self, folder: Target, *, overwrite: bool = False) -> None:
        """Write a PNG an object; see `sam2_widget.export.pngs.write_pngs`."""
        from sam2_widget.export.pngs import write_pngs  # noqa: PLC0415

        write_pngs(self._to_export(), folder, overwrite=overwrite)

    def to_npz(self, path: Target, *, overwrite: bool = False) -> None:
        """Write arrays for `numpy.load`; see `sam2_widget.export.npz.write_npz`."""
        from sam2_widget.export.npz import write_npz  # noqa: PLC0415

        write_npz(self._to_export(), path, overwrite=overwrite)

    def to_tiff(
        self,
        path: Target,
        *,
        values: Values = "objects",
        classes: Sequence[str] | None = None,
        stack: bool = False,
        overwrite: bool = False,
    ) -> None:
        """Write a label map as TIFF for ImageJ; see `sam2_widget.export.tiff.write_tiff`."""
        from sam2_widget.export.tiff import write_tiff  # noqa: PLC0415

        result = self._to_export()
        write_tiff(result, path, values=values, classes=classes, stack=stack, overwrite=overwrite)

    def to_cutout(
        self,
        path: Target | None = None,
        *,
        index: int | None = None,
        crop: bool = True,
        image: UInt8Array | None = None,
        overwrite: bool = False,
    ) -> UInt8Array:
        """The image where objects are, transparent elsewhere, (h, w, 4) uint8; also as a PNG.

        Parameters
        ----------
        path : path or file object, optional
            Where to write it.
        index : int, optional
            Which object; all by default.
        crop : bool
            Whether to cut to the box around what is left.
        image : (H, W, 3) uint8 ndarray, optional
            Other pixels than those that were segmented.
        overwrite : bool
            Whether a file that is there already may be replaced.
        """
        from sam2_widget.export.cutout import cutout, write_cutout  # noqa: PLC0415

        result = self._to_export()
        pixels = result.image if image is None else image
        if pixels is None:
            raise ExportError("this result does not know its image: pass image=")
        if path is not None:
            write_cutout(result, pixels, path, index=index, crop=crop, overwrite=overwrite)
        return cutout(result, pixels, index=index, crop=crop)

    def to_voc(
        self,
        folder: str | os.PathLike[str],
        *,
        name: str | None = None,
        classes: Sequence[str] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write Pascal VOC files; see `sam2_widget.export.voc.write_voc`."""
        from sam2_widget.export.voc import write_voc  # noqa: PLC0415

        result = self._to_export()
        name = name or Path(result.file_name).stem
        write_voc(result, folder, name=name, classes=classes, overwrite=overwrite)

    def to_code(self) -> str:
        """The lines of Python that make these masks again."""
        result = self._to_export()
        record = result.provenance.image
        return result.prompts.to_code(
            record.get("source"), result.model, **record.get("options", {})
        )
