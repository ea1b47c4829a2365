"""Untrusted ZIP files, read from memory one member at a time."""

from __future__ import annotations

import io
import zipfile

from sam2_widget.errors import AnnotationError

SUPPORTED_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Methods that `zipfile` decompresses in parts, so that the size can be limited while reading."""


def open_archive(data: bytes) -> zipfile.ZipFile:
    """Open the ZIP file in `data`.

    Raises
    ------
    AnnotationError
        If a member uses another compression method: `zipfile` would decompress it all at once, and
        a few bytes may become gigabytes.
    zipfile.BadZipFile
        If `data` is not a ZIP file.
    """
    archive = zipfile.ZipFile(io.BytesIO(data))
    for member in archive.infolist():
        if member.compress_type not in SUPPORTED_METHODS:
            raise AnnotationError(
                f"the ZIP file uses the compression method {member.compress_type}: compress it "
                "with deflate, the default of most programs"
            )
    return archive
