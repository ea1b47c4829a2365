"""GeoJSON: polygons with holes, in pixels or on the map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np

from sam2_widget.errors import AnnotationError
from sam2_widget.export.notes import Repairs, warn_loss
from sam2_widget.export.outlines import Ring, fill, outline, rings
from sam2_widget.export.sizes import checked_size
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    ObjectLike,
    ResultLike,
    read_score,
    told_provenance,
)
from sam2_widget.files import Source, Target, name_of, read_json, write_json

Transform: TypeAlias = Sequence[float]
"""(a, b, c, d, e, f) of x' = a x + b y + c, y' = d x + e y + f, pixels → map; an `affine.Affine`,
as rasterio's ``dataset.transform`` is one, starts with these six."""

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
    """Write a GeoJSON FeatureCollection, one feature an object, holes and parts kept.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
    transform : 6 floats, optional
        Pixels to map coordinates, as rasterio's ``dataset.transform``. Without it the coordinates
        are image pixels, y down.
    crs : str, optional
        What the map coordinates are, e.g. ``"EPSG:32633"``; given with `transform` only. RFC 7946
        knows WGS 84 alone (``"EPSG:4326"``); others are named in the member ``crs``, which GDAL,
        QGIS and geopandas read.
    tolerance : float
        How far polygons may be off, in image pixels, to have fewer vertices.
    overwrite : bool
        Whether a file that is there already may be replaced.
    """
    matrix = _checked(transform)
    if crs is not None and transform is None:
        raise AnnotationError("crs says what map coordinates are: give transform, too")
    features = [
        _feature(number, found, matrix, tolerance)
        for number, found in enumerate(result.objects, start=1)
    ]
    empty = sum(feature["geometry"] is None for feature in features)
    if empty:
        warn_loss(f"{empty} empty masks are written as features without a geometry.")
    value = {
        "type": "FeatureCollection",
        **({"crs": _crs_member(crs)} if crs and crs.upper() != "EPSG:4326" else {}),
        # A foreign member, which readers skip: the image that the pixels belong to.
        "sam2_widget": {
            "width": result.size[1],
            "height": result.size[0],
            "transform": matrix,
            "provenance": told_provenance(result),
        },
        "features": features,
    }
    write_json(target, value, overwrite=overwrite)


def _checked(transform: Transform | None) -> list[float]:
    values = [float(v) for v in (transform if transform is not None else _PIXELS)][:6]
    if len(values) != len(_PIXELS) or not np.isfinite(values).all() or not _determinant(values):
        raise AnnotationError(
            f"transform must be six numbers (a, b, c, d, e, f) that can be inverted, got {values}"
        )
    return values


def _determinant(m: Sequence[float]) -> float:
    return m[0] * m[4] - m[1] * m[3]


def _applied(m: Sequence[float], xy: Ring) -> Ring:
    return np.stack(
        [m[0] * xy[:, 0] + m[1] * xy[:, 1] + m[2], m[3] * xy[:, 0] + m[4] * xy[:, 1] + m[5]], axis=1
    )


def _inverse(m: Sequence[float]) -> list[float]:
    a, b, c, d, e, f = m
    det = _determinant(m)
    return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det]


def _feature(
    number: int, found: ObjectLike, matrix: Sequence[float], tolerance: float
) -> dict[str, Any]:
    properties: dict[str, Any] = {"label": found.label, "score": found.score}
    properties["area_px"] = found.crop.area
    properties["color"] = found.color
    if found.label is not None:
        # What QuPath calls the class of an annotation.
        rgb = [int(found.color[i : i + 2], 16) for i in (1, 3, 5)] if found.color else None
        properties["objectType"] = "annotation"
        properties["classification"] = {"name": found.label, **({"color": rgb} if rgb else {})}
    return {
        "type": "Feature",
        "id": number,
        "properties": properties,
        "geometry": _geometry(found, matrix, tolerance),
    }


def _geometry(
    found: ObjectLike, matrix: Sequence[float], tolerance: float
) -> dict[str, Any] | None:
    parts = rings(outline(found.crop, tolerance=tolerance))
    # Shells turn counter-clockwise and holes clockwise, on the map as well.
    step = 1 if _determinant(matrix) > 0 else -1
    polygons = [[_closed(_applied(matrix, ring)[::step]) for ring in part] for part in parts]
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


class _Geometry(msgspec.Struct):
    type: str
    coordinates: Any = None
    geometries: list[_Geometry] = []


class _Feature(msgspec.Struct):
    geometry: _Geometry | None = None
    properties: dict[str, Any] | None = None


class _Frame(msgspec.Struct):
    width: float = 0
    height: float = 0
    transform: list[float] | None = None


class _Collection(msgspec.Struct):
    type: str
    features: list[_Feature] = []
    geometry: _Geometry | None = None
    properties: dict[str, Any] | None = None
    sam2_widget: _Frame | None = None


def read_geojson(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    transform: Transform | None = None,
    label: str = "label",
) -> LabeledMasks:
    """Read polygons from GeoJSON, QuPath's too.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        (height, width) of the image; needed unless this package wrote the file.
    transform : 6 floats, optional
        Pixels to map coordinates, as the file has them; known if this package wrote the file.
    label : str
        The property that holds the label; else QuPath's classification is taken.

    Raises
    ------
    AnnotationError
        If the file is no GeoJSON of polygons, or of another size.
    """
    file, name, repairs = read_json(source, _Collection), name_of(source), Repairs()
    if file.type not in ("FeatureCollection", "Feature"):
        raise AnnotationError(f"{name} must hold a FeatureCollection, got {file.type!r}")
    frame = file.sam2_widget or _Frame()
    found_size = checked_size((frame.height, frame.width), size, name)
    inverse = _inverse(_checked(transform if transform is not None else frame.transform))
    features = file.features or [_Feature(file.geometry, file.properties)][: file.type == "Feature"]
    objects = []
    for number, feature in enumerate(features):
        properties = feature.properties or {}
        shells = _shells(feature.geometry, f"feature {number}", repairs)
        near = [[_applied(inverse, ring) for ring in part] for part in shells]
        crop = fill([[_snapped(ring) for ring in part] for part in near], found_size, repairs)
        color, score = properties.get("color"), properties.get("score")
        objects.append(
            LabeledMask(
                crop,
                found_size,
                _label(properties, label),
                read_score(score),
                color if isinstance(color, str) else None,
            )
        )
    repairs.warn(name)
    return LabeledMasks(tuple(objects), found_size)


def _snapped(ring: Ring) -> Ring:
    """Vertices that the way over the map has moved by a rounding error, back on the pixel grid."""
    whole = np.rint(ring)
    return np.where(np.abs(ring - whole) < 1e-4, whole, ring)  # noqa: PLR2004


def _label(properties: dict[str, Any], name: str) -> str | None:
    found = properties.get(name)
    if found is None and isinstance(properties.get("classification"), dict):
        found = properties["classification"].get("name")
    return None if found is None else str(found)


def _shells(geometry: _Geometry | None, what: str, repairs: Repairs) -> list[list[Ring]]:
    if geometry is None:
        return []
    if geometry.type == "Polygon":
        return [_rings(geometry.coordinates, what)]
    if geometry.type == "MultiPolygon" and isinstance(geometry.coordinates, list):
        return [_rings(part, what) for part in geometry.coordinates]
    if geometry.type == "GeometryCollection":
        return [part for inner in geometry.geometries for part in _shells(inner, what, repairs)]
    repairs.add(f"{what} is a {geometry.type!r}, which has no area, and is empty")
    return []


def _rings(coordinates: Any, what: str) -> list[Ring]:
    try:
        found = [np.array(ring, np.float64)[:, :2] for ring in coordinates]
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise AnnotationError(f"{what} must have rings of [x, y]: {error}") from error
    # GeoJSON repeats the first vertex at the end.
    return [
        r[:-1] if len(r) > 1 and (r[0] == r[-1]).all() else r for r in found if r.shape[1:] == (2,)
    ]
