"""The implementations of SAM 2 and EdgeTAM in `transformers`."""
