"""Unreferenced widgets are garbage collected, and visible ones stay."""

import pytest

from tests.waiting import wait_until

from .kernels import VERSIONS, Kernel, point

SET_UP = """
import gc, threading, weakref
import comm, ipywidgets, numpy as np
from IPython.display import display
from ipywidgets.widgets.widget import _instances
from sam2_widget import SegmentWidget
from sam2_widget.annotation.annotator import Annotator
from sam2_widget.testing import FakePredictor

w = v = box = out = None
model = FakePredictor()
image = np.zeros((60, 80, 3), np.uint8)
alive = weakref.WeakSet()

def make():
    found = SegmentWidget(image.copy(), model=model)
    alive.add(found)
    alive.add(found._annotator)
    return found

def count():
    return [len(alive) // 2, len(comm.get_comm_manager().comms), len(_instances)]
"""
MAKE = "w = make()\nw"


@pytest.fixture(scope="module", params=[VERSIONS[0], VERSIONS[-1]])
def running(request, tmp_path_factory):
    with Kernel(request.param, tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.run(SET_UP)
        yield kernel


@pytest.fixture
def kernel(running):
    """A kernel without leftovers of earlier tests."""
    yield running
    running.run(
        "w = v = box = out = None\nOut.clear()\nipywidgets.Widget.close_all()\nalive.clear()"
    )


def settled(kernel, *numbers):
    wait_until(lambda: kernel.value("count()") == list(numbers), f"the end of all but {numbers}")


def test_five_hundred_widgets_are_garbage_collected(kernel):
    kernel.run("w = make()\nw.add_point(40, 30)\n_ = w.masks\nw = None\ngc.collect()")
    settled(kernel, 0, 0, 0)
    threads = kernel.value("threading.active_count()")
    kernel.run(
        "called = []\n"
        "for turn in range(500):\n"
        "    w = make()\n"
        "    w.on_change(lambda w: called.append(w.masks.sum()))\n"
        "    w.add_point(40, 30)\n"
        "    if turn % 5 == 0:\n"
        "        assert w.masks.any()\n"
        "    if turn % 7 == 0:\n"
        "        w.close()\n"
        "w = None\n"
        "gc.collect()"
    )
    settled(kernel, 0, 0, 0)
    wait_until(
        lambda: kernel.value("threading.active_count()") == threads, "the end of all threads"
    )
    assert kernel.value("len(called)") >= 100
    kinds = "sum(isinstance(one, (SegmentWidget, Annotator)) for one in gc.get_objects())"
    assert kernel.value(kinds) == 0


def test_running_a_cell_again_leaves_one_widget_and_no_garbage(kernel):
    kernel.run("gc.disable()")
    for _ in range(3):
        kernel.run(MAKE, cell="a")
    settled(kernel, 1, 2, 2)
    kernel.run("gc.enable()")
    first, second, last = [data for _, data in kernel.displayed if "widget" in str(data)][-6::2]
    ids = [d["application/vnd.jupyter.widget-view+json"]["model_id"] for d in (first, second, last)]
    assert [i in kernel.closed for i in ids] == [True, True, False]


def test_a_widget_that_another_cell_shows_stays_and_can_be_clicked(kernel):
    kernel.run("w = make()", cell="a")
    kernel.run("w", cell="b")
    page = kernel.page_of("w")
    kernel.run("w = make()\ngc.collect()", cell="a")
    assert kernel.value("count()[0]") == 2
    page.click(point(40, 30))
    page.settle()
    assert page.state["active"]["mask"]
    kernel.run("w", cell="b")
    settled(kernel, 1, 2, 2)


def test_a_widget_without_a_name_stays_until_its_cell_is_deleted(kernel):
    kernel.run("display(make())", cell="a")
    kernel.run("gc.collect()", cell="b")
    assert kernel.value("count()[0]") == 1
    kernel.run("None", cell="b", deleted=["a"])
    settled(kernel, 0, 0, 0)


def test_a_variable_keeps_a_widget_that_is_not_shown(kernel):
    kernel.run("v = make()\nv.add_point(40, 30)\nv", cell="a")
    kernel.run("None", cell="a")
    assert kernel.value("[bool(v.masks.any()), v.status.phase]") == [True, "ready"]
    kernel.run("v", cell="c")
    kernel.run("del v", cell="d")
    assert kernel.value("count()[0]") == 1


def test_ipython_output_history_keeps_prompts_instead_of_the_widget(kernel):
    kernel.run("w = make()\nw.add_point(40, 30)\nw", cell="a")
    kernel.run("last = max(Out)", cell="b")
    kernel.run("w = 5", cell="a")
    settled(kernel, 0, 0, 0)
    assert kernel.run("print(eval(f'_{last}') is Out[last], Out[last])").startswith("True Prompts(")


@pytest.mark.parametrize(
    "code",
    [
        "out = ipywidgets.Output()\nwith out:\n    display(make())",
        "%%capture box\ndisplay(make())",
        "box = ipywidgets.HBox([make()])\nbox",
    ],
)
def test_widgets_stay_if_outputs_cannot_be_distinguished(kernel, code):
    kernel.run(code, cell="a")
    kernel.run("gc.collect()", cell="a")
    assert kernel.value("count()[0]") == 1


def test_shown_widgets_stay_without_cell_ids(kernel):
    kernel.run(MAKE)
    kernel.run(MAKE)
    kernel.run("gc.collect()")
    assert kernel.value("count()[0]") == 2


def test_the_masks_of_a_closed_widget_can_still_be_read(kernel):
    kernel.run("w = make()\nw.add_point(40, 30)\n_ = w.masks\nw.close()\nw", cell="a")
    assert kernel.value("[w.masks.any().item(), w.status.phase]") == [True, "closed"]


def test_a_reopened_page_gets_the_current_state(kernel):
    kernel.run("w = make()\ndel w\nw = make()", cell="a")
    # The first widget is freed once its model is loaded: the loading thread refers to it.
    known = "len(ipywidgets.Widget.get_manager_state()['state'])"
    wait_until(lambda: kernel.value(known) == 2, "the end of the first widget")
