"""What was made before, put into a widget and corrected there."""

import numpy as np
import pytest

from sam2_widget import AnnotationError, PromptError, RepairWarning, SegmentWidget, segment
from sam2_widget.testing import FakePredictor
from tests.widget.conftest import IMAGE, settle

SIZE = IMAGE.shape[:2]

LABEL_MAP = np.zeros(SIZE, np.uint16)
LABEL_MAP[5:20, 5:25] = 3
LABEL_MAP[30:50, 40:70] = 7
LABEL_MAP[35:40, 45:50] = 0


def test_a_widget_starts_from_a_label_map(predictor):
    w = SegmentWidget(IMAGE, model=predictor, masks=LABEL_MAP)
    np.testing.assert_array_equal(w.masks, [LABEL_MAP == 3, LABEL_MAP == 7])
    w.close()


@pytest.mark.parametrize(
    "name", ["a.json", "a.geojson", "a.tif", "a.zip", "a.npz", "a.png", "a.txt"]
)
@pytest.mark.filterwarnings("ignore::sam2_widget.LossWarning")
def test_what_was_written_is_opened_again(tmp_path, widget, name):
    widget.add_masks(LABEL_MAP)
    methods = {".json": "coco", ".tif": "tiff", ".zip": "pngs", ".txt": "yolo"}
    suffix = name[1:]
    getattr(widget, "to_" + methods.get(suffix, suffix[1:]))(tmp_path / name)
    w = SegmentWidget(IMAGE, model=FakePredictor(), masks=tmp_path / name)
    np.testing.assert_array_equal(w.masks, widget.masks)
    w.close()


def test_an_import_is_one_step_and_is_corrected_by_clicks(widget):
    widget.add_masks({"cell": LABEL_MAP == 3, "other": LABEL_MAP == 7})
    assert [o.label for o in widget.objects] == ["cell", "other"]
    widget.select(1)
    widget.add_point(47.5, 37.5)
    settle()
    assert widget.masks[1][37, 47]
    np.testing.assert_array_equal(widget.masks[0], LABEL_MAP == 3)
    widget.undo()
    widget.undo()
    assert widget.masks.shape[0] == 0


def test_masks_of_another_size_are_refused(widget):
    with pytest.raises(AnnotationError, match="undo the scaling"):
        widget.add_masks(LABEL_MAP[::2, ::2])
    assert widget.objects == ()


def test_unknown_classes_are_kept_with_a_notice(predictor):
    with pytest.warns(RepairWarning, match="'dog' is not in w.labels"):
        w = SegmentWidget(
            IMAGE,
            model=predictor,
            labels=["cat"],
            masks={"dog": LABEL_MAP > 0, "cat": LABEL_MAP == 3},
        )
    assert [o.label for o in w.objects] == ["dog", "cat"]
    w.close()


def test_prompts_of_a_file_are_put_in(tmp_path, widget, predictor):
    widget.add_point(20, 20)
    widget.commit("a")
    widget.add_box(40, 10, 60, 50)
    widget.prompts.save(tmp_path / "p.json")
    w = SegmentWidget(IMAGE, model=predictor)
    w.add_prompts(tmp_path / "p.json")
    assert w.prompts == widget.prompts
    np.testing.assert_array_equal(w.masks, widget.masks)
    with pytest.raises(PromptError, match="No such file"):
        w.add_prompts(tmp_path / "none.json")
    w.close()


def test_the_exports_of_a_widget_wait_for_its_masks(tmp_path, widget, predictor):
    predictor.gate.clear()
    widget.add_point(30, 30)
    predictor.gate.set()
    assert widget.to_frame().area.tolist() == [int(widget.masks[0].sum())]
    assert widget.to_cutout().shape[2] == 4
    assert widget.to_code() == segment(IMAGE, widget.prompts, model=FakePredictor()).to_code()
    np.testing.assert_array_equal(widget.to_labels(), widget.label_map)


def test_a_stack_is_segmented_plane_by_plane(predictor):
    stack = np.zeros((3, *SIZE), np.uint16)
    stack[1, 10, 20] = 1000
    w = SegmentWidget(stack, model=predictor, axes="ZYX", plane=1, contrast_limits=(0, 1000))
    assert w.image[10, 20].tolist() == [255, 255, 255]
    w.add_point(20.5, 10.5)
    assert w.objects[0].provenance.image["plane"] == {"Z": 1}
    assert w.objects[0].provenance.image["contrast_limits"] == ((0.0, 1000.0),)
    w.close()
