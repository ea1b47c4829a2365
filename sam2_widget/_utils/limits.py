"""Limits that several packages share."""

from __future__ import annotations

MAX_PIXELS = 150_000_000
"""Largest image in pixels: 450 MB as RGB. More would exceed a kernel's memory on shared servers."""
