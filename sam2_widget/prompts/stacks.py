"""Prompts of all planes of a stack, as a value that can be saved and replayed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from sam2_widget._utils.files import write_bytes
from sam2_widget._utils.pickling import PicklesMappings
from sam2_widget.errors import PromptError
from sam2_widget.masks.settings import DEFAULTS, Settings
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories
from sam2_widget.prompts.collections import (
    Class,
    ObjectPrompts,
    Prompts,
    categories_from,
    classes_of,
    read_prompts,
)

FORMAT: Literal["sam2-widget-stack-prompts"] = "sam2-widget-stack-prompts"
VERSION = 1

PlaneNumber = Annotated[int, msgspec.Meta(ge=0, lt=2**20)]


class _Plane(msgspec.Struct, omit_defaults=True):
    plane: PlaneNumber
    objects: tuple[ObjectPrompts, ...]
    settings: Settings = DEFAULTS


class _Header(msgspec.Struct):
    format: Literal["sam2-widget-stack-prompts"]
    version: int


class _File(_Header, omit_defaults=True):
    along: Annotated[str, msgspec.Meta(max_length=1)]
    planes: tuple[_Plane, ...]
    classes: tuple[Class, ...] = ()


@dataclass(frozen=True, slots=True)
class StackPrompts(PicklesMappings, Mapping[int, Prompts]):
    """The prompts of each plane that has objects, by the plane's number.

    Attributes
    ----------
    planes : mapping of int to Prompts
    along : str
        Letter of the axis, e.g. ``"Z"``.

    Examples
    --------
    >>> prompts = StackPrompts({3: Prompts()}, along="Z")
    >>> StackPrompts.from_json(prompts.to_json()) == prompts
    True
    >>> for plane, its_prompts in prompts.items():  # replayed without a browser
    ...     segment(stack[plane], its_prompts)  # doctest: +SKIP
    """

    planes: Mapping[int, Prompts] = field(default_factory=lambda: MappingProxyType({}))
    along: str = ""

    def __getitem__(self, plane: int) -> Prompts:
        return self.planes[plane]

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.planes))

    def __len__(self) -> int:
        return len(self.planes)

    def to_json(self) -> str:
        """JSON text that `from_json` reads."""
        planes = tuple(_Plane(i, one.objects, one.settings) for i, one in self.items())
        classes = classes_of(self.categories)
        return msgspec.json.encode(_File(FORMAT, VERSION, self.along, planes, classes)).decode()

    @property
    def categories(self) -> Categories:
        """The classes of all planes; their numbers are those of the first that has any."""
        found = NO_CATEGORIES
        for one in self.values():
            found = found.with_names(one.categories.names) if found.names else one.categories
        return found

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write `to_json` to a file, whole or not at all; raises as `Prompts.save`."""
        write_bytes(path, self.to_json().encode(), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> StackPrompts:
        """Read what `save` wrote; PromptError if there is no such file, or no such prompts."""
        return read_prompts(path, cls.from_json)

    @classmethod
    def from_json(cls, text: str) -> StackPrompts:
        """Read what `to_json` wrote; PromptError if it is of another version or malformed."""
        try:
            version = msgspec.json.decode(text, type=_Header).version
            if version != VERSION:
                raise PromptError(f"prompts of a stack must be of version {VERSION}, got {version}")
            file = msgspec.json.decode(text, type=_File)
            categories = categories_from(file.classes)
        except (msgspec.MsgspecError, RecursionError, TypeError, UnicodeError) as error:
            raise PromptError(f"these are no prompts of a stack: {error}") from error
        planes = {one.plane: Prompts(one.objects, one.settings, categories) for one in file.planes}
        if len(planes) < len(file.planes):
            raise PromptError("these are no prompts of a stack: a plane is there twice")
        return cls(planes, file.along)
