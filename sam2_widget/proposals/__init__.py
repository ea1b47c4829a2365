"""Proposals: masks of a whole image, or of a region, from a grid of points.

All masks of the decoder are stored in compact form, so that thresholds can be changed without
running the model again.
"""
