"""An image that the model could not encode: the next click tries again."""

from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
from tests.waiting import wait_until

from .conftest import IMAGE, Page, point, settle


def wait_for_the_error(widget):
    wait_until(lambda: widget.status.phase == "error", "an error")
    settle()


def test_an_image_that_could_not_be_encoded_is_tried_again_at_the_next_click():
    predictor = FakePredictor()
    predictor.fail_with = RuntimeError("a cosmic ray")
    widget = SegmentWidget(IMAGE, model=predictor)
    page = Page(widget)
    wait_for_the_error(widget)
    assert "a cosmic ray" in page.widget._status["message"]
    assert "Click again" in page.widget._status["hint"]
    page.prompts(point(20, 20))
    settle()
    assert page.state["active"]["pending"] is False
    assert widget.status.phase == "error"
    predictor.fail_with = None
    page.prompts(point(20, 20), point(25, 20))
    settle()
    assert widget.status.phase == "ready"
    assert widget.masks[0].any()
    widget.close()


def test_clicks_of_before_an_encoding_that_failed_do_not_wait_for_ever():
    predictor = FakePredictor()
    predictor.gate.clear()
    predictor.fail_with = RuntimeError("a cosmic ray")
    widget = SegmentWidget(IMAGE, model=predictor)
    page = Page(widget)
    page.prompts(point(20, 20))
    predictor.gate.set()
    wait_for_the_error(widget)
    assert page.state["active"]["pending"] is False
    predictor.fail_with = None
    page.prompts(point(20, 20), point(25, 20))
    settle()
    assert widget.masks[0].any()
    widget.close()


def test_the_model_before_stays_when_another_cannot_encode_the_image():
    widget = SegmentWidget(IMAGE, model=FakePredictor())
    widget._annotator.model.wait()
    broken = FakePredictor(name="broken")
    broken.fail_with = RuntimeError("a cosmic ray")
    widget.model = broken
    widget._annotator.model.wait()
    settle()
    assert "Still using the model fake" in widget.status.message
    widget.close()
