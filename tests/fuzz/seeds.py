"""First inputs of each target: what pages, and this package, really write.

python -m tests.fuzz.seeds   # writes what is missing into corpus/
"""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path

import av
import numpy as np
import tifffile
from PIL import Image

from sam2_widget import Box, Choice, MaskPrompt, Point, Prompts, Scribble, Stroke
from sam2_widget.export import coco, geojson, label_map, labelme, npz, pngs, tiff, yolo
from sam2_widget.export.read import read_masks
from sam2_widget.export.tracks.formats import write_tracks
from sam2_widget.export.values import LabeledMasks
from sam2_widget.masks import rle
from sam2_widget.models.embeddings import store
from sam2_widget.prompts.collections import ObjectPrompts

CORPUS = Path(__file__).parent / "corpus"


def masks():
    """A disc with a hole, and a square of two parts."""
    y, x = np.mgrid[:12, :16]
    ring = np.hypot(x - 8, y - 6)
    parts = np.zeros((12, 16), bool)
    parts[1:4, 1:4] = parts[8:11, 10:14] = True
    return {"ring": (ring < 5) & (ring > 2), "parts": parts}


def prompts():
    """Every kind of prompt."""
    mask = MaskPrompt.from_mask(masks()["ring"])
    stroke, scribble = Stroke([(1, 1), (9, 5)], 2), Scribble([(2, 2), (8, 8)], 0)
    listed = (Point(3, 4), Point(8, 8, 0), Box(1, 1, 9, 9), Choice(1), stroke, scribble)
    return Prompts((ObjectPrompts((mask, Point(2, 2)), "a"), ObjectPrompts(listed)))


def messages():
    """A page's words, one list for each kind of action."""
    rid = {"client": "page", "n": 1}
    listed = [{"type": "point", "x": 5, "y": 5, "label": 1}]
    fields: dict[str, dict[str, object]] = {
        "commit": {"label": "a"}, "select": {"object": 0}, "delete": {"object": 0},
        "label": {"object": 0, "label": "b"}, "show": {"object": 0, "visible": False},
        "lock": {"object": 0, "locked": True}, "order": {"object": 0, "index": 1},
        "class": {"label": "c"}, "class_add": {"name": "d", "color": "#aabbcc"},
        "setting": {"name": "overlap", "value": "cut out"}, "undo": {}, "redo": {}, "clear": {},
    }  # fmt: skip
    stroke = {"type": "stroke", "points": [[1, 1], [5, 5]], "radius": 2, "label": 1}
    scribble = {"type": "scribble", "points": [[1, 1], [5, 5]], "label": 0}
    box = {"type": "box", "x0": 1, "y0": 1, "x1": 8, "y1": 9}
    rich = [*listed, box, scribble, {"type": "choice", "index": 2}, stroke]
    first = update({"_prompts": {"rid": rid, "epoch": 0, "prompts": listed}})
    for name, more in fields.items():
        action = {
            "type": name,
            "rid": {"client": "page", "n": 2},
            "epoch": 0,
            "prompts": listed,
            **more,
        }
        yield name, [first, custom(action), custom({"type": "hello"})]
    yield "rich", [update({"_prompts": {"rid": rid, "epoch": 0, "prompts": rich}})]
    yield "options", [update({"tool": "box", "opacity": 0.5, "brush_size": 3, "height": 300})]
    asked = {"client": "page", "n": 1, "x": 3, "y": 4}
    hover = {"type": "hover", "epoch": 0, "label": 1, **asked}
    tiles = {"type": "tiles", "client": "page", "level": 0, "tiles": [[0, 0], [1, 0]]}
    queries = [
        hover,
        {**hover, "type": "press"},
        {"type": "probe", **asked},
        tiles,
        {"type": "ack_probe"},
    ]
    yield "queries", [*map(custom, queries), {"method": "request_state"}]
    yield "hostile", [update({"_esm": "x"}), custom({"kind": "anywidget-command", "name": "close"})]


def update(state):
    return {"method": "update", "state": state, "buffer_paths": []}


def custom(content):
    return {"method": "custom", "content": content}


def written(write, result, **options):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(result, file, **options)
    return file.getvalue()


def image(kind, mode="RGB"):
    file = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (12, 16, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def tif(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def film(codec, kind, pixels="yuv420p"):
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 32, 32, pixels, 4
        for number in range(6):
            rgb = np.full((32, 32, 3), 40 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


FILMS = {
    "mp4": ("mpeg4", "mp4"),
    "h264 mp4": ("libx264", "mp4"),
    "mkv": ("libx264", "matroska"),
    "webm": ("libvpx", "webm"),
    "avi": ("mjpeg", "avi", "yuvj420p"),
    "ts": ("mpeg2video", "mpegts"),
    "mpg": ("mpeg1video", "mpeg"),
    "flv": ("flv1", "flv"),
}


def seeds():
    """Pairs (target, name, bytes)."""
    for name, listed in messages():
        yield "comm", name, json.dumps(listed).encode()
    yield "prompts", "every kind", prompts().to_json().encode()
    for name, mask in masks().items():
        yield "rle", name, bytes(mask.shape) + rle.encode(mask).encode()
    result = read_masks(masks())
    yield "json_files", "coco", written(coco.write_coco, result)
    yield "json_files", "coco polygons", written(coco.write_coco, result, segmentation="polygons")
    yield "json_files", "labelme", written(labelme.write_labelme, result)
    yield "json_files", "labelme masks", written(labelme.write_labelme, result, shapes="masks")
    yield "json_files", "geojson", written(geojson.write_geojson, result)
    yield "yolo", "two", written(yolo.write_yolo, result)
    yield "yolo", "box", b"1 0.5 0.5 0.25 0.5\n"
    yield "binary_files", "npz", written(npz.write_npz, result)
    yield "binary_files", "pngs", written(pngs.write_pngs, result)
    yield "binary_files", "tiff", written(tiff.write_tiff, result)
    yield "binary_files", "png", written(label_map.write_png, result)
    for kind, mode in (
        ("PNG", "RGBA"),
        ("PNG", "I;16"),
        ("GIF", "P"),
        ("BMP", "L"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGB"),
    ):
        yield (
            "images",
            f"{kind} {mode.replace(';', '')}",
            image(kind, "L" if mode == "I;16" else mode),
        )
    frames = {0: result, 2: LabeledMasks(result.objects[:1], result.size)}
    for name in ("youtube-vis", "mots", "csv", "tiff", "npz", "pngs"):
        yield "tracks", name, written(write_tracks, frames, format=name)
    for name, options in FILMS.items():
        yield "videos", name, film(*options)
    yield "images", "tiff 16 bit", tif(np.ones((12, 16), np.uint16), compression="deflate")
    yield "images", "tiff stack", tif(np.ones((3, 12, 16), np.float32), imagej=True)
    yield "images", "npy", npy(np.ones((12, 16, 3), np.uint8))
    arrays = {"features": np.ones((2, 3), np.float16), "none": np.ones((0, 3), np.float32)}
    yield "store", "two", store.encode(arrays, "model", "image")


def recipes():
    """Pairs (target, name, description) of files that are made of a few words."""
    image = {"width": 400, "height": 300}
    rings = {
        "zigzag": {"shape": "zigzag", "count": 8000, "scale": 400},
        "zigzag within the budget": {"shape": "zigzag", "count": 200, "scale": 300},
        "far outside": {"shape": "random", "count": 500, "scale": 3e4},
        "farther outside": {"shape": "random", "count": 500, "scale": 1e300},
        "star": {"shape": "star", "count": 11, "x": 200, "y": 150, "scale": 100},
        "not finite": {"shape": "points", "points": [0, 0, 50, 0, float("nan"), 50]},
        "huge": {"shape": "points", "points": [-1e308, 9, 1e308, 9, 1e308, 1e308]},
    }
    for name, ring in rings.items():
        yield "polygons", name, {**image, "rings": [ring]}
    circles = [{"count": 30, "x": 50 * n, "y": 90, "scale": 80} for n in range(5)]
    yield "polygons", "group", {**image, "rings": circles, "group": True}
    yield "polygons", "holes", {**image, "rings": circles, "holes": True}
    for kind in ("rle", "text", "boxes", "zip", "labelme", "npz", "npy", "tiff", "stack"):
        masks = {"kind": kind, "count": 3, "width": 40, "height": 30, "fill": 1200, "bits": 8}
        yield "budgets", kind, masks
        yield "budgets", f"{kind} of many", {**masks, "count": 300}
        yield "budgets", f"{kind} of 149 megapixels", {**masks, "width": 12200, "height": 12200}
    many = {"kind": "rle", "count": 1, "width": 40, "height": 30, "fill": 2_000_000}
    yield "budgets", "rle of no pixels", many
    yield "budgets", "text of no pixels", {**many, "kind": "text", "codes": "0"}
    for packing in ("stored", "bzip2", "lzma"):
        masks = {"count": 1, "width": 40, "height": 30, "fill": 2_000_000, "packing": packing}
        yield "budgets", f"zip {packing}", {**masks, "kind": "zip"}
        yield "budgets", f"npz {packing}", {**masks, "kind": "npz"}
    texts = {
        "plain": [["cell", 1]],
        "half a character": [["\ud83d", 1]],
        "millions": [["cell", 1_250_000]],
        "control": [["\x00\x1b[31m\u202e\r\n", 1]],
        "markup": [["<img src=x onerror=alert(1)>", 2], [" ", 1], ["é", 100]],
    }
    for way in ("coco.json", "labelme.json", "a.geojson", "a.npz", "b.npz", "a.png", "a.tif"):
        yield "labels", way, {"way": way, "parts": texts["plain"]}
    for name, parts in texts.items():
        for way in ("a.zip", "a mapping", "c.json", "c.npz", "labelme.json"):
            yield "labels", f"{name} {way}", {"way": way, "parts": parts}


def main():
    described = ((target, name, json.dumps(one).encode()) for target, name, one in recipes())
    for target, name, data in (*seeds(), *described):
        path = CORPUS / target / f"seed-{name.replace(' ', '-')}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
