"""Label volumes: what goes in comes out, and a number means the same object on all planes."""

import io

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from sam2_widget import (
    AnnotationError,
    LossWarning,
    ObjectPrompts,
    Point,
    Prompts,
    RepairWarning,
    SegmentWidget,
    read_masks,
)
from sam2_widget.export.tiff import read_tiff, write_label_stack
from sam2_widget.export.volumes import as_volume
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.testing import FakePredictor

from .conftest import Page, settle

DEPTH, H, W = 4, 40, 60
IMAGES = np.random.default_rng(11).integers(0, 255, (DEPTH, H, W), np.uint8)

VOLUME = np.zeros((DEPTH, H, W), np.uint16)
VOLUME[0:3, 5:15, 5:25] = 4
VOLUME[1:4, 20:35, 30:50] = 9
VOLUME[2, 20:25, 30:40] = 300


@pytest.fixture
def widget():
    embeddings.clear()
    w = SegmentWidget(IMAGES, axes="ZYX", model=FakePredictor())
    yield w
    w.close()


def opened(masks):
    return SegmentWidget(IMAGES, axes="ZYX", model=FakePredictor(), masks=masks)


@pytest.mark.parametrize("way", ["array", "TIFF of ours", "TIFF of others", "NPY", "file object"])
def test_a_label_volume_in_gives_the_same_out(tmp_path, way):
    path = tmp_path / ("a.npy" if way == "NPY" else "a.tif")
    if way == "NPY":
        np.save(path, VOLUME)
    elif way == "TIFF of others":
        tifffile.imwrite(path, VOLUME, photometric="minisblack")
    else:
        write_label_stack(VOLUME.astype(np.int32), path)
    if way == "file object":
        with path.open("rb") as file:
            w = opened(file)
    else:
        w = opened(VOLUME if way == "array" else path)
    np.testing.assert_array_equal(w.planes.label_map, VOLUME)
    assert w.planes.annotated == (0, 1, 2, 3)
    assert w.numbers == w.planes[0].numbers == (4,)
    np.testing.assert_array_equal(w.planes[2].label_map, VOLUME[2])
    w.planes.to_tiff(tmp_path / "out.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), VOLUME)
    w.close()


def test_planes_with_given_masks_need_no_model():
    predictor = FakePredictor()
    w = SegmentWidget(IMAGES, axes="ZYX", model=predictor, masks=VOLUME)
    np.testing.assert_array_equal(w.planes.label_map, VOLUME)
    settle()
    assert predictor.embedded <= 2  # the plane shown, and the next one ahead of time
    w.close()


@settings(max_examples=25)
@given(
    volume=hnp.arrays(
        np.uint16, (DEPTH, 6, 7), elements=st.sampled_from([0, 0, 0, 1, 2, 255, 300, 65535])
    )
)
def test_any_volume_is_written_and_read(volume):
    file = io.BytesIO()
    write_label_stack(volume.astype(np.int32), file)
    file.seek(0)
    file.name = "a.tif"
    found = as_volume(file, DEPTH, (6, 7))
    again = np.zeros_like(volume)
    for index, masks in found.items():
        again[index] = masks.label_map
    np.testing.assert_array_equal(again, volume)


def test_numbers_beyond_16_bits_are_kept(tmp_path):
    volume = VOLUME.astype(np.int32) * 1000
    w = opened(volume)
    w.planes.to_tiff(tmp_path / "a.tif")
    w.close()
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), volume)
    again = opened(tmp_path / "a.tif")
    np.testing.assert_array_equal(again.planes.label_map, volume)
    again.close()


def test_what_is_drawn_has_a_number_that_no_other_object_has(widget):
    widget.add_masks(VOLUME)
    widget.add_point(50, 5)
    widget.commit("cell")
    widget.plane = 3
    widget.add_point(10, 10)
    widget.commit()
    assert widget.planes[0].numbers == (4, 301)
    assert widget.numbers == (9, 302)
    np.testing.assert_array_equal(widget.label_map, widget.planes.label_map[3])
    assert widget.undo()
    assert widget.undo()
    np.testing.assert_array_equal(widget.planes.label_map[1:], VOLUME[1:])


def test_a_number_that_is_taken_becomes_another_on_all_planes_with_a_notice(widget):
    widget.add_point(50, 5)
    for _ in range(3):
        widget.commit()
        widget.add_point(50, 5)
    drawn = widget.planes[0].masks.any(axis=0)
    assert widget.numbers == (1, 2, 3, 4)
    with pytest.warns(RepairWarning, match="object here has the number 4.* got the number 301"):
        widget.planes.add_masks(VOLUME)
    expected = np.where(VOLUME == 4, 301, VOLUME)
    found = widget.planes.label_map
    np.testing.assert_array_equal(found[1:], expected[1:])
    np.testing.assert_array_equal(found[0][~drawn], expected[0][~drawn])


def test_a_volume_that_is_added_twice_gives_objects_of_their_own(widget):
    widget.planes.add_masks(VOLUME)
    with pytest.warns(RepairWarning, match="has the number 9, so .* got the number 302"):
        widget.planes.add_masks(VOLUME)
    assert widget.planes[0].numbers == (4, 303)
    assert widget.planes[2].numbers == (4, 9, 300, 303, 302, 301)
    assert widget.planes[3].numbers == (9, 302)
    expected = np.select([VOLUME == 4, VOLUME == 9, VOLUME == 300], [303, 302, 301])
    np.testing.assert_array_equal(widget.planes.label_map, expected)


def test_a_volume_whose_import_was_undone_gets_its_numbers_again(widget):
    widget.planes.add_masks(VOLUME)
    for plane in range(DEPTH):
        widget.plane = plane
        widget.undo()
    widget.planes.add_masks(VOLUME)
    np.testing.assert_array_equal(widget.planes.label_map, VOLUME)


def test_masks_of_one_plane_that_are_added_twice_give_objects_of_their_own(widget):
    for _ in range(2):
        widget.add_masks({"cell": VOLUME[0] == 4})
    widget.add_masks(VOLUME[0])
    with pytest.warns(RepairWarning, match="has the number 4"):
        widget.add_masks(VOLUME[0])
    assert len(set(widget.numbers)) == 4


def test_prompts_of_a_stack_that_are_added_twice_give_objects_of_their_own(widget):
    widget.planes.add_masks(VOLUME)
    prompts = widget.planes.prompts
    widget.planes.add_prompts(prompts)
    assert widget.planes[0].numbers == (4, 303)
    assert widget.planes[2].numbers == (4, 9, 300, 303, 302, 301)


def test_objects_of_one_plane_with_the_same_number_are_renumbered(widget):
    twice = [ObjectPrompts((Point(x, 10),), number=7) for x in (5, 30)]
    widget.add_prompts(Prompts(tuple(twice)))
    assert widget.numbers == (7, 8)


def test_corrections_of_a_volume_are_restored_in_the_place_of_its_masks(tmp_path):
    def opened_again():
        return SegmentWidget(
            IMAGES, axes="ZYX", model=FakePredictor(), masks=VOLUME, autosave=tmp_path
        )

    w = opened_again()
    w.plane = 1
    w.select(0)
    w.add_stroke([(50, 5)], 3)
    expected, prompts = w.planes.label_map, w.planes.prompts
    assert w.autosave.is_file()
    w.close()
    again = opened_again()
    np.testing.assert_array_equal(again.planes.label_map, VOLUME)
    assert again.restore() == 7
    np.testing.assert_array_equal(again.planes.label_map, expected)
    assert again.planes.prompts == prompts
    again.close()


def test_label_maps_that_are_added_plane_by_plane_keep_their_numbers(widget):
    for plane in range(DEPTH):
        widget.plane = plane
        widget.add_masks(VOLUME[plane])
    np.testing.assert_array_equal(widget.planes.label_map, VOLUME)


def test_labels_and_scores_come_back_with_the_volume(tmp_path, widget):
    widget.add_point(20, 20)
    widget.commit("größe")
    score = widget.objects[0].score
    widget.plane = 2
    widget.add_masks({"other": VOLUME[2] == 9})
    path = tmp_path / "a.tif"
    widget.planes.to_tiff(path)
    volume = widget.planes.label_map
    again = opened(path)
    np.testing.assert_array_equal(again.planes.label_map, volume)
    assert [o.label for o in again.objects] == ["größe"]
    assert again.objects[0].score == pytest.approx(score)
    assert [o.label for o in again.planes[2].objects] == ["other"]
    again.close()
    one = read_tiff(path, plane=2)
    assert (one.labels, one.numbers) == (("other",), widget.planes[2].numbers)


def test_a_bool_volume_is_one_object_over_the_planes():
    w = opened(VOLUME > 0)
    np.testing.assert_array_equal(w.planes.label_map, VOLUME > 0)
    assert {w.planes[i].numbers for i in range(DEPTH)} == {(1,)}
    w.close()


def test_masks_for_one_plane_stay_there(widget):
    widget.plane = 1
    widget.add_masks([VOLUME[1] == 4, VOLUME[1] == 9])
    widget.add_masks(VOLUME[1:3] > 0)
    assert widget.planes.annotated == (1,)
    assert len(widget.objects) == 4


def _imwrite(volume, target, **_):
    tifffile.imwrite(target, volume, photometric="minisblack")


@pytest.mark.filterwarnings("ignore:.*stored as RGB:DeprecationWarning")
def test_four_planes_that_tifffile_takes_for_colours(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", VOLUME)
    w = opened(tmp_path / "a.tif")
    np.testing.assert_array_equal(w.planes.label_map, VOLUME)
    w.close()


def test_a_label_stack_is_never_merged_into_masks_of_one_image(tmp_path):
    path = tmp_path / "a.tif"
    for write in (write_label_stack, _imwrite):
        write(VOLUME.astype(np.uint16), path, overwrite=True)
        with pytest.raises(AnnotationError, match=r"label stack of 4 planes.*plane="):
            read_masks(path)
        np.testing.assert_array_equal(read_masks(path, plane=2).label_map, VOLUME[2])
    with pytest.raises(AnnotationError, match="got plane=4: pass 0 to"):
        read_masks(path, plane=4)


def test_a_stack_of_another_depth_is_refused(widget, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", VOLUME[:3], photometric="minisblack")
    with pytest.raises(AnnotationError, match="label stack of 3 planes"):
        widget.add_masks(tmp_path / "a.tif")
    widget.plane = 2
    widget.add_masks(tmp_path / "a.tif", plane=1)
    np.testing.assert_array_equal(widget.label_map, VOLUME[1])


def test_a_stack_of_masks_is_still_one_object_a_plane(tmp_path):
    masks = np.stack([VOLUME[1] == 4, VOLUME[1] == 9])
    tifffile.imwrite(tmp_path / "a.tif", masks.astype(np.uint8) * 255)
    np.testing.assert_array_equal(read_masks(tmp_path / "a.tif").masks, masks)


def test_covered_pixels_in_a_volume_have_a_warning(widget, tmp_path):
    widget.add_masks([VOLUME[0] == 4, VOLUME[0] == 4])
    with pytest.warns(LossWarning, match="200 pixels belong to several"):
        widget.planes.to_tiff(tmp_path / "a.tif")


def test_the_menu_opens_a_volume_on_all_planes(widget, tmp_path):
    write_label_stack(VOLUME.astype(np.int32), tmp_path / "a.tif")
    data = (tmp_path / "a.tif").read_bytes()
    page = Page(widget)
    upload = {"type": "upload", "client": "page", "n": 1, "epoch": page.state["epoch"]}
    content = {**upload, "name": "a.tif", "size": len(data), "at": 0}
    page.deliver({"method": "custom", "content": content}, [memoryview(data)])
    widget._receiver._transfer.__self__._thread.submit(lambda: None).result(timeout=10)
    settle()
    np.testing.assert_array_equal(widget.planes.label_map, VOLUME)
    assert "7 objects added from a.tif" in page.notice


def test_prompts_of_a_stack_bring_their_numbers_into_another(widget):
    widget.add_masks(VOLUME)
    widget.plane = 1
    widget.add_point(50, 5)
    other = SegmentWidget(IMAGES, axes="ZYX", model=FakePredictor())
    other.planes.add_prompts(widget.planes.prompts)
    np.testing.assert_array_equal(other.planes.label_map, widget.planes.label_map)
    other.close()


def test_a_plane_is_pickled_as_its_segmentation(widget):
    import pickle  # noqa: PLC0415

    widget.add_masks(VOLUME)
    found = pickle.loads(pickle.dumps(widget.planes[2]))
    np.testing.assert_array_equal(found.label_map, VOLUME[2])


def test_png_of_a_plane_has_the_numbers_of_the_volume(widget):
    widget.add_masks(VOLUME)
    file = io.BytesIO()
    widget.planes[2].to_png(file)
    np.testing.assert_array_equal(np.asarray(Image.open(file)), VOLUME[2])
