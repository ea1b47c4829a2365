"""Segment images by clicking in a notebook cell: SAM 2 over the Jupyter comm.

>>> from sam2_widget import SegmentWidget
>>> w = SegmentWidget("photo.jpg")  # doctest: +SKIP

What there is, is listed in ``__init__.pyi`` and imported when it is first used: a server that loads
`sam2_widget.server` gets no widget with it. torch and sam2 are imported when a model is loaded, in
the background.
"""

import lazy_loader

__version__ = "0.1.0.dev0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
