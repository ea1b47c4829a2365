"""The registry of file formats: names, suffixes, writers, readers, and what each keeps and loses.

To add a format, write a module with a writer and a reader, and add one entry to `FORMATS`. The
command line, the menu of the front end, `read_masks`, ``to_file`` and the table in the
documentation use the registry. Afterwards run ``python -m sam2_widget.export.format_docs`` to
update the generated files.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import PurePath
from typing import Any

from sam2_widget.errors import ExportError
from sam2_widget.export.format_entry import Format, MenuItem, Row

PICTURES = (".png", ".bmp", ".gif", ".webp")
"""Suffixes of lossless image formats, for label maps and cut-outs."""


def load(reference: str) -> Callable[..., Any]:
    """Import a function of this package from ``module:function``."""
    module, _, name = reference.partition(":")
    function: Callable[..., Any] = getattr(import_module(f"sam2_widget.export.{module}"), name)
    return function


def accepts(function: Callable[..., Any], parameter: str) -> bool:
    """Whether a writer or reader has a parameter with that name."""
    return parameter in signature(function).parameters


_ENTRIES = (
    Format(
        name="coco",
        writer="coco:write_coco",
        set_writer="coco:write_coco_set",
        reader="coco_read:read_coco",
        suffixes=(".json",),
        read_suffixes=(".json", ".geojson"),
        json_keys=("annotations",),
        array_keys=("segmentation", "image_id"),
        rows=(
            Row(
                title="COCO, RLE",
                call="to_coco",
                keeps="pixels, holes, labels, scores, ids, crowds",
                checked_with="pycocotools, supervision",
                test="test_coco.py::test_pycocotools_reads_the_same_pixels",
            ),
            Row(
                title="COCO, polygons",
                call='to_coco(segmentation="polygons")',
                keeps="pixels; holes joined by zero-width bridges",
                checked_with="pycocotools",
                test="test_coco.py::test_round_trip_as_polygons",
            ),
        ),
        menu=MenuItem(
            label="COCO",
            type="json",
            hint="Exact masks as RLE, for training",
            ending=".coco.json",
            media_type="application/json",
        ),
    ),
    Format(
        name="yolo",
        writer="yolo:write_yolo",
        reader="yolo:read_yolo",
        suffixes=(".txt",),
        read_suffixes=(".txt",),
        is_folder=True,
        recognizer="yolo:is_yolo",
        rows=(
            Row(
                title="YOLO",
                call="to_yolo",
                keeps="pixels; holes and parts joined by zero-width bridges; labels",
                loses="ids, scores, empty masks",
                checked_with="supervision",
                test="test_yolo.py::test_round_trip_keeps_holes_and_parts",
            ),
        ),
        menu=MenuItem(
            label="YOLO",
            type="zip",
            hint="Outlines and the names of the classes",
            ending=".yolo.zip",
            media_type="application/zip",
        ),
    ),
    Format(
        name="voc",
        writer="voc:write_voc",
        reader="voc:read_voc",
        is_folder=True,
        recognizer="voc:is_voc",
        shares_folder=True,
        rows=(
            Row(
                title="Pascal VOC",
                call="to_voc",
                keeps="pixels, labels",
                loses="covered pixels, ids, scores, empty masks, more than 254 objects",
                checked_with="torchvision, supervision",
                test="test_rasters.py::test_torchvision_and_supervision_read_voc",
            ),
        ),
        menu=MenuItem(
            label="Pascal VOC",
            type="zip",
            hint="Boxes and palette images",
            ending=".voc.zip",
            media_type="application/zip",
        ),
    ),
    Format(
        name="labelme",
        writer="labelme:write_labelme",
        reader="labelme:read_labelme",
        suffixes=(".json",),
        read_suffixes=(".json", ".geojson"),
        json_keys=("shapes",),
        rows=(
            Row(
                title="LabelMe",
                call="to_labelme",
                keeps="pixels (bitmaps for masks with holes), labels, scores, ids, crowds",
                loses="empty masks",
                checked_with="supervision (polygons)",
                test="test_labelme.py::test_file_has_the_structure_of_labelme",
            ),
        ),
        menu=MenuItem(
            label="LabelMe",
            type="json",
            hint="Polygons, and bitmaps for masks with holes",
            ending=".json",
            media_type="application/json",
        ),
    ),
    Format(
        name="geojson",
        writer="geojson:write_geojson",
        reader="geojson:read_geojson",
        suffixes=(".geojson",),
        read_suffixes=(".json", ".geojson"),
        json_keys=("features", "geometry", "coordinates", "geometries"),
        array_keys=("geometry", "coordinates", "geometries", "features"),
        rows=(
            Row(
                title="GeoJSON",
                call="to_geojson",
                keeps="pixels, holes, labels, scores, ids, crowds, map coordinates",
                checked_with="geopandas, shapely",
                test="test_geojson.py::test_geopandas_reads_map_coordinates",
            ),
        ),
        menu=MenuItem(
            label="GeoJSON",
            type="json",
            hint="Outlines with holes, for QGIS and QuPath",
            ending=".geojson",
            media_type="application/geo+json",
        ),
    ),
    Format(
        name="tiff",
        writer="tiff:write_tiff",
        reader="tiff:read_tiff",
        suffixes=(".tif", ".tiff"),
        read_suffixes=(".tif", ".tiff"),
        rows=(
            Row(
                title="TIFF",
                call="to_tiff",
                keeps="pixels, numbers, labels, colours; overlaps with `stack=True`",
                loses="covered pixels",
                checked_with="tifffile (ImageJ metadata)",
                test="test_rasters.py::test_imagej_reads_the_labels_and_their_colours",
            ),
        ),
        menu=MenuItem(
            label="Label map",
            type="tiff",
            hint="The number of the object at each pixel, for ImageJ",
            ending=".labels.tif",
            media_type="image/tiff",
        ),
    ),
    Format(
        name="png",
        writer="label_map:write_png",
        reader="label_map:read_png",
        suffixes=(".png",),
        read_suffixes=PICTURES,
        rows=(
            Row(
                title="PNG",
                call="to_png",
                keeps="pixels, numbers, labels, scores, colours",
                loses="covered pixels",
                checked_with="Pillow",
                test="test_rasters.py::test_png_palette_has_the_colours_of_the_objects",
            ),
        ),
        menu=MenuItem(
            label="Colored label map",
            type="png",
            hint="The label map as a palette image",
            ending=".labels.png",
            media_type="image/png",
        ),
    ),
    Format(
        name="pngs",
        writer="pngs:write_pngs",
        reader="pngs:read_pngs",
        suffixes=("", ".zip"),
        is_folder=True,
        rows=(
            Row(
                title="PNG for each object",
                call="to_pngs",
                keeps="pixels, numbers, labels, scores",
                checked_with="Pillow",
                test="test_rasters.py::test_pngs_in_a_folder",
            ),
        ),
        menu=MenuItem(
            label="Masks",
            type="zip",
            hint="A black and white PNG for each object",
            ending=".masks.zip",
            media_type="application/zip",
        ),
    ),
    Format(
        name="npz",
        writer="npz:write_npz",
        reader="npz:read_npz",
        suffixes=(".npz",),
        read_suffixes=(".npz",),
        rows=(
            Row(
                title="NPZ",
                call="to_npz",
                keeps="everything, with prompts and provenance",
                checked_with="NumPy",
                test="test_rasters.py::test_numpy_loads_arrays_without_pickle",
            ),
        ),
        menu=MenuItem(
            label="NumPy",
            type="npz",
            hint="Everything, for numpy.load",
            ending=".npz",
            media_type="application/octet-stream",
        ),
    ),
    Format(
        name="cutout",
        writer="cutout:write_cutout",
        reader="cutout:read_cutout",
        suffixes=(".png",),
        read_suffixes=PICTURES,
        recognizer="cutout:is_cutout_file",
        rows=(
            Row(
                title="cut-out",
                call="to_cutout",
                keeps="the image inside the masks",
                loses="which object is which",
                checked_with="Pillow",
                test="test_rasters.py::test_cutout_keeps_the_pixels_and_the_mask",
            ),
        ),
        menu=MenuItem(
            label="Masked image",
            type="png",
            hint="The image inside the masks, transparent elsewhere",
            ending=".cutout.png",
            media_type="image/png",
        ),
    ),
    Format(
        name="csv",
        writer="tables:write_csv",
        suffixes=(".csv",),
        rows=(
            Row(
                title="CSV",
                call='to_file("cells.csv")',
                keeps="label, score, area, box, centroid",
                loses="pixels",
                checked_with="pandas",
                test="test_registry.py::test_csv_has_the_values_of_to_frame",
                is_read=False,
            ),
        ),
        menu=MenuItem(
            label="Table",
            type="csv",
            hint="Label, score, area, box of each object",
            ending=".csv",
            media_type="text/csv",
        ),
    ),
    Format(
        name="prompts",
        writer="prompt_files:write_prompts",
        needs_masks=False,
        on_command_line=False,
        rows=(
            Row(
                title="prompts",
                call="prompts.save",
                keeps="all points, boxes, strokes and given masks",
                checked_with="this package, jsonschema",
                test="test_saved_prompts.py::test_a_file_keeps_everything",
            ),
        ),
        menu=MenuItem(
            label="Prompts",
            type="json",
            hint="Points, boxes and strokes, which give the same masks again",
            ending=".prompts.json",
            media_type="application/json",
        ),
    ),
    Format(
        name="cellpose",
        reader="cellpose:read_cellpose",
        read_suffixes=(".npy",),
        recognizer="cellpose:is_cellpose",
        rows=(
            Row(
                title="Cellpose `_seg.npy`",
                call="",
                keeps="pixels, numbers",
                test="test_variants.py::test_cellpose_seg_file",
            ),
        ),
    ),
    Format(
        name="npy",
        reader="arrays:read_npy",
        read_suffixes=(".npy",),
        rows=(
            Row(
                title="NPY",
                call="",
                keeps="pixels; numbers of a label map",
                test="test_read.py::test_arrays_and_values",
            ),
        ),
    ),
    Format(
        name="stack-tiff",
        scope="stack",
        writer="volumes:write_volume",
        on_command_line=False,
        rows=(
            Row(
                title="TIFF stack",
                call="planes.to_tiff",
                keeps="pixels, numbers, labels, scores, colours of all planes",
                loses="covered pixels",
                checked_with="tifffile",
                test="test_label_volumes.py::test_any_volume_is_written_and_read",
            ),
        ),
        menu=MenuItem(
            label="All label maps",
            type="tiff",
            hint="The label maps of all planes",
            ending=".labels.tif",
            media_type="image/tiff",
        ),
    ),
    Format(
        name="stack-prompts",
        scope="stack",
        writer="prompt_files:write_prompts",
        needs_masks=False,
        on_command_line=False,
        rows=(
            Row(
                title="prompts of a stack",
                call="planes.prompts.save",
                keeps="the prompts on all planes",
                checked_with="this package",
                test="test_stack_prompts.py::test_a_round_trip",
            ),
        ),
        menu=MenuItem(
            label="All prompts",
            type="json",
            hint="The prompts on all planes, which give the same masks again",
            ending=".prompts.json",
            media_type="application/json",
        ),
    ),
    Format(
        name="tracks-coco",
        scope="stack",
        writer="tracks.stacks:write_stack_coco",
        on_command_line=False,
        rows=(
            Row(
                title="tracks as COCO (YouTube-VIS)",
                call="planes.to_file('a.json')",
                keeps="pixels, ids, labels, scores",
                loses="order of objects",
                checked_with="pycocotools",
                test="test_track_files.py::test_all_planes_of_a_widget_are_written_and_read_back",
            ),
        ),
        menu=MenuItem(
            label="Tracks",
            type="json",
            hint="COCO as YouTube-VIS has it: the masks of all planes as RLE, for training",
            ending=".tracks.json",
            media_type="application/json",
        ),
    ),
    Format(
        name="tracks-mots",
        scope="stack",
        writer="tracks.stacks:write_stack_mots",
        on_command_line=False,
        rows=(
            Row(
                title="tracks as MOTS",
                call="planes.to_file('a.txt')",
                keeps="pixels, ids, class numbers",
                loses="covered pixels, scores",
                checked_with="pycocotools",
                test="test_track_files.py::test_all_planes_of_a_widget_are_written_and_read_back",
            ),
        ),
        menu=MenuItem(
            label="MOTS",
            type="txt",
            hint="The masks of all planes as text",
            ending=".mots.txt",
            media_type="text/plain",
        ),
    ),
    Format(
        name="tracks-csv",
        scope="stack",
        writer="tracks.stacks:write_stack_csv",
        on_command_line=False,
        rows=(
            Row(
                title="table of tracks",
                call="planes.to_file('a.csv')",
                keeps="pixels, ids, labels, scores",
                checked_with="pandas",
                test="test_track_files.py::test_all_planes_of_a_widget_are_written_and_read_back",
            ),
        ),
        menu=MenuItem(
            label="Tracks",
            type="csv",
            hint="Frame, id, label, score, area, box and mask of each object",
            ending=".tracks.csv",
            media_type="text/csv",
        ),
    ),
    Format(
        name="tracks-npz",
        scope="stack",
        writer="tracks.stacks:write_stack_npz",
        on_command_line=False,
        rows=(
            Row(
                title="label volume as NPZ",
                call="planes.to_file('a.npz')",
                keeps="pixels, ids, labels",
                loses="covered pixels, scores",
                checked_with="NumPy",
                test="test_track_files.py::test_all_planes_of_a_widget_are_written_and_read_back",
            ),
        ),
        menu=MenuItem(
            label="Volume",
            type="npz",
            hint="The label maps of all planes, for numpy.load",
            ending=".labels.npz",
            media_type="application/octet-stream",
        ),
    ),
    Format(
        name="tracks-pngs",
        scope="stack",
        writer="tracks.stacks:write_stack_pngs",
        on_command_line=False,
        rows=(
            Row(
                title="PNG for each plane",
                call="planes.to_file('a.zip')",
                keeps="pixels, ids",
                loses="covered pixels, labels, scores",
                checked_with="Pillow",
                test="test_track_files.py::test_all_planes_of_a_widget_are_written_and_read_back",
            ),
        ),
        menu=MenuItem(
            label="Label maps",
            type="zip",
            hint="A PNG for each plane, as DAVIS has it",
            ending=".labels.zip",
            media_type="application/zip",
        ),
    ),
    Format(
        name="tracks-overlay",
        scope="stack",
        writer="tracks.stacks:write_stack_overlay",
        on_command_line=False,
        rows=(
            Row(
                title="video with masks",
                call="planes.to_file('a.mp4')",
                keeps="what it looks like",
                checked_with="PyAV",
                test="test_track_files.py::test_the_overlay_of_a_widget_shows_all_planes",
                is_read=False,
            ),
        ),
        menu=MenuItem(
            label="Video",
            type="mp4",
            hint="The planes with the masks over them",
            ending=".masks.mp4",
            media_type="video/mp4",
        ),
    ),
)

FORMATS: dict[str, Format] = {entry.name: entry for entry in _ENTRIES}
"""All formats by name, in the order of the menu."""

VALUES = (
    Row(
        title="table",
        call="to_frame",
        keeps="label, score, area, box, centroid",
        loses="pixels",
        checked_with="pandas",
        test="test_read.py::test_to_frame",
        is_read=False,
    ),
    Row(
        title="Detections",
        call="to_supervision",
        keeps="pixels, labels, scores",
        checked_with="supervision",
        test="test_read.py::test_to_supervision",
    ),
    Row(
        title="label map",
        call="to_labels",
        keeps="pixels, numbers",
        loses="covered pixels",
        checked_with="scikit-image `regionprops`",
        test="test_read.py::test_regionprops_gives_the_same_measurements",
    ),
)
"""Rows of the table for values of other libraries, which are not files."""

COMMAND_LINE: tuple[str, ...] = tuple(
    entry.name for entry in _ENTRIES if entry.writer and entry.on_command_line
)
"""Names of the formats that the command line can write."""

DOWNLOADS: dict[str, MenuItem] = {entry.name: entry.menu for entry in _ENTRIES if entry.menu}
"""Buttons of the menu of files, by name of the format."""


def format_for(name: str) -> Format | None:
    """The format for writing a file with that name; None if no format has its suffix."""
    suffix = PurePath(name).suffix.lower()
    return next((e for e in FORMATS.values() if e.writer and suffix in e.suffixes), None)


def writable_format(name: str) -> Format:
    """The format with that name.

    Raises
    ------
    ExportError
        If there is no such format, or it cannot be written for an image.
    """
    entry = FORMATS.get(name)
    if entry is None or not entry.writer or entry.scope != "image":
        known = [
            other.name for other in FORMATS.values() if other.writer and other.scope == "image"
        ]
        raise ExportError(f"format must be one of {', '.join(known)}, got {name!r}")
    return entry


def read_suffixes() -> tuple[str, ...]:
    """Suffixes of all files that can be read, without duplicates."""
    suffixes = dict.fromkeys(suffix for entry in FORMATS.values() for suffix in entry.read_suffixes)
    return (*suffixes, ".zip")
