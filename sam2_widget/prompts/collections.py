"""Prompts: what the user marked in an image, as frozen values that can be saved and replayed.

The prompts themselves, and the convention of their coordinates, are in `sam2_widget.prompts.types`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, overload

import msgspec

from sam2_widget._utils.files import read_bytes, write_bytes
from sam2_widget._utils.text import shown
from sam2_widget.errors import AnnotationError, LabelError, PromptError
from sam2_widget.masks.settings import DEFAULTS, Settings
from sam2_widget.prompts.categories import MAX_ID as MAX_CLASS_ID
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories
from sam2_widget.prompts.codegen import to_code
from sam2_widget.prompts.label_text import label_fault
from sam2_widget.prompts.types import (
    KINDS,
    Box,
    Choice,
    MaskPrompt,
    Point,
    Prompt,
    Scribble,
    Stroke,
    is_flat,
)

__all__ = [
    "FORMAT",
    "MAX_PROMPTS",
    "VERSION",
    "Box",
    "Choice",
    "MaskPrompt",
    "ObjectPrompts",
    "Point",
    "Prompt",
    "Prompts",
    "Scribble",
    "Stroke",
    "add_prompt",
    "as_prompts",
    "check_prompts",
]

T = TypeVar("T")

FORMAT: Literal["sam2-widget-prompts"] = "sam2-widget-prompts"
VERSION = 1

MAX_ID = 2**53
"""Largest number of an object: COCO has some beyond 32 bits."""

COLOR = "#[0-9a-fA-F]{6}"

Number = Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]
Color = Annotated[str, msgspec.Meta(pattern=rf"^{COLOR}\Z")]

CLICKS = (Point, Box, Scribble)
"""Prompts that the model is given as points and boxes."""

MAX_PROMPTS = 1000
"""Most prompts that one object may have; more is a program gone wrong, not a user."""

MAX_CLICKS = 250
"""Most points, boxes and scribbles: the model runs once for each, and ever slower."""


def add_prompt(prompts: tuple[Prompt, ...], prompt: Prompt) -> tuple[Prompt, ...]:
    """`prompts` with `prompt` at the end.

    An object has one box, so a new box replaces the old; and a choice replaces the choice that it
    follows.
    """
    if isinstance(prompt, Box):
        prompts = tuple(p for p in prompts if not isinstance(p, Box))
    if isinstance(prompt, Choice) and prompts and isinstance(prompts[-1], Choice):
        prompts = prompts[:-1]
    return (*prompts, prompt)


def check_prompts(prompts: Iterable[Prompt], width: int, height: int) -> None:
    """Raise `PromptError` unless all `prompts` lie in an image of `width` x `height` pixels."""
    for prompt in prompts:
        prompt.check_inside(width, height)


class ObjectPrompts(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The prompts of one object in the order in which they were given, and what else is known.

    Parameters
    ----------
    prompts : tuple of Prompt
    label : str, optional
    number : int, optional
        Its value in label maps, its id in COCO, above 0: that of the file that it comes from.
    color : str, optional
        ``"#rrggbb"``, unless its class has one.
    crowd : bool
        Whether it is many objects in one: COCO's ``iscrowd``.

    Raises
    ------
    PromptError
        If one of them is no prompt, if a mask to start from is not the first, if there are more
        than `MAX_PROMPTS`, number or colour are none, or the label cannot be written.
    """

    prompts: tuple[Prompt, ...]
    label: str | None = None
    number: Number | None = None
    color: Color | None = None
    crowd: bool = False

    def __post_init__(self) -> None:
        if self.number is not None and not 0 < self.number <= MAX_ID:
            raise PromptError(f"an object's number must be within 1..2**53, got {self.number!r}")
        if self.color is not None and not re.fullmatch(COLOR, self.color):
            raise PromptError(f"an object's color must be '#rrggbb', got {self.color!r}")
        if fault := label_fault(self.label):
            raise PromptError(fault)
        clicks = 0
        for place, prompt in enumerate(self.prompts):
            if not isinstance(prompt, KINDS):
                names = ", ".join(kind.__name__ for kind in KINDS)
                raise PromptError(f"a prompt must be one of {names}; got {shown(prompt)}")
            if place and isinstance(prompt, MaskPrompt):
                raise PromptError("a mask to start from must be an object's first prompt")
            clicks += isinstance(prompt, CLICKS)
        if len(self.prompts) > MAX_PROMPTS:
            raise PromptError(
                f"an object can have {MAX_PROMPTS} prompts, got {len(self.prompts)}: use fewer"
            )
        if clicks > MAX_CLICKS:
            raise PromptError(
                f"an object can have {MAX_CLICKS} points, boxes and scribbles, got {clicks}: "
                "correct it by brush and eraser, or start a new object"
            )


class _Header(msgspec.Struct):
    format: Literal["sam2-widget-prompts"]
    version: int


class Class(msgspec.Struct, omit_defaults=True):
    """A class as files have it: its id is its number, unless the order numbers it."""

    name: str
    id: Annotated[int, msgspec.Meta(ge=0, le=MAX_CLASS_ID)] | None = None


class _File(_Header, omit_defaults=True):
    objects: tuple[ObjectPrompts, ...]
    settings: Settings = DEFAULTS
    classes: tuple[Class, ...] = ()


def classes_of(categories: Categories) -> tuple[Class, ...]:
    """Categories as they are written."""
    ids = categories.ids or [None] * len(categories.names)
    found = tuple(Class(name, number) for name, number in zip(categories.names, ids, strict=True))
    # msgspec leaves out a default if it is the same object; Python 3.10 has several empty tuples.
    return found or ()


def categories_from(classes: tuple[Class, ...]) -> Categories:
    """Categories as they were written; PromptError if they are none."""
    ids = tuple(one.id for one in classes if one.id is not None)
    if ids and len(ids) < len(classes):
        raise PromptError("these are no prompts: either all classes have an id, or none has")
    try:
        return Categories(tuple(one.name for one in classes), ids or None)
    except LabelError as error:
        raise PromptError(f"these are no prompts: {error}") from error


@dataclass(frozen=True, slots=True)
class Prompts(Sequence[ObjectPrompts]):
    """All prompts of one image: a sequence with one `ObjectPrompts` per object.

    `settings` are those that change masks: they belong to the prompts. The same prompts on the
    same image with the same model give the same masks, see `sam2_widget.segment`. `categories` are
    the classes that were declared or came with a file: their numbers hold in every format.

    Examples
    --------
    >>> prompts = Prompts((ObjectPrompts((Point(12, 8), Point(30, 9, label=0)), label="cell"),))
    >>> Prompts.from_json(prompts.to_json()) == prompts
    True
    """

    objects: tuple[ObjectPrompts, ...] = ()
    settings: Settings = DEFAULTS
    categories: Categories = NO_CATEGORIES

    @overload
    def __getitem__(self, index: int) -> ObjectPrompts: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ObjectPrompts, ...]: ...
    def __getitem__(self, index: int | slice) -> ObjectPrompts | tuple[ObjectPrompts, ...]:
        return self.objects[index]

    def __len__(self) -> int:
        return len(self.objects)

    def to_json(self) -> str:
        """JSON text that `from_json` reads."""
        file = _File(FORMAT, VERSION, self.objects, self.settings, classes_of(self.categories))
        return msgspec.json.encode(file).decode()

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write `to_json` to a file, whole or not at all.

        Raises
        ------
        ExistsError
            If there is such a file and `overwrite` is false.
        ExportError
            If it cannot be written; a file that was there is as it was.
        """
        write_bytes(path, self.to_json().encode(), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Prompts:
        """Read what `save` wrote.

        Raises
        ------
        PromptError
            If there is no such file, or it holds no prompts.
        """
        return read_prompts(path, cls.from_json)

    @staticmethod
    def schema() -> dict[str, Any]:
        """JSON Schema of `to_json`, for programs that write prompts by themselves."""
        schema: dict[str, Any] = json.loads(msgspec.json.encode(msgspec.json.schema(_File)))
        return schema

    def to_code(self, image: str | None = None, model: str = "auto", **options: Any) -> str:
        """The lines of Python that segment `image`, a path or the name ``image``, by these prompts.

        `options` are the further arguments of `segment`, e.g. ``channels=``.
        """
        return to_code(self, image=image, model=model, options=options)

    @classmethod
    def from_json(cls, text: str) -> Prompts:
        """Read what `to_json` wrote.

        Raises
        ------
        PromptError
            If the text is not JSON, of another version or malformed.
        """
        try:
            version = msgspec.json.decode(text, type=_Header).version
            if version != VERSION:
                raise PromptError(f"prompts must be of version {VERSION}, got {version}")
            file = msgspec.json.decode(text, type=_File)
            return cls(file.objects, file.settings, categories_from(file.classes))
        except (msgspec.MsgspecError, RecursionError, TypeError, UnicodeError) as error:
            raise PromptError(f"these are no prompts: {error}") from error


def read_prompts(path: str | os.PathLike[str], parse: Callable[[str], T]) -> T:
    """What `parse` makes of a file's text; PromptError, which names the file, if it cannot."""
    try:
        return parse(read_bytes(path).decode())
    except (AnnotationError, UnicodeError) as error:
        raise PromptError(str(error)) from error
    except PromptError as error:
        raise PromptError(f"{os.fspath(path)!r}: {error}") from error


def as_prompts(value: Any) -> Prompts:
    """Make `Prompts` of what a user may pass.

    Parameters
    ----------
    value : Prompts, a prompt, sequence of prompts, or sequence of such sequences
        A flat sequence describes one object, a nested one several.

    Raises
    ------
    PromptError
        If `value` is none of these.
    """
    if isinstance(value, Prompts):
        return value
    if isinstance(value, KINDS):
        return Prompts((ObjectPrompts((value,)),))
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise PromptError(
            f"prompts must be w.prompts, a Point, a Box, … or lists of them, got {shown(value)}"
        )
    if value and is_flat(value):
        return Prompts((ObjectPrompts(tuple(value)),))
    return Prompts(tuple(_as_object(item) for item in value))


def _as_object(item: object) -> ObjectPrompts:
    if isinstance(item, ObjectPrompts):
        return item
    if isinstance(item, Sequence) and not isinstance(item, (str, bytes)):
        return ObjectPrompts(tuple(item))
    raise PromptError(f"an object's prompts must be a list of Point, Box, …, got {shown(item)}")
