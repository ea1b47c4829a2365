"""What this kernel may use: memory, disk and threads. One table for users and administrators.

Each value is an argument of `configure` and, with ``SAM2_WIDGET_`` before its name in capitals, an
environment variable: ``SAM2_WIDGET_HOST_MEMORY=2GiB``. `configure` overrules the environment.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

from sam2_widget.errors import SettingError

Size: TypeAlias = int | str
"""Bytes, or text with a unit: ``"512MiB"``, ``"4 GB"``."""

ENVIRONMENT = "SAM2_WIDGET_"

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_ON, _OFF = ("1", "on", "true", "yes"), ("", "0", "off", "false", "no", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What this kernel may use.

    Attributes
    ----------
    device_memory : int
        Most bytes of embeddings on each GPU; what is over that goes to the host.
    host_memory : int
        Most bytes of embeddings in the host's memory; what is over that is forgotten.
    store : Path or None
        Folder in which embeddings outlive the kernel; None keeps none on disk.
    store_size : int
        Most bytes in that folder; the least recently used files go.
    threads : int or None
        Threads of torch on the CPU; None for a number that suits the machine's load.
    idle_minutes : float
        After so long without use a model leaves its GPU, until the next click; 0: never.
    smaller_model : bool or None
        Whether a smaller model may take over when memory runs out; None: where it was ``"auto"``.
    """

    device_memory: int = 256 * 2**20
    host_memory: int = 512 * 2**20
    store: Path | None = None
    store_size: int = 4 * 2**30
    threads: int | None = None
    idle_minutes: float = 15.0
    smaller_model: bool | None = None


_current: Resources | None = None
_observers: list[Callable[[], None]] = []


def current() -> Resources:
    """What is in force; read from the environment the first time."""
    global _current  # noqa: PLW0603 - one kernel, one set of limits
    if _current is None:
        _current = from_environment(os.environ)
    return _current


def configure(
    *,
    device_memory: Size | None = None,
    host_memory: Size | None = None,
    store: bool | str | os.PathLike[str] | None = None,
    store_size: Size | None = None,
    threads: int | None = None,
    idle_minutes: float | None = None,
    smaller_model: bool | None = None,
) -> Resources:
    """Say how much this kernel may use; what is not given stays as it is.

    Parameters
    ----------
    device_memory : int or str
        Most bytes of embeddings on each GPU, 256 MiB by default; ``"512MiB"`` will do.
    host_memory : int or str
        Most bytes of embeddings in the host's memory, 512 MiB by default.
    store : bool or path
        Whether embeddings outlive the kernel, in the user's cache folder or in the one given. Off
        by default: an embedding tells much about its image, and stays when that is deleted.
    store_size : int or str
        Most bytes on disk, 4 GiB by default.
    threads : int
        Threads of torch on the CPU.
    idle_minutes : float
        After so long without use a model leaves its GPU, 15 by default; it comes back at the next
        click. 0: never.
    smaller_model : bool
        Whether a smaller model may take over when memory runs out. By default only where the model
        was ``"auto"``.

    Returns
    -------
    Resources
        What is in force now.

    Raises
    ------
    SettingError
        If a value makes no sense. Nothing is changed then.

    Examples
    --------
    >>> from sam2_widget import configure
    >>> configure(store=True, store_size="10GB")  # doctest: +SKIP
    """
    global _current  # noqa: PLW0603
    given = {
        "device_memory": device_memory,
        "host_memory": host_memory,
        "store": store,
        "store_size": store_size,
        "threads": threads,
        "idle_minutes": idle_minutes,
        "smaller_model": smaller_model,
    }
    changes: dict[str, Any] = {n: _checked(n, v) for n, v in given.items() if v is not None}
    _current = replace(current(), **changes)
    for changed in _observers:
        changed()
    return _current


def subscribe(changed: Callable[[], None]) -> None:
    """Have `changed` called when `configure` has changed something."""
    _observers.append(changed)


def from_environment(environment: os._Environ[str] | dict[str, str]) -> Resources:
    """What environment variables say; one that makes no sense is warned of and left out."""
    changes: dict[str, Any] = {}
    for field in fields(Resources):
        text = environment.get(ENVIRONMENT + field.name.upper())
        if text is None:
            continue
        try:
            changes[field.name] = _checked(field.name, text.strip())
        except SettingError as error:
            warnings.warn(f"{ENVIRONMENT}{field.name.upper()} is ignored: {error}", stacklevel=3)
    return replace(Resources(), **changes)


def _checked(name: str, value: object) -> object:
    if name == "store":
        return _folder(value)
    if name == "threads":
        return _count(value)
    if name == "idle_minutes":
        return _minutes(value)
    if name == "smaller_model":
        return _switch(name, value)
    return _bytes(name, value)


def _folder(value: object) -> Path | None:
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else value
    if text is True or (isinstance(text, str) and text.lower() in _ON):
        import platformdirs  # noqa: PLC0415 - on demand

        return platformdirs.user_cache_path("sam2-widget", appauthor=False) / "embeddings"
    if text is False or (isinstance(text, str) and text.lower() in _OFF):
        return None
    if not isinstance(text, str):
        raise SettingError(f"store must be True, False or the path of a folder, got {value!r}")
    return Path(text).expanduser().absolute()


def _count(value: object) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingError(f"threads must be a whole number from 1, got {value!r}")
    return value


def _minutes(value: object) -> float:
    try:
        found = float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        found = math.nan
    if isinstance(value, bool) or not (math.isfinite(found) and found >= 0):
        raise SettingError(f"idle_minutes must be a number from 0, got {value!r}")
    return found


def _switch(name: str, value: object) -> bool:
    text = value.lower() if isinstance(value, str) else value
    if text is True or text in _ON:
        return True
    if text is False or text in _OFF:
        return False
    raise SettingError(f"{name} must be True or False, got {value!r}")


def _bytes(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise SettingError(f"{name} must be bytes, or a text like '512MiB', got {value!r}")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " kmgt".index(unit.lower() or " "))
