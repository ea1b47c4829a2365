"""Models by name: which checkpoint, from where, on which device. One shared instance per kernel.

torch is imported only when a model is loaded.
"""

from __future__ import annotations

import io
import os
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from sam2_widget import config
from sam2_widget._utils.hashing import sha256_of
from sam2_widget._utils.regular_files import open_regular
from sam2_widget.errors import (
    CheckpointError,
    DeviceError,
    DownloadError,
    MissingLibraryError,
    ModelError,
    SettingError,
    UnknownModelError,
)
from sam2_widget.models import packages, worker
from sam2_widget.models.published import (
    AUTHORS,
    CONFIG,
    HUB_IDS,
    HUGGING_FACE_FILE,
    IMAGE_SIZES,
    SHA256,
    known_file,
)
from sam2_widget.predictor import Predictor

T = TypeVar("T")

Progress: TypeAlias = Callable[[str, float | None], None]
"""Called with ``(what, fraction)`` during a download: the hub id, and the fraction that has been
downloaded, 0..1, or None if the size is unknown."""

BUNDLED = Path(__file__).parents[1] / "weights" / "bundled.safetensors"
BUNDLED_SHA256 = "f88f71c87b8c8125adc9cb00d36c3f80cd17a03c1d52719d9def111f559f6256"

MEMORY_NEEDED = {"large": 6e9, "base-plus": 4e9, "small": 3e9}
"""Free GPU memory in bytes below which ``"auto"`` uses the next smaller model: enough for the
weights and for encoding one image, with a margin."""

_DESCRIPTIONS = {
    "auto": "the best that this machine can run; bundled if no checkpoint is in reach",
    "bundled": "compact model inside this package, no download",
    "tiny": "SAM 2.1 Hiera tiny, 156 MB",
    "small": "SAM 2.1 Hiera small, 184 MB",
    "base-plus": "SAM 2.1 Hiera base plus, 324 MB",
    "large": "SAM 2.1 Hiera large, 898 MB",
    "edgetam": "EdgeTAM, SAM 2 distilled for small devices, needs the extra 'edgetam'",
}

CONNECT_TIMEOUT = 10.0
"""Seconds after which the hub counts as unreachable."""

RETRY_AFTER = 300.0
"""Seconds for which ``"auto"`` does not retry a hub that could not be reached."""

_SUFFIXES = (".pt", ".pth", ".safetensors")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_DEVICE = re.compile(r"cpu|mps|cuda(:\d+)?")


ModelLike: TypeAlias = "str | os.PathLike[str] | Predictor"
"""A model as users pass it: a name, a path, or a predictor as `load_model` returns it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file with weights on this machine.

    Attributes
    ----------
    name : str
        Name of the model.
    path : Path
    note : str
        A sentence for the user, or empty.
    image_size : int or None
        Side of the model's square input in pixels, if the user gave it.
    """

    name: str
    path: Path
    note: str = ""
    image_size: int | None = None


def available_models() -> dict[str, str]:
    """Names that `load_model` and `SegmentWidget` accept, each with a one-line description.

    A Hugging Face hub id (``"owner/name"``), the path of a SAM 2 checkpoint, and a folder in which
    `transformers` has saved a SAM 2 or an EdgeTAM are accepted, too.
    """
    return {name: text + _downloaded(name) for name, text in _DESCRIPTIONS.items()}


def _downloaded(name: str) -> str:
    hub_id = HUB_IDS.get(name)
    return ", downloaded" if hub_id and _cached_checkpoint(hub_id) else ""


def check_model(model: object) -> None:
    """Raise `UnknownModelError` unless `model` is a predictor, or a model that can be loaded."""
    usable = hasattr(model, "embed") and hasattr(model, "predict")
    if isinstance(model, type) or not usable:
        check_name(model)


def check_name(name: object) -> None:
    """Raise `UnknownModelError` if no model of that name can be loaded. Accesses no network."""
    if not isinstance(name, (str, os.PathLike)):
        raise UnknownModelError(f"model must be a name or a path, got {name!r}")
    name = os.fspath(name)
    if name in _DESCRIPTIONS or _local_file(name):
        return
    if name.endswith(_SUFFIXES):
        raise UnknownModelError(f"there is no checkpoint {name!r} (in {Path.cwd()})")
    if not _HUB_ID.fullmatch(name):
        raise UnknownModelError(
            f"unknown model {name!r}: choose one of {', '.join(map(repr, _DESCRIPTIONS))}, "
            "a hub id like 'facebook/sam2-hiera-tiny', or the path of a checkpoint"
        )


def check_device(device: str | None) -> None:
    """Raise `DeviceError` if `device` is no device name. Does not check whether it exists."""
    if device is not None and not (isinstance(device, str) and _DEVICE.fullmatch(device)):
        raise DeviceError(
            f"device must be 'cpu', 'cuda', 'cuda:0', 'mps' or None for the best, got {device!r}"
        )


def check_image_size(size: object, model: object) -> None:
    """Raise `SettingError` if a model cannot be built for a square input of `size` pixels."""
    if size is None:
        return
    if model in ("auto", "bundled", "edgetam"):
        raise SettingError(
            f"image_size is for checkpoints of SAM 2, got it with model={model!r}: leave it out"
        )
    if isinstance(size, bool) or not isinstance(size, int) or size not in IMAGE_SIZES:
        raise SettingError(
            f"image_size must be a multiple of {IMAGE_SIZES.step} from {IMAGE_SIZES.start} to "
            f"{IMAGE_SIZES[-1]}, got {size!r}"
        )


def fetch(
    name: str | os.PathLike[str], *, device: str | None = None, progress: Progress | None = None
) -> Checkpoint:
    """Find the checkpoint of a model, and download it if necessary.

    Parameters
    ----------
    name : str
        See `available_models`.
    device : str, optional
        Where it will run; ``"auto"`` depends on it.
    progress : callable, optional
        Called with the progress of the download; without it a progress bar is printed.

    Raises
    ------
    UnknownModelError
        If there is no such model.
    DownloadError
        If the hub or the file on it cannot be reached.
    CheckpointError
        If the file differs from the published one.
    MissingLibraryError
        If no installed package can run it.
    """
    check_name(name)
    check_device(device)
    name = os.fspath(name)
    if name == "auto":
        return _fetch_auto(device, progress)
    if name == "bundled":
        return Checkpoint("bundled", BUNDLED)
    # Before a download that could not be used.
    packages.check_any()
    if name not in HUB_IDS and (path := _local_file(name)):
        return Checkpoint(name, path)
    hub_id = HUB_IDS.get(name, name)
    filename = _find_file(hub_id)
    path = _download(hub_id, filename, progress)
    if filename == HUGGING_FACE_FILE:
        _fetch_config(hub_id)
    return Checkpoint(name, path)


def _local_file(name: str) -> Path | None:
    """A checkpoint on this machine: a file, or a folder as `transformers` saves it."""
    path = Path(name)
    if path.is_dir() and (path / HUGGING_FACE_FILE).is_file():
        return path / HUGGING_FACE_FILE
    return path if path.is_file() else None


def _fetch_config(hub_id: str) -> None:
    """Put the configuration beside weights in the form of `transformers`."""
    if _cached(hub_id, CONFIG) is None:
        import huggingface_hub  # noqa: PLC0415

        _call_hub(hub_id, lambda: huggingface_hub.hf_hub_download(hub_id, CONFIG))


_unreachable_since: float | None = None


def _fetch_auto(device: str | None, progress: Progress | None) -> Checkpoint:
    global _unreachable_since  # noqa: PLW0603 - one hub, one kernel
    name = _best_for(device)
    recently = _unreachable_since and time.monotonic() - _unreachable_since < RETRY_AFTER
    if recently and not _downloaded(name):
        return _fallback(name, "the hub could not be reached a moment ago")
    try:
        found = fetch(name, device=device, progress=progress)
    except DownloadError as error:
        _unreachable_since = time.monotonic()
        return _fallback(name, str(error).split(": ", maxsplit=1)[0])
    _unreachable_since = None
    return found


def _fallback(name: str, reason: str) -> Checkpoint:
    missing = f"SAM 2.1 {name} is not on this machine and could not be downloaded ({reason})"
    if not packages.has_sam2():
        raise DownloadError(
            f"{missing}, and the bundled model needs the package sam2: {packages.INSTALL_SAM2}, "
            "or pass the path of a downloaded checkpoint"
        )
    note = f"Using the bundled model, which is less accurate: {missing}."
    return Checkpoint("bundled", BUNDLED, note)


def _best_for(device: str | None) -> str:
    free = worker.local.run(lambda: _free_gpu_memory(device))
    if free is None:
        return "tiny"
    return next((name for name, needed in MEMORY_NEEDED.items() if free >= needed), "tiny")


def _free_gpu_memory(device: str | None) -> int | None:
    """Bytes free on the GPU that `device` names; None without one."""
    from sam2_widget.models.base import devices  # noqa: PLC0415 - imports torch

    return devices.free_gpu_memory(device)


def on_this_machine(name: str) -> Checkpoint | None:
    """The checkpoint of a model if it is on this machine and can be used, else None."""
    if name == "bundled":
        return Checkpoint(name, BUNDLED) if packages.has_sam2() else None
    found = _cached_checkpoint(HUB_IDS[name])
    return Checkpoint(name, found) if found else None


def _cached_checkpoint(hub_id: str) -> Path | None:
    """A published checkpoint in the cache, in the form that can be used here."""
    return _cached(hub_id, _published_file(hub_id))


def _published_file(hub_id: str) -> str:
    """Name of a published checkpoint in its repository.

    Without the package sam2 the form of `transformers`, unless the other one is on this machine
    and can be converted.
    """
    published = known_file(hub_id)
    is_usable = _cached(hub_id, published) is not None or packages.has_sam2()
    return published if is_usable else HUGGING_FACE_FILE


def _cached(hub_id: str, filename: str) -> Path | None:
    import huggingface_hub  # noqa: PLC0415 - takes 0.06 s, which showing an image need not wait for

    found = huggingface_hub.try_to_load_from_cache(hub_id, filename)
    return Path(found) if isinstance(found, str) else None


def _find_file(hub_id: str) -> str:
    """Name of the only checkpoint in a repository."""
    if hub_id.startswith(AUTHORS) or hub_id in HUB_IDS.values():
        return _published_file(hub_id)
    import huggingface_hub  # noqa: PLC0415

    files: list[str] = _call_hub(hub_id, lambda: huggingface_hub.list_repo_files(hub_id))
    weights = [file for file in files if file.endswith(_SUFFIXES)]
    if len(weights) != 1:
        raise DownloadError(
            f"{hub_id!r} on the hub has {len(weights)} checkpoints ({', '.join(weights[:5])}), "
            "not one: download the right one and pass its path"
        )
    return weights[0]


def _download(hub_id: str, filename: str, progress: Progress | None) -> Path:
    known = SHA256.get(filename) if hub_id.startswith(AUTHORS) else None
    # Weights of one name never change, so a cached file needs no request.
    found = _cached(hub_id, filename)
    if found is not None:
        return check_sha256(found, known)
    import huggingface_hub  # noqa: PLC0415

    # The download itself would retry for half a minute before it fails.
    url = huggingface_hub.hf_hub_url(hub_id, filename)
    metadata = _call_hub(
        hub_id, lambda: huggingface_hub.get_hf_file_metadata(url, timeout=CONNECT_TIMEOUT)
    )
    bar = _reporter(hub_id, progress) if progress else None
    path = _call_hub(
        hub_id, lambda: huggingface_hub.hf_hub_download(hub_id, filename, tqdm_class=bar)
    )
    # The hub's ETag is the SHA-256 of large files, but not of small ones.
    is_sha256 = re.fullmatch("[0-9a-f]{64}", metadata.etag or "")
    return check_sha256(Path(path), known or (metadata.etag if is_sha256 else None))


def check_sha256(path: Path, expected: str | None) -> Path:
    """`path`; CheckpointError if its checksum differs from `expected`, where that is known.

    Caches are shared by users, downloads may be truncated, and a changed file may load without an
    error and give wrong masks.
    """
    if expected is None:
        return path
    try:
        with open_regular(path) as file:
            found = sha256_of(file)
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint {str(path)!r} cannot be read: {error.strerror}; delete it, so that "
            "it is downloaded again"
        ) from error
    if found != expected:
        raise CheckpointError(
            f"the checkpoint {str(path)!r} is truncated or altered: its SHA-256 is {found[:12]}…, "
            f"not {expected[:12]}…; delete {str(path.resolve())!r}, so that it is downloaded again"
        )
    return path


def _call_hub(hub_id: str, call: Callable[[], T]) -> T:
    """Call the hub's API, and raise its errors as `DownloadError`."""
    import huggingface_hub.constants  # noqa: PLC0415
    import huggingface_hub.errors  # noqa: PLC0415

    endpoint = huggingface_hub.constants.ENDPOINT
    advice = "check the network, use model='bundled', or pass the path of a downloaded checkpoint"
    try:
        return call()
    except huggingface_hub.errors.GatedRepoError as error:
        raise DownloadError(
            f"{hub_id!r} needs a licence accepted on {endpoint}: do so, then log in with `hf auth "
            "login`"
        ) from error
    except huggingface_hub.errors.RepositoryNotFoundError as error:
        raise DownloadError(
            f"there is no {hub_id!r} on {endpoint}, or it is private: check the name, or log in "
            "with `hf auth login`"
        ) from error
    except huggingface_hub.errors.RemoteEntryNotFoundError as error:
        raise DownloadError(f"{hub_id!r} on {endpoint} has no checkpoint: {error}") from error
    except Exception as error:  # network, proxy, disk: each raises other exceptions
        raise DownloadError(
            f"{hub_id!r} could not be fetched from {endpoint}: {_reason(error)}; {advice}"
        ) from error


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _reporter(hub_id: str, progress: Progress) -> Any:
    """Class of a progress bar that calls `progress` instead of drawing."""
    from tqdm import tqdm  # noqa: PLC0415 - only here

    class Reporter(tqdm):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            shown: bool | None = super().update(n)
            progress(hub_id, self.n / self.total if self.total else None)
            return shown

    return Reporter


# Used on the models' thread only. Models without other references are dropped, except the newest of
# each device, so that a cell that is run again finds its model.
_loaded: WeakValueDictionary[tuple[Path, int, str, bool, int | None, str], Predictor] = (
    WeakValueDictionary()
)
_newest: dict[str, Predictor] = {}


def loaded_models() -> list[Predictor]:
    """The models that are loaded in this kernel."""
    return list(_loaded.values())


def load_model(
    name: str | os.PathLike[str] = "auto",
    *,
    device: str | None = None,
    image_size: int | None = None,
    progress: Progress | None = None,
) -> Predictor:
    """Load a model, or return it if it is loaded in this kernel.

    Parameters
    ----------
    name : str
        ``"auto"``, ``"bundled"``, ``"tiny"``, ``"small"``, ``"base-plus"``, ``"large"``,
        ``"edgetam"``, a Hugging Face hub id, or the path of a SAM 2 checkpoint, or of a folder in
        which `transformers` has saved a SAM 2 or an EdgeTAM.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``; the best available by default.
    image_size : int, optional
        Side in pixels of the square input that the model was trained for. Weights do not contain
        it; by default the ``image_size`` stored beside the weights is used, else 1024.
    progress : callable, optional
        Called with the hub id and a fraction while it downloads; else a progress bar is printed.

    Returns
    -------
    Predictor
        May be passed to `segment` and `SegmentWidget` as `model`.

    Raises
    ------
    UnknownModelError
        If there is no such model.
    DownloadError
        If its checkpoint cannot be fetched.
    CheckpointError
        If the checkpoint is broken or of another architecture.
    DeviceError
        If the device does not exist or has too little memory.
    SettingError
        If the model does not support `image_size`.
    MissingLibraryError
        If no installed package can run it.
    """
    check_image_size(image_size, name)
    found = replace(fetch(name, device=device, progress=progress), image_size=image_size)
    if found.note:
        warnings.warn(found.note, stacklevel=2)
    return load_checkpoint(found, device=device)


def load_checkpoint(
    checkpoint: Checkpoint, *, device: str | None = None, half: bool = False
) -> Predictor:
    """Load a checkpoint from `fetch`, or return its model if it is loaded in this kernel.

    With `half`, its weights take half the memory. Raises the errors of `load_model`, except those
    of `fetch`.
    """
    return worker.local.run(lambda: _load(checkpoint, device, half=half))


def resolve_device(device: str | None) -> str:
    """Name of the device that is used for `device`; imports torch."""
    from sam2_widget.models.base import devices  # noqa: PLC0415

    return devices.resolve_device(device)


def is_half(device: str) -> bool:
    """Whether models are in half precision on `device` by default; imports torch."""
    from sam2_widget.models.base import devices  # noqa: PLC0415

    return devices.is_half(device)


def _load(checkpoint: Checkpoint, device: str | None, *, half: bool) -> Predictor:
    try:
        return _load_once(checkpoint, device, half=half)
    except MissingLibraryError:
        raise
    except ImportError as error:
        raise ModelError(
            f"SAM 2 is not installed properly: {error}; see 'Install' in the README"
        ) from error


def _load_once(checkpoint: Checkpoint, device: str | None, *, half: bool) -> Predictor:
    from sam2_widget.models import predictors  # noqa: PLC0415 - imports torch

    resolved = resolve_device(device)
    # A file that was written again is another model.
    version = checkpoint.path.stat().st_mtime_ns if checkpoint.path.exists() else 0
    backend = config.current().cpu_backend if resolved == "cpu" else ""
    key = (checkpoint.path.resolve(), version, resolved, half, checkpoint.image_size, backend)
    found = _loaded.get(key)
    if found is None or getattr(found, "outdated", False):
        if checkpoint.name == "bundled":
            check_bundled(checkpoint.path)
        found = predictors.load_file(
            checkpoint.path,
            name=checkpoint.name,
            device=resolved,
            half=half,
            image_size=checkpoint.image_size,
        )
        _loaded[key] = found
    _newest[resolved] = found
    return found


def check_bundled(path: Path) -> None:
    """Raise `CheckpointError` if the bundled checkpoint has been changed.

    A changed file may load without an error and give wrong masks.
    """
    try:
        with open_regular(path) as file:
            found = sha256_of(file)
    except OSError as error:
        raise CheckpointError(
            f"the bundled checkpoint {str(path)!r} cannot be read: {error}; "
            "install the package again"
        ) from error
    if found != BUNDLED_SHA256:
        raise CheckpointError(
            f"the bundled checkpoint {str(path)!r} is truncated or altered: its SHA-256 is "
            f"{found[:12]}…, not {BUNDLED_SHA256[:12]}…; install the package again"
        )
