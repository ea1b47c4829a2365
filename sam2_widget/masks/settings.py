"""Settings that affect masks: they are saved with the prompts and part of the history."""

from __future__ import annotations

from typing import Literal, SupportsInt, TypeAlias, cast, get_args

import msgspec
import numpy as np
from msgspec.structs import force_setattr

from sam2_widget._utils.limits import MAX_PIXELS
from sam2_widget.errors import SettingError

Overlap: TypeAlias = Literal["on top", "cut out"]

MAX_AREA = MAX_PIXELS
"""Pixels of the largest image."""


class Settings(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How masks are derived from the model's predictions.

    Parameters
    ----------
    overlap : {"on top", "cut out"}
        ``"on top"``: objects may share pixels. ``"cut out"``: a pixel belongs to the topmost object
        only.
    fill_holes, drop_specks : int
        Holes and specks of predicted masks up to that many image pixels are filled or removed; 0
        turns it off. The largest part of a mask and hand-drawn strokes are never changed.

    Raises
    ------
    SettingError
        If a value is none of these.
    """

    overlap: Overlap = "on top"
    fill_holes: int = 0
    drop_specks: int = 0

    def __post_init__(self) -> None:
        if self.overlap not in get_args(Overlap):
            raise SettingError(f"overlap must be 'on top' or 'cut out', got {self.overlap!r}")
        for name in ("fill_holes", "drop_specks"):
            force_setattr(self, name, _area(getattr(self, name), name))

    @property
    def cleans(self) -> bool:
        """Whether predicted masks are changed at all."""
        return self.fill_holes > 0 or self.drop_specks > 0

    @property
    def cleaning(self) -> tuple[int, int]:
        """The settings that a single mask depends on, as a key."""
        return self.fill_holes, self.drop_specks


def _area(value: object, name: str) -> int:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if whole and 0 <= (area := int(cast("SupportsInt", value))) <= MAX_AREA:
        return area
    raise SettingError(
        f"{name} must be an area in whole image pixels, 0 (off) to {MAX_AREA}, got {value!r}"
    )


DEFAULTS = Settings()


def changed(settings: Settings, name: str, value: object) -> Settings:
    """`settings` with another value; SettingError if there is no such setting or value."""
    if name not in Settings.__struct_fields__:
        raise SettingError(f"there is no setting {name!r}: use one of {Settings.__struct_fields__}")
    return msgspec.structs.replace(settings, **{name: value})
