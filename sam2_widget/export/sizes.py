"""Sizes of images, as files tell them."""

from __future__ import annotations

from sam2_widget.errors import AnnotationError

MAX_PIXELS = 150_000_000
"""As for images."""

MAX_OBJECTS = 65_535
"""Most masks that are read from one file."""


def checked_size(
    said: tuple[float, float], wanted: tuple[int, int] | None, name: str
) -> tuple[int, int]:
    """The size (height, width) that a file tells, if it makes sense and is the one `wanted`.

    A file that tells none (zeros) is taken to be of the size wanted.
    """
    if not any(said) and wanted is not None:
        return wanted
    height, width = int(said[0]), int(said[1])
    if (height, width) != tuple(said) or height < 1 or width < 1:
        raise AnnotationError(
            f"{name} tells no sensible size of its image, got width {said[1]:g} and height "
            f"{said[0]:g}: pass size=(height, width) if it tells none"
        )
    if height * width > MAX_PIXELS:
        raise AnnotationError(
            f"{name} is for an image of {width} x {height} pixels, the limit is {MAX_PIXELS}"
        )
    if wanted is not None and (height, width) != tuple(wanted):
        raise AnnotationError(
            f"{name} is for an image of {width} x {height} pixels, this one has "
            f"{wanted[1]} x {wanted[0]}: it belongs to another image, or one was scaled"
        )
    return height, width
