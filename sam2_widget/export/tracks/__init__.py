"""Files of tracks: the objects of each frame of a video or stack, with the same id on all frames.

Each format is one module. Writers take the results one by one, so that no more than one frame's
pixels are in memory; readers return `LabeledFrames`, whose masks are stored as compressed bits.
"""
