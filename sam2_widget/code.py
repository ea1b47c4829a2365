"""Prompts as the program that makes their masks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam2_widget.prompts import ObjectPrompts, Prompts


NOTHING: Mapping[str, Any] = MappingProxyType({})


def to_code(
    prompts: Prompts, *, image: str | None, model: str, options: Mapping[str, Any] = NOTHING
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
    objects = "".join(_object(one) for one in prompts)
    named = {"model": model, **options}
    arguments = ["image" if image is None else _text(image), "prompts"]
    arguments += [f"{name}={_literal(value)}" for name, value in named.items()]
    return (
        f"from sam2_widget import {', '.join(sorted(names, key=str.lower))}\n\n"
        f"prompts = Prompts(\n    (\n{objects}    ),\n{settings})\n"
        f"result = segment({', '.join(arguments)})\n"
    )


def _object(one: ObjectPrompts) -> str:
    lines = "".join(f"                {_call(prompt)},\n" for prompt in one.prompts)
    label = "" if one.label is None else f"            label={_text(one.label)},\n"
    return f"        ObjectPrompts(\n            (\n{lines}            ),\n{label}        ),\n"


def _call(value: Any) -> str:
    fields = ", ".join(f"{n}={_literal(getattr(value, n))}" for n in value.__struct_fields__)
    return f"{type(value).__name__}({fields})"


def _literal(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_literal(k)}: {_literal(v)}" for k, v in value.items()) + "}"
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        value = value.tolist()
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    """A text in double quotes where it is plain, else as Python quotes it."""
    quoted = json.dumps(value, ensure_ascii=False)
    return quoted if value.isprintable() and "\\" not in value else repr(value)
