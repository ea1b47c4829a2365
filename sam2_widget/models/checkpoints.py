"""Models by name: which checkpoint, from where, on which device. One shared instance per kernel.

torch is imported only when a model is loaded.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from sam2_widget.errors import (
    CheckpointError,
    DeviceError,
    DownloadError,
    ModelError,
    UnknownModelError,
)
from sam2_widget.models import worker
from sam2_widget.predictor import Predictor

T = TypeVar("T")

Progress: TypeAlias = Callable[[str, float | None], None]
"""Told ``(what, fraction)`` while a checkpoint is downloaded: its hub id, and how much is here,
0..1, or None where the hub does not say how large it is."""

BUNDLED = Path(__file__).parents[1] / "weights" / "bundled.safetensors"
BUNDLED_SHA256 = "be9ab4ac405b03ad397b0008dffe2fbf73a2b65f8b38f56e07ad2b09bbce2779"

AUTHORS = "facebook/sam2"
"""What the hub ids of SAM 2's authors start with."""

HUB_IDS = {
    "tiny": "facebook/sam2.1-hiera-tiny",
    "small": "facebook/sam2.1-hiera-small",
    "base-plus": "facebook/sam2.1-hiera-base-plus",
    "large": "facebook/sam2.1-hiera-large",
}

SHA256 = {
    "sam2_hiera_tiny.pt": "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
    "sam2_hiera_small.pt": "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
    "sam2_hiera_base_plus.pt": "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
    "sam2_hiera_large.pt": "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
    "sam2.1_hiera_tiny.pt": "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
    "sam2.1_hiera_small.pt": "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
    "sam2.1_hiera_base_plus.pt": "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
    "sam2.1_hiera_large.pt": "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
}
"""Of the files that SAM 2's authors have published, as several programs that use them state it."""

MEMORY_NEEDED = {"large": 6e9, "base-plus": 4e9, "small": 3e9}
"""Free GPU memory in bytes below which ``"auto"`` takes the next smaller model: weights and one
image being encoded, with room to spare."""

_DESCRIPTIONS = {
    "auto": "the best that this machine can run; bundled if no checkpoint is in reach",
    "bundled": "compact model inside this package, no download",
    "tiny": "SAM 2.1 Hiera tiny, 156 MB",
    "small": "SAM 2.1 Hiera small, 184 MB",
    "base-plus": "SAM 2.1 Hiera base plus, 324 MB",
    "large": "SAM 2.1 Hiera large, 898 MB",
}

CONNECT_TIMEOUT = 10.0
"""Seconds after which the hub counts as unreachable."""

RETRY_AFTER = 300.0
"""Seconds for which ``"auto"`` does not ask again a hub that could not be reached."""

_SUFFIXES = (".pt", ".pth", ".safetensors")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_DEVICE = re.compile(r"cpu|mps|cuda(:\d+)?")


ModelLike: TypeAlias = "str | os.PathLike[str] | Predictor"
"""What a user may pass as a model: a name, a path, or what `load_model` returned."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file with weights on this machine.

    Attributes
    ----------
    name : str
        What the model is called from now on.
    path : Path
    note : str
        One sentence that the user must know, or empty.
    """

    name: str
    path: Path
    note: str = ""


def available_models() -> dict[str, str]:
    """Names that `load_model` and `SegmentWidget` take, each with one line about it.

    A Hugging Face hub id (``"owner/name"``) and the path of a SAM 2 checkpoint are taken as well.
    """
    return {name: text + _downloaded(name) for name, text in _DESCRIPTIONS.items()}


def _downloaded(name: str) -> str:
    hub_id = HUB_IDS.get(name)
    return ", downloaded" if hub_id and _cached(hub_id, _known_file(hub_id)) else ""


def check_model(model: object) -> None:
    """Raise `UnknownModelError` unless `model` is a predictor, or something that can be loaded."""
    usable = hasattr(model, "embed") and hasattr(model, "predict")
    if isinstance(model, type) or not usable:
        check_name(model)


def check_name(name: object) -> None:
    """Raise `UnknownModelError` if nothing of that name can be loaded. Quick, asks no server."""
    if not isinstance(name, (str, os.PathLike)):
        raise UnknownModelError(f"model must be a name or a path, got {name!r}")
    name = os.fspath(name)
    if name in _DESCRIPTIONS or Path(name).is_file():
        return
    if name.endswith(_SUFFIXES):
        raise UnknownModelError(f"there is no checkpoint {name!r} (in {Path.cwd()})")
    if not _HUB_ID.fullmatch(name):
        raise UnknownModelError(
            f"unknown model {name!r}: choose one of {', '.join(map(repr, _DESCRIPTIONS))}, "
            "a hub id like 'facebook/sam2-hiera-tiny', or the path of a checkpoint"
        )


def check_device(device: str | None) -> None:
    """Raise `DeviceError` if `device` is no name of a device. Does not look whether it exists."""
    if device is not None and not (isinstance(device, str) and _DEVICE.fullmatch(device)):
        raise DeviceError(
            f"device must be 'cpu', 'cuda', 'cuda:0', 'mps' or None for the best, got {device!r}"
        )


def fetch(
    name: str | os.PathLike[str], *, device: str | None = None, progress: Progress | None = None
) -> Checkpoint:
    """Find the checkpoint of a model, and download it if need be.

    Parameters
    ----------
    name : str
        See `available_models`.
    device : str, optional
        Where it will run; decides what ``"auto"`` means.
    progress : callable, optional
        Told how the download goes; without it a progress bar is printed.

    Raises
    ------
    UnknownModelError
        If there is no such model.
    DownloadError
        If the hub or the file on it cannot be reached.
    CheckpointError
        If the file is not the one that was published.
    """
    check_name(name)
    check_device(device)
    name = os.fspath(name)
    if name == "auto":
        return _fetch_auto(device, progress)
    if name == "bundled":
        return Checkpoint("bundled", BUNDLED)
    if name not in HUB_IDS and Path(name).is_file():
        return Checkpoint(name, Path(name))
    hub_id = HUB_IDS.get(name, name)
    return Checkpoint(name, _download(hub_id, _find_file(hub_id), progress))


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
    note = (
        f"Using the bundled model, which is less accurate: SAM 2.1 {name} is not on this machine "
        f"and could not be downloaded ({reason})."
    )
    return Checkpoint("bundled", BUNDLED, note)


def _best_for(device: str | None) -> str:
    free = worker.local.run(lambda: _free_gpu_memory(device))
    if free is None:
        return "tiny"
    return next((name for name, needed in MEMORY_NEEDED.items() if free >= needed), "tiny")


def _free_gpu_memory(device: str | None) -> int | None:
    """Bytes free on the GPU that `device` names; None without one."""
    from sam2_widget.models import sam2_predictor  # noqa: PLC0415 - imports torch

    return sam2_predictor.free_gpu_memory(device)


def on_this_machine(name: str) -> Checkpoint | None:
    """The checkpoint of a model that need not be downloaded."""
    if name == "bundled":
        return Checkpoint(name, BUNDLED)
    hub_id = HUB_IDS[name]
    found = _cached(hub_id, _known_file(hub_id))
    return Checkpoint(name, found) if found else None


def _known_file(hub_id: str) -> str:
    """Name of the checkpoint in a repository of SAM 2's authors."""
    stem = hub_id.rsplit("/", maxsplit=1)[1].replace("-", "_")
    return f"{stem}.pt"


def _cached(hub_id: str, filename: str) -> Path | None:
    import huggingface_hub  # noqa: PLC0415 - takes 0.06 s, which showing an image need not wait for

    found = huggingface_hub.try_to_load_from_cache(hub_id, filename)
    return Path(found) if isinstance(found, str) else None


def _find_file(hub_id: str) -> str:
    """Name of the one checkpoint in a repository that we do not know."""
    if hub_id.startswith(AUTHORS):
        return _known_file(hub_id)
    import huggingface_hub  # noqa: PLC0415

    files: list[str] = _asked(hub_id, lambda: huggingface_hub.list_repo_files(hub_id))
    weights = [file for file in files if file.endswith(_SUFFIXES)]
    if len(weights) != 1:
        raise DownloadError(
            f"{hub_id!r} on the hub has {len(weights)} checkpoints ({', '.join(weights[:5])}), "
            "not one: download the right one and pass its path"
        )
    return weights[0]


def _download(hub_id: str, filename: str, progress: Progress | None) -> Path:
    known = SHA256.get(filename) if hub_id.startswith(AUTHORS) else None
    # Weights never change under one name, so what is here need not be asked for again.
    found = _cached(hub_id, filename)
    if found is not None:
        return check_sha256(found, known)
    import huggingface_hub  # noqa: PLC0415

    # The download itself would try for half a minute before it says that nobody is there.
    url = huggingface_hub.hf_hub_url(hub_id, filename)
    told = _asked(
        hub_id, lambda: huggingface_hub.get_hf_file_metadata(url, timeout=CONNECT_TIMEOUT)
    )
    bar = _reporter(hub_id, progress) if progress else None
    path = _asked(hub_id, lambda: huggingface_hub.hf_hub_download(hub_id, filename, tqdm_class=bar))
    # For large files the hub's ETag is their SHA-256; for small ones it is of another kind.
    is_sha256 = re.fullmatch("[0-9a-f]{64}", told.etag or "")
    return check_sha256(Path(path), known or (told.etag if is_sha256 else None))


def check_sha256(path: Path, expected: str | None) -> Path:
    """`path`; CheckpointError if its content is not the `expected`, where that is known.

    Caches are shared by users, downloads cut off, and a changed file may load and segment nonsense.
    """
    if expected is None:
        return path
    with path.open("rb") as file:
        found = _sha256(file)
    if found != expected:
        raise CheckpointError(
            f"the checkpoint {str(path)!r} is truncated or altered: its SHA-256 is {found[:12]}…, "
            f"not {expected[:12]}…; delete {str(path.resolve())!r}, so that it is downloaded again"
        )
    return path


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(2**20):
        digest.update(block)
    return digest.hexdigest()


def _asked(hub_id: str, question: Callable[[], T]) -> T:
    """Answer of the hub, its failures as ours."""
    import huggingface_hub.constants  # noqa: PLC0415
    import huggingface_hub.errors  # noqa: PLC0415

    endpoint = huggingface_hub.constants.ENDPOINT
    advice = "check the network, use model='bundled', or pass the path of a downloaded checkpoint"
    try:
        return question()
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
    except Exception as error:  # the network, a proxy, a full disk: each has errors of its own
        raise DownloadError(
            f"{hub_id!r} could not be fetched from {endpoint}: {_reason(error)}; {advice}"
        ) from error


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _reporter(hub_id: str, progress: Progress) -> Any:
    """Class of a progress bar that draws nothing and tells `progress` instead."""
    from tqdm import tqdm  # noqa: PLC0415 - only here

    class Reporter(tqdm):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            shown: bool | None = super().update(n)
            progress(hub_id, self.n / self.total if self.total else None)
            return shown

    return Reporter


# Touched on the model thread only. What nobody uses goes, but for the newest of each device: a cell
# that is run again finds its model still there.
_loaded: WeakValueDictionary[tuple[Path, int, str, str | None], Predictor] = WeakValueDictionary()
_newest: dict[str, Predictor] = {}


def loaded_models() -> list[Predictor]:
    """The models that this kernel holds."""
    return list(_loaded.values())


def load_model(
    name: str | os.PathLike[str] = "auto",
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> Predictor:
    """Load a model, or return the one that this kernel has loaded already.

    Parameters
    ----------
    name : str
        ``"auto"``, ``"bundled"``, ``"tiny"``, ``"small"``, ``"base-plus"``, ``"large"``, a Hugging
        Face hub id, or the path of a SAM 2 checkpoint.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``; the best there is by default.
    progress : callable, optional
        Called with the hub id and a fraction while it downloads; else a progress bar is printed.

    Returns
    -------
    Predictor
        To be passed to `segment` and `SegmentWidget` as `model`, if so wished.

    Raises
    ------
    UnknownModelError
        If there is no such model.
    DownloadError
        If its checkpoint cannot be fetched.
    CheckpointError
        If the checkpoint is broken or of another architecture.
    DeviceError
        If the device is not there or has too little memory.
    """
    found = fetch(name, device=device, progress=progress)
    if found.note:
        warnings.warn(found.note, stacklevel=2)
    return load_checkpoint(found, device=device)


def load_checkpoint(
    checkpoint: Checkpoint, *, device: str | None = None, half: bool = False
) -> Predictor:
    """Load what `fetch` found, or return it if this kernel has loaded it already.

    With `half`, its weights take half the memory. Raises the same errors as `load_model`, but for
    those of `fetch`.
    """
    return worker.local.run(lambda: _load(checkpoint, device, half=half))


def resolve_device(device: str | None) -> str:
    """Name of the device that `device` means here; imports torch."""
    from sam2_widget.models import sam2_predictor  # noqa: PLC0415

    return sam2_predictor.resolve_device(device)


def is_half(device: str) -> bool:
    """Whether models are in half precision on `device` by default; imports torch."""
    from sam2_widget.models import sam2_predictor  # noqa: PLC0415

    return sam2_predictor.is_half(device)


def _load(checkpoint: Checkpoint, device: str | None, *, half: bool) -> Predictor:
    try:
        from sam2_widget.models import sam2_predictor  # noqa: PLC0415 - imports torch
    except ImportError as error:
        raise ModelError(
            f"SAM 2 is not installed properly: {error}; see 'Install' in the README"
        ) from error
    resolved = sam2_predictor.resolve_device(device)
    # A checkpoint that was trained on and saved again is another one.
    version = checkpoint.path.stat().st_mtime_ns if checkpoint.path.exists() else 0
    key = (checkpoint.path.resolve(), version, resolved, "half" if half else None)
    found = _loaded.get(key)
    if found is None:
        if checkpoint.name == "bundled":
            check_bundled(checkpoint.path)
        found = sam2_predictor.load(
            checkpoint.path, name=checkpoint.name, device=resolved, half=half
        )
        _loaded[key] = found
    _newest[resolved] = found
    return found


def check_bundled(path: Path) -> None:
    """Raise `CheckpointError` unless the bundled checkpoint is the one that came with the package.

    A changed file may well load, and then segments nonsense.
    """
    try:
        with path.open("rb") as file:
            found = _sha256(file)
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
