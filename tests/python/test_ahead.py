import logging
import threading

import numpy as np
import pytest
from PIL import Image

from sam2_widget import (
    ImageError,
    ImageStack,
    Point,
    UnknownModelError,
    config,
    configure,
    embeddings,
    load_image,
    precompute,
    prefetch,
    segment,
)
from sam2_widget.config import Resources
from sam2_widget.models import worker
from sam2_widget.testing import FakePredictor


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr(config, "_current", Resources())
    embeddings.clear()
    yield
    embeddings.clear()


def image(seed):
    return np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)


def test_images_are_encoded_once(tmp_path, capsys):
    Image.fromarray(image(1)).save(tmp_path / "a.png")
    predictor = FakePredictor()
    images = [tmp_path / "a.png", image(2), Image.fromarray(image(3)), load_image(image(4))]
    found = precompute(images, model=predictor)
    assert (found.encoded, found.known, found.failures) == (4, 0, {})
    assert "4/4" in capsys.readouterr().err
    found = precompute(iter([*images, image(5)]), model=predictor, progress=False)
    assert (found.encoded, found.known) == (1, 4)
    assert capsys.readouterr().err == ""
    segment(tmp_path / "a.png", [Point(1, 1)], model=predictor)
    assert predictor.embedded == 5


def test_planes_of_a_stack():
    predictor = FakePredictor()
    stack = ImageStack(np.stack([image(1)[..., 0], image(2)[..., 0]]), axes="ZYX")
    assert precompute(stack, model=predictor, progress=False).encoded == 2
    segment(stack[1].rgb, [Point(1, 1)], model=predictor)
    assert predictor.embedded == 2


def test_display_options_change_the_embedding():
    predictor = FakePredictor()
    deep = np.arange(48, dtype=np.uint16).reshape(6, 8)
    precompute([deep], model=predictor, progress=False, contrast_limits=(0, 20))
    segment(deep, [Point(1, 1)], model=predictor, contrast_limits=(0, 20))
    assert predictor.embedded == 1
    segment(deep, [Point(1, 1)], model=predictor)
    assert predictor.embedded == 2


def test_unreadable_image_does_not_stop_the_others(tmp_path):
    (tmp_path / "b.png").write_text("no image")
    missing = str(tmp_path / "missing.png")
    with pytest.warns(UserWarning, match=r"2 not encoded: .*missing\.png.*b\.png"):
        found = precompute(
            [image(1), missing, tmp_path / "b.png", image(2)],
            model=FakePredictor(),
            progress=False,
        )
    assert found.encoded == 2
    assert list(found.failures) == [missing, str(tmp_path / "b.png")]
    assert all(isinstance(error, ImageError) for error in found.failures.values())


def test_encoder_errors_are_reported_per_image():
    predictor = FakePredictor()
    predictor.fail_with = RuntimeError("too hot")
    with pytest.warns(UserWarning, match="7 not encoded: .*too hot.* and 2 more"):
        found = precompute([image(n) for n in range(7)], model=predictor, progress=False)
    assert len(found.failures) == 7


def test_insufficient_memory_is_reported():
    configure(host_memory=2500)
    with pytest.warns(UserWarning, match=r"no room for 3 .*configure\(store=True\)"):
        precompute([image(n) for n in range(5)], model=FakePredictor(), progress=False)


def test_invalid_arguments_are_refused():
    with pytest.raises(UnknownModelError):
        precompute([image(1)], model="gigantic")
    with pytest.raises(ImageError, match="several"):
        precompute(b"photos", model=FakePredictor())
    with pytest.raises(ImageError, match="no folder or file 'photos'"):
        precompute("photos", model=FakePredictor())
    with pytest.raises(UnknownModelError):
        prefetch(image(1), model="gigantic")


def settled():
    for thread in threading.enumerate():
        if thread.name == "sam2-widget-prefetch":
            thread.join()
    worker.local.run(lambda: None)


def test_prefetch_encodes_while_the_worker_is_idle():
    predictor = FakePredictor()
    predictor.gate.clear()
    click = worker.local.submit(predictor.gate.wait)
    prefetch(image(1), model=predictor)
    assert not click.done()
    predictor.gate.set()
    settled()
    assert predictor.embedded == 1
    segment(image(1), [Point(1, 1)], model=predictor)
    assert predictor.embedded == 1


def test_prefetch_errors_are_logged(caplog):
    predictor = FakePredictor()
    predictor.fail_with = RuntimeError("too hot")
    with caplog.at_level(logging.ERROR):
        prefetch("nowhere.png", model=predictor)
        prefetch(image(1), model=predictor)
        settled()
        settled()
    assert "nowhere.png" in caplog.text
    assert "too hot" in caplog.text
