"""Pickling and copying of frozen values that hold read-only mappings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from types import MappingProxyType
from typing import Any


class PicklesMappings:
    """A frozen dataclass whose read-only mappings are pickled as plain ones.

    Python can neither pickle nor deep-copy a `types.MappingProxyType`.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        values = {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]
        mappings = tuple(n for n, value in values.items() if isinstance(value, MappingProxyType))
        plain = {name: dict(values[name]) if name in mappings else values[name] for name in values}
        return _restored, (type(self), plain, mappings)


def _restored(kind: Callable[..., Any], plain: dict[str, Any], mappings: tuple[str, ...]) -> Any:
    read_only = {name: MappingProxyType(plain[name]) for name in mappings}
    return kind(**{**plain, **read_only})
