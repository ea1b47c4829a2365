"""LabelMe opens our files in its window."""

from sam2_widget.export.labelme import write_labelme

from .conftest import ROOT, last_json, program, run

OPEN = """
import json, sys
path, sys.argv = sys.argv[1], ["labelme"]
from PyQt5 import QtWidgets
application = QtWidgets.QApplication([])
from labelme.app import MainWindow
window = MainWindow(config_file=None, config_overrides={}, file_or_dir=None, output_dir=None)
window._load_file(image_or_label_path=path)
shapes = window._canvas_widgets.canvas.shapes
areas = [None if s.mask is None else int(s.mask.sum()) for s in shapes]
points = [[[p.x(), p.y()] for p in s.points] for s in shapes]
print(json.dumps([[s.label for s in shapes], [s.shape_type for s in shapes], areas, points]))
"""


def test_labelme_shows_bitmaps_and_polygons(masks, folder):
    path = folder / "photo ü.json"
    write_labelme(masks, path, file_name="photo ü.png")
    labelme = program("labelme", ROOT / ".stamps" / "labelme" / "bin" / "python")
    labels, kinds, areas, points = last_json(run(labelme, "-c", OPEN, path))
    assert labels == ["Zelle ü", "a dog", "a dog"]
    assert kinds == ["mask", "polygon", "polygon"]
    assert areas[0] == 35 * 40 - 15 * 15
    squares = sorted([min(map(tuple, one)), max(map(tuple, one))] for one in points[1:])
    assert squares == [[(50, 10), (60, 20)], [(60, 30), (80, 50)]]
