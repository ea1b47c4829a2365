"""Checksums of files."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

BLOCK = 2**20
"""Bytes that are read at a time."""


def sha256_of(file: BinaryIO) -> str:
    """SHA-256 of what is left to read in an open file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()
