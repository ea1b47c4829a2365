"""Converted networks on disk: an archive each, in a folder that users may share.

The name contains the hash of the checkpoint and the version of OpenVINO. Files are written
atomically; a file that is damaged or of another kind is treated as missing, and replaced.
"""

from __future__ import annotations

import io
import logging
import os
import re
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sam2_widget import config
from sam2_widget._utils.atomic_files import whole_file
from sam2_widget._utils.regular_files import read_regular

logger = logging.getLogger(__name__)

FORMAT = 2
"""Version of the conversion and of the archive, part of the name."""

GRAPH, WEIGHTS = "network.xml", "network.bin"
LARGEST = 2**28
"""Most bytes of an archive; that of the bundled model has 18 MB, that of EdgeTAM 40 MB."""

KEPT = 8
"""Most archives in the folder; the least recently used are deleted first."""

_NAME = re.compile(r"[0-9a-f]{64}-[\w.]+-\d+\.openvino\.zip")


class Network(NamedTuple):
    """A converted network, as OpenVINO stores it.

    Attributes
    ----------
    graph : bytes
        XML.
    weights : bytes
    """

    graph: bytes
    weights: bytes


def default_folder() -> Path:
    """The folder of this user or, if it was configured, of all users."""
    configured = config.current().converted
    if configured is not None:
        return configured
    import platformdirs  # noqa: PLC0415 - on demand

    return platformdirs.user_cache_path("sam2-widget", appauthor=False) / "openvino"


def archive_path(folder: Path, checkpoint: str, version: str) -> Path:
    """Path of the converted encoder of a checkpoint.

    Parameters
    ----------
    folder : Path
    checkpoint : str
        SHA-256 of the checkpoint.
    version : str
        Of OpenVINO.
    """
    return folder / f"{checkpoint}-{version}-{FORMAT}.openvino.zip"


def read(path: Path) -> Network | None:
    """Read an archive; None if there is none, or if it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(read_regular(path, LARGEST))) as archive:
            network = Network(_stored(archive, GRAPH), _stored(archive, WEIGHTS))
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - those of zipfile have no common base class
        logger.warning("the converted network %s is made again: %s", path, error)
        return None
    with suppress(OSError):  # a read-only folder
        os.utime(path)
    return network


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """An entry that is not compressed: what is compressed could become of any size."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise zipfile.BadZipFile(f"{name} is compressed")
    return archive.read(name)


def write(path: Path, network: Network) -> None:
    """Write an archive, and delete those that were not used for longest.

    Raises
    ------
    OSError
        If it cannot be written. An existing file is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        whole_file(path, overwrite=True) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        archive.writestr(GRAPH, network.graph)
        archive.writestr(WEIGHTS, network.weights)
    _make_room(path.parent)


def _make_room(folder: Path) -> None:
    found = []
    for path in folder.iterdir():
        with suppress(OSError):  # deleted by another process meanwhile
            if _NAME.fullmatch(path.name):
                found.append((path.stat().st_mtime, path))
    for _, path in sorted(found)[:-KEPT]:
        with suppress(OSError):
            path.unlink()
