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
from sam2_widget.colors import checked_classes
from sam2_widget.session import Annotation, Session

A, B, C = Point(1, 1), Point(2, 2), Point(3, 3, 0)


@pytest.fixture
def session():
    return Session(10, 10)


def active_prompts(session):
    active = session.annotation.active
    return active.prompts if active else None


def test_the_first_prompt_starts_an_object_and_the_next_refine_it(session):
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


def test_undo_takes_prompts_then_objects(session):
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


def test_a_new_edit_ends_redo(session):
    session.add(A)
    session.undo()
    session.add(B)
    assert not session.can_redo


def test_fast_clicks_that_arrive_together_are_undone_one_by_one(session):
    session.set_prompts((A, B, C))
    session.undo()
    assert active_prompts(session) == (A, B)


def test_a_changed_list_is_one_step(session):
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


def test_select_reopens_an_object_in_its_place(session):
    session.add(A)
    session.commit()
    session.add(B)
    session.commit()
    first = session.annotation.objects[0].id
    session.select(first)
    session.add(C)
    assert [o.prompts for o in session.annotation.objects] == [(A, C), (B,)]


def test_delete_and_undo_restore_place_and_id(session):
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


def test_nothing_to_commit(session):
    with pytest.raises(PromptError, match="nothing to commit"):
        session.commit()


def test_a_prompt_outside_changes_nothing(session):
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


@pytest.mark.parametrize("bad", [3, b"cat", ["cat"], "x" * 201])
def test_a_label_is_short_text(session, bad):
    session.add(A)
    with pytest.raises(LabelError):
        session.commit(bad)


def test_an_unknown_object(session):
    for edit in (session.select, session.delete, lambda i: session.rename(i, "x")):
        with pytest.raises(LookupError, match="id 7"):
            edit(7)


@given(st.lists(st.sampled_from(["add", "commit", "delete", "select", "clear"]), max_size=30))
def test_undoing_everything_ends_with_nothing_and_redoing_with_everything(edits):
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


def test_a_mask_to_start_from_is_a_finished_object(session):
    mask = MaskPrompt.from_mask(np.eye(10))
    session.start_from(mask, "cat")
    assert session.annotation.active is None
    assert session.annotation.objects[0].prompts == (mask,)
    session.undo()
    assert session.annotation.objects == ()
    with pytest.raises(PromptError, match="size of the image"):
        session.start_from(MaskPrompt.from_mask(np.eye(9)), None)


def test_replaying_brings_objects_and_settings_in_one_step(session):
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
def test_order_is_a_step(session, moved, to, order):
    three(session)
    session.move(moved, to)
    assert [o.id for o in session.annotation.objects] == order
    if order != [0, 1, 2]:
        session.undo()
    assert [o.id for o in session.annotation.objects] == [0, 1, 2]


def test_looks_are_no_steps(session):
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


def test_locking_leaves_the_object_and_undo_does_not_come_back_to_it(session):
    session.add(A)
    session.add(B)
    session.lock(session.annotation.active_id, locked=True)
    assert session.annotation.active is None
    session.undo()
    assert session.annotation.active is None


def test_settings_are_steps(session):
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


def test_classes_have_colours_and_objects_take_them():
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
