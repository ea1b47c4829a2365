"""Provenance of masks: the model, image conversion and package versions that they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

import numpy as np

from sam2_widget._utils.pickling import PicklesMappings

PACKAGES = ("sam2-widget", "sam2", "torch", "numpy")
"""Packages whose versions affect masks."""


@cache
def package_versions() -> MappingProxyType[str, str]:
    """Versions of `PACKAGES`, as far as they are installed."""
    found = {name: _version(name) for name in PACKAGES}
    return MappingProxyType({name: one for name, one in found.items() if one})


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # not installed, run from the source folder
        return ""


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Maker:
    """The model that predicted a mask.

    Attributes
    ----------
    model, device, precision, implementation : str
        See `Provenance`.
    """

    model: str
    device: str = ""
    precision: str = ""
    implementation: str = ""


@dataclass(frozen=True, slots=True)
class Provenance(PicklesMappings):
    """How masks were made.

    Attributes
    ----------
    model : str
        Name of the model.
    device : str
        Device that it ran on.
    precision : str
        Precision of its encoder, ``"float32"`` or ``"bfloat16"``; empty if unknown.
    image : mapping
        How the image was converted: ``source``, ``shape``, ``dtype``, ``channels``, ``limits``, ….
    versions : mapping of str to str
        Versions of the packages that affect masks.
    time : str
        When the masks were made, UTC, ISO 8601.
    implementation : str
        Package with the network, and its version, ``"sam2 1.1.0"``; empty if it does not say.
    """

    model: str
    device: str = ""
    image: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    versions: MappingProxyType[str, str] = field(default_factory=package_versions)
    time: str = field(default_factory=_now)
    precision: str = ""
    implementation: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("model", "implementation", "device", "precision", "time")
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "image": _plain(self.image), "versions": dict(self.versions)}


def _plain(value: Any) -> Any:
    """Convert NumPy numbers, and any other values that a user has passed, for JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
