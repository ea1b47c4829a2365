"""What is fuzzed: each target takes bytes, of which nothing but our errors may come.

Run by `test_corpus.py` on kept inputs, and by `fuzz.py` on new ones.
"""

from __future__ import annotations

import io
import json
import logging
import tempfile
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import comm
import ipywidgets.widgets.widget as ipywidgets_widget
import numpy as np
from jupyter_client.session import json_packer

from sam2_widget import (
    AnnotationError,
    ImageError,
    ImageStack,
    LabelError,
    PromptError,
    SegmentWidget,
)
from sam2_widget.annotation.session import Session
from sam2_widget.errors import SegmentationError
from sam2_widget.export import (
    coco,
    geojson,
    label_map,
    labelme,
    npz,
    pngs,
    rle,
    sizes,
    tiff,
    yolo,
)
from sam2_widget.export.label_map import read_png
from sam2_widget.export.read import read_masks
from sam2_widget.export.tiff import read_tiff
from sam2_widget.export.tracks.formats import FORMATS as TRACK_FORMATS
from sam2_widget.export.tracks.formats import read_tracks
from sam2_widget.images import arrays, sources
from sam2_widget.images.videos import opening
from sam2_widget.masks import rle as runs
from sam2_widget.models.embeddings import store
from sam2_widget.prompts.collections import Prompts
from sam2_widget.prompts.label_text import label_fault
from sam2_widget.testing import FakePredictor
from tests.export.labelled_files import CLASS_WRITERS, WRITERS
from tests.widget.conftest import MockComm, settle

from . import recipes

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


LIMITS: dict[tuple[Any, str], object] = {
    (arrays, "MAX_PIXELS"): LIMIT,
    (arrays, "MAX_PLANE_BYTES"): 8 * LIMIT,
    (sources, "MAX_PLANE_BYTES"): 8 * LIMIT,
    (opening, "MAX_FRAME_PIXELS"): LIMIT,
    (runs, "MAX_PIXELS"): LIMIT,
    (sizes, "MAX_PIXELS"): LIMIT,
    (sizes, "MAX_OBJECTS"): 200,
    (sizes, "MAX_BOX_PIXELS"): 5 * LIMIT,
    (sizes, "MAX_PLANE_PIXELS"): 20 * LIMIT,
    (sizes, "MAX_CROSSINGS"): 100_000,
    (sizes, "MAX_ARRAY_BYTES"): 8 * LIMIT,
}
"""What files may cost here."""


def prepare():
    """Put the limits low, and comms that go nowhere in place; returns what undoes it."""
    put = {**LIMITS, (comm, "create_comm"): MockComm}
    put |= {(ipywidgets_widget.comm, "create_comm"): MockComm, (logger, "propagate"): False}
    kept = {place: getattr(*place) for place in put}
    for (owner, name), value in put.items():
        setattr(owner, name, value)
    logger.addHandler(unhandled)

    def undo():
        logger.removeHandler(unhandled)
        for (owner, name), value in kept.items():
            setattr(owner, name, value)

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
        if name not in ("_state", "_status", "_labels", "_categories", "_prompt_classes", "_saved"):
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


def fuzz_videos(data: bytes):
    """Videos: every frame that is counted has the size of the first, or is refused."""
    try:
        stack = ImageStack(data)
        assert 0 < len(stack) <= len(data)
        shapes = [stack[number].rgb.shape for number in {0, len(stack) // 2, len(stack) - 1}]
    except ImageError as error:
        check_message(error)
        return
    assert len(set(shapes)) == 1
    assert stack.times is not None
    assert np.all(np.diff(stack.times) >= 0)


def fuzz_tracks(data: bytes):
    """Tracks of all formats, each as whatever it is."""
    for name, (_, _, reader) in TRACK_FORMATS.items():
        if not reader:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = read_tracks(io.BytesIO(data), format=name)
        except AnnotationError as error:
            check_message(error)
            continue
        for frame in found:
            assert len(set(frame.numbers)) == len(frame)
            for one in frame:
                x0, y0, x1, y1 = one.crop.bbox
                assert 0 <= x0 <= x1 <= found.size[1]
                assert 0 <= y0 <= y1 <= found.size[0]


def fuzz_store(data: bytes):
    """Stored embeddings, of a folder that others may write to."""
    try:
        arrays = store.decode(data, "model", "image")
    except store.BadFileError:
        return
    again = store.decode(store.encode(arrays, "model", "image"), "model", "image")
    assert {name: a.shape for name, a in again.items()} == {n: a.shape for n, a in arrays.items()}


MOST_BYTES = 100 * 2**20
"""Memory that reading a file may take here, where the limits are low."""


@contextmanager
def bounded(data: bytes) -> Iterator[None]:
    """Check that no more memory is taken than a file of so many bytes may cost."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    most = MOST_BYTES + 30 * len(data)
    assert peak < most, f"{peak / 2**20:.0f} MiB for a file of {len(data)} bytes"


def check_message(error):
    """A message can be sent, and is short, whatever is in the file."""
    assert len(str(error).encode()) < 3000


def masks_in(read, data, name, **options):
    """The masks that `read` finds in a file; None if it refuses it."""
    file = io.BytesIO(data)
    file.name = name
    with warnings.catch_warnings(), bounded(data):
        warnings.simplefilter("ignore")
        try:
            found = read(file, **options)
        except AnnotationError as error:
            check_message(error)
            return None
    boxes = [one.crop.bbox for one in found]
    assert len(found) <= sizes.MAX_OBJECTS
    assert sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes) <= sizes.MAX_BOX_PIXELS
    return found


def fuzz_polygons(data: bytes):
    """Polygons of any shape, size and number of vertices: the same in all formats."""
    drawn = recipes.recipe(data, recipes.Polygons)
    if drawn is None or drawn.width * drawn.height > LIMIT:
        return
    size = (drawn.height, drawn.width)
    coco_found = masks_in(coco.read_coco, recipes.coco_polygons(drawn), "a.json", size=size)
    found = masks_in(labelme.read_labelme, recipes.labelme_polygons(drawn), "a.json", size=size)
    if not drawn.group:
        assert areas(found) == areas(coco_found)
    found = masks_in(
        geojson.read_geojson,
        recipes.geojson_polygons(drawn),
        "a.geojson",
        size=size,
        transform=(1, 0, 0, 0, 1, 0),
    )
    if not drawn.holes:
        assert areas(found) == areas(coco_found)
    masks_in(yolo.read_yolo, recipes.yolo_polygons(drawn), "a.txt", size=size)


def areas(found):
    """Pixels of the masks that have any; None of a file that was refused."""
    return None if found is None else [one.area for one in found if one.area]


def fuzz_budgets(data: bytes):
    """Small files that unfold, or claim a size: refused before memory is taken."""
    masks = recipes.recipe(data, recipes.Masks)
    if masks is None:
        return
    made, name = recipes.made(masks), "a" + recipes.SUFFIXES[masks.kind]
    size = (masks.height, masks.width)
    masks_in(read_masks, made, name, size=size)
    if masks.kind in ("tiff", "stack", "npy"):
        load_bounded(made, name)
    elif masks.kind == "zip" and masks.count:
        load_bounded(recipes.claiming(masks.width, masks.height, masks.fill), "a.png")


def load_bounded(data, name):
    """Load an image, from memory and from the disk."""
    (FOLDER / name).write_bytes(data)
    for source in (data, FOLDER / name):
        with warnings.catch_warnings(), bounded(data):
            warnings.simplefilter("ignore")
            try:
                loaded = sources.load_image(source)
            except ImageError:
                continue
        assert loaded.rgb.size <= 3 * LIMIT


def fuzz_labels(data: bytes):
    """Labels and classes of files: any text is refused, or can be sent and written."""
    labels = recipes.recipe(data, recipes.Labels)
    if labels is None or labels.way not in {**WRITERS, **CLASS_WRITERS}:
        return
    text, path = labels.text, FOLDER / labels.way
    try:
        value = {**WRITERS, **CLASS_WRITERS}[labels.way](path, text)
    except (UnicodeError, ValueError):
        return  # the library that writes the file refuses it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = read_masks(path if value is None else value, (6, 8))
        except AnnotationError as error:
            check_message(error)
            return
        check_labels(found)


def check_labels(found):
    """What has been read can be shown in a widget, and written by all formats."""
    names = [*found.categories.names, *filter(None, found.labels)]
    assert all(label_fault(name) is None for name in names)
    widget = SegmentWidget(
        np.zeros((*found.size, 3), np.uint8), model=FakePredictor(size=16), masks=found
    )
    try:
        settle()
        json_packer(widget.get_state())
        assert widget.prompts == Prompts.from_json(widget.prompts.to_json())
    finally:
        widget.close()
    for write in FORMAT_WRITERS:
        again = io.BytesIO()
        write(found, again)
        assert again.tell()


FORMAT_WRITERS = (
    coco.write_coco,
    labelme.write_labelme,
    geojson.write_geojson,
    npz.write_npz,
    pngs.write_pngs,
    tiff.write_tiff,
    label_map.write_png,
    yolo.write_yolo,
)

TARGETS = {
    "comm": fuzz_comm,
    "prompts": fuzz_prompts,
    "rle": fuzz_rle,
    "json_files": fuzz_json_files,
    "yolo": fuzz_yolo,
    "binary_files": fuzz_binary_files,
    "images": fuzz_images,
    "videos": fuzz_videos,
    "tracks": fuzz_tracks,
    "store": fuzz_store,
    "polygons": fuzz_polygons,
    "budgets": fuzz_budgets,
    "labels": fuzz_labels,
}
JSON = ("comm", "prompts", "json_files", "polygons", "budgets", "labels")
"""Targets whose inputs are JSON."""

OURS = SegmentationError
