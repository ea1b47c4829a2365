"""Prompts on disk: a folder with a file for each widget, in the format of ``w.prompts.save``.

A file's name ends in the image's key and eight random digits, so that two kernels never write the
same file. Only files with such a name that contain prompts are ever removed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sam2_widget._utils.files import write_bytes
from sam2_widget._utils.regular_files import open_regular
from sam2_widget._utils.text import presentable
from sam2_widget.autosave.saved import SavedPrompts, from_json, to_json
from sam2_widget.errors import ExportError, PromptError
from sam2_widget.prompts.collections import read_prompts
from sam2_widget.prompts.stacks import StackPrompts

logger = logging.getLogger(__name__)

MAX_FILE = 64 * 2**20
"""Largest size of one file in bytes."""

MAX_FILES = 2000
MAX_BYTES = 512 * 2**20
"""Limits of a folder; the files that were changed longest ago are removed."""

MAX_OF_IMAGE = 5
"""Largest number of files of one image."""

_NAME = re.compile(r"(?:.{0,40}-)?(?P<key>[0-9a-f]{32})-[0-9a-f]{8}\.prompts\.json")


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    key: str
    seconds: float
    size: int


class SaveFolder:
    """A folder of prompts.

    Parameters
    ----------
    path : Path
        Created at the first write, with access for its owner only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def file_of(self, key: str, owner: str, name: str) -> Path:
        """Path of a widget's file: `owner` has 8 hexadecimal digits, `name` is any text."""
        stem = re.sub(r"[^\w-]+", "_", presentable(Path(name).stem), flags=re.ASCII)[:40]
        return self.path / f"{stem}{'-' if stem else ''}{key}-{owner}.prompts.json"

    def write(self, path: Path, planes: StackPrompts) -> None:
        """Write a file atomically; only a file that contains prompts is replaced.

        Raises
        ------
        ExistsError
            If the file exists and does not contain prompts of this package.
        ExportError
            If it cannot be written; an existing file is unchanged.
        """
        text = to_json(planes).encode()
        if len(text) > MAX_FILE:
            raise ExportError(
                f"the prompts have {len(text) / 2**20:.0f} MiB, the limit of autosave is "
                f"{MAX_FILE // 2**20}: save them with w.prompts.save(path)"
            )
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ExportError(
                f"cannot make the folder {str(self.path)!r}: {error.strerror or error}"
            ) from error
        write_bytes(path, text, overwrite=_holds_prompts(path))

    def newest(self, key: str, *, but: Path | None) -> SavedPrompts | None:
        """The newest prompts of an image, not counting the file `but`; None if there are none."""
        files = [file for file in self._files() if file.key == key and file.path != but]
        found = (_read(file) for file in sorted(files, key=_age))
        return next((one for one in found if one and one.count), None)

    def trim(self, keep: Path) -> None:
        """Remove the oldest files beyond the limits, but never `keep`."""
        files = sorted(self._files(), key=_age)
        total, of_image = 0, dict[str, int]()
        for number, file in enumerate(files):
            total += file.size
            of_image[file.key] = of_image.get(file.key, 0) + 1
            has_many = number >= MAX_FILES or of_image[file.key] > MAX_OF_IMAGE
            if (has_many or total > MAX_BYTES) and file.path != keep and _holds_prompts(file.path):
                with suppress(OSError):
                    file.path.unlink()

    def _files(self) -> Iterator[_File]:
        try:
            paths = list(self.path.iterdir())
        except OSError:  # the folder does not exist yet or cannot be read: nothing is offered
            return
        for path in paths:
            found = _NAME.fullmatch(path.name)
            if found is None:
                continue
            with suppress(OSError):
                status = path.lstat()
                yield _File(path, found["key"], status.st_mtime, status.st_size)


def _age(file: _File) -> float:
    return -file.seconds


def _read(file: _File) -> SavedPrompts | None:
    if file.size > MAX_FILE:
        return None
    try:
        return SavedPrompts(read_prompts(file.path, from_json), file.seconds, file.path)
    except PromptError as error:
        logger.warning("saved prompts cannot be read: %s", error)
        return None


def _holds_prompts(path: Path) -> bool:
    """Whether this is a file of prompts, and no symbolic link."""
    try:
        if path.is_symlink() or not path.is_file():
            return False
        with open_regular(path) as file:
            return file.read(40).startswith(b'{"format":"sam2-widget-')
    except OSError:
        return False
