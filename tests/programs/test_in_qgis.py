"""QGIS opens our GeoJSON as a layer, in pixels and on the map."""

import pytest

from sam2_widget.export.geojson import write_geojson

from .conftest import last_json, program, run

OPEN = """
import json, sys
from qgis.core import QgsApplication, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
layer = QgsVectorLayer(sys.argv[1], "masks", "ogr")
shapes = [(f["label"], f.geometry()) for f in layer.getFeatures()]
features = [
    [label, g.area(), g.isGeosValid(), len(g.asGeometryCollection()), g.boundingBox().xMinimum()]
    for label, g in shapes
]
print(json.dumps([layer.isValid(), layer.crs().authid(), features]))
"""
MAP = {"transform": (10.0, 0, 500_000, 0, -10.0, 4_600_000), "crs": "EPSG:32633"}


@pytest.mark.parametrize(("options", "scale", "left"), [({}, 1, 0), (MAP, 10, 500_000)])
def test_qgis_shows_holes_parts_and_places(masks, folder, options, scale, left):
    path = folder / "masks.geojson"
    write_geojson(masks, path, **options)
    valid, crs, features = last_json(run(program("qgis", "/usr/bin/python3"), "-c", OPEN, path))
    assert valid
    assert crs == options.get("crs", "EPSG:4326")
    assert features == [
        ["Zelle ü", 1175 * scale**2, True, 1, left + 5 * scale],
        ["a dog", 500 * scale**2, True, 2, left + 50 * scale],
    ]
