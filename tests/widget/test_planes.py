"""A stack in the widget: each plane with objects and a history of its own."""

import threading

import numpy as np
import pytest
import tifffile

from sam2_widget import (
    ImageError,
    ImageStack,
    ObjectPrompts,
    Point,
    PromptError,
    Prompts,
    SegmentWidget,
    segment,
)
from sam2_widget.annotation.planes import EPOCHS
from sam2_widget.models import worker
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.prompts.stacks import StackPrompts
from sam2_widget.testing import FakePredictor
from tests.waiting import wait_until

from .conftest import Page, observed, point, served, settle

DEPTH, H, W = 5, 40, 60
VOLUME = np.random.default_rng(11).integers(0, 255, (DEPTH, H, W), np.uint8)


@pytest.fixture
def widget(predictor):
    embeddings.clear()
    widget = SegmentWidget(VOLUME, axes="ZYX", model=predictor)
    widget._annotator.model.wait()
    settle()
    yield widget
    predictor.gate.set()
    widget.close()


def turned(page, plane):
    """Show a plane as a page does, and wait for it."""
    page.act("plane", plane=plane)
    served()
    page.widget._annotator.model.wait()
    settle()


class Reads:
    """An array that records what was read of it."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.read = []

    def __getitem__(self, index):
        self.read.append(index[0])
        return self.array[index]


def test_each_plane_has_its_own_objects_history_and_masks(widget):
    widget.add_point(20, 20)
    widget.commit()
    first = widget.masks
    widget.plane = 3
    assert widget.plane == 3
    assert len(widget.objects) == 0
    assert widget.masks.shape == (0, H, W)
    np.testing.assert_array_equal(widget.image[..., 0], VOLUME[3])
    widget.add_box(2, 2, 30, 30)
    widget.add_point(50, 30)
    assert widget.undo()
    third = widget.masks
    widget.plane = 0
    np.testing.assert_array_equal(widget.masks, first)
    widget.undo()
    widget.undo()
    assert widget.masks.shape == (0, H, W)
    widget.plane = 3
    np.testing.assert_array_equal(widget.masks, third)
    assert widget.redo()


def test_all_planes_together(widget):
    widget.add_point(20, 20)
    widget.commit("cell")
    widget.plane = -1
    widget.add_point(30, 10)
    assert widget.plane == DEPTH - 1
    assert len(widget.planes) == DEPTH
    assert widget.planes.annotated == (0, 4)
    assert [len(one.masks) for one in widget.planes] == [1, 0, 0, 0, 1]
    volume = widget.planes.label_map
    assert volume.shape == (DEPTH, H, W)
    np.testing.assert_array_equal(volume[0], widget.planes[0].label_map)
    np.testing.assert_array_equal(volume[4], widget.label_map)
    assert volume[1:4].max() == 0
    assert widget.planes[0].objects[0].label == "cell"
    with pytest.raises(IndexError):
        widget.planes[DEPTH]


def test_prompts_of_all_planes_are_saved_and_replayed(widget, predictor, tmp_path):
    widget.add_point(20, 20)
    widget.plane = 2
    widget.add_box(4, 4, 30, 20)
    widget.fill_holes = 7
    path = tmp_path / "Stapel ü.json"
    widget.planes.prompts.save(path)
    found = StackPrompts.load(path)
    assert found == widget.planes.prompts
    assert list(found) == [0, 2]
    assert found.along == "Z"
    stack = ImageStack(VOLUME, axes="ZYX")
    for index, prompts in found.items():
        result = segment(stack[index], prompts, model=predictor)
        np.testing.assert_array_equal(result.masks, widget.planes[index].masks)
    other = SegmentWidget(stack, model=predictor)
    other.planes.add_prompts(path)
    np.testing.assert_array_equal(other.planes.label_map, widget.planes.label_map)
    other.close()


def test_prompts_that_fit_no_plane_change_nothing(widget):
    wrong = [{9: widget.prompts}, {0: segment_prompts(20, 20), 1: segment_prompts(500, 20)}]
    for planes in wrong:
        with pytest.raises(PromptError):
            widget.planes.add_prompts(StackPrompts(planes, "Z"))
        assert widget.planes.annotated == ()


def segment_prompts(x, y):
    return Prompts((ObjectPrompts((Point(x, y),)),))


@pytest.mark.parametrize("plane", [DEPTH, -DEPTH - 1, 1.0, "2", None, True])
def test_a_plane_that_is_not_there_is_refused(widget, plane):
    with pytest.raises(ImageError, match="no plane"):
        widget.plane = plane
    assert widget.plane == 0


@pytest.mark.parametrize("plane", [DEPTH, -1, 2**53, 1.5, "2", None, True])
def test_a_page_cannot_turn_to_a_plane_that_is_not_there(widget, plane):
    page = Page(widget)
    turned(page, plane)
    assert widget.plane == 0
    assert page.notice
    assert page.state["ack"]["page"] == 1
    page.update({"plane": 3, "_stack": {}, "_image": {}})
    assert widget.plane == 0
    assert widget._stack["count"] == DEPTH


def test_a_page_requests_a_plane_and_receives_it_at_once(widget):
    page = Page(widget)
    widget.add_point(20, 20)
    widget.commit()
    settle()
    page.published.clear()
    turned(page, 2)
    assert widget.plane == 2
    assert page.state["plane"] == 2
    assert page.state["pending_plane"] is None
    updates = [
        data["content"]["plane"] if "content" in data else sorted(data["state"])
        for _, data, _ in page.published
        if data.get("content", {}).get("type") == "objects"
        or {"_image", "_state"} & set(data.get("state", {}))
    ]
    # First its objects, then its picture, then its state, which makes pages show it.
    assert updates[-3:] == [2, ["_image"], ["_state"]]
    assert page.objects() == []
    assert page.updates("_image")[-1]["plane"] == 2
    assert widget._stack == {"axis": "Z", "count": DEPTH, "annotated": [0]}
    turned(page, 0)
    assert [o["id"] for o in page.objects()] == [0]


def test_a_click_goes_to_the_plane_that_the_user_saw(widget):
    page = Page(widget)
    page.prompts(point(20, 20))
    settle()
    saw = page.state["epoch"]
    turned(page, 1)
    page.prompts(point(20, 20), point(40, 30), epoch=saw)
    settle()
    assert len(widget.objects) == 0
    assert [len(o.prompts) for o in widget.planes[0].objects] == [2]
    assert not page.notice
    page.act("commit", epoch=saw)
    settle()
    assert widget._planes[0].session.annotation.active is None
    page.prompts(point(5, 5))
    assert [len(o.prompts) for o in widget.objects] == [1]


def test_a_stale_click_changes_no_plane(widget):
    page = Page(widget)
    saw = page.state["epoch"]
    widget.add_point(20, 20)
    turned(page, 1)
    page.prompts(point(40, 30), epoch=saw)
    settle()
    assert page.notice
    assert widget.planes.annotated == (0,)
    page.prompts(point(1, 1), epoch=DEPTH * EPOCHS)
    assert "no plane" in page.notice


def test_clicks_before_the_turn_are_taken_with_it(widget):
    page = Page(widget)
    turned_with = {"prompts": [point(10, 10)]}
    page.act("plane", plane=4, **turned_with)
    served()
    settle()
    assert widget.plane == 4
    assert len(widget.planes[0].objects) == 1


def test_only_the_newest_of_many_requested_planes_is_read(predictor):
    array = Reads(VOLUME)
    embeddings.clear()
    widget = SegmentWidget(array, axes="ZYX", model=predictor)
    page = Page(widget)
    started, go = threading.Event(), threading.Event()
    widget._planes._reader.submit(lambda: (started.set(), go.wait(5)))
    started.wait(5)
    wait_until(lambda: 1 in array.read and predictor.embedded == 2)  # prefetched
    array.read.clear()
    for plane in (1, 2, 3, 4):
        page.act("plane", plane=plane)
    assert page.state["pending_plane"] == 4
    go.set()
    served()
    assert widget.plane == 4
    assert array.read[0] == 4
    widget.close()


def test_only_what_is_needed_is_read(predictor):
    predictor.gate.clear()
    array = Reads(VOLUME)
    widget = SegmentWidget(array, axes="ZYX", model=predictor)
    assert set(array.read) == {0}
    predictor.gate.set()
    widget.close()


def test_the_next_plane_is_encoded_when_the_model_is_idle(widget, predictor):
    settle()
    wait_until(lambda: predictor.embedded == 2)
    widget.plane = 1
    widget.add_point(20, 20)
    assert len(widget.objects) == 1
    # Plane 1 was there already; plane 2 is made ready now.
    wait_until(lambda: predictor.embedded == 3)
    widget.plane = 0
    widget.plane = 1
    settle()
    assert predictor.embedded == 3


def test_prefetching_never_goes_before_clicks(widget, predictor):
    wait_until(lambda: predictor.embedded == 2)
    order = []
    embed, predict = predictor._embed, predictor._predict
    predictor._embed = lambda image: (order.append("embed"), embed(image))[1]
    predictor._predict = lambda *a, **k: (order.append("predict"), predict(*a, **k))[1]
    predictor.gate.clear()
    worker.local.submit(predictor.gate.wait)
    widget.plane = 1  # encoded already
    widget.add_point(20, 20)
    predictor.gate.set()
    wait_until(lambda: "embed" in order)
    assert order[0] == "predict"


def test_unreadable_plane_has_a_notice_and_nothing_is_lost(predictor):
    class Broken(Reads):
        def __getitem__(self, index):
            if index[0] >= 2:
                raise OSError("the disk is gone")
            return super().__getitem__(index)

    widget = SegmentWidget(Broken(VOLUME), axes="ZYX", model=predictor)
    page = Page(widget)
    widget.add_point(20, 20)
    turned(page, 3)
    assert widget.plane == 0
    assert "Z 4 cannot be shown" in page.notice
    assert page.state["pending_plane"] is None
    assert len(widget.objects) == 1
    with pytest.raises(OSError, match="disk"):
        widget.plane = 3
    widget.close()


def test_labels_and_settings_go_with_the_user(widget):
    widget.labels = ["cell", "debris"]
    widget.overlap = "cut out"
    widget.plane = 1
    assert list(widget.labels) == ["cell", "debris"]
    assert widget.overlap == "cut out"
    widget.add_point(20, 20)
    widget.overlap = "on top"
    widget.plane = 0
    assert widget.overlap == "cut out"
    widget.labels = {"cell": "#ff0000"}
    assert widget.planes[1].objects[0].color == "#ff0000"


def test_labels_of_all_planes_are_offered(widget):
    widget.add_point(20, 20)
    widget.commit("cow")
    widget.plane = 1
    widget.add_point(20, 20)
    widget.commit("dog")
    assert [each["name"] for each in widget._labels] == ["dog", "cow"]


def test_another_model_answers_on_all_planes(widget):
    widget.add_point(20, 20)
    widget.plane = 1
    widget.add_point(20, 20)
    other = FakePredictor(radius=0.3)
    widget.model = other
    settle()
    assert widget.planes[0].masks.sum() == widget.masks.sum() > 0
    assert other.predicted == 2


def test_observers_are_called_when_the_plane_changes(widget):
    planes, changes = [], []
    widget.observe(lambda change: planes.append(change["new"]), "plane")
    widget.on_change(lambda w: changes.append(w.plane))
    widget.plane = 2
    settle()
    observed(widget)
    assert planes == [2]
    assert changes == [2]


def test_tiles_and_values_are_of_the_requested_plane(widget):
    page = Page(widget)
    turned(page, 2)
    for plane in (0, 2):
        page.send(
            {"type": "probe", "client": "page", "n": plane, "x": 5.0, "y": 7.0, "plane": plane}
        )
    contents = [data.get("content", {}) for _, data, _ in page.published]
    updates = [content["values"] for content in contents if "values" in content]
    assert updates == [[], [float(VOLUME[2, 7, 5])]]


def test_a_plane_can_be_fixed_and_plain_images_have_one(predictor, widget):
    fixed = SegmentWidget(VOLUME, axes="ZYX", plane=2, model=predictor)
    assert fixed._stack == {}
    assert len(fixed.planes) == 1
    np.testing.assert_array_equal(fixed.image[..., 0], VOLUME[2])
    fixed.close()
    film = SegmentWidget(VOLUME[None], axes="TZYX", model=predictor)
    assert film._stack["axis"] == "Z"
    film.close()
    both = np.stack([VOLUME, VOLUME])
    with pytest.raises(ImageError, match="2 along T, 5 along Z"):
        SegmentWidget(both, axes="TZYX", model=predictor)
    along_z = SegmentWidget(both, axes="TZYX", plane={"T": 1}, model=predictor)
    assert along_z._stack == {"axis": "Z", "count": DEPTH, "annotated": []}
    along_z.close()
    with pytest.raises(ImageError, match="pass contrast_limits to the ImageStack"):
        SegmentWidget(ImageStack(VOLUME, axes="ZYX"), contrast_limits="full", model=predictor)


def test_a_stack_of_labels_opens_again(widget, tmp_path):
    widget.add_point(20, 20)
    widget.plane = 3
    widget.add_point(10, 10)
    path = tmp_path / "labels.tif"
    widget.planes.to_tiff(path)
    with tifffile.TiffFile(path) as file:
        assert file.is_imagej
        assert file.series[0].axes == "ZYX"
        np.testing.assert_array_equal(file.asarray(), widget.planes.label_map)
    with pytest.raises(FileExistsError):
        widget.planes.to_tiff(path)


def test_a_closed_widget_still_has_its_results(widget):
    widget.add_point(20, 20)
    widget.plane = 1
    widget.add_point(20, 20)
    settle()
    widget.planes[0].masks  # noqa: B018
    widget.close()
    assert len(widget.planes[0].objects) == 1
    assert len(widget.objects) == 1


def test_clicks_on_top_of_an_undo_that_the_page_did_not_wait_for_are_kept(widget):
    page = Page(widget)
    page.prompts(point(20, 20))
    page.prompts(point(20, 20), point(30, 20))
    settle()
    epoch = page.state["epoch"]
    page.act("undo", prompts=[point(20, 20), point(30, 20)])
    turned(page, 1)
    rid = {"client": "page", "n": page.n + 1}
    page.n += 1
    page.update(
        {"_prompts": {"rid": rid, "epoch": epoch + 1, "prompts": [point(40, 30)], "adds": True}}
    )
    settle()
    assert page.notice == ""
    assert page.state["active"] is None
    widget.plane = 0
    assert [(p.x, p.y) for p in widget.prompts[0].prompts] == [(20, 20), (40, 30)]
