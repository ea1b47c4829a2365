"""Measurements behind the figures of the README; no part of the package."""
