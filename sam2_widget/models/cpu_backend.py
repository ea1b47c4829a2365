"""Chooses what an encoder runs with on a CPU: torch, or OpenVINO once the encoder is converted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from sam2_widget import config
from sam2_widget.errors import MissingLibraryError, ModelError
from sam2_widget.models.openvino import background, files, runtime

logger = logging.getLogger(__name__)


def encoder_for(
    checkpoint: Path, content_hash: str, shapes: Sequence[tuple[int, ...]], done: Callable[[], None]
) -> tuple[runtime.OpenVinoEncoder | None, str]:
    """The converted encoder of a checkpoint, if there is one and the settings allow it.

    With ``cpu_backend="auto"`` a missing one is converted in the background; with ``"openvino"``
    this waits for it.

    Parameters
    ----------
    checkpoint : Path
    content_hash : str
        SHA-256 of the file.
    shapes : sequence of tuple of int
        Of the encoder's maps.
    done : callable
        Called on another thread when the encoder has been converted in the background.

    Returns
    -------
    encoder : OpenVinoEncoder or None
        None if torch is to be used.
    note : str
        Why OpenVINO is not used though it was chosen, or could not be used; or empty.
    """
    backend = config.current().cpu_backend
    if backend == "torch":
        return None, ""
    try:
        version = runtime.installed_version()
    except MissingLibraryError as error:
        return None, "" if backend == "auto" else _torch_because(str(error))
    archive = files.archive_path(files.default_folder(), content_hash, version)
    try:
        encoder = _read(archive, shapes)
        if encoder is None and backend == "openvino":
            background.convert(checkpoint, archive)
            encoder = _read(archive, shapes)
    except (MissingLibraryError, ModelError) as error:
        return None, _torch_because(str(error))
    if encoder is not None:
        return encoder, ""
    background.start(checkpoint, archive, done)
    return None, _torch_because(background.failure(archive))


def _torch_because(reason: str) -> str:
    return f"{reason}. torch is used." if reason else ""


def _read(archive: Path, shapes: Sequence[tuple[int, ...]]) -> runtime.OpenVinoEncoder | None:
    """The encoder in an archive; None if there is none, or if it must be converted again."""
    network = files.read(archive)
    if network is None:
        return None
    try:
        return runtime.OpenVinoEncoder(network, shapes)
    except (RuntimeError, ValueError) as error:
        logger.warning("the converted network %s is made again: %s", archive, error)
        return None
