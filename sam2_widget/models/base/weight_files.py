"""Reads untrusted checkpoint files: recognized by their first bytes, and read within limits.

No code from a file is ever run. Of the Python objects beside the weights only types of plain data
are accepted (`HARMLESS`), each replaced by an `Inert` object.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from sam2_widget._utils import hashing
from sam2_widget._utils.regular_files import descriptor_path, open_regular
from sam2_widget.errors import CheckpointError
from sam2_widget.models.base import weight_names
from sam2_widget.models.base.weight_names import Inert
from sam2_widget.models.out_of_memory import is_out_of_memory

MOST_BYTES = 64 * 2**30
"""Largest file that is read: a training checkpoint of SAM 2 large has some 3 GiB."""

MOST_PICKLE_BYTES = 2 * 2**20
"""Largest pickle in a file of ``torch.save``. That of SAM 2 large with its optimizer has less than
1 MiB; unpickling a byte may take some 200 bytes of memory."""

SMALLEST_MODEL = 32 * 2**20
"""Bytes of a file below which running out of memory means that the file is malicious or damaged:
SAM 2 tiny has 74 MiB in half precision."""

_HEAD_BYTES = 1024
_MOST_SAFETENSORS_HEADER = 100_000_000

_LEGACY_MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")
"""Content of the first pickle of a file of ``torch.save`` from before torch 1.6."""

_FOREIGN = (
    (
        b"version https://git-lfs.github.com/spec/",
        "is a Git LFS pointer and not the weights: run `git lfs pull` in its folder, or {download}",
    ),
    (b"<!doctype html", "is a web page and not the weights: {download}"),
    (b"<html", "is a web page and not the weights: {download}"),
    (b"<", "is an XML text, as servers send with an error, and not the weights: {download}"),
    (b"{", "is a JSON text, as servers send with an error, and not the weights: {download}"),
    (b"\x1f\x8b", "is compressed by gzip: unpack it first"),
    (b"BZh", "is compressed by bzip2: unpack it first"),
    (b"\xfd7zXZ", "is compressed by xz: unpack it first"),
    (b"7z\xbc\xaf", "is a 7-Zip archive: unpack it first"),
    (b"Rar!", "is a RAR archive: unpack it first"),
    (b"\x89HDF", "is an HDF5 file: pass the checkpoint that was saved by torch"),
)
_COUNTER = "num_batches_tracked"
"""How batch normalisation counts, the only integers among weights; they change no answer."""

_DOWNLOAD = "download the file itself, on the Hugging Face hub with `hf download`"


HARMLESS: tuple[str, ...] = (
    "argparse.Namespace",
    "types.SimpleNamespace",
    "builtins.bool",
    "builtins.bytes",
    "builtins.dict",
    "builtins.list",
    "builtins.object",
    "builtins.tuple",
    "builtins.int",
    "builtins.float",
    "builtins.str",
    "builtins.frozenset",
    "builtins.range",
    "builtins.slice",
    "datetime.date",
    "datetime.datetime",
    "datetime.timedelta",
    "datetime.timezone",
    "decimal.Decimal",
    "uuid.UUID",
    *(f"pathlib.{kind}{name}" for kind in ("", "_local.") for name in ("Path", "PosixPath")),
    *(f"pathlib.{kind}{name}" for kind in ("", "_local.") for name in ("PurePath", "WindowsPath")),
    *(f"pathlib.{kind}PurePosixPath" for kind in ("", "_local.")),
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")),
    *(f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")),
    *(f"numpy.dtypes.{name}" for name in dir(np.dtypes) if name.endswith("DType")),
    "typing.Any",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    *(
        f"omegaconf.nodes.{kind}Node"
        for kind in ("Any", "Boolean", "Bytes", "Float", "Integer", "Path", "String")
    ),
    "torch.torch_version.TorchVersion",
)
"""Types of plain data that training scripts store beside the weights."""

HARMLESS_MAPPINGS: tuple[str, ...] = (
    "collections.defaultdict",
    "easydict.EasyDict",
    "addict.addict.Dict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
"""Likewise, kinds of dict."""


class _PlainDict:
    """Replaces a subclass of dict by a plain dict."""

    def __new__(cls, *_: object) -> dict[str, Any]:  # type: ignore[misc]
        return {}


_STAND_INS: list[Any] = [
    *((Inert, name) for name in HARMLESS),
    *((_PlainDict, name) for name in HARMLESS_MAPPINGS),
]


@dataclass(frozen=True, slots=True)
class CheckpointContent:
    """Content of a checkpoint file.

    Attributes
    ----------
    weights : mapping of str to Tensor
        By SAM 2's own names, floating-point, on the CPU.
    image_size : int or None
        Side of the square input in pixels, if the file states it.
    note : str
        A sentence for the user, or empty.
    """

    weights: Mapping[str, torch.Tensor]
    image_size: int | None = None
    note: str = ""


def read(path: Path) -> CheckpointContent:
    """Read a checkpoint: a file of ``torch.save``, new or old, or of safetensors.

    Takes at most the file's size plus 1 GiB of memory, whatever sizes its header states.

    Raises
    ------
    CheckpointError
        If it is another kind of file, is broken, or holds something else than weights.
    """
    with opened_checkpoint(path) as file:
        head, size = file.read(_HEAD_BYTES), os.fstat(file.fileno()).st_size
        content = _reader(path, head)(_Opened(path, descriptor_path(file, path), size))
        try:
            found = weight_names.find(content)
            _check_tensors(found.weights, size)
        except ValueError as error:
            raise CheckpointError(f"the checkpoint {str(path)!r} {error}") from error
    return CheckpointContent(found.weights, found.image_size, found.note)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    if is_blob(path):
        return path.resolve().name
    with opened_checkpoint(path) as file:
        return hashing.sha256_of(file)


def is_blob(path: Path) -> bool:
    """Whether a file is in the hub's cache, whose files are immutable and named by SHA-256."""
    real = path.resolve()
    return real.parent.name == "blobs" and bool(re.fullmatch("[0-9a-f]{64}", real.name))


@contextmanager
def opened_checkpoint(path: Path) -> Iterator[BinaryIO]:
    """Open a checkpoint for reading.

    Raises
    ------
    CheckpointError
        If it cannot be opened, is a device or pipe, or has more than `MOST_BYTES`.
    """
    try:
        file = open_regular(path)
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint {str(path)!r} cannot be read: {error.strerror}"
        ) from error
    with file:
        if os.fstat(file.fileno()).st_size > MOST_BYTES:
            raise _unreadable(path, f"has more than {MOST_BYTES >> 30} GiB: {_SAVE_AGAIN}")
        yield file


@dataclass(frozen=True, slots=True)
class _Opened:
    """An open file.

    Attributes
    ----------
    path : Path
        Path for messages.
    itself : Path
        A path to the opened file itself, even if `path` refers to another file by now.
    size : int
        In bytes.
    """

    path: Path
    itself: Path
    size: int


def _reader(path: Path, head: bytes) -> Callable[[_Opened], object]:
    """The function that reads files that begin with these bytes."""
    if path.suffix == ".safetensors" and (head.startswith(b"PK") or _LEGACY_MAGIC in head[:32]):
        # torch goes by the name.
        raise _unreadable(path, "is of torch.save: call it .pt")
    if head.startswith(b"PK\x03\x04"):
        return _read_zip
    if _LEGACY_MAGIC in head[:32]:
        return _read_legacy
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _MOST_SAFETENSORS_HEADER:
        return _read_safetensors
    raise _unreadable(path, _foreign(head))


def _unreadable(path: Path, fault: str) -> CheckpointError:
    return CheckpointError(f"the checkpoint {str(path)!r} cannot be read, it {fault}")


def _foreign(head: bytes) -> str:
    """Describe a file of another kind by its first bytes, with advice."""
    if not head:
        return "is empty: download it again"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginning, sentence in _FOREIGN:
        if start[: len(beginning)].lower() == beginning.lower():
            return sentence.format(download=_DOWNLOAD)
    if head[257:262] == b"ustar":
        return "is a tar archive: unpack it first"
    if head[0] == pickle.PROTO[0]:
        return f"is a pickle that torch.save did not write: {_SAVE_AGAIN}"
    return f"is no file of torch.save or safetensors, it begins with {head[:12]!r}: check the path"


_SAVE_AGAIN = "save the weights alone, torch.save(model.state_dict(), path), and pass that file"


def _read_safetensors(opened: _Opened) -> object:
    try:
        with safe_open(opened.itself, framework="pt") as file:
            metadata = file.metadata() or {}
        return {**metadata, "model": load_file(opened.itself)}
    except (SafetensorError, OSError, ValueError) as error:
        fault = f"is no whole safetensors file ({_first_line(error)}): download it again"
        raise _unreadable(opened.path, fault) from error


def _read_zip(opened: _Opened) -> object:
    """Content of a file of ``torch.save``, memory-mapped."""
    try:
        with zipfile.ZipFile(opened.itself) as archive:
            fault = _fault_of_zip(archive, opened.size)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
        raise _unreadable(opened.path, "is cut off or altered: download it again") from error
    if fault:
        raise _unreadable(opened.path, fault)
    return _load(opened, lambda: torch.load(opened.itself, "cpu", weights_only=True, mmap=True))


def _fault_of_zip(archive: zipfile.ZipFile, size: int) -> str:
    """Why an archive must not be read by torch, or empty."""
    entries = archive.infolist()
    names = [entry.filename.rsplit("/", maxsplit=1)[-1] for entry in entries]
    if "constants.pkl" in names:
        return f"is a TorchScript program, which holds code: {_SAVE_AGAIN}"
    pickles = [entry for entry, name in zip(entries, names, strict=True) if name == "data.pkl"]
    if len(pickles) != 1:
        return "is a ZIP archive of other files: unpack it, and pass the checkpoint in it"
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        return "has been compressed as a ZIP since torch.save wrote it: take the original file"
    if sum(entry.file_size for entry in entries) > size:
        return "is altered, its parts overlap: download it again"
    if pickles[0].file_size > MOST_PICKLE_BYTES:
        return (
            f"describes its tensors in {pickles[0].file_size} bytes, more than "
            f"{MOST_PICKLE_BYTES}: {_SAVE_AGAIN}"
        )
    protocol = archive.read(pickles[0])[:2]
    return "" if protocol == b"\x80\x02" else f"was saved by another pickle protocol: {_SAVE_AGAIN}"


def _read_legacy(opened: _Opened) -> object:
    """Content of a file of ``torch.save`` from before torch 1.6."""
    left = opened.size

    def place(storage: torch.UntypedStorage, _: str) -> torch.UntypedStorage:
        nonlocal left
        left -= storage.nbytes()
        if left < 0:
            raise ValueError("claims more bytes than it has")
        return storage

    with opened.itself.open("rb") as file:
        metered: Any = _MeteredFile(file)
        # torch calls it with another argument than its type hints state.
        placed: Any = place
        return _load(opened, lambda: torch.load(metered, placed, weights_only=True))


class _MeteredFile:
    """A file whose pickles are limited to `MOST_PICKLE_BYTES`; tensors are read by `readinto`."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._left = MOST_PICKLE_BYTES
        self.readinto, self.seek, self.tell = file.readinto, file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        return self._counted(self._file.read(min(size, self._left) if size >= 0 else self._left))

    def readline(self) -> bytes:
        return self._counted(self._file.readline(self._left))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left <= 0:
            raise ValueError(f"describes its tensors in more than {MOST_PICKLE_BYTES} bytes")
        return data


def _load(opened: _Opened, load: Callable[[], object]) -> object:
    try:
        with torch.serialization.safe_globals(_STAND_INS):
            return load()
    # With a modified pickle torch's reader may raise any exception.
    except Exception as error:
        if is_out_of_memory(error) and opened.size >= SMALLEST_MODEL:
            raise
        raise _unreadable(opened.path, _fault_of_pickle(error)) from error


def _fault_of_pickle(error: Exception) -> str:
    found = re.search(r"GLOBAL ([\w.]{1,100})", str(error))
    if found:
        return (
            f"holds an object of the type {found[1]!r}, which is not read because that could run "
            f"code: {_SAVE_AGAIN}"
        )
    if is_out_of_memory(error):
        return "declares tensors far larger than its bytes could hold: do not use it"
    if isinstance(error, pickle.UnpicklingError) and "allowlisted" in str(error):
        return f"holds objects that could run code, or is altered: {_SAVE_AGAIN}"
    return "is cut off or altered: download it again"


def _check_tensors(weights: Mapping[str, torch.Tensor], size: int) -> None:
    """Raise ValueError unless `weights` are plain tensors that fit into a file of `size` bytes."""
    for name, tensor in weights.items():
        plain = type(tensor) in (torch.Tensor, torch.nn.Parameter)
        plain = plain and tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not (plain and (tensor.is_floating_point() or name.endswith(_COUNTER))):
            raise ValueError(
                f"holds {name!r} as {tensor.dtype}, quantised or sparse: pass weights in floating "
                "point, as they were trained"
            )
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    if claimed > size:
        raise ValueError(
            f"claims {claimed} bytes of weights and has {size}: its tensors repeat their "
            f"numbers; {_SAVE_AGAIN}"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
