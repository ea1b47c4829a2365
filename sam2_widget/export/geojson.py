"""GeoJSON: polygons with holes, in pixel or map coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np

from sam2_widget._utils.files import Source, Target, decoded, name_of, read_json, write_json
from sam2_widget._utils.text import shown
from sam2_widget.errors import AnnotationError
from sam2_widget.export.notes import Repairs, warn_loss
from sam2_widget.export.outlines import Ring, fill
from sam2_widget.export.sheets import all_rings
from sam2_widget.export.sizes import Budget, checked_size
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    ObjectLike,
    ResultLike,
    numbers_of,
    provenance_record,
    read_color,
    read_number,
    read_score,
    rgb_of,
)
from sam2_widget.masks.logits import MaskCrop

Transform: TypeAlias = Sequence[float]
"""Pixel to map coordinates: (a, b, c, d, e, f) of x' = a x + b y + c, y' = d x + e y + f. An
`affine.Affine` such as rasterio's ``dataset.transform`` starts with these six numbers."""

_PIXELS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def write_geojson(
    result: ResultLike,
    target: Target,
    *,
    transform: Transform | None = None,
    crs: str | None = None,
    tolerance: float = 0.0,
    overwrite: bool = False,
) -> None:
    """Write a GeoJSON FeatureCollection with one feature per object, including holes and parts.

    The ``id`` of a feature is the number of the object.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
    transform : 6 floats, optional
        Pixel to map coordinates, as rasterio's ``dataset.transform``. Without it the coordinates
        are (x, y) in image pixels, y down.
    crs : str, optional
        Coordinate reference system of the map coordinates, e.g. ``"EPSG:32633"``; requires
        `transform`. RFC 7946 only allows WGS 84 (``"EPSG:4326"``); others are written to the
        member ``crs``, which GDAL, QGIS and geopandas read.
    tolerance : float
        Maximum deviation of simplified polygons, in image pixels; 0 keeps all vertices.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    AnnotationError
        If `transform` cannot be inverted, or `crs` is given without `transform`.
    """
    matrix = _checked_transform(transform)
    if crs is not None and transform is None:
        raise AnnotationError(
            f"crs describes map coordinates, got crs={crs!r} without transform: pass both"
        )
    outlines = all_rings([obj.crop for obj in result.objects], tolerance=tolerance)
    features = [
        _feature(number, obj, _geometry(parts, matrix))
        for number, obj, parts in zip(numbers_of(result), result.objects, outlines, strict=True)
    ]
    empty = sum(feature["geometry"] is None for feature in features)
    if empty:
        warn_loss(f"{empty} empty masks are written as features without a geometry.")
    value = {
        "type": "FeatureCollection",
        **({"crs": _crs_member(crs)} if crs and crs.upper() != "EPSG:4326" else {}),
        # A foreign member, which other readers ignore: describes the image of the masks.
        "sam2_widget": {
            "width": result.size[1],
            "height": result.size[0],
            "transform": matrix,
            "provenance": provenance_record(result),
        },
        "features": features,
    }
    write_json(target, value, overwrite=overwrite)


def _checked_transform(transform: Transform | None) -> list[float]:
    values = [float(v) for v in (transform if transform is not None else _PIXELS)][:6]
    if len(values) != len(_PIXELS) or not np.isfinite(values).all() or not _determinant(values):
        raise AnnotationError(
            f"transform must be six finite numbers (a, b, c, d, e, f) of an invertible affine "
            f"transform, got {values}"
        )
    return values


def _determinant(m: Sequence[float]) -> float:
    return m[0] * m[4] - m[1] * m[3]


def _apply_transform(m: Sequence[float], xy: Ring) -> Ring:
    return np.stack(
        [m[0] * xy[:, 0] + m[1] * xy[:, 1] + m[2], m[3] * xy[:, 0] + m[4] * xy[:, 1] + m[5]], axis=1
    )


def _inverse_transform(m: Sequence[float]) -> list[float]:
    a, b, c, d, e, f = m
    det = _determinant(m)
    return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det]


def _feature(number: int, obj: ObjectLike, geometry: dict[str, Any] | None) -> dict[str, Any]:
    properties: dict[str, Any] = {"label": obj.label, "score": obj.score}
    properties["area_px"] = obj.crop.area
    properties["color"] = obj.color
    properties["iscrowd"] = int(obj.crowd)
    if obj.label is not None:
        # QuPath's keys for the class of an annotation.
        color = {"color": rgb_of(obj.color)} if obj.color else {}
        properties["objectType"] = "annotation"
        properties["classification"] = {"name": obj.label, **color}
    return {
        "type": "Feature",
        "id": number,
        "properties": properties,
        "geometry": geometry,
    }


def _geometry(parts: list[list[Ring]], matrix: Sequence[float]) -> dict[str, Any] | None:
    # RFC 7946: shells run counter-clockwise and holes clockwise, in the written coordinates.
    step = 1 if _determinant(matrix) > 0 else -1
    polygons = [
        [_closed(_apply_transform(matrix, ring)[::step]) for ring in part] for part in parts
    ]
    if not polygons:
        return None
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _closed(ring: Ring) -> list[list[float]]:
    closed: list[list[float]] = np.concatenate([ring, ring[:1]]).tolist()
    return closed


def _crs_member(crs: str) -> dict[str, Any]:
    authority, _, code = crs.partition(":")
    name = f"urn:ogc:def:crs:{authority}::{code}" if code else crs
    return {"type": "name", "properties": {"name": name}}


class _ImageFrame(msgspec.Struct):
    width: float = 0
    height: float = 0
    transform: list[float] | None = None


class _Node(msgspec.Struct):
    """A collection, a feature or a geometry: any of them can be the top-level object."""

    type: str
    id: Any = None
    features: list[_Node] | None = None
    geometry: _Node | None = None
    properties: dict[str, Any] | None = None
    coordinates: Any = None
    geometries: list[_Node] = []
    crs: Any = None
    sam2_widget: _ImageFrame | None = None


GEOMETRIES = (
    *("Point", "MultiPoint", "LineString", "MultiLineString"),
    *("Polygon", "MultiPolygon", "GeometryCollection"),
)


def read_geojson(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    transform: Transform | None = None,
    label: str = "label",
) -> LabeledMasks:
    """Read polygons from GeoJSON, including QuPath's.

    The ``id`` of a feature becomes the number of the object if it is a positive integer.

    Parameters
    ----------
    source : path or file object
        Holds a FeatureCollection, a feature, a geometry, or an array of these. Points and lines
        have no area: they are left out, and a `RepairWarning` lists them.
    size : (int, int), optional
        (height, width) of the image; required unless this package wrote the file.
    transform : 6 floats, optional
        Pixel to map coordinates; required if the file has map coordinates, unless this package
        wrote it.
    label : str
        Name of the property that holds the label. Features without it get their label from
        QuPath's ``classification``.

    Raises
    ------
    AnnotationError
        If the file is not GeoJSON with polygons, is for another image size, has map coordinates and
        there is no `transform`, or its masks would take too much memory.
    """
    name = name_of(source)
    parsed: Any = read_json(source, _Node | list[_Node])  # type: ignore[arg-type]
    nodes = parsed if isinstance(parsed, list) else [parsed]
    return decoded(lambda: _read(nodes, size, transform, label, name), name)


def _read(
    nodes: Sequence[_Node],
    size: tuple[int, int] | None,
    transform: Transform | None,
    label: str,
    name: str,
) -> LabeledMasks:
    repairs, budget = Repairs(), Budget(name)
    frame = next((node.sam2_widget for node in nodes if node.sam2_widget), _ImageFrame())
    image_size = checked_size((frame.height, frame.width), size, name)
    pixel_to_map = transform if transform is not None else frame.transform
    inverse = _inverse_transform(_checked_transform(pixel_to_map))
    features = [feature for node in nodes for feature in _features(node, name)]
    objects, extent = [], _Extent()
    for number, feature in enumerate(features):
        budget.charge_object()
        polygons = _polygons(feature.geometry, f"feature {number}", repairs)
        if polygons is None:
            continue
        in_pixels = [[_apply_transform(inverse, ring) for ring in part] for part in polygons]
        rings_in_pixels = [[_snap_to_grid(ring) for ring in part] for part in in_pixels]
        crop = fill(rings_in_pixels, image_size, repairs, budget)
        extent.add(polygons, crop)
        objects.append(_labeled_mask(crop, image_size, feature, label))
    if pixel_to_map is None:
        extent.check(name, next((node.crs for node in nodes if node.crs), None), repairs)
    repairs.warn(name)
    return LabeledMasks(tuple(objects), image_size)


def _features(node: _Node, name: str) -> list[_Node]:
    if node.type == "FeatureCollection":
        return node.features or []
    if node.type == "Feature":
        return [node]
    if node.type in GEOMETRIES:
        return [_Node("Feature", geometry=node)]
    raise AnnotationError(f"{name} must hold a FeatureCollection, got {shown(node.type)}")


def _labeled_mask(crop: MaskCrop, size: tuple[int, int], feature: _Node, label: str) -> LabeledMask:
    properties = feature.properties or {}
    return LabeledMask(
        crop,
        size,
        _label(properties, label),
        read_score(properties.get("score")),
        read_color(properties.get("color")),
        read_number(feature.id),
        crowd=properties.get("iscrowd") in (1, "1"),
    )


class _Extent:
    """Bounding box of all polygons of a file, in the coordinates of the file."""

    def __init__(self) -> None:
        self._low, self._high = np.full(2, np.inf), np.full(2, -np.inf)
        self._covers_pixels = False

    def add(self, polygons: Sequence[Sequence[Ring]], crop: MaskCrop) -> None:
        """Add the polygons of an object, and note whether it covers any pixel."""
        self._covers_pixels = self._covers_pixels or crop.pixels.size > 0
        for ring in (ring for part in polygons for ring in part if len(ring)):
            self._low = np.minimum(self._low, ring.min(axis=0))
            self._high = np.maximum(self._high, ring.max(axis=0))

    def check(self, name: str, crs: object, repairs: Repairs) -> None:
        """Detect map coordinates in a file that is read without a transform.

        Raises
        ------
        AnnotationError
            If the polygons cover no pixel of the image.
        """
        if not np.isfinite(self._low).all():
            return
        if self._covers_pixels:
            if crs is not None:
                repairs.add(
                    f"it has the coordinate system {shown(crs)}, but its coordinates were read as "
                    "image pixels: pass transform= if they are map coordinates"
                )
            return
        on_earth = (np.abs([self._low, self._high]) <= (180, 90)).all()
        kind = "longitude and latitude" if on_earth else "map coordinates"
        (x0, y0), (x1, y1) = self._low.tolist(), self._high.tolist()
        raise AnnotationError(
            f"no polygon of {name} covers a pixel of the image: x is {x0:g} to {x1:g} and y is "
            f"{y0:g} to {y1:g}, which may be {kind}: pass transform=, e.g. rasterio's "
            "dataset.transform of the image"
        )


def _snap_to_grid(ring: Ring) -> Ring:
    """Round vertices that the map transform moved off the pixel grid by a rounding error."""
    whole = np.rint(ring)
    return np.where(np.abs(ring - whole) < 1e-4, whole, ring)  # noqa: PLR2004


def _label(properties: dict[str, Any], name: str) -> str | None:
    label = properties.get(name)
    if label is None and isinstance(properties.get("classification"), dict):
        label = properties["classification"].get("name")
        names = properties["classification"].get("names")  # QuPath's, since 0.4
        if label is None and isinstance(names, list):
            label = ": ".join(map(str, names))
    return None if label is None else str(label)


def _polygons(
    geometry: _Node | None, description: str, repairs: Repairs
) -> list[list[Ring]] | None:
    """The polygons of a geometry, [] if it is empty; None for points and lines."""
    if geometry is None:
        return []
    if geometry.type == "Polygon":
        return [_rings(geometry.coordinates, description)]
    if geometry.type == "MultiPolygon" and isinstance(geometry.coordinates, list):
        return [_rings(part, description) for part in geometry.coordinates]
    if geometry.type == "GeometryCollection":
        members = [_polygons(member, description, repairs) for member in geometry.geometries]
        polygons = [part for parts in members if parts is not None for part in parts]
        return polygons if polygons or not members else None
    repairs.add(f"{description} is a {shown(geometry.type)}, which has no area, and was left out")
    return None


def _vertices(ring: Any) -> Ring:
    # NumPy would convert an empty ring to an array with one axis.
    return np.array(ring, np.float64)[:, :2] if len(ring) else np.zeros((0, 2))


def _rings(coordinates: Any, description: str) -> list[Ring]:
    try:
        rings = [_vertices(ring) for ring in coordinates]
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise AnnotationError(f"{description} must have rings of [x, y] pairs: {error}") from error
    # GeoJSON repeats the first vertex at the end.
    return [
        ring[:-1] if len(ring) > 1 and (ring[0] == ring[-1]).all() else ring
        for ring in rings
        if ring.shape[1:] == (2,)
    ]
