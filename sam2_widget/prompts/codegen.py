"""Prompts as the program that makes their masks."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from sam2_widget.masks.settings import Settings
from sam2_widget.prompts.categories import Categories
from sam2_widget.prompts.types import Prompt

NOTHING: Mapping[str, Any] = MappingProxyType({})


class ObjectPromptsLike(Protocol):
    """An `ObjectPrompts`, whose module imports this one."""

    @property
    def prompts(self) -> Sequence[Prompt]:
        """In the order in which they were given."""


class PromptsLike(Protocol):
    """A `Prompts`, whose module imports this one."""

    @property
    def settings(self) -> Settings:
        """What its masks are made with."""

    @property
    def categories(self) -> Categories:
        """The classes that are known."""

    def __iter__(self) -> Iterator[ObjectPromptsLike]:
        """Its objects."""


def to_code(
    prompts: PromptsLike, *, image: str | None, model: str, options: Mapping[str, Any] = NOTHING
) -> str:
    """Python that segments `image` by `prompts`, with its imports, ready to run.

    Parameters
    ----------
    prompts : Prompts
    image : str or None
        Path of the image; None if it came from no file: then it is called ``image``.
    model : str
        What `segment` is given.
    options : mapping
        The further arguments of `segment`.
    """
    names = {"ObjectPrompts", "Prompts", "segment"}
    names |= {type(prompt).__name__ for one in prompts for prompt in one.prompts}
    settings = ""
    if prompts.settings != type(prompts.settings)():
        names.add(type(prompts.settings).__name__)
        settings = f"    settings={_call(prompts.settings)},\n"
    if prompts.categories.names:
        names.add("Categories")
        settings += f"    categories={_categories(prompts.categories)},\n"
    objects = "".join(_object(one) for one in prompts)
    named = {"model": model, **options}
    arguments = ["image" if image is None else _text(image), "prompts"]
    arguments += [f"{name}={_literal(value)}" for name, value in named.items()]
    return (
        f"from sam2_widget import {', '.join(sorted(names, key=str.lower))}\n\n"
        f"prompts = Prompts(\n    (\n{objects}    ),\n{settings})\n"
        f"result = segment({', '.join(arguments)})\n"
    )


def _object(one: ObjectPromptsLike) -> str:
    lines = "".join(f"                {_call(prompt)},\n" for prompt in one.prompts)
    options = {name: getattr(one, name) for name in ("label", "number", "color", "crowd")}
    known = {name: value for name, value in options.items() if value not in (None, False)}
    more = "".join(f"            {name}={_literal(value)},\n" for name, value in known.items())
    return f"        ObjectPrompts(\n            (\n{lines}            ),\n{more}        ),\n"


def _categories(categories: Categories) -> str:
    ids = "" if categories.ids is None else f", ids={categories.ids!r}"
    names = ", ".join(map(_text, categories.names))
    return f"Categories(({names},){ids})"


def _call(value: Any) -> str:
    values = ((name, getattr(value, name)) for name in value.__struct_fields__)
    fields = ", ".join(f"{name}={_literal(one)}" for name, one in values if one is not None)
    return f"{type(value).__name__}({fields})"


def _literal(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_literal(k)}: {_literal(v)}" for k, v in value.items()) + "}"
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(_literal, value))
        one = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{one})"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'  # no literal stands for it
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    """A text in double quotes where it is plain, else as Python quotes it."""
    quoted = json.dumps(value, ensure_ascii=False)
    return quoted if value.isprintable() and "\\" not in value else repr(value)
