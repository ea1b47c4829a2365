"""What is fuzzed: each target takes bytes, of which nothing but our errors may come.

Run by `test_corpus.py` on kept inputs, and by `fuzz.py` on new ones.
"""

from __future__ import annotations

import io
import json
import logging
import tempfile
import warnings
from pathlib import Path

import comm
import ipywidgets.widgets.widget as ipywidgets_widget
import numpy as np

from sam2_widget import AnnotationError, ImageError, LabelError, PromptError, SegmentWidget
from sam2_widget.errors import SegmentationError
from sam2_widget.export import coco, geojson, labelme, npz, pngs, rle, sizes, yolo
from sam2_widget.export.label_map import read_png
from sam2_widget.export.tiff import read_tiff
from sam2_widget.images import arrays, sources
from sam2_widget.masks import rle as runs
from sam2_widget.models import store
from sam2_widget.prompts import Prompts
from sam2_widget.session import Session
from sam2_widget.testing import FakePredictor
from tests.widget.conftest import MockComm, settle

SIZE = (12, 16)
"""(height, width) of the images."""

LIMIT = 200_000
"""Pixels; the true limit is checked in the same places, but takes seconds to reach."""

IMAGE = np.random.default_rng(3).integers(0, 255, (*SIZE, 3), np.uint8)
ALLOWED = ("tool", "opacity", "mask_style", "height", "brush_size", "hover_preview")
FOLDER = Path(tempfile.mkdtemp())


class Unhandled(logging.Handler):
    """Raises at the end what a handler has caught and logged: it should have been foreseen."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.errors = []

    def emit(self, record):
        self.errors.append(record.exc_info[1] if record.exc_info else RuntimeError(record.msg))


unhandled = Unhandled()
logger = logging.getLogger("sam2_widget")


def prepare():
    """Put the limits low, and comms that go nowhere in place; returns what undoes it."""
    kept = [(m, "MAX_PIXELS", m.MAX_PIXELS) for m in (arrays, sizes, runs)]
    kept += [(m, "create_comm", m.create_comm) for m in (comm, ipywidgets_widget.comm)]
    for module, name, _ in kept:
        setattr(module, name, LIMIT if name == "MAX_PIXELS" else MockComm)
    kept += [(logger, "propagate", logger.propagate)]
    logger.propagate = False
    logger.addHandler(unhandled)

    def undo():
        logger.removeHandler(unhandled)
        for one in kept:
            setattr(*one)

    return undo


def parsed(data):
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def fuzz_comm(data: bytes):
    """Messages of a page, a JSON list: the data of each."""
    messages = parsed(data)
    if not isinstance(messages, list):
        return
    widget = SegmentWidget(IMAGE, model=FakePredictor(size=16))
    unhandled.errors.clear()
    fixed = {name: getattr(widget, name) for name in widget.keys if name not in ALLOWED}
    try:
        for message in messages[:20]:
            content = {"content": {"data": message}, "buffers": [b"evil"], "metadata": {}}
            widget.comm.handle_msg(content)
        check_widget(widget, fixed)
    finally:
        widget.close()
        errors, unhandled.errors = unhandled.errors, []
    if errors:
        raise errors[0]


def check_widget(widget, fixed):
    """What a widget must be after any messages."""
    settle()
    session = widget._annotator.session
    for annotated in session.annotation.objects:
        for prompt in annotated.prompts:
            prompt.check_inside(SIZE[1], SIZE[0])
    assert widget.masks.shape == (len(session.annotation.objects), *SIZE)
    assert widget.status.phase == "ready"
    for name, value in fixed.items():
        if name not in ("_state", "_status", "_labels"):
            assert getattr(widget, name) is value, name
    assert not (active := widget._state["active"]) or not active["pending"]
    Prompts.from_json(widget.prompts.to_json())


def fuzz_prompts(data: bytes):
    """Saved prompts: what is read is written as it is, and can be replayed."""
    try:
        prompts = Prompts.from_json(data.decode(errors="surrogateescape"))
        assert Prompts.from_json(prompts.to_json()) == prompts
        Session(SIZE[1], SIZE[0]).replay(prompts)
        if len(data) < 2000:
            prompts.to_code()
    except (PromptError, LabelError):
        return


def fuzz_rle(data: bytes):
    """COCO's run lengths."""
    height, width = (data[0] % 40, data[1] % 40) if len(data) > 1 else (1, 1)
    counts = data[2:].decode("latin-1")
    try:
        mask = runs.decode(counts, (height, width))
    except ValueError:
        mask = None
    else:
        assert mask.shape == (height, width)
        again = runs.decode(runs.encode(mask), (height, width))
        np.testing.assert_array_equal(again, mask)
    try:
        crop = rle.decode({"size": [height, width], "counts": counts}, (height, width))
    except AnnotationError:
        assert mask is None or not mask.size
    else:
        assert crop.area == (0 if mask is None else mask.sum())


def checked(read, data, **options):
    """Read annotations; every object must lie in the image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read(io.BytesIO(data), **options)
    except AnnotationError:
        return
    for one in found:
        x0, y0, x1, y1 = one.crop.bbox
        assert 0 <= x0 <= x1 <= found.size[1]
        assert 0 <= y0 <= y1 <= found.size[0]
        assert one.label is None or isinstance(one.label, str)


def fuzz_json_files(data: bytes):
    """COCO, LabelMe and GeoJSON, each as whatever it is."""
    for read in (coco.read_coco, labelme.read_labelme, geojson.read_geojson):
        checked(read, data)
        checked(read, data, size=SIZE)


def fuzz_yolo(data: bytes):
    """YOLO's labels."""
    checked(yolo.read_yolo, data, size=SIZE)


def fuzz_binary_files(data: bytes):
    """NPZ, zip files of pictures, label maps."""
    if data[:2] == b"PK":
        checked(npz.read_npz, data)
        checked(pngs.read_pngs, data)
    elif data[:4] in (b"II*\0", b"MM\0*"):
        checked(read_tiff, data)
    else:
        checked(read_png, data)


def fuzz_images(data: bytes):
    """Pictures, TIFFs and NPYs."""
    path = FOLDER / ("a.npy" if data[:6] == b"\x93NUMPY" else "a.img")
    path.write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = sources.load_image(path)
    except ImageError:
        return
    assert loaded.rgb.dtype == np.uint8
    assert loaded.rgb.shape[2:] == (3,)
    assert 0 < loaded.rgb.shape[0] * loaded.rgb.shape[1] <= LIMIT


def fuzz_store(data: bytes):
    """Stored embeddings, of a folder that others may write to."""
    try:
        arrays = store.decode(data, "model", "image")
    except store.BadFileError:
        return
    again = store.decode(store.encode(arrays, "model", "image"), "model", "image")
    assert {name: a.shape for name, a in again.items()} == {n: a.shape for n, a in arrays.items()}


TARGETS = {
    "comm": fuzz_comm,
    "prompts": fuzz_prompts,
    "rle": fuzz_rle,
    "json_files": fuzz_json_files,
    "yolo": fuzz_yolo,
    "binary_files": fuzz_binary_files,
    "images": fuzz_images,
    "store": fuzz_store,
}
JSON = ("comm", "prompts", "json_files")
"""Targets whose inputs are JSON."""

OURS = SegmentationError
