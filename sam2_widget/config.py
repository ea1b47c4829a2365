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

CPU_BACKENDS = ("auto", "torch", "openvino")

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
        Most bytes of embeddings in the host's memory; what is over that is forgotten. The images of
        a set that are prepared to be shown may take as much again.
    store : Path or None
        Folder in which embeddings outlive the kernel; None keeps none on disk.
    store_size : int
        Most bytes in that folder; the least recently used files go.
    threads : int or None
        Threads of torch on the CPU; None for a number that suits the machine's load.
    idle_minutes : float
        After so long without use a model leaves its GPU, until the next click; 0: never.
    cpu_backend : str
        What encoders run with on the CPU: ``"auto"``, ``"torch"`` or ``"openvino"``.
    converted : Path or None
        Folder of encoders that were converted for OpenVINO; None for the user's cache folder.
    smaller_model : bool or None
        Whether a smaller model may take over when memory runs out; None: where it was ``"auto"``.
    autosave : Path or None
        Folder in which the prompts of all widgets outlive the kernel; None keeps none on disk.
    save_picture : bool
        Whether saved notebooks hold a picture of the image, where a widget does not say so itself.
    """

    device_memory: int = 256 * 2**20
    host_memory: int = 512 * 2**20
    store: Path | None = None
    store_size: int = 4 * 2**30
    threads: int | None = None
    idle_minutes: float = 15.0
    cpu_backend: str = "auto"
    converted: Path | None = None
    smaller_model: bool | None = None
    autosave: Path | None = None
    save_picture: bool = True


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
    cpu_backend: str | None = None,
    converted: str | os.PathLike[str] | None = None,
    smaller_model: bool | None = None,
    autosave: bool | str | os.PathLike[str] | None = None,
    save_picture: bool | None = None,
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
        by default: an embedding reveals much about its image, and stays when that is deleted.
    store_size : int or str
        Most bytes on disk, 4 GiB by default.
    threads : int
        Threads of torch on the CPU.
    idle_minutes : float
        After so long without use a model leaves its GPU, 15 by default; it comes back at the next
        click. 0: never.
    cpu_backend : str
        What the encoders of the bundled model and of EdgeTAM run with on the CPU. ``"auto"``: with
        OpenVINO if it is installed and the encoder has been converted; else with torch, and it is
        converted in the background, for when the model is loaded next. ``"openvino"``: converted
        before it is used. ``"torch"``: never. Masks differ by rounding only.
    converted : path
        Folder of encoders that were converted for OpenVINO, which users may share; by default in
        the user's cache folder.
    smaller_model : bool
        Whether a smaller model may take over when memory runs out. By default only where the model
        was ``"auto"``.
    autosave : bool or path
        Whether the prompts of widgets that are opened from now on are saved to disk as they
        change, in the user's folder for such things or in the one given, to be offered again when
        the same image is opened. Off by default: then they are kept as long as the kernel runs.
    save_picture : bool
        Whether saved notebooks hold a picture of the image with its masks, by default; widgets that
        are there already stay as they are.

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
        "cpu_backend": cpu_backend,
        "converted": converted,
        "smaller_model": smaller_model,
        "autosave": autosave,
        "save_picture": save_picture,
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
    if name in ("store", "autosave"):
        return _folder(name, value)
    if name in ("smaller_model", "save_picture"):
        return _switch(name, value)
    if name == "converted":
        return _path(name, value)
    check = {"cpu_backend": _backend, "threads": _count, "idle_minutes": _minutes}.get(name)
    return check(value) if check else _bytes(name, value)


def checked_autosave(value: object) -> Path | None:
    """The folder that prompts are saved in, None for none; SettingError for another value."""
    return _folder("autosave", value)


def _default_folder(name: str) -> Path:
    import platformdirs  # noqa: PLC0415 - on demand

    if name == "store":
        return platformdirs.user_cache_path("sam2-widget", appauthor=False) / "embeddings"
    return platformdirs.user_state_path("sam2-widget", appauthor=False) / "autosave"


def _folder(name: str, value: object) -> Path | None:
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else value
    if text is True or (isinstance(text, str) and text.lower() in _ON):
        return _default_folder(name)
    if text is False or (isinstance(text, str) and text.lower() in _OFF):
        return None
    if not isinstance(text, str):
        raise SettingError(f"{name} must be True, False or the path of a folder, got {value!r}")
    return _path(name, text)


def _path(name: str, value: object) -> Path:
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(text, str) or not text:
        raise SettingError(f"{name} must be the path of a folder, got {value!r}")
    return Path(text).expanduser().absolute()


def _backend(value: object) -> str:
    text = value.lower() if isinstance(value, str) else value
    if text not in CPU_BACKENDS:
        choices = ", ".join(map(repr, CPU_BACKENDS))
        raise SettingError(f"cpu_backend must be one of {choices}, got {value!r}")
    return str(text)


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
