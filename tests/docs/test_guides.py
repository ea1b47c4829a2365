"""The cells of the guides run as they stand, but for the model, which is the bundled one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from tests.python.video_files import write_video

GUIDES = Path(__file__).parents[2] / "docs" / "guides"

DRAW = np.random.default_rng(0)

# Stands for rasterio, which is no dependency: four bands of 16 bits with a bright roof.
RASTERIO = """
from contextlib import contextmanager
import numpy as np

class Crs:
    def to_string(self):
        return "EPSG:32633"

class Dataset:
    transform, crs = (0.5, 0.0, 400000.0, 0.0, -0.5, 5000000.0), Crs()

    def read(self, masked):
        bands = np.full((4, 60, 80), 200, np.uint16)
        bands[:, 12:38, 12:48] = 3000
        return np.ma.masked_array(bands, np.arange(bands.size).reshape(bands.shape) == 0)

@contextmanager
def open(path):
    yield Dataset()
"""

OBJECT = "w.add_box(10, 10, 50, 40)\nw.commit()\n"
"""What the reader of a guide does by hand before the next cell."""


def cells(name):
    text = (GUIDES / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def run(folder, *sources):
    """Run cells one after the other in a program of their own."""
    program = "\n".join(sources)
    program = re.sub(r'model="(tiny|large)"', 'model="bundled"', program)
    homes = {f"XDG_{kind}_HOME": str(folder / kind) for kind in ("CACHE", "DATA", "STATE")}
    (folder / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={**os.environ, **homes, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(folder / "hub")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def photo(path, shape=(60, 80, 3)):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(DRAW.integers(0, 255, shape).astype(np.uint8)).save(path)


def test_a_folder_of_images(tmp_path):
    for name in ("a", "b"):
        photo(tmp_path / "photos" / f"{name}.jpg")
    check = "print(table[['image', 'label']].values.tolist())"
    progress, *printed = run(tmp_path, *cells("folder"), check).splitlines()
    assert progress.startswith("1 of 2 done")
    assert printed == ["a.jpg done 1", "b.jpg untouched 0", "[['a.jpg', 'cat']]"]
    assert (tmp_path / "photos" / ".sam2-widget" / "images" / "a.jpg.jsonl").is_file()
    assert '"file_name": "a.jpg"' in (tmp_path / "coco.json").read_text()
    assert len(list((tmp_path / "yolo" / "labels").rglob("a.txt"))) == 1


def test_microscopy_stacks(tmp_path):
    stack = DRAW.integers(0, 4096, (3, 2, 60, 80)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "cells.ome.tif", stack, metadata={"axes": "ZCYX"})
    opened, results, measured = cells("microscopy")
    load = 'import tifffile\nimage = tifffile.imread("cells.ome.tif")[0]\n'
    check = "print(w.planes.label_map.shape, len(w.masks))"
    assert run(tmp_path, opened, OBJECT, results, load, measured, check) == "(3, 60, 80) 1\n"
    assert tifffile.imread(tmp_path / "labels.tif").shape == (3, 60, 80)


def test_films(tmp_path):
    def frame(number):
        rgb = np.full((360, 640, 3), (60, 70, 90), np.uint8)
        rgb[200:290, 320 + 2 * number : 410 + 2 * number] = (210, 170, 60)
        rgb[40:90, 60:110] = (190, 60, 60)
        rgb[60:120, 170:230] = (60, 160, 80)
        return rgb

    write_video(tmp_path / "film.mp4", count=42, size=(640, 360), frame=frame)
    headless, several, widget = cells("tracking")
    check = "print(len(w.planes.masks[1]), [n for n, m in enumerate(w.planes.masks[1]) if m.any()])"
    expected = f"42 {list(range(40))}\n"
    assert run(tmp_path, widget, check) == expected
    assert (tmp_path / "cells.mots.txt").read_text().startswith("0 1 1 360 640 ")
    lines = run(tmp_path, headless).splitlines()
    assert len(lines) == 42
    assert lines[0].startswith("0 (1,) (1, 360, 640) ")
    ids = (
        'print([r.ids for r in track("film.mp4", prompts, model="tiny") if r.frame in (0, 12, 40)])'
    )
    found = run(tmp_path, several, "from sam2_widget import track", ids)
    assert found == "[(1,), (1, 2), (1,)]\n"


def test_proposals(tmp_path):
    image = np.full((120, 160, 3), 210, np.uint8)
    image[20:60, 20:60], image[60:105, 90:140] = (150, 40, 40), (30, 60, 140)
    Image.fromarray(image).save(tmp_path / "photo.jpg", quality=95)
    (tmp_path / "photos").mkdir()
    Image.fromarray(image).save(tmp_path / "photos" / "a.jpg", quality=95)
    headless, filtered, alike, widget, more, images = cells("propose")
    images = images.replace('label="thing"', 'label="thing", points_per_side=6')  # faster
    printed = run(tmp_path, headless, filtered, alike, widget, more, images).splitlines()
    found, other, like, accepted, also_accepted, in_folder = printed
    assert int(found.split()[0]) >= int(found.split()[1]) >= 2
    assert int(other) >= 2
    assert [int(count) >= 1 for count in like.split()] == [True, True]
    assert (accepted, also_accepted) == ("True True", "True")
    progress, waiting = in_folder.split()
    assert progress == "1.0"
    assert int(waiting) >= 2
    assert (tmp_path / "photo.json").is_file()


def test_geodata(tmp_path):
    (tmp_path / "rasterio.py").write_text(RASTERIO)
    opened, written, read = cells("geodata")
    check = "print(bool((masks.masks == w.masks).all()), w.masks.any())"
    assert run(tmp_path, opened, OBJECT, written, read, check) == "True True\n"
    assert "EPSG::32633" in (tmp_path / "roofs.geojson").read_text()


def test_existing_masks(tmp_path):
    photo(tmp_path / "cells.png")
    labels = np.zeros((60, 80), np.int32)
    labels[10:20, 10:20], labels[30:40, 30:40] = 3, 7
    np.save(tmp_path / "cells_seg.npy", {"masks": labels})
    (opened,) = cells("correct-masks")
    assert run(tmp_path, opened, "print(w.numbers)") == "(3, 7)\n"
