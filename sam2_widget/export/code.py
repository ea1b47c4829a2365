"""A result as the program that makes it."""

from __future__ import annotations

import json
from typing import Any

from sam2_widget.prompts import ObjectPrompts, Prompts


def to_code(prompts: Prompts, *, image: str, model: str) -> str:
    """Python that segments `image` by `prompts`, with imports, ready to run.

    Parameters
    ----------
    prompts : Prompts
    image, model : str
        What `segment` is given.
    """
    kinds = sorted({type(p).__name__ for one in prompts for p in one.prompts})
    names = sorted({"ObjectPrompts", "Prompts", "segment", *kinds}, key=str.lower)
    settings = "" if prompts.settings == type(prompts)().settings else _call(prompts.settings)
    if settings:
        names = sorted({*names, type(prompts.settings).__name__}, key=str.lower)
    objects = "".join(_object(one) for one in prompts)
    more = f"    settings={settings},\n" if settings else ""
    return (
        f"from sam2_widget import {', '.join(names)}\n\n"
        f"prompts = Prompts(\n    (\n{objects}    ),\n{more})\n"
        f"result = segment({_text(image)}, prompts, model={_text(model)})\n"
    )


def _object(one: ObjectPrompts) -> str:
    lines = "".join(f"                {_call(prompt)},\n" for prompt in one.prompts)
    label = "" if one.label is None else f"            label={_text(one.label)},\n"
    return f"        ObjectPrompts(\n            (\n{lines}            ),\n{label}        ),\n"


def _call(value: Any) -> str:
    fields = ", ".join(f"{n}={_literal(getattr(value, n))}" for n in value.__struct_fields__)
    return f"{type(value).__name__}({fields})"


def _literal(value: object) -> str:
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    """A text in double quotes; JSON's escapes are Python's, but for pairs of surrogates."""
    quoted = json.dumps(value, ensure_ascii=False)
    return quoted if quoted.isprintable() else repr(value)
