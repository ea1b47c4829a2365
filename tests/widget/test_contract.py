"""What pages and the kernel say to each other beside clicks."""

import io
import json
import threading
import zlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sam2_widget import (
    AnnotationError,
    MaskPrompt,
    PromptError,
    SegmentWidget,
    SettingError,
    Stroke,
    segment,
)
from sam2_widget.comm.publishing import out_of_order
from sam2_widget.masks.logits import upsample
from sam2_widget.models import worker
from sam2_widget.testing import FakePredictor

from .conftest import IMAGE, MockComm, Page, observed, point, served, settle

SIZE = (60, 80)
RUNS = {"size": list(SIZE), "counts": [600, 60, 4140]}
"""A column of the image, as COCO's run lengths."""


def stroke(points, radius=3, label=1):
    return {"type": "stroke", "points": points, "radius": radius, "label": label}


def told_points(page):
    """The points of all strokes that a page has received, by their keys."""
    points = {}

    def look(value):
        if isinstance(value, dict):
            if "points" in value and "key" in value:
                points[value["key"]] = [list(p) for p in value["points"]]
            look(list(value.values()))
        elif isinstance(value, list):
            for item in value:
                look(item)

    for _, data, _ in page.published:
        look(data)
    return points


def painted(mask, points=None, size=SIZE):
    """The pixels that a browser paints for a mask message, by the words of the contract."""
    pixels = np.zeros(size, bool)
    data = zlib.decompress(mask["data"])
    if mask.get("kind", "logits") == "logits":
        logits = np.frombuffer(data, np.int8).reshape(mask["height"], mask["width"])
        upsample(logits, *size).paste(pixels, value=True)
    else:
        rows = np.frombuffer(data, np.uint8).reshape(mask["height"], -1)
        bits = np.unpackbits(rows, axis=1)[:, : mask["width"]].astype(bool)
        y, x = mask["y"], mask["x"]
        pixels[y : y + mask["height"], x : x + mask["width"]] = bits
    for line in mask.get("strokes", []):
        ends = line["points"] if "points" in line else points[line["key"]]
        for (ax, ay), (bx, by) in zip(ends, ends[1:] or ends, strict=False):
            for y, x in np.ndindex(*size):
                dx, dy = bx - ax, by - ay
                length = dx * dx + dy * dy
                along = (x + 0.5 - ax) * dx + (y + 0.5 - ay) * dy
                t = min(max(along / length, 0), 1) if length > 0 else 0
                ex, ey = x + 0.5 - (ax + t * dx), y + 0.5 - (ay + t * dy)
                if ex * ex + ey * ey <= line["radius"] ** 2:
                    pixels[y, x] = line["label"]
    return pixels


def messages(page, kind):
    return [
        (d["content"], b) for _, d, b in page.published if d.get("content", {}).get("type") == kind
    ]


# --- candidates, strokes, masks -------------------------------------------------------------------


def test_candidates_are_offered_and_chosen(widget, page, predictor):
    page.prompts(point(40, 30))
    settle()
    active = page.state["active"]
    assert [c["score"] for c in active["candidates"]] == pytest.approx([0.7, 0.9, 0.8])
    assert active["choice"] == 1
    assert active["candidates"][1]["mask"] is None, "the chosen mask travels once"
    areas = [painted(c["mask"] or active["mask"]).sum() for c in active["candidates"]]
    page.prompts(point(40, 30), {"type": "choice", "index": 0})
    settle()
    active = page.state["active"]
    assert active["choice"] == 0
    assert painted(active["mask"]).sum() == areas[0] == widget.mask.sum()
    assert predictor.predicted == 1
    page.prompts(point(40, 30), {"type": "choice", "index": 0}, point(45, 30, 0))
    settle()
    assert page.state["active"]["candidates"] is None


def test_python_chooses_too(widget):
    widget.add_point(40, 30)
    assert len(widget.candidates) == 3
    widget.choose(2)
    assert widget.mask.sum() == widget.candidates[2].mask.crop(*SIZE).area
    widget.add_point(45, 30)
    assert widget.candidates == ()
    with pytest.raises(PromptError, match="there is no candidate 1"):
        widget.choose(1)
    widget.commit()
    with pytest.raises(PromptError, match="no object"):
        widget.choose(1)
    assert widget.candidates == ()


def test_strokes_are_sent_once_and_by_key_later(widget, page):
    brush, eraser = stroke([[5, 5], [20, 8.25]]), stroke([[40, 30]], 4, 0)
    page.prompts(point(40, 30), brush)
    settle()
    sent = page.state["active"]["prompts"][1]
    assert sent == {"type": "stroke", "key": sent["key"], "radius": 3, "label": 1}
    page.prompts(point(40, 30), {"type": "known", "key": sent["key"]}, eraser)
    settle()
    assert page.notice == ""
    points = told_points(page)
    strokes = page.state["active"]["mask"]["strokes"]
    assert [points[s["key"]] for s in strokes] == [brush["points"], eraser["points"]]
    assert [("points" in s) for s in strokes] == [False, True]
    np.testing.assert_array_equal(painted(page.state["active"]["mask"], points), widget.mask)
    page.act("commit")
    settle()
    committed = page.objects()[0]["mask"]
    assert not any("points" in s for s in committed["strokes"])
    np.testing.assert_array_equal(painted(committed, points), widget.masks[0])
    page.send({"type": "hello"})
    np.testing.assert_array_equal(painted(page.objects()[0]["mask"]), widget.masks[0])


def test_a_page_that_opens_later_gets_the_points_of_the_active_object(widget, page):
    page.prompts(stroke([[5, 5], [20, 8.25]]))
    page.prompts(stroke([[5, 5], [20, 8.25]]), point(40, 30))
    settle()
    revision = page.state["revision"]
    assert "points" not in page.state["active"]["mask"]["strokes"][0]
    page.send({"type": "hello"})
    assert page.state["revision"] == revision + 1
    np.testing.assert_array_equal(painted(page.state["active"]["mask"]), widget.mask)


def test_many_strokes_cost_a_click_little(widget, page):
    lines = [stroke([[x, y] for x in range(70)]) for y in range(0, 50, 5)]
    page.prompts(*lines)
    known = [{"type": "known", "key": p["key"]} for p in page.state["active"]["prompts"]]
    settle()
    count = len(page.published)
    page.prompts(*known, point(40, 30))
    settle()
    sent = page.published[count:]
    assert sum(len(repr(d)) + sum(map(len, b)) for _, d, b in sent) < 12_000
    assert len(sent) == 1


def test_unknown_key_is_rejected_and_acknowledged(widget, page):
    page.prompts(point(40, 30), {"type": "known", "key": "gone"})
    assert "no longer there" in page.notice
    assert page.state["ack"]["page"] == page.n
    assert not widget.prompts


def test_keys_are_valid_while_the_history_has_their_strokes(widget, page):
    page.prompts(stroke([[5, 5]]))
    key = page.state["active"]["prompts"][0]["key"]
    page.act("undo")
    assert page.state["active"] is None
    page.prompts({"type": "known", "key": key})
    assert widget.prompts[0].prompts == (Stroke([(5, 5)], 3),)


def test_a_page_cannot_send_a_mask(widget, page):
    mask = MaskPrompt.from_mask(np.ones(SIZE))
    page.prompts({"type": "mask", "size": list(mask.size), "counts": mask.counts})
    assert "malformed" in page.notice
    assert not widget.prompts


def test_an_existing_mask_is_shown_exactly_and_corrected_by_clicks(widget, page):
    mask = np.random.default_rng(3).random(SIZE) > 0.9
    mask[20:40, 50:70] = True
    widget.add_mask(mask, "cell")
    settle()
    np.testing.assert_array_equal(widget.masks[0], mask)
    np.testing.assert_array_equal(painted(page.objects()[0]["mask"]), mask)
    page.act("select", object=0)
    key = page.state["active"]["prompts"][0]["key"]
    assert page.state["active"]["prompts"] == [{"type": "mask", "key": key}]
    page.prompts({"type": "known", "key": key}, point(10, 30))
    settle()
    corrected = widget.mask
    assert corrected[30, 10]
    np.testing.assert_array_equal(corrected[:, 40:], mask[:, 40:])
    np.testing.assert_array_equal(painted(page.state["active"]["mask"]), corrected)
    replayed = segment(IMAGE, widget.prompts, model=FakePredictor())
    np.testing.assert_array_equal(replayed.masks[0], corrected)


def test_a_widget_starts_from_masks(predictor):
    masks = np.zeros((2, *SIZE), bool)
    masks[0, :5] = masks[1, 10:20, 10:20] = True
    w = SegmentWidget(IMAGE, model=predictor, masks=masks)
    np.testing.assert_array_equal(w.masks, masks)
    assert len(Page(w).objects()) in (0, 2)
    assert predictor.predicted == 0
    w.close()
    with pytest.raises(AnnotationError, match="is for an image of 5 x 5"):
        SegmentWidget(IMAGE, model=predictor, masks=[np.ones((5, 5))])


def test_strokes_and_given_masks_do_not_wait_for_the_model():
    predictor = FakePredictor()
    predictor.gate.clear()
    w = SegmentWidget(IMAGE, model=predictor)
    page = Page(w)
    page.prompts(stroke([[5, 5]]))
    assert not page.state["active"]["pending"]
    assert painted(page.state["active"]["mask"])[5, 5]
    w.add_mask(np.ones(SIZE))
    assert page.objects()[-1]["mask"]["kind"] == "pixels"
    predictor.gate.set()
    w.close()


@pytest.mark.parametrize("edit", ["add_scribble", "add_stroke"])
def test_python_draws_lines(widget, edit):
    line = [(20, 30), (60, 30)]
    widget.add_scribble(line) if edit == "add_scribble" else widget.add_stroke(line, 2)
    assert widget.mask[30, 21:59].all()
    with pytest.raises(PromptError):
        widget.add_scribble([(1, 1)])
    with pytest.raises(PromptError):
        widget.add_stroke(line, 0)


def test_empty_and_whole_masks_have_a_notice(widget, page):
    page.prompts(point(40, 30, 0))
    settle()
    assert page.notice.startswith("The mask is empty:")
    page.prompts(point(40, 30))
    settle()
    assert page.notice == ""
    widget.add_mask(np.ones(SIZE))
    widget.select(-1)
    assert page.notice.startswith("The mask covers the whole image:")


# --- objects --------------------------------------------------------------------------------------


def test_objects_can_be_hidden_locked_and_moved(widget, page):
    for x in (10, 40, 70):
        widget.add_point(x, 30)
        widget.commit()
    settle()
    page.act("show", object=0, visible=False)
    page.act("lock", object=1, locked=True)
    assert [o["visible"] for o in page.objects()] == [False, True, True]
    assert [o["locked"] for o in page.objects()] == [False, True, False]
    assert [widget.is_shown(i) for i in range(3)] == [False, True, True]
    assert [widget.is_locked(i) for i in range(3)] == [False, True, False]
    for action in ("select", "delete", "label"):
        page.act(action, object=1)
        assert "Object 2 is locked" in page.notice
    page.act("order", object=0, index=2)
    assert [o["id"] for o in page.objects()] == [1, 2, 0]
    assert [o.id for o in widget.objects] == [1, 2, 0]
    page.act("undo")
    assert [o["id"] for o in page.objects()] == [0, 1, 2]
    assert not page.objects()[0]["visible"]
    assert widget.masks.any(axis=(1, 2)).all()
    widget.show(0)
    widget.unlock(1)
    assert all(o["visible"] and not o["locked"] for o in page.objects())
    assert widget.is_shown(0)
    assert not widget.is_locked(1)


def test_moving_one_of_many_sends_only_that_one(widget, page):
    for x in range(10):
        widget.add_point(x * 8, 30)
        widget.commit()
    settle()
    count = len(page.published)
    page.act("order", object=0, index=9)
    puts = [
        o["id"] for _, d, _ in page.published[count:] for o in d.get("content", {}).get("put", [])
    ]
    assert puts == [0]


@given(st.permutations(range(7)), st.integers(0, 7))
def test_the_fewest_are_moved(order, first):
    before, after = list(range(7)), [n for n in order if n != first]
    moved = out_of_order(before, after)
    kept = [n for n in after if n not in moved]
    assert kept == sorted(kept)
    if len(moved) > 1:
        assert len(kept) > 1 or after == sorted(after, reverse=True)


EDITS = ["click", "commit", "select", "delete", "order", "undo", "redo", "label"]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["click", "commit", "select", "delete", "order", "undo", "redo", "label"]
            ),
            st.integers(0, 5),
            st.integers(0, 5),
        ),
        max_size=25,
    )
)
def test_the_page_always_has_the_kernels_list(edits):
    predictor = FakePredictor()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ipywidgets.widgets.widget.comm.create_comm", MockComm)
        widget = SegmentWidget(IMAGE, model=predictor)
    page = Page(widget)
    for kind, number, other in edits:
        if kind == "click":
            page.prompts(point(number * 10, 30))
        elif kind in ("undo", "redo", "commit"):
            page.act(kind)
        else:
            fields = {"order": {"index": other}, "label": {"label": str(other)}}.get(kind, {})
            page.act(kind, object=number, **fields)
    assert widget.masks.shape[0] == len(widget.prompts)
    settle()
    active = page.state["active"]
    rows = [o["id"] for o in page.objects()]
    if active:
        rows.insert(active["index"], active["id"])
    assert rows == [o.id for o in widget.objects]
    labels = {o["id"]: o["label"] for o in page.objects()}
    assert all(labels.get(o.id, o.label) == o.label for o in widget.objects)
    widget.close()


# --- classes and settings -------------------------------------------------------------------------


def test_labels_in_use_are_offered_with_the_classes(widget, page):
    page.act("commit", prompts=[point(40, 30)], label="cow")
    assert widget._labels == [{"name": "cow", "color": None}]
    page.act("class_add", name="dog", color="#123456", use=False)
    assert [each["name"] for each in widget._labels] == ["dog", "cow"]
    page.prompts(point(20, 20))
    assert widget.objects[1].label is None
    page.act("class", label="cow", active=True)
    assert [o.label for o in widget.objects] == ["cow", "cow"]
    assert page.state["label"] == "cow"
    page.act("undo")
    assert [o.label for o in widget.objects] == ["cow", None]
    widget.clear()
    assert [each["name"] for each in widget._labels] == ["dog"]


def test_pages_receive_the_numbers_of_classes(widget, page):
    page.act("commit", prompts=[point(40, 30)], label="cow")
    assert widget._categories == [{"id": 1, "name": "cow"}]
    page.act("class_add", name="dog", color="#123456", use=False)
    assert widget._categories == [{"id": 1, "name": "cow"}, {"id": 2, "name": "dog"}]
    widget.labels = {"dog": 17, "cat": 3}
    assert widget._categories == [
        *({"id": 17, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 18, "name": "cow"})
    ]
    assert page.updates("_categories")[-1] == widget._categories
    file = io.BytesIO()
    widget.to_coco(file)
    assert json.loads(file.getvalue())["categories"] == widget._categories


def test_pages_receive_the_numbers_of_a_file(predictor):
    coco = {
        "images": [{"id": 5, "width": 80, "height": 60}],
        "categories": [{"id": 90, "name": "brush"}, {"id": 4, "name": "unused"}],
        "annotations": [
            {"id": 700, "image_id": 5, "category_id": 90, "iscrowd": 1, "segmentation": RUNS}
        ],
    }
    file = io.BytesIO(json.dumps(coco).encode())
    file.name = "a.json"
    w = SegmentWidget(IMAGE, model=predictor, masks=file)
    page = Page(w)
    page.send({"type": "hello"})
    page.act("commit", prompts=[point(40, 30)])
    settle()
    assert w._categories == [{"id": 4, "name": "unused"}, {"id": 90, "name": "brush"}]
    assert [(one["number"], one["crowd"]) for one in page.objects()] == [(700, True), (None, False)]
    page.act("select", object=w.objects[0].id)
    assert (page.state["active"]["number"], page.state["active"]["crowd"]) == (700, True)
    w.close()


def test_a_label_chosen_with_the_first_click_of_an_object_is_its_label(widget, page):
    """The page does not know the object's id by then."""
    page.act("class", label="cow", active=True, prompts=[point(40, 30)])
    assert widget.objects[0].label == "cow"


def test_classes_have_colours(predictor):
    w = SegmentWidget(IMAGE, model=predictor, labels={"cat": "#ff0000", "dog": "blue"})
    page = Page(w)
    assert w._labels == [
        {"name": "cat", "color": "#ff0000"},
        {"name": "dog", "color": "#0000ff"},
    ]
    page.prompts(point(40, 30))
    settle()
    assert page.state["active"]["color"] == "#ff0000"
    page.act("class_add", name="cow", color="#123456")
    assert w._labels[-1] == {"name": "cow", "color": "#123456"}
    page.act("commit", label="cow")
    assert w.objects[0].color == page.objects()[0]["color"] == "#123456"
    page.act("class_add", name="evil", color="url(x)")
    assert "malformed" in page.notice
    assert dict(w.labels) == {"cat": "#ff0000", "dog": "#0000ff", "cow": "#123456"}
    w.labels = ["tree"]
    assert list(w.labels) == ["tree"]
    assert w.objects[0].label == "cow"
    w.labels = w.labels
    w.close()


def test_the_palette_colours_objects(widget, page):
    widget.add_point(40, 30)
    widget.commit()
    widget.palette = ["#010203"]
    assert page.objects()[0]["color"] == widget.objects[0].color == "#010203"
    assert widget.palette == ("#010203",)
    with pytest.raises(SettingError):
        widget.palette = "no such map"


def test_settings_are_the_kernels_and_in_the_history(widget, page):
    default = {"overlap": "on top", "fill_holes": 0, "drop_specks": 0}
    assert page.state["settings"] == default
    page.act("setting", name="fill_holes", value=30)
    page.act("setting", name="overlap", value="cut out")
    assert page.state["settings"] == {"overlap": "cut out", "fill_holes": 30, "drop_specks": 0}
    assert (widget.overlap, widget.fill_holes, widget.drop_specks) == ("cut out", 30, 0)
    for name, bad in (("fill_holes", -1), ("fill_holes", "x"), ("overlap", 3), ("x", 1)):
        page.act("setting", name=name, value=bad)
        assert page.notice
    page.act("undo")
    page.act("undo")
    assert page.state["settings"] == default
    widget.drop_specks = 7
    assert page.state["settings"]["drop_specks"] == 7
    with pytest.raises(SettingError):
        widget.overlap = "beside"


def test_cut_out_gives_each_pixel_to_the_topmost(widget):
    widget.add_box(10, 10, 50, 50)
    widget.commit()
    widget.add_box(30, 30, 70, 55)
    on_top = widget.masks
    assert (on_top[0] & on_top[1]).any()
    label_map = widget.label_map
    widget.overlap = "cut out"
    cut = widget.masks
    np.testing.assert_array_equal(cut[1], on_top[1])
    np.testing.assert_array_equal(cut[0], on_top[0] & ~on_top[1])
    np.testing.assert_array_equal(widget.label_map, label_map)
    assert widget.objects[0].area == cut[0].sum()
    replayed = segment(IMAGE, widget.prompts, model=FakePredictor())
    np.testing.assert_array_equal(replayed.masks, cut)


class Speckled(FakePredictor):
    def _draw(self, embedding, prompts, factor):
        logits = super()._draw(embedding, prompts, factor)
        logits[1:3, 1:3] = 10
        return logits


def test_cleaning_agrees_between_page_python_and_replay():
    w = SegmentWidget(IMAGE, model=Speckled())
    page = Page(w)
    page.prompts(point(40, 30))
    assert w.masks[0, :5, :5].any()
    settle()
    page.act("commit")
    page.act("setting", name="drop_specks", value=20)
    assert not w.masks[0, :5, :5].any()
    settle()
    np.testing.assert_array_equal(painted(page.objects()[0]["mask"]), w.masks[0])
    replayed = segment(IMAGE, w.prompts, model=Speckled())
    np.testing.assert_array_equal(replayed.masks, w.masks)
    # While another setting is at work, the page keeps what it has.
    assert all(o["mask"] for c, _ in messages(page, "objects") for o in c["put"])
    w.close()


def test_objects_of_a_class_can_have_colours_of_their_own(widget):
    widget.labels = {"cell": "#00ff00"}
    for x in (10, 40):
        widget.add_point(x, 10)
        widget.commit("cell")
    assert [o.color for o in widget.objects] == ["#00ff00", "#00ff00"]
    widget.color_by = "object"
    assert [o.color for o in widget.objects] == list(widget.palette[:2])
    with pytest.raises(SettingError, match="color_by"):
        widget.color_by = "label"
    widget.color_by = "class"
    assert {o.color for o in widget.objects} == {"#00ff00"}


def test_a_page_chooses_whether_objects_have_the_colour_of_their_class(widget, page):
    widget.labels = {"cell": "#00ff00"}
    for x in (10, 40):
        widget.add_point(x, 10)
        widget.commit("cell")
    assert page.state["color_by"] == "class"
    page.act("color_by", value="object")
    settle()
    assert page.state["color_by"] == widget.color_by == "object"
    assert [o["color"] for o in page.objects()] == list(widget.palette[:2])
    assert [o.color for o in widget.objects] == list(widget.palette[:2])
    page.act("color_by", value="label")
    assert "malformed" in page.notice
    assert widget.color_by == "object"


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("tool", "brush", ["hammer", 5, None, ["brush"]]),
        ("opacity", 0.8, [-0.1, 1.1, float("nan"), "1", None]),
        ("mask_style", "contour", ["dotted", 1]),
        ("height", 400, [-1, 1.5, "400", 10**9]),
        ("brush_size", 12.5, [0.01, float("inf"), -3, {}]),
        ("hover_preview", True, [2, "yes", None]),
        ("brightness", -0.5, [-2, float("nan")]),
        ("contrast", 0.25, [2, b"1"]),
        ("retrack", True, [2, "no", None]),
        ("save_picture", False, [2, "no", None]),
    ],
)
def test_options_are_set_from_both_sides_and_checked(widget, page, name, good, bad):
    count = len(page.published)
    page.update({name: good})
    assert getattr(widget, name) == good
    for value in bad:
        page.update({name: value})
        assert getattr(widget, name) == good
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, value)
    states = [d["state"] for _, d, _ in page.published[count:] if name in d.get("state", {})]
    assert all(state[name] == good for state in states)


def test_the_brush_suits_the_view_until_a_size_is_set(widget, page):
    assert widget.brush_size == 0
    page.update({"brush_size": 18})
    assert widget.brush_size == 18
    widget.brush_size = 0
    assert page.updates("brush_size")[-1] == 0


# --- queries --------------------------------------------------------------------------------------


def hover(page, x, y, *, kind="hover", n=1, epoch=None):
    epoch = page.state["epoch"] if epoch is None else epoch
    page.send({"type": kind, "client": "page", "n": n, "epoch": epoch, "x": x, "y": y})


press = partial(hover, kind="press")


def test_a_hover_shows_what_a_click_would_give(widget, page, predictor):
    page.prompts(point(40, 30))
    settle()
    revision, known = page.state["revision"], len(widget._annotator.model.predictions._outputs)
    hover(page, 45, 30, n=7)
    settle()
    ((content, buffers),) = messages(page, "preview")
    assert (content["client"], content["n"]) == ("page", 7)
    shown = painted({**content["mask"], "data": buffers[content["mask"]["buffer"]]})
    assert page.state["revision"] == revision
    assert len(widget._annotator.model.predictions._outputs) == known
    page.prompts(point(40, 30), point(45, 30))
    np.testing.assert_array_equal(widget.mask, shown)
    assert content["score"] == pytest.approx(widget.scores[0])


def test_the_newest_hover_wins_and_clicks_go_first(widget, page, predictor):
    predictor.gate.clear()
    page.prompts(point(40, 30))
    for n in range(5):
        hover(page, 10 + n, 10, n=n)
    predictor.gate.set()
    settle()
    assert not page.state["active"]["pending"]
    assert [c["n"] for c, _ in messages(page, "preview")] == [4]
    assert predictor.predicted == 2


@pytest.mark.parametrize("where", [(-1, 5), (80, 5), (float("nan"), 5)])
def test_hover_without_a_prediction_gets_an_empty_answer(widget, page, where):
    hover(page, *where)
    settle()
    assert messages(page, "preview")[-1][0]["mask"] is None
    assert page.notice == ""


def test_a_hover_over_another_object_or_before_the_model_is_not_answered(widget, page):
    hover(page, 40, 30, epoch=99)
    settle()
    assert messages(page, "preview")[-1][0]["mask"] is None
    busy = FakePredictor()
    busy.gate.clear()
    w = SegmentWidget(IMAGE, model=busy)
    other = Page(w)
    hover(other, 40, 30)
    busy.gate.set()
    settle()
    assert len(messages(other, "preview")) == 1
    w.close()


def test_press_gets_the_prediction_of_its_click(widget, page, predictor):
    page.prompts(point(40, 30))
    settle()
    count, revision = predictor.predicted, page.state["revision"]
    press(page, 45, 30, n=7)
    settle()
    assert predictor.predicted == count + 1
    # Nothing is changed: it may become a drag.
    assert page.state["revision"] == revision
    assert len(widget.prompts[0].prompts) == 1
    ((content, buffers),) = messages(page, "preview")
    assert (content["client"], content["n"]) == ("page", 7)
    foreseen = content["mask"]
    shown = painted({**foreseen, "data": buffers[foreseen["buffer"]]})
    page.prompts(point(40, 30), point(45, 30))
    settle()
    assert predictor.predicted == count + 1
    assert widget.timings[-1].decoder == 0
    np.testing.assert_array_equal(widget.mask, shown)
    replayed = segment(IMAGE, widget.prompts, model=FakePredictor())
    np.testing.assert_array_equal(replayed.masks, widget.masks)


def test_mask_sent_for_a_press_is_not_sent_again(widget, page):
    press(page, 45, 30)
    settle()
    ((content, buffers),) = messages(page, "preview")
    page.prompts(point(45, 30))
    settle()
    mask = page.state["active"]["mask"]
    assert mask["known"] == content["mask"]["key"]
    assert "data" not in mask
    # A page that requests everything may have missed it, or be new.
    page.send({"type": "hello"})
    mask = page.state["active"]["mask"]
    assert "known" not in mask
    assert mask["data"] == buffers[0]
    page.prompts(point(20, 30))
    settle()
    assert "data" in page.state["active"]["mask"]


def test_of_masks_foreseen_pages_need_to_keep_the_newest_only(widget, page):
    for x in range(10, 16):
        press(page, x, 30, n=x)
        settle()
    assert len({c["mask"]["key"] for c, _ in messages(page, "preview")}) == 6
    page.prompts(point(10, 30))
    settle()
    assert "data" in page.state["active"]["mask"]


def test_a_prediction_may_come_while_the_state_is_put_together(widget, page, monkeypatch):
    page.prompts(point(45, 30))
    settle()
    annotator = widget._annotator
    before = iter([replace(annotator.snapshot(), predictions=(None,))])
    snapshot = annotator.snapshot
    monkeypatch.setattr(annotator, "snapshot", lambda: next(before, None) or snapshot())
    page.act("class", label=None)
    assert page.notice == ""
    active = page.state["active"]
    assert active["pending"] == (active["mask"] is None)


def test_state_has_the_colour_of_the_next_object(widget, page):
    ahead = page.state["next_color"]
    page.prompts(point(45, 30))
    settle()
    assert page.state["active"]["color"] == ahead != page.state["next_color"]
    page.act("commit")
    page.act("class_add", name="cow", color="#123456")
    page.act("class", label="cow")
    assert page.state["next_color"] == "#123456"


def test_of_presses_that_wait_the_newest_is_worked_at(widget, page, predictor):
    free = threading.Event()
    worker.local.submit(free.wait)
    for n in range(5):
        press(page, 10 + n, 10, n=n)
    free.set()
    settle()
    assert predictor.predicted == 1
    page.prompts(point(14, 10))
    settle()
    assert predictor.predicted == 1


def test_a_press_after_its_click_runs_no_prediction(widget, page, predictor):
    free = threading.Event()
    worker.local.submit(free.wait)
    press(page, 10, 10)
    page.prompts(point(10, 10))
    free.set()
    settle()
    assert predictor.predicted == 1
    assert widget.mask.any()
    # The answer to the click contains all of it.
    assert not messages(page, "preview")
    assert "data" in page.state["active"]["mask"]


def test_nor_does_the_last_of_several(widget, page, predictor):
    predictor.gate.clear()
    clicks = [point(10 * n, 10) for n in range(1, 4)]
    for n, click in enumerate(clicks, 1):
        press(page, click["x"], click["y"], n=n)
        page.prompts(*clicks[:n])
    predictor.gate.set()
    settle()
    assert predictor.predicted == 3


@pytest.mark.parametrize("where", [(-1, 5), (80, 5), (float("nan"), 5)])
def test_a_press_outside_runs_no_prediction(widget, page, predictor, where):
    press(page, *where)
    press(page, 40, 30, epoch=99)
    settle()
    assert predictor.predicted == 0
    assert page.notice == ""


def test_probe_returns_values_of_the_original_array(predictor):
    image = np.arange(48, dtype=np.uint16).reshape(6, 8) * 100
    w = SegmentWidget(image, model=predictor)
    page = Page(w)
    for x, y in ((3.9, 2.0), (8, 2), (-0.5, 2)):
        page.send({"type": "probe", "client": "page", "n": 3, "x": x, "y": y})
    values = [c["values"] for c, _ in messages(page, "probe")]
    assert values == [[1900], [], []]
    assert messages(page, "probe")[0][0]["n"] == 3
    w.close()


@pytest.fixture
def large(predictor):
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 255, (33, 52, 3), np.uint8)
    image = np.kron(blocks, np.ones((100, 100, 1), np.uint8))[:3211, :5101]
    w = SegmentWidget(image, model=predictor)
    yield w, image
    w.close()


def test_a_large_image_comes_as_a_small_picture_and_tiles(large):
    w, image = large
    shown = w._image
    assert (shown["width"], shown["height"]) == (5101, 3211)
    assert (shown["view_width"], shown["view_height"]) == (2048, 1289)
    assert len(shown["data"]) <= 1_000_000
    assert shown["tiles"] == {"size": 512, "levels": 2}
    page = Page(w)
    page.send({"type": "tiles", "client": "page", "level": 0, "tiles": [[1, 2], [9, 6], [10, 0]]})
    page.send({"type": "tiles", "client": "page", "level": 1, "tiles": [[4, 3]]})
    page.send({"type": "tiles", "client": "page", "level": 2, "tiles": [[0, 0]]})
    served()
    (full, buffers), (half, half_buffers), (none, _) = messages(page, "tiles")
    assert [(t["col"], t["row"]) for t in full["tiles"]] == [(1, 2), (9, 6)]
    tile = np.array(Image.open(io.BytesIO(buffers[0]))).astype(int)
    assert np.abs(tile - image[1024:1536, 512:1024]).mean() < 3
    edge = np.array(Image.open(io.BytesIO(buffers[1])))
    assert edge.shape == (3211 - 6 * 512, 5101 - 9 * 512, 3)
    assert np.array(Image.open(io.BytesIO(half_buffers[0]))).shape == (1606 - 1536, 2551 - 2048, 3)
    assert half["level"] == 1
    assert none["tiles"] == []


def test_a_small_image_needs_no_tiles(widget):
    assert widget._image["tiles"] is None


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "tiles", "client": "page", "level": 0, "tiles": [[0, 0]] * 17},
        {"type": "tiles", "client": "page", "level": -1, "tiles": []},
        {"type": "tiles", "client": "page", "level": 0, "tiles": [[-1, 0]]},
        {"type": "hover", "client": "", "n": 1, "epoch": 0, "x": 1, "y": 1},
        {"type": "probe", "client": "page", "n": 1, "x": "1", "y": 1},
    ],
)
def test_malformed_queries_have_a_notice(widget, page, bad):
    page.send(bad)
    assert "malformed" in page.notice


# --- events and pictures --------------------------------------------------------------------------


def test_on_commit_is_called_with_the_finished_object(widget, page):
    seen = []
    stop = widget.on_commit(seen.append)
    page.act("commit", prompts=[point(40, 30)], label="cat")
    widget.add_point(10, 10)
    widget.commit("dog")
    observed(widget)
    assert [o.label for o in seen] == ["cat", "dog"]
    assert seen[0].mask[30, 40]
    stop()
    stop()
    widget.add_point(20, 20)
    widget.commit()
    observed(widget)
    assert len(seen) == 2


def test_on_change_is_called_with_the_widget(widget, page):
    seen = []
    stop = widget.on_change(lambda w: seen.append((w, w.masks.sum())))
    page.prompts(point(40, 30))
    settle()
    observed(widget)
    assert seen == [(widget, widget.masks.sum())]
    page.act("commit", label="cat")
    observed(widget)
    assert len(seen) == 2
    page.act("select", object=0)
    observed(widget)
    assert len(seen) == 2
    stop()


def test_what_a_users_function_raises_is_shown(widget, page, caplog):
    def fail(_):
        raise ZeroDivisionError("oh")

    widget.on_commit(fail)
    widget.add_point(40, 30)
    widget.commit()
    observed(widget)
    assert "on_commit failed: ZeroDivisionError('oh')" in page.notice
    assert "on_commit failed" in caplog.text


def test_a_screenshot_shows_the_masks(widget):
    widget.palette = ["#ff0000"]
    widget.add_box(10, 10, 30, 30)
    widget.commit()
    picture = np.array(widget.screenshot()).astype(int)
    assert picture.shape == (60, 80, 3)
    mask = widget.masks[0]
    np.testing.assert_array_equal(picture[~mask], IMAGE[~mask])
    y, x = np.argwhere(mask)[0]
    assert picture[y, x].tolist() == [255, 0, 0]
    inner = IMAGE[20, 20] * 0.7 + np.array([255, 0, 0]) * 0.3
    assert np.abs(picture[20, 20] - inner).max() <= 1
    widget.hide(0)
    np.testing.assert_array_equal(np.array(widget.screenshot()), IMAGE)
    widget.show(0)
    widget.mask_style = "contour"
    assert np.array(widget.screenshot())[20, 20].tolist() == IMAGE[20, 20].tolist()
    widget.mask_style = "fill"
    widget.opacity = 1.0
    widget.select(0)
    assert np.array(widget.screenshot())[20, 20].tolist() == [255, 0, 0]


def test_the_picture_for_the_saved_notebook_is_the_screenshot(large):
    w, _ = large
    w.add_point(2500, 1600)
    w.add_stroke([(500, 500), (4500, 900)], 200)
    w.add_stroke([(2500, 1600)], 300, 0)
    _ = w.masks
    preview, text = w._draw_preview()
    assert text == "Image with 1 mask"
    assert max(preview.size) == 1024
    difference = np.abs(np.array(preview).astype(int) - np.array(w.screenshot(1024)))
    assert (difference.max(axis=2) > 8).mean() < 0.002


@pytest.mark.parametrize(("size", "shape"), [(40, (30, 40)), (200, (150, 200)), (1, (1, 1))])
def test_screenshot_has_the_requested_size(widget, size, shape):
    widget.add_box(10, 10, 30, 30)
    assert widget.screenshot(size).size == shape[::-1]
    with pytest.raises(ValueError, match="size must be"):
        widget.screenshot(0)


def test_errors_suggest_what_to_do(widget, page, predictor):
    predictor.fail_with = RuntimeError("boom")
    page.prompts(point(40, 30))
    settle()
    assert "w.model = 'bundled'" in page.updates("_status")[-1]["hint"]
    predictor.fail_with = None
    page.prompts(point(40, 30), point(41, 30))
    settle()
    assert page.updates("_status")[-1]["hint"] == ""
    widget.close()
    assert widget.status.hint == "Run the cell again."
