"""Class numbers: as declared, else by their order, and the same in every format."""

import pytest

from sam2_widget import Categories, LabelError
from sam2_widget.prompts import categories
from sam2_widget.prompts.categories import ClassNumbers, as_categories
from sam2_widget.prompts.colors import checked_labels


@pytest.mark.parametrize(
    ("labels", "first_is_one", "first_is_zero"),
    [
        (["animal", "thing"], {"animal": 1, "thing": 2}, {"animal": 0, "thing": 1}),
        ({"animal": "red", "thing": "blue"}, {"animal": 1, "thing": 2}, {"animal": 0, "thing": 1}),
        ({"animal": 17, "thing": 3}, {"animal": 17, "thing": 3}, {"animal": 17, "thing": 3}),
        ({17: "animal", 3: "thing"}, {"animal": 17, "thing": 3}, {"animal": 17, "thing": 3}),
        ({"animal": (17, "red"), "thing": (3, "blue")}, {"animal": 17, "thing": 3}, None),
        (
            [{"id": 17, "name": "animal"}, {"id": 3, "name": "thing"}],
            None,
            {"animal": 17, "thing": 3},
        ),
        (Categories(("animal", "thing"), (17, 3)), None, {"animal": 17, "thing": 3}),
    ],
)
def test_declared_labels_have_their_numbers(labels, first_is_one, first_is_zero):
    classes, categories = checked_labels(labels)
    assert list(classes) == ["animal", "thing"]
    assert categories.numbers(first=1) == first_is_one or first_is_one is None
    assert categories.numbers(first=0) == first_is_zero or first_is_zero is None


def test_colours_come_with_numbers():
    classes, _ = checked_labels({"animal": (17, "red"), "thing": (3, "#0000ff")})
    assert classes == {"animal": "#ff0000", "thing": "#0000ff"}


@pytest.mark.parametrize(
    "labels",
    [{"a": 1, "b": 1}, {"a": 1, "b": "red"}, {"a": -1}, {"a": True}, [{"name": "a"}, {"id": 3}]],
)
def test_invalid_numbers_are_refused(labels):
    with pytest.raises(LabelError):
        checked_labels(labels)


def test_appended_classes_follow_the_largest_number():
    assert Categories(("a",)).with_names(["b", "a"]).numbers(first=0) == {"a": 0, "b": 1}
    assert Categories(("a",), (7,)).with_names(["b"]).numbers(first=1) == {"a": 7, "b": 8}


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        ({1: "a", 2: "b"}, None),
        ({2: "b", 1: "a"}, None),
        ({0: "a", 1: "b"}, (0, 1)),
        ({1: "a", 3: "b"}, (1, 3)),
    ],
)
def test_consecutive_numbers_of_a_file_are_treated_as_its_order(names, ids):
    assert Categories.from_ids(names, first=1) == Categories(("a", "b"), ids)


def test_names_from_zero_have_no_gaps():
    assert as_categories({"cat": 1, "dog": 3}).names_from_zero() == ["0", "cat", "2", "dog"]
    assert as_categories(["cat", "dog"]).names_from_zero() == ["cat", "dog"]


def test_declared_labels_come_first_then_others_by_first_use():
    numbers = ClassNumbers()
    for label in ("dog", "typo", "cat"):
        numbers.use(label)
    assert numbers.categories(["cat", "dog"]).names == ("dog", "cat")
    numbers.learn(Categories(("car", "cat"), (5, 3)))
    assert numbers.categories(["cat", "dog"]) == Categories(("car", "cat", "dog"), (5, 3, 6))
    assert numbers.conflicts(Categories(("cat", "bus"), (4, 5))) == ["cat", "bus"]
    numbers.declared = Categories(("cow",))
    assert numbers.categories(["cat", "dog"]).names == ("cow", "dog", "cat")


class Counted(str):
    """A text that counts how often it is compared."""

    __slots__ = ()

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Counted.compared += 1
        return str.__eq__(self, other)


def test_with_names_does_not_compare_names_pairwise():
    def names(count):
        return tuple(Counted(f"class {i}") for i in range(count))

    known = Categories(names(1000))
    Counted.compared = 0
    assert known.with_names(names(1100)).names == names(1100)
    assert Counted.compared < 10_000


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("a", "x" * 201), "200 characters, got 201"),
        (("\ud83d",), "half a character"),
        ((7,), "int"),
    ],
)
def test_class_names_are_checked_like_labels(names, reason):
    with pytest.raises(LabelError, match=f"a class has a name that is no label.*{reason}"):
        Categories(names)


def test_number_of_classes_is_limited(monkeypatch):
    monkeypatch.setattr(categories, "MAX_CATEGORIES", 3)
    with pytest.raises(LabelError, match="there can be 3 classes, got 4"):
        Categories(tuple("abcd"))
