"""Finds images of a set by name, state and class, without reading them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import msgspec

from sam2_widget.datasets.annotations import State
from sam2_widget.datasets.store import AnnotationStore
from sam2_widget.errors import SettingError

STATES: tuple[State, ...] = get_args(State)


class Query(msgspec.Struct, frozen=True):
    """What images are searched for: all conditions must hold.

    Parameters
    ----------
    text : str
        Part of the name, in upper or lower case; "" matches all.
    state : State or None
    label : str or None
        Label of at least one object.
    """

    text: str = ""
    state: State | None = None
    label: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether all images match."""
        return self == Query()


def checked_query(text: object, state: object, label: object) -> Query:
    """Return a query; SettingError if a value is not valid."""
    if not isinstance(text, str):
        raise SettingError(f"text must be a part of a name, got {text!r}")
    if state is not None and state not in STATES:
        raise SettingError(f"state must be one of {list(STATES)}, got {state!r}")
    if label is not None and not isinstance(label, str):
        raise SettingError(f"label must be the name of a class, got {label!r}")
    return Query(text, state, label)


def matching(query: Query, names: Sequence[str], store: AnnotationStore) -> list[int]:
    """Positions in `names` of the images that match, in order."""
    text = query.text.strip().casefold()
    labelled = None if query.label is None else _with_label(query.label, store)
    return [
        number
        for number, name in enumerate(names)
        if (not text or text in name.casefold())
        and (query.state is None or store.by_old_names(name).state == query.state)
        and (labelled is None or name in labelled)
    ]


def _with_label(label: str, store: AnnotationStore) -> set[str]:
    return {name for name in store if any(o.object.label == label for o in store[name].objects)}
