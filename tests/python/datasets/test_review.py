"""Review of a set without a widget: objects chosen, sorted, edited together and undone."""

import json
import warnings
from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sam2_widget import ImageSet, LabelError, SettingError
from sam2_widget.datasets import review
from sam2_widget.datasets.annotations import Measure, StoredObject
from sam2_widget.datasets.review_index import ObjectIndex
from sam2_widget.datasets.store import AnnotationStore
from sam2_widget.prompts.collections import Box, ObjectPrompts
from sam2_widget.testing import FakePredictor

NAMES = ("a.png", "b.png", "c.png")


def object_(key, label="cat", *, score=None, area=None, time=0.0):
    measure = None if area is None else Measure(score, area, (0, 0, 1, 1))
    prompts = ObjectPrompts((Box(1, 1, 5 + key, 6),), label)
    return StoredObject(key, prompts, time=time, measure=measure)


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


@pytest.fixture
def make(folder):
    made = []

    def make(**options):
        options = {"classes": ["cat", "dog"], "model": FakePredictor(), **options}
        made.append(ImageSet(folder, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def s(make):
    s = make()
    s.store.change(
        "a.png",
        state="done",
        objects=(
            object_(1, score=0.5, area=10, time=30),
            object_(2, "dog", score=0.9, area=5, time=10),
        ),
    )
    s.store.change(
        "b.png", state="in progress", objects=(object_(1, score=0.7, area=7), object_(3, None))
    )
    return s


def keys(review):
    return [(row.image, row.id) for row in review]


def labels(s):
    return [[one.object.label for one in image.objects] for image in s]


A1, A2, B1, B3 = ("a.png", 1), ("a.png", 2), ("b.png", 1), ("b.png", 3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [A1, A2, B1, B3]),
        ({"descending": True}, [B3, B1, A2, A1]),
        ({"label": "cat"}, [A1, B1]),
        ({"label": None}, [B3]),
        ({"label": ["dog", None]}, [A2, B3]),
        ({"label": []}, []),
        ({"label": "horse"}, []),
        ({"state": "done"}, [A1, A2]),
        ({"state": ["in progress", "review"]}, [B1, B3]),
        ({"accepted": True}, []),
        ({"accepted": False, "label": "dog"}, [A2]),
        ({"sort": "score"}, [A1, B1, A2, B3]),
        ({"sort": "score", "descending": True}, [A2, B1, A1, B3]),
        ({"sort": "area"}, [A2, B1, A1, B3]),
        ({"sort": "time", "descending": True}, [A1, A2, B1, B3]),
    ],
)
def test_objects_are_chosen_and_sorted(s, options, expected):
    assert keys(s.review(**options)) == expected


def test_a_row_has_what_is_known_of_the_object(s):
    first, _, _, last = s.review()
    assert (first.label, first.state, first.place, first.accepted) == ("cat", "done", 0, False)
    assert (first.score, first.area) == (0.5, 10)
    assert first.time == datetime.fromtimestamp(30, timezone.utc)
    assert (last.label, last.score, last.area, last.time) == (None, None, None, None)
    assert "1 without score and area" in repr(s.review())


def test_a_review_is_divided_further(s):
    review = s.review()
    assert keys(review[1:3]) == [A2, B1]
    assert keys(review[[3, 0]]) == [B3, A1]
    assert keys(review[[]]) == []
    assert keys(review[np.array([True, False, False, True])]) == [A1, B3]
    assert keys(review.where(lambda row: row.area is not None and row.area < 8)) == [A2, B1]
    assert keys([review[-1]]) == [B3]


def test_wrong_choices_are_refused(s):
    for wrong in ({"state": "finished"}, {"sort": "size"}):
        with pytest.raises(SettingError, match="must be one of"):
            s.review(**wrong)


def test_the_frame_has_a_row_for_each_object(s):
    frame = s.review().to_frame()
    assert list(frame.columns)[:5] == ["image", "id", "label", "state", "score"]
    assert frame["area"].tolist()[:3] == [10, 5, 7]
    assert frame["time"].isna().tolist() == [False, False, True, True]
    assert len(s.review(label="horse").to_frame()) == 0


def test_objects_are_relabelled_together_and_back(s, monkeypatch):
    monkeypatch.setattr(review, "now", lambda: 77.0)
    edit = s.review(label=["cat", None]).relabel("dog")
    assert labels(s) == [["dog", "dog"], ["dog", "dog"], []]
    assert (len(edit), edit.images) == (3, ("a.png", "b.png"))
    assert [one.object.label for _, one in edit.before] == ["cat", "cat", None]
    assert [one.object.label for _, one in edit.after] == ["dog", "dog", "dog"]
    assert s["a.png"].objects[0].time == 77.0
    assert s["a.png"].objects[0].measure.area == 10  # the mask is the same
    assert s["a.png"].objects[1].time == 10.0  # it was a dog before
    assert s.undo_review() is edit
    assert labels(s) == [["cat", "dog"], ["cat", None], []]
    assert s["a.png"].objects[0].time == 30.0
    with pytest.raises(SettingError, match="no bulk edit"):
        s.undo_review()
    with pytest.raises(SettingError, match="undone before"):
        edit.undo()


def test_objects_get_no_label_or_a_new_class(s, make):
    s.review().relabel(None)
    assert labels(s) == [[None, None], [None, None], []]
    with pytest.raises(LabelError, match="must be one of"):
        s.review().relabel("horse")
    with pytest.raises(LabelError):
        s.review().relabel(7)
    s.close()
    any_label = make(classes=None)
    any_label.review(state="done").relabel("horse")
    assert labels(any_label)[0] == ["horse", "horse"]
    assert "horse" in any_label.classes


def test_deleted_objects_come_back_to_their_place(s):
    before = s["a.png"].objects
    edit = s.review(label="cat").delete()
    assert keys(s.review()) == [A2, B3]
    s.review(state="done").delete()
    assert s["a.png"].state == "empty"
    s.undo_review()
    assert (s["a.png"].state, keys(s.review())) == ("done", [A2, B3])
    assert edit.undo() == 2
    assert s["a.png"].objects == before


def test_accepted_objects_are_marked_until_they_change(s):
    s.review(label="cat").accept()
    assert keys(s.review(accepted=True)) == [A1, B1]
    s.review(label="cat")[:1].accept(accepted=False)
    assert keys(s.review(accepted=True)) == [B1]
    s.review(accepted=True).relabel("dog")
    assert keys(s.review(accepted=True)) == []
    s.undo_review()
    assert keys(s.review(accepted=True)) == [B1]
    s.rename_class("cat", "lynx")
    assert keys(s.review(accepted=True, label="lynx")) == [B1]


def test_a_bulk_edit_is_carried_out_where_an_image_is_read_and_before_it_is_renamed(s, make):
    s.review().relabel("dog")
    assert s.reported_review == (1, "Relabel as 'dog': 3 objects")
    assert set(s.store._deferred) == {"a.png", "b.png"}
    assert [one.object.label for one in s["a.png"].objects] == ["dog", "dog"]
    assert set(s.store._deferred) == {"b.png"}
    s.rename_class("dog", "hound")
    edit = s.review().accept()
    assert labels(s) == [["hound", "hound"], ["hound", "hound"], []]
    assert [one.accepted for one in s["b.png"].objects] == [True, True]
    assert len(edit) == 4
    s.review().accept(accepted=False)
    s.close()
    again = make(classes=None)
    assert labels(again) == [["hound", "hound"], ["hound", "hound"], []]
    assert keys(again.review(accepted=True)) == []


def test_a_bulk_edit_of_an_old_review_counts_what_it_has_changed(s):
    old = s.review()
    s.review()[:1].accept()
    s.store.change("b.png", objects=(object_(1),))
    edit = old.accept()
    assert (len(edit), edit.images) == (2, ("a.png", "b.png"))
    assert s.reported_review == (2, "Accept: 2 objects")
    s.undo_review()
    assert keys(s.review(accepted=True)) == [A1]


def test_what_was_changed_since_is_left_by_an_undo(s):
    edit = s.review().relabel("dog")
    s.review(label="dog")[:1].relabel("cat")
    later = s.review_edits[-1]
    assert edit.undo() == 2  # the dog was none of them
    assert labels(s) == [["cat", "dog"], ["cat", None], []]
    assert later.undo() == 1
    assert labels(s)[0] == ["dog", "dog"]


def test_a_deleted_object_comes_back_beside_one_with_its_id(s):
    edit = s.review()[:1].delete()
    new = object_(1, "dog")
    s.store.change("a.png", objects=(*s["a.png"].objects, new))
    assert edit.undo() == 1
    assert [(one.id, one.object.label) for one in s["a.png"].objects] == [
        (3, "cat"),
        (2, "dog"),
        (1, "dog"),
    ]


def test_an_undo_follows_renamed_classes(s):
    s.review(label="cat").relabel("dog")
    s.rename_class("cat", "lynx")
    s.undo_review()
    assert labels(s) == [["lynx", "dog"], ["lynx", None], []]


def test_bulk_edits_are_on_disk(s, make, folder):
    s.flush()
    s.review(label="cat").accept()
    s.review(label="dog").delete()
    s.flush()
    journal = folder / ".sam2-widget" / "images" / "a.png.jsonl"
    records = [json.loads(line)["record"] for line in journal.read_text().splitlines()]
    assert records[-1]["removed"] == [2]
    assert records[-1]["objects"][0]["accepted"] is True
    s.close()
    again = make()
    assert keys(again.review()) == [A1, B1, B3]
    assert keys(again.review(accepted=True, sort="score")) == [A1, B1]


def test_objects_that_are_gone_are_left_out_of_an_edit(s):
    review = s.review(label="cat")
    s.store.change("a.png", objects=())
    edit = review.relabel("dog")
    assert edit.images == ("b.png",)
    assert len(review.relabel("dog")) == 0
    assert s.undo_review() is edit


def test_measures_come_with_the_masks(s, folder):
    (folder / "b.png").unlink()
    s.store.change("c.png", objects=(object_(1), object_(2)), state="done")
    with pytest.warns(UserWarning, match="1 images were not measured"):
        assert s.measure(progress=False) == 2
    measured = [one.measure for one in s["c.png"].objects]
    result = s["c.png"].segmentation()
    assert [one.area for one in measured] == [one.area for one in result.objects]
    assert [one.box for one in measured] == [one.bbox for one in result.objects]
    assert keys(s.review(sort="area")[-1:]) == [B3]  # that of the image that is gone
    # It can be edited all the same.
    s.review(state="in progress").relabel("dog")
    assert labels(s)[1] == ["dog", "dog"]
    s.undo_review()
    assert labels(s)[1] == ["cat", None]


def test_prompts_that_change_must_be_measured_again(s):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        s.measure(progress=False)
    assert s.review().unmeasured == 0
    s["a.png"].prompts = s["b.png"].prompts
    # The first objects of both are the same: it stays, with what was measured.
    assert [row.area is None for row in s.review(state="done")] == [False, True]
    assert s.measure(progress=False) == 2


def test_a_comparison_with_what_was_not_measured_is_explained(s):
    with pytest.raises(SettingError, match=r"1 of 4 objects were not measured.*s.measure\(\)"):
        s.review().where(lambda row: row.area < 8)
    s.measure(progress=False)
    assert keys(s.review().where(lambda row: row.area < 8)) == [A2]
    with pytest.raises(TypeError):  # a mistake of another kind
        s.review().where(lambda row: row.image < 8)


@given(data=st.data())
def test_the_index_is_that_of_a_new_one_after_any_edits(data):
    names = [f"{n}.png" for n in range(4)]
    store = AnnotationStore(None, names)
    index = ObjectIndex(store, names)
    for _ in range(data.draw(st.integers(1, 6))):
        if data.draw(st.booleans()):
            old, new = data.draw(st.permutations(["cat", "dog", "cow"]))[:2]
            store.change_set(renames=(*store.set.renames, (old, new)))
        else:
            some = data.draw(st.lists(st.sampled_from(["cat", "dog", None]), max_size=3))
            objects = tuple(object_(n, label) for n, label in enumerate(some, start=1))
            store.change(data.draw(st.sampled_from(names)), objects=objects)
        if data.draw(st.booleans()):
            index.current()
    now, new = index.current(), ObjectIndex(store, names).current()
    for field in ("image", "place", "id", "state"):
        np.testing.assert_array_equal(now.rows[field], new.rows[field])
    assert [now.labels[n] for n in now.rows["label"]] == [
        store[names[row["image"]]].objects[row["place"]].object.label for row in now.rows
    ]
    for label in ("cat", "dog", "cow", None):
        np.testing.assert_array_equal(now.with_label(label), new.with_label(label))
