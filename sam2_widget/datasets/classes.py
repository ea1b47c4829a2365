"""Data shared by all images of a set: classes, renames of classes, and declared attributes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from sam2_widget._utils.text import is_sendable
from sam2_widget.datasets.annotations import Value
from sam2_widget.errors import SettingError
from sam2_widget.prompts.categories import MAX_ID, Categories

MAX_TEXT = 10_000
"""Most characters of a note or of an attribute's value."""


class SetClass(msgspec.Struct, frozen=True, omit_defaults=True):
    """A class of a set.

    Parameters
    ----------
    name : str
    color : str
        ``"#rrggbb"``.
    id : int, optional
        Its number in every format; by default it follows from the position.
    """

    name: str
    color: str
    id: Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)] | None = None


class Attribute(msgspec.Struct, frozen=True, omit_defaults=True):
    """The declaration of an attribute that each image, or each object, may have.

    Parameters
    ----------
    type : {"text", "number", "flag", "choice"}
    choices : tuple of str
        The values of a choice.
    """

    type: str
    choices: tuple[str, ...] = ()

    def checked(self, name: str, value: object) -> Value:
        """Return `value` if it is valid for this attribute, whose name is `name`.

        Raises
        ------
        SettingError
            If it is not valid.
        """
        if value is None:
            return None
        if self.type == "choice":
            if value in self.choices:
                return str(value)
            raise SettingError(f"{name} must be one of {list(self.choices)}, got {value!r}")
        if self.type == "text":
            return checked_text(name, value)
        if self.type == "flag":
            if isinstance(value, bool):
                return value
            raise SettingError(f"{name} must be True or False, got {value!r}")
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return value if abs(value) < 2**53 else float(value)
        raise SettingError(f"{name} must be a finite number, got {value!r}")


def checked_text(name: str, value: object) -> str:
    """Return `value` if it is text that can be stored; SettingError if not."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not is_sendable(value):
        raise SettingError(f"{name} must be text of at most {MAX_TEXT} characters, got {value!r}")
    return value


AttributesLike: TypeAlias = "Mapping[str, type | Sequence[str] | Attribute]"
"""By name: ``str``, ``float`` or ``int``, ``bool``, or a list of choices."""

_TYPES: dict[object, str] = {str: "text", float: "number", int: "number", bool: "flag"}


def as_attributes(declared: AttributesLike | None) -> dict[str, Attribute]:
    """Convert a user's declaration of attributes.

    Raises
    ------
    SettingError
        If a name or type is not valid.
    """
    found = {}
    for name, kind in (declared or {}).items():
        checked_text("the name of an attribute", name)
        found[name] = kind if isinstance(kind, Attribute) else _attribute(name, kind)
    return found


def _attribute(name: str, kind: Any) -> Attribute:
    if isinstance(kind, type) and kind in _TYPES:
        return Attribute(_TYPES[kind])
    if isinstance(kind, Iterable) and not isinstance(kind, (str, bytes)):
        choices = tuple(kind)
        if choices and all(isinstance(one, str) for one in choices):
            return Attribute("choice", choices)
    raise SettingError(
        f"the attribute {name!r} must be str, float, bool or a list of texts to choose from, got "
        f"{kind!r}"
    )


class SetAnnotations(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that is stored about a set as a whole.

    Parameters
    ----------
    classes : tuple of SetClass
    renames : tuple of (str, str)
        The old and new name of each class that was renamed or merged, in order.
    image_attributes, object_attributes : mapping of str to Attribute
    """

    classes: tuple[SetClass, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    image_attributes: dict[str, Attribute] = {}
    object_attributes: dict[str, Attribute] = {}

    @property
    def categories(self) -> Categories:
        """The classes, with their numbers if these are given."""
        ids = [one.id for one in self.classes]
        known = None if not ids or None in ids else tuple(one for one in ids if one is not None)
        return Categories(tuple(one.name for one in self.classes), known)


class SetChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """The difference between two `SetAnnotations`; `renames` has only the new ones."""

    time: float = 0.0
    classes: tuple[SetClass, ...] | UnsetType = UNSET
    renames: tuple[tuple[str, str], ...] = ()
    image_attributes: dict[str, Attribute] | UnsetType = UNSET
    object_attributes: dict[str, Attribute] | UnsetType = UNSET


_FIELDS = ("classes", "image_attributes", "object_attributes")


def set_difference(old: SetAnnotations, new: SetAnnotations, *, time: float = 0.0) -> SetChange:
    """The change with which `set_with_change` turns `old` into `new`, which keeps all renames."""
    fields: dict[str, Any] = {
        name: getattr(new, name) for name in _FIELDS if getattr(old, name) != getattr(new, name)
    }
    return SetChange(time, renames=new.renames[len(old.renames) :], **fields)


def set_with_change(old: SetAnnotations, change: SetChange) -> SetAnnotations:
    """`old` with a change applied."""
    fields: dict[str, Any] = {
        name: value for name in _FIELDS if (value := getattr(change, name)) is not UNSET
    }
    renames = (*old.renames, *change.renames)
    return msgspec.structs.replace(old, renames=renames, **fields)


def new_names(renames: Sequence[tuple[str, str]], since: int) -> dict[str, str]:
    """The current name of each class that was renamed after the first `since` renames.

    Examples
    --------
    >>> new_names([("cat", "lynx"), ("lynx", "bobcat")], 0)
    {'cat': 'bobcat', 'lynx': 'bobcat'}
    """
    names: dict[str, str] = {}
    for old, new in renames[since:]:
        for key, value in names.items():
            if value == old:
                names[key] = new
        names.setdefault(old, new)
    return {old: new for old, new in names.items() if old != new}
