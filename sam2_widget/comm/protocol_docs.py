"""Generates the front end's types of the protocol, and the tables of messages in the documentation.

Both come from the definitions in `sam2_widget.comm.requests` and `sam2_widget.comm.messages`:
``python -m sam2_widget.comm.protocol_docs`` in a checkout writes the tables `TABLES` and the JSON
schema `SCHEMA`, which ``npm run types`` converts to TypeScript. Tests compare them.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

import msgspec

from sam2_widget.comm import messages, requests, set_messages, set_requests

SCHEMA = "js/src/protocol/schema.json"
TABLES = "docs/_protocol-{}.md"

Schema: TypeAlias = dict[str, Any]

UNIONS: dict[str, Any] = {
    "Action": requests.Action,
    "Query": requests.Query,
    "Transfer": requests.Transfer,
    "PageMessage": requests.Message,
    "SentPrompt": requests.SentPrompt,
    "KernelMessage": messages.KernelMessage,
    "ShownPrompt": messages.ShownPrompt,
    "SetAction": set_requests.SetAction,
    "SetRequest": set_requests.SetRequest,
    "SetMessage": set_requests.SetMessage,
    "SetKernelMessage": set_messages.SetKernelMessage,
}
"""Unions that get a name of their own."""

PROPERTIES = ("SyncedTraits", *UNIONS, "Answers", "SetTraits", "SetAnswers")

ROOTS = (
    messages.SyncedTraits,
    messages.Answers,
    requests.PromptsRequest,
    set_messages.SetTraits,
    set_messages.SetAnswers,
)
"""Definitions that are in no union."""

REFERENCE = "#/definitions/{name}"


def schema() -> Schema:
    """JSON schema (draft 7) of all messages and traits, by their names."""
    kinds = [*ROOTS, *(kind for union in UNIONS.values() for kind in get_args(union))]
    _, found = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    documented = _documented_types(kinds)
    definitions = {name: _described(one, documented.get(name)) for name, one in found.items()}
    for name, union in UNIONS.items():
        definitions[name] = {"anyOf": [_reference(kind.__name__) for kind in get_args(union)]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Protocol",
        "description": "What crosses the comm.",
        "type": "object",
        "properties": {name: _reference(name) for name in PROPERTIES},
        "definitions": dict(sorted(definitions.items())),
    }


def _reference(name: str) -> Schema:
    return {"$ref": REFERENCE.format(name=name)}


def _documented_types(kinds: Iterable[Any]) -> dict[str, Any]:
    """`kinds` and the types of their fields, by name."""
    found: dict[str, Any] = {}
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        if get_args(kind):
            waiting += get_args(kind)
        elif getattr(kind, "__annotations__", None) and kind.__name__ not in found:
            found[kind.__name__] = kind
            waiting += get_type_hints(kind).values()
    return found


def _described(found: Schema, kind: Any) -> Schema:
    """A definition with its fields in the order and with the descriptions of its class."""
    built: Schema = _as_draft_7(found)
    built.pop("title", None)
    if kind is None:
        return built
    built["description"] = summary(kind)
    texts, properties = attributes(kind), built.get("properties", {})
    order = [name for name in get_type_hints(kind) if name in properties]
    built["properties"] = {
        name: _with_description(properties[name], texts.get(name))
        for name in dict.fromkeys([*properties.keys() - order, *order])
    }
    return built


def _with_description(field: Schema, text: str | None) -> Schema:
    return {**field, "description": text} if text else field


def _as_draft_7(value: Any) -> Any:
    """Convert tuples to draft 7: ``items`` in place of ``prefixItems``."""
    if isinstance(value, list):
        return [_as_draft_7(item) for item in value]
    if not isinstance(value, dict):
        return value
    built = {key: _as_draft_7(item) for key, item in value.items()}
    if "prefixItems" in built:
        built["items"] = built.pop("prefixItems")
    return built


# --- docstrings -----------------------------------------------------------------------------------

_FIELD = re.compile(r"^(\w[\w, ]*) : .*\n((?:    .*\n?)+)", re.MULTILINE)


def summary(kind: type) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


def attributes(kind: type) -> dict[str, str]:
    """The descriptions of attributes in the docstrings of a class and its bases."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        text = f"{inspect.cleandoc(base.__doc__ or '')}\n"
        for names, description in _FIELD.findall(text):
            found.update(dict.fromkeys(names.split(", "), " ".join(description.split())))
    return found


# --- tables ---------------------------------------------------------------------------------------


def traits_table(traits: type = messages.SyncedTraits) -> str:
    """The traits as Markdown."""
    texts = attributes(traits)
    rows = [
        (f"`{name}`", texts.get(name, ""), _fields(kind))
        for name, kind in get_type_hints(traits).items()
        if name.startswith("_")
    ]
    return _table(("trait", "content", "fields"), rows)


def page_table(sent: Any = requests.Message, answered: type = messages.Answers) -> str:
    """The messages of pages with their answers, as Markdown."""
    answers = get_type_hints(answered)
    rows = [
        (f"`{_type(kind)}`", summary(kind), _fields(kind), _answer(answers.get(_type(kind))))
        for kind in get_args(sent)
    ]
    return _table(("`type`", "what", "fields", "answer"), rows)


def kernel_table(sent: Any = messages.KernelMessage) -> str:
    """The custom messages of the kernel, as Markdown."""
    rows = [(f"`{_type(kind)}`", summary(kind), _fields(kind)) for kind in get_args(sent)]
    return _table(("`type`", "what", "fields"), rows)


def _type(kind: Any) -> str:
    """The value of the field ``type``."""
    if issubclass(kind, msgspec.Struct):
        return str(kind.__struct_config__.tag)
    return str(get_args(get_type_hints(kind)["type"])[0])


def _fields(kind: Any) -> str:
    """The fields of a definition, optional ones with a question mark."""
    if get_origin(kind) is list:
        return _fields(get_args(kind)[0])
    _, found = msgspec.json.schema_components([kind], ref_template=REFERENCE)
    definition = found.get(getattr(kind, "__name__", ""), {})
    required = definition.get("required", ())
    names = get_type_hints(kind) if definition else ()
    return ", ".join(f"`{n}{'' if n in required else '?'}`" for n in names if n != "type")


def _answer(kind: Any) -> str:
    return f"`{_type(kind)}`" if kind else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


GENERATED: dict[str, Callable[[], str]] = {
    SCHEMA: lambda: json.dumps(schema(), indent=2) + "\n",
    TABLES.format("traits"): traits_table,
    TABLES.format("page"): page_table,
    TABLES.format("kernel"): kernel_table,
    TABLES.format("set-traits"): lambda: traits_table(set_messages.SetTraits),
    TABLES.format("set-page"): lambda: page_table(set_requests.SetMessage, set_messages.SetAnswers),
    TABLES.format("set-kernel"): lambda: kernel_table(set_messages.SetKernelMessage),
}
"""Paths of generated files in a checkout, and the function that generates each."""


def main(root: Path) -> None:
    """Write the generated files of a checkout."""
    for path, make in GENERATED.items():
        (root / path).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
