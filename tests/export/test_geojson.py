import io
import json
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget import AnnotationError, LossWarning, RepairWarning
from sam2_widget.export.geojson import read_geojson, write_geojson
from sam2_widget.export.values import LabeledMasks
from tests.export.strategies import assert_same, result_of, results, ring_mask

MAP = (0.25, 0.0, 500_000.0, 0.0, -0.25, 5_400_000.0)
TURNED = (0.2, 0.1, 10.0, 0.1, -0.2, 48.0)


def written(result, **options):
    file = io.StringIO()
    write_geojson(result, file, **options)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::sam2_widget.LossWarning")
@given(results(), st.sampled_from([None, MAP, TURNED]))
def test_round_trip_with_holes_and_labels(result, transform):
    assert_same(read_geojson(io.StringIO(written(result, transform=transform))), result)


def test_shapely_reads_holes_and_parts():
    (feature,) = json.loads(written(result_of(ring_mask(), labels=["ring"])))["features"]
    geometry: Any = shapely.from_geojson(json.dumps(feature["geometry"]))
    assert shapely.is_valid(geometry)
    assert geometry.area == ring_mask().sum()
    assert len(geometry.geoms) == 3
    assert sum(len(part.interiors) for part in geometry.geoms) == 1


@pytest.mark.parametrize("transform", [None, MAP, TURNED])
def test_ring_orientation_follows_rfc_7946(transform):
    (feature,) = json.loads(written(result_of(ring_mask()), transform=transform))["features"]
    geometry: Any = shapely.from_geojson(json.dumps(feature["geometry"]))
    for part in geometry.geoms:
        assert part.exterior.is_ccw
        assert not any(hole.is_ccw for hole in part.interiors)


def test_geopandas_reads_map_coordinates(tmp_path):
    path = tmp_path / "fields.geojson"
    write_geojson(
        result_of(ring_mask(), labels=["field"], scores=[0.75]),
        path,
        transform=MAP,
        crs="EPSG:32633",
    )
    frame = geopandas.read_file(path)
    assert frame.crs.to_epsg() == 32633
    assert frame.geometry[0].area == pytest.approx(ring_mask().sum() / 16)
    assert frame.geometry[0].bounds[0] == 500_000 + 0.25 * np.flatnonzero(ring_mask().any(0))[0]
    assert frame.label[0] == "field"
    assert frame.score[0] == 0.75


def test_wgs84_is_written_as_in_rfc_7946(tmp_path):
    path = tmp_path / "fields.geojson"
    write_geojson(result_of(ring_mask()), path, transform=TURNED, crs="EPSG:4326")
    assert "crs" not in json.loads(path.read_text())
    assert geopandas.read_file(path).crs.to_epsg() == 4326


def test_empty_masks_are_reported():
    with pytest.warns(LossWarning, match="1 empty"):
        written(result_of(np.zeros((3, 3), bool)))


SQUARE = {"type": "Polygon", "coordinates": [[[1, 1], [4, 1], [4, 3], [1, 3], [1, 1]]]}


def read(*features, **options):
    value = {"type": "FeatureCollection", "features": features}
    return read_geojson(io.StringIO(json.dumps(value)), **{"size": (6, 8), **options})


def feature(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def test_file_exported_by_qupath():
    (found,) = read(feature(SQUARE, classification={"name": "Tumor", "color": [200, 0, 0]}))
    assert found.label == "Tumor"
    assert found.bbox == (1, 1, 4, 3)


def test_one_feature_and_collections_of_geometries():
    both = {
        "type": "GeometryCollection",
        "geometries": [
            SQUARE,
            {"type": "MultiPolygon", "coordinates": [[[[5, 4], [8, 4], [8, 6], [5, 6]]]]},
        ],
    }
    text = json.dumps(feature(both, name="x"))
    (found,) = read_geojson(io.StringIO(text), size=(6, 8), label="name")
    assert found.label == "x"
    assert found.bbox == (1, 1, 8, 6)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(7, 7), ("7", 7), (7.0, 7), (0, None), (-1, None), ("PathAnnotation-1", None), ([7], None)],
)
def test_feature_id_becomes_the_object_number(number, expected):
    (found,) = read(feature(SQUARE) | {"id": number})
    assert found.number == expected


def test_left_out_points_are_reported():
    with pytest.warns(RepairWarning, match="'Point', which has no area"):
        read(feature({"type": "Point", "coordinates": [1, 1]}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "Topology"}, "FeatureCollection"),
        ({"features": [feature({"type": "Polygon", "coordinates": "x"})]}, "rings of"),
        (
            {"features": [feature({"type": "Polygon", "coordinates": [[[1, None], [2, 2]]]})]},
            "finite|rings",
        ),
        ({"features": 3}, "features"),
    ],
)
def test_error_messages_describe_the_problem(change, message):
    value = {"type": "FeatureCollection", "features": []}
    with pytest.raises(AnnotationError, match=message):
        read_geojson(io.StringIO(json.dumps(value | change)), size=(6, 8))


def test_image_size_is_required():
    with pytest.raises(AnnotationError, match="pass size="):
        read(feature(SQUARE), size=None)


@pytest.mark.parametrize("transform", [(1, 2), (0, 0, 0, 0, 0, 0), (1, 0, np.nan, 0, 1, 0)])
def test_invalid_transform_is_refused(transform):
    with pytest.raises(AnnotationError, match="six finite numbers"):
        written(result_of(ring_mask()), transform=transform)
    with pytest.raises(AnnotationError, match="got crs='EPSG:32633' without transform"):
        written(result_of(ring_mask()), crs="EPSG:32633")


@pytest.mark.filterwarnings("ignore::sam2_widget.RepairWarning")
@given(
    st.recursive(
        st.floats(-1e9, 1e9) | st.none() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=5),
        max_leaves=20,
    ),
    st.sampled_from(["Polygon", "MultiPolygon", "GeometryCollection", "x"]),
)
def test_malformed_geometries_are_read_or_refused(coordinates, kind):
    try:
        found = read(feature({"type": kind, "coordinates": coordinates}))
    except AnnotationError:
        return
    assert isinstance(found, LabeledMasks)


def test_empty_ring_is_left_out():
    square = [[1, 1], [4, 1], [4, 3], [1, 3]]
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": rings}}
        for rings in ([[]], [square])
    ]
    file = io.BytesIO(json.dumps({"type": "FeatureCollection", "features": features}).encode())
    with pytest.warns(RepairWarning, match="fewer than three vertices and was left out"):
        found = read_geojson(file, size=(6, 8))
    assert [one.area for one in found] == [0, 6]
