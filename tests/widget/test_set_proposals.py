"""Proposals for all images of a set, as objects that wait to be accepted."""

import threading

import numpy as np
import pytest
from PIL import Image

from sam2_widget import (
    ImageError,
    ImageSet,
    OutOfMemoryError,
    ProposalFilter,
    SegmentSet,
    SettingError,
    propose,
)
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.testing import FakePredictor
from tests.waiting import PATIENCE, wait_until

NAMES = ("a.png", "b.png", "c.png")


def pixels(seed):
    return np.random.default_rng(seed).integers(0, 255, (96, 128, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    embeddings.clear()
    for seed, name in enumerate(NAMES):
        Image.fromarray(pixels(seed)).save(tmp_path / name)
    return tmp_path


@pytest.fixture
def predictor():
    return FakePredictor()


@pytest.fixture(params=[ImageSet, SegmentSet])
def images(request, folder, predictor):
    found = request.param(folder, model=predictor)
    yield found
    predictor.gate.set()
    found.close()


def proposed(images, *args, **options):
    job = images.propose(*args, **{"points_per_side": 3, **options})
    assert job.wait(PATIENCE)
    assert job.error == ""
    return job


def expected(seed):
    return propose(pixels(seed), model=FakePredictor(), points_per_side=3)


def test_each_image_gets_what_propose_finds(images):
    job = proposed(images, label="cell")
    assert (job.done, job.cancelled, job.progress) == (True, False, 1.0)
    assert list(job.found) == list(NAMES)
    for seed, name in enumerate(NAMES):
        wanted = expected(seed)
        assert job.found[name] == len(wanted.objects) > 5
        np.testing.assert_array_equal(images[name].masks, wanted.masks)
        assert {one.label for one in images[name].prompts} == {"cell"}


def test_they_wait_to_be_accepted_and_are_sorted_without_the_model(images, predictor):
    job = proposed(images)
    runs = predictor.predicted
    waiting = images.review(accepted=False, sort="score")
    assert len(waiting) == sum(job.found.values())
    assert [one.score for one in waiting] == sorted(one.score for one in waiting)
    assert {images[name].state for name in NAMES} == {"untouched"}
    assert predictor.predicted == runs
    waiting[:4].accept()
    assert len(images.review(accepted=True)) == 4


def test_they_are_on_disk(folder, predictor):
    with_them = ImageSet(folder, model=predictor)
    count = sum(proposed(with_them).found.values())
    with_them.close()
    again = ImageSet(folder, model=predictor)
    assert len(again.review(accepted=False)) == count
    again.close()


def test_a_filter_chooses_and_only_some_images_are_searched(images):
    job = proposed(images, ["b.png"], chosen=ProposalFilter(min_score=0.85))
    assert images["a.png"].objects == ()
    assert list(job.found) == ["b.png"]
    assert len(images["b.png"].objects) == len(expected(1).filtered(min_score=0.85).objects) > 0


def test_images_with_objects_and_those_that_are_done_are_left_as_they_are(images):
    proposed(images, ["a.png"])
    images["b.png"].state = "done"
    before = images["a.png"].objects
    assert list(proposed(images).found) == ["c.png"]
    assert proposed(images, ["a.png"]).found == {"a.png": 0}
    assert images["a.png"].objects == before


def test_images_that_cannot_be_read_are_passed_over(folder, predictor):
    (folder / "b.png").write_bytes(b"none")
    images = ImageSet(folder, model=predictor)
    job = proposed(images)
    assert list(job.failures) == ["b.png"]
    assert "is not an image" in job.failures["b.png"]
    assert list(job.found) == ["a.png", "c.png"]
    images.close()


def test_cancelling_keeps_the_images_that_are_complete(images, predictor):
    predictor.gate.clear()
    job = images.propose(points_per_side=3)
    job.cancel()
    predictor.gate.set()
    assert job.wait(PATIENCE)
    assert job.cancelled
    assert "cancelled" in repr(job)
    count = len(images.review())
    assert count == sum(job.found.values()) < 20
    assert sum(len(images[name].objects) > 0 for name in NAMES) == len(job.found) < 3


def test_memory_that_runs_out_in_the_middle_keeps_what_was_found(images, predictor, monkeypatch):
    predict, runs = predictor._predict, []

    def failing(*args, **options):
        runs.append(1)
        if len(runs) > 12:
            raise MemoryError
        return predict(*args, **options)

    monkeypatch.setattr(predictor, "_predict", failing)
    job = images.propose(points_per_side=3)
    with pytest.raises(OutOfMemoryError, match=r"too little memory.*close other notebooks"):
        job.wait(PATIENCE)
    assert list(job.found) == ["a.png"]
    assert len(images.review()) == job.found["a.png"] > 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"images": ["z.png"]}, ImageError),
        ({"images": "a.png"}, SettingError),
        ({"chosen": [1, 2]}, SettingError),
        ({"points_per_side": 0}, SettingError),
    ],
)
def test_wrong_calls_are_refused(images, options, error):
    with pytest.raises(error):
        images.propose(**options)


def test_the_image_shown_gets_them_in_one_step_that_undo_takes_back(folder, predictor):
    s = SegmentSet(folder, model=predictor)
    count = proposed(s).found["a.png"]
    assert len(s.widget.objects) == count > 0
    s.widget.undo()
    assert len(s.widget.objects) == 0
    s.widget.redo()
    assert len(s["a.png"].objects) == count
    s.close()


def test_an_object_of_the_users_meanwhile_stays_alone(folder, predictor, monkeypatch):
    s = SegmentSet(folder, model=predictor)
    predict, started, go_on = predictor._predict, threading.Event(), threading.Event()

    def waiting(*args, **options):
        started.set()
        assert go_on.wait(PATIENCE)
        return predict(*args, **options)

    s.widget.add_point(60, 40)
    s.widget.undo()
    assert len(s.widget.objects) == 0
    monkeypatch.setattr(predictor, "_predict", waiting)
    job = s.propose(["a.png"], points_per_side=3)
    assert started.wait(PATIENCE)
    s.widget.redo()
    go_on.set()
    assert job.wait(PATIENCE)
    assert job.found == {"a.png": 0}
    wait_until(lambda: len(s["a.png"].objects) == 1)
    s.close()
