"""Reads video files by PyAV: frames by number, exact and in any order."""
