import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sam2_widget import (
    Box,
    LabelError,
    MaskPrompt,
    ObjectPrompts,
    Point,
    PromptError,
    Prompts,
    SettingError,
    Settings,
)
from sam2_widget.annotation.session import Annotation, Session
from sam2_widget.prompts.colors import checked_classes

A, B, C = Point(1, 1), Point(2, 2), Point(3, 3, 0)


@pytest.fixture
def session():
    return Session(10, 10)


def active_prompts(session):
    active = session.annotation.active
    return active.prompts if active else None


def test_first_prompt_starts_an_object_and_later_ones_refine_it(session):
    session.add(A)
    session.add(C)
    assert active_prompts(session) == (A, C)
    assert len(session.annotation.objects) == 1


def test_after_commit_the_next_prompt_starts_another(session):
    session.add(A)
    session.commit("cat")
    assert session.annotation.active is None
    session.add(B)
    assert [o.prompts for o in session.annotation.objects] == [(A,), (B,)]
    assert [o.label for o in session.annotation.objects] == ["cat", None]


def test_undo_removes_prompts_then_objects(session):
    session.add(A)
    session.commit()
    session.add(B)
    assert session.undo()
    assert active_prompts(session) is None
    assert session.undo()
    assert active_prompts(session) == (A,)
    assert session.undo()
    assert session.annotation == Annotation()
    assert not session.undo()
    for _ in range(3):
        assert session.redo()
    assert not session.redo()
    assert active_prompts(session) == (B,)


def test_new_edit_clears_the_redo_history(session):
    session.add(A)
    session.undo()
    session.add(B)
    assert not session.can_redo


def test_clicks_of_one_message_are_undone_one_by_one(session):
    session.set_prompts((A, B, C))
    session.undo()
    assert active_prompts(session) == (A, B)


def test_set_prompts_is_one_step(session):
    session.set_prompts((A, B))
    session.set_prompts((B,))
    session.undo()
    assert active_prompts(session) == (A, B)


def test_an_empty_list_removes_the_object(session):
    session.add(A)
    session.set_prompts(())
    assert session.annotation == Annotation()
    session.undo()
    assert active_prompts(session) == (A,)


def test_select_reopens_an_object_at_its_position(session):
    session.add(A)
    session.commit()
    session.add(B)
    session.commit()
    first = session.annotation.objects[0].id
    session.select(first)
    session.add(C)
    assert [o.prompts for o in session.annotation.objects] == [(A, C), (B,)]


def test_undo_of_delete_restores_position_and_id(session):
    for prompt in (A, B, C):
        session.add(prompt)
        session.commit()
    before = session.annotation
    session.delete(before.objects[1].id)
    assert [o.prompts for o in session.annotation.objects] == [(A,), (C,)]
    session.undo()
    assert session.annotation == before


def test_clear_can_be_undone(session):
    session.add(A)
    session.commit()
    session.add(B)
    before = session.annotation
    session.clear()
    assert session.annotation == Annotation()
    session.undo()
    assert session.annotation == before


def test_commit_without_object_is_refused(session):
    with pytest.raises(PromptError, match="nothing to commit"):
        session.commit()


def test_prompt_outside_the_image_changes_nothing(session):
    session.add(A)
    before = session.annotation
    with pytest.raises(PromptError, match="outside"):
        session.set_prompts((A, Point(99, 1)))
    with pytest.raises(PromptError, match="outside"):
        session.add(Box(0, 0, 11, 5))
    assert session.annotation == before


def test_labels_are_checked_and_the_first_is_the_default():
    session = Session(10, 10, checked_classes(["cat", "dog"]))
    session.add(A)
    assert session.annotation.active.label == "cat"
    with pytest.raises(LabelError, match=r"one of \['cat', 'dog'\], got 'cow'"):
        session.commit("cow")
    assert session.annotation.active is not None
    session.use_label("dog")
    session.commit()
    session.add(B)
    assert session.annotation.active.label == "dog"
    session.rename(session.annotation.objects[0].id, "dog")
    assert session.annotation.objects[0].label == "dog"


def test_used_labels_and_declared_classes(session):
    session.add(A)
    session.commit("cow")
    session.add_class("dog", use=False)
    session.add(B)
    assert session.annotation.active.label is None
    session.commit("sheep")  # no labels were given: any text may still be one
    assert session.used_labels == ("cow", "sheep")
    assert list(session.classes) == ["dog"]
    session.set_classes(checked_classes(["cat"]))
    session.rename(session.annotation.objects[1].id, "cow")
    assert session.used_labels == ("cow",)
    with pytest.raises(LabelError, match=r"one of \['cat'\], got 'sheep'"):
        session.use_label("sheep")


def test_added_classes_keep_the_numbers_of_labels_in_use(session):
    session.add(A)
    session.commit("cow")
    for name in ("dog", "cat"):
        session.add_class(name)
    assert session.numbers.categories(session.used_labels).names == ("cow", "dog", "cat")


@pytest.mark.parametrize("bad", [3, b"cat", ["cat"], "x" * 201])
def test_invalid_labels_are_refused(session, bad):
    session.add(A)
    with pytest.raises(LabelError):
        session.commit(bad)


def test_unknown_object_is_refused(session):
    for edit in (session.select, session.delete, lambda i: session.rename(i, "x")):
        with pytest.raises(LookupError, match="id 7"):
            edit(7)


@given(st.lists(st.sampled_from(["add", "commit", "delete", "select", "clear"]), max_size=30))
def test_undo_all_and_redo_all(edits):
    session = Session(100, 100)
    for number, edit in enumerate(edits):
        objects = session.annotation.objects
        if edit == "add":
            session.add(Point(number, number))
        elif edit == "commit" and session.annotation.active:
            session.commit()
        elif edit in ("delete", "select") and objects:
            getattr(session, edit)(objects[number % len(objects)].id)
        elif edit == "clear":
            session.clear()
    end = session.annotation.objects
    while session.undo():
        pass
    assert session.annotation.objects == ()
    while session.redo():
        pass
    assert session.annotation.objects == end


def test_initial_mask_is_a_finished_object(session):
    mask = MaskPrompt.from_mask(np.eye(10))
    session.start_from(mask, "cat")
    assert session.annotation.active is None
    assert session.annotation.objects[0].prompts == (mask,)
    session.undo()
    assert session.annotation.objects == ()
    with pytest.raises(PromptError, match="size of the image"):
        session.start_from(MaskPrompt.from_mask(np.eye(9)), None)


def test_replay_adds_objects_and_settings_in_one_step(session):
    session.add(A)
    prompts = Prompts((ObjectPrompts((B,), "x"), ObjectPrompts((C,))), Settings(fill_holes=3))
    session.replay(prompts)
    assert [o.prompts for o in session.annotation.objects] == [(A,), (B,), (C,)]
    assert session.prompts.settings == prompts.settings
    session.undo()
    assert [o.prompts for o in session.annotation.objects] == [(A,)]
    assert session.prompts.settings == Settings()
    with pytest.raises(PromptError, match="outside"):
        session.replay(Prompts((ObjectPrompts((Point(99, 1),)),)))


def three(session):
    for prompt in (A, B, C):
        session.add(prompt)
        session.commit()
    return [o.id for o in session.annotation.objects]


@pytest.mark.parametrize(
    ("moved", "to", "order"),
    [(0, 2, [1, 2, 0]), (2, 0, [2, 0, 1]), (1, 1, [0, 1, 2]), (0, 99, [1, 2, 0])],
)
def test_reordering_is_one_step(session, moved, to, order):
    three(session)
    session.move(moved, to)
    assert [o.id for o in session.annotation.objects] == order
    if order != [0, 1, 2]:
        session.undo()
    assert [o.id for o in session.annotation.objects] == [0, 1, 2]


def test_visibility_and_locks_are_not_steps(session):
    first, second, _ = three(session)
    session.show(first, visible=False)
    session.lock(second, locked=True)
    session.undo()
    session.redo()
    assert session.hidden == {first}
    assert session.locked == {second}
    session.show(first, visible=True)
    session.lock(second, locked=False)
    assert not session.hidden
    assert not session.locked


def test_a_locked_object_cannot_be_edited(session):
    first, *_ = three(session)
    session.lock(first, locked=True)
    for edit in (session.select, session.delete, lambda i: session.rename(i, "x")):
        with pytest.raises(PromptError, match="Object 1 is locked"):
            edit(first)
    session.clear()
    assert [o.id for o in session.annotation.objects] == [first]


def test_locking_deselects_the_object_and_undo_does_not_reselect_it(session):
    session.add(A)
    session.add(B)
    session.lock(session.annotation.active_id, locked=True)
    assert session.annotation.active is None
    session.undo()
    assert session.annotation.active is None


def test_settings_changes_are_steps(session):
    session.add(A)
    session.set_setting("fill_holes", 20)
    session.set_setting("overlap", "cut out")
    session.clear()
    assert session.annotation.settings == Settings("cut out", 20)
    session.undo()
    session.undo()
    assert session.annotation.settings == Settings(fill_holes=20)
    for name, bad in (("fill_holes", -1), ("drop_specks", 1.5), ("overlap", "x"), ("colour", 1)):
        with pytest.raises(SettingError):
            session.set_setting(name, bad)
    assert session.annotation.settings == Settings(fill_holes=20)


def test_objects_get_the_colours_of_their_classes():
    session = Session(10, 10, checked_classes({"cat": "red", "dog": "#00FF00"}))
    session.add(A)
    assert session.color(session.annotation.active) == "#ff0000"
    session.add_class("cow", "#123456")
    assert session.label == "cow"
    session.commit("cow")
    assert session.color(session.annotation.objects[0]) == "#123456"
    session.add_class("cow")
    assert session.classes["cow"] == "#123456"
    session.set_classes({"dog": "#000001"})
    assert session.label == "dog"
    assert session.annotation.objects[0].label == "cow"
    for bad in ("", " ", "x" * 201, 5, None):
        with pytest.raises(LabelError):
            session.add_class(bad)


def test_colours_come_from_the_palette(session):
    session.palette = ("#000000", "#ffffff")
    three(session)
    assert [session.color(o) for o in session.annotation.objects] == [
        "#000000",
        "#ffffff",
        "#000000",
    ]


ABSENT = ObjectPrompts((), "cell", 7)
"""As an object of a stack is described on a plane from which it is absent."""


def test_objects_that_are_absent_are_kept_apart_and_saved(session):
    session.replay(Prompts((ObjectPrompts((A,), number=3), ABSENT)))
    assert [o.number for o in session.annotation.objects] == [3]
    assert [o.number for o in session.annotation.absent] == [7]
    assert session.prompts.objects == (ObjectPrompts((A,), number=3), ABSENT)
    session.clear()
    assert not session.prompts
    session.undo()
    assert ABSENT in session.prompts


def test_absences_that_are_there_already_are_restored_once(session):
    other = ObjectPrompts((), "cell", 8)
    session.replay(Prompts((ABSENT,)))
    session.restore(Prompts((other, ABSENT)))
    assert session.prompts.objects == (other, ABSENT)


def test_a_corrected_mask_is_restored_in_the_place_of_the_given_one(session):
    given_mask = MaskPrompt.from_mask(np.eye(10, dtype=bool))
    given_, other = (ObjectPrompts((given_mask,), number=n) for n in (3, 4))
    corrected = ObjectPrompts((given_mask, A), "cell", 3)
    gone = ObjectPrompts((), number=4)
    session.start_with(Prompts((given_, other)))
    ids = [o.id for o in session.annotation.objects]
    session.restore(Prompts((corrected, gone)))
    assert session.prompts.objects == (corrected, gone)
    assert session.annotation.objects[0].id == ids[0]
    session.undo()
    assert session.prompts.objects == (given_, other)
    # What was begun with other prompts stays beside it.
    session.restore(Prompts((ObjectPrompts((B,), number=3),)))
    assert [o.prompts for o in session.prompts] == [(B,), (given_mask,), (given_mask,)]


def test_objects_of_a_plain_image_cannot_be_marked_as_absent(session):
    session.replay(Prompts((ObjectPrompts((A,), number=3),)))
    with pytest.raises(PromptError, match="only objects of a stack"):
        session.mark_absent([3])


class SessionMachine(RuleBasedStateMachine):
    """Whatever happens, the state is one that a user can be in."""

    def __init__(self):
        super().__init__()
        self.session = Session(50, 50)

    @rule(x=st.integers(0, 49), label=st.sampled_from([0, 1]))
    def add(self, x, label):
        self.session.add(Point(x, x, label))

    @rule(length=st.integers(0, 4))
    def set_prompts(self, length):
        self.session.set_prompts(tuple(Point(i, i) for i in range(length)))

    @precondition(lambda self: self.session.annotation.active)
    @rule()
    def commit(self):
        self.session.commit()

    @rule(number=st.integers(0, 9))
    def set_setting(self, number):
        self.session.set_setting("fill_holes", number)

    @rule()
    def undo(self):
        assert self.session.can_undo == self.session.undo()

    @rule()
    def redo(self):
        assert self.session.can_redo == self.session.redo()

    @precondition(lambda self: self.session.annotation.objects)
    @rule(data=st.data(), edit=st.sampled_from(["select", "delete"]))
    def pick(self, data, edit):
        chosen = data.draw(st.sampled_from(self.session.annotation.objects))
        if chosen.id in self.session.locked:
            with pytest.raises(PromptError, match="locked"):
                getattr(self.session, edit)(chosen.id)
        else:
            getattr(self.session, edit)(chosen.id)

    @precondition(lambda self: self.session.annotation.objects)
    @rule(data=st.data(), locked=st.booleans(), place=st.integers(0, 5))
    def lock_and_move(self, data, locked, place):
        chosen = data.draw(st.sampled_from(self.session.annotation.objects)).id
        self.session.lock(chosen, locked=locked)
        self.session.move(chosen, place)

    @invariant()
    def ids_are_unique_and_no_object_is_empty(self):
        annotation = self.session.annotation
        ids = [o.id for o in annotation.objects]
        assert len(set(ids)) == len(ids)
        assert all(o.prompts for o in annotation.objects)
        assert annotation.active_id is None or annotation.active_id in ids
        assert annotation.active_id not in self.session.locked


TestSessionMachine = SessionMachine.TestCase


def test_a_class_is_renamed_in_the_whole_history(session):
    session.add(A)
    session.commit("cat")
    session.add(B)
    session.commit("dog")
    session.undo()
    session.relabel({"cat": "lynx", "dog": "hound"})
    assert [o.label for o in session.annotation.objects] == ["lynx", None]
    session.redo()
    assert [o.label for o in session.annotation.objects] == ["lynx", "hound"]
    for _ in range(4):
        session.undo()
    assert not session.undo()  # it is no step itself
    session.redo()
    session.redo()
    assert [o.label for o in session.annotation.objects] == ["lynx"]
