"""Where masks come from: what is needed to make them again, or to doubt them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

import numpy as np

PACKAGES = ("sam2-widget", "sam2", "torch", "numpy")
"""Those whose versions decide what a mask looks like."""


@cache
def package_versions() -> MappingProxyType[str, str]:
    """Versions of `PACKAGES`, as far as they are installed."""
    found = {name: _version(name) for name in PACKAGES}
    return MappingProxyType({name: one for name, one in found.items() if one})


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from a source folder
        return ""


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Maker:
    """What has answered.

    Attributes
    ----------
    model, device, precision : str
        See `Provenance`.
    """

    model: str
    device: str = ""
    precision: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """How masks were made.

    Attributes
    ----------
    model : str
        Name of the model.
    device : str
        Where it computed.
    precision : str
        In which its encoder computed, ``"float32"`` or ``"bfloat16"``; empty if it does not say.
    image : mapping
        How the image became RGB: ``source``, ``shape``, ``dtype``, ``channels``, ``limits``, ….
    versions : mapping of str to str
        Versions of the packages that decide what a mask looks like.
    time : str
        When the masks were made, UTC, ISO 8601.
    """

    model: str
    device: str = ""
    image: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    versions: MappingProxyType[str, str] = field(default_factory=package_versions)
    time: str = field(default_factory=_now)
    precision: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, which can be written as JSON."""
        plain = {name: getattr(self, name) for name in ("model", "device", "precision", "time")}
        return {**plain, "image": _plain(self.image), "versions": dict(self.versions)}


def _plain(value: Any) -> Any:
    """A value as JSON has it: numbers of NumPy, and what else a user may have passed, too."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
