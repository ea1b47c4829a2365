"""Limits for reading untrusted files: image size, number of objects, pixels, memory."""

from __future__ import annotations

from sam2_widget._utils.limits import MAX_PIXELS
from sam2_widget.errors import AnnotationError

MAX_OBJECTS = 65_535
"""Largest number of masks that are read from one file."""

MAX_BOX_PIXELS = 1_000_000_000
"""Largest number of pixels in the bounding boxes of all masks of one file."""

MAX_PLANE_PIXELS = 20_000_000_000
"""Largest number of pixels that are decoded from one file with a full image for each object."""

MAX_CROSSINGS = 10_000_000
"""Largest number of pixel columns that the edges of all polygons of one file may cross."""

MAX_ARRAY_BYTES = 2 * 2**30
"""Largest size in bytes of an array that a file is decoded to."""


class Budget:
    """Limits the total cost of the masks of one file; charged before memory is allocated.

    Parameters
    ----------
    name : str
        Name of the file in messages.

    Raises
    ------
    AnnotationError
        By each method, if the total charged so far exceeds its limit.
    """

    def __init__(self, name: str = "the file") -> None:
        self._name = name
        self._spent = dict.fromkeys(("objects", "boxes", "planes", "polygons"), 0)

    def charge_object(self) -> None:
        """Charge one object."""
        if self._add("objects", 1) > MAX_OBJECTS:
            raise AnnotationError(
                f"{self._name} has more than {MAX_OBJECTS} objects: split it into several files"
            )

    def charge_box(self, pixels: int) -> None:
        """Charge the pixels of the bounding box of a mask."""
        if self._add("boxes", pixels) > MAX_BOX_PIXELS:
            raise AnnotationError(
                f"the masks of {self._name} would take more than {MAX_BOX_PIXELS / 1e6:.0f} "
                "megapixels together: split it into several files, or scale the image down"
            )

    def charge_plane(self, pixels: int) -> None:
        """Charge the pixels of an image that is decoded."""
        if self._add("planes", pixels) > MAX_PLANE_PIXELS:
            raise AnnotationError(
                f"{self._name} decompresses to more than {MAX_PLANE_PIXELS / 1e6:.0f} megapixels: "
                "split it into several files, or write COCO RLE"
            )

    def charge_polygon(self, crossings: int) -> None:
        """Charge the number of pixel columns that the edges of a polygon cross."""
        if self._add("polygons", crossings) > MAX_CROSSINGS:
            raise AnnotationError(
                f"the polygons of {self._name} are too complex: their edges cross more than "
                f"{MAX_CROSSINGS} pixel columns; simplify them, or write COCO RLE"
            )

    def _add(self, what: str, amount: int) -> int:
        self._spent[what] += amount
        return self._spent[what]


def check_bytes(count: int, name: str) -> None:
    """Raise `AnnotationError` if a file would be decoded to an array larger than the limit."""
    if count > MAX_ARRAY_BYTES:
        raise AnnotationError(
            f"{name} would take {count / 2**30:.1f} GiB of memory, the limit is "
            f"{MAX_ARRAY_BYTES / 2**30:.0f}: split it into several files, or write 8 or 16 bits"
        )


def checked_size(
    stated: tuple[float, float], wanted: tuple[int, int] | None, name: str
) -> tuple[int, int]:
    """Check the image size (height, width) that a file states.

    Parameters
    ----------
    stated : (float, float)
        Size in the file; zeros if it has none, in which case `wanted` is returned.
    wanted : (int, int) or None
        Required size; None accepts any.
    name : str
        Name of the file in messages.

    Returns
    -------
    (int, int)

    Raises
    ------
    AnnotationError
        If the size is invalid, too large, or not `wanted`.
    """
    if not any(stated) and wanted is not None:
        return wanted
    height, width = int(stated[0]), int(stated[1])
    if (height, width) != tuple(stated) or height < 1 or width < 1:
        raise AnnotationError(
            f"{name} has no valid image size, got width {stated[1]:g} and height "
            f"{stated[0]:g}: pass size=(height, width) if the file has none"
        )
    if height * width > MAX_PIXELS:
        raise AnnotationError(
            f"{name} is for an image of {width} x {height} pixels, the limit is {MAX_PIXELS}"
        )
    if wanted is not None and (height, width) != tuple(wanted):
        raise AnnotationError(
            f"{name} is for an image of {width} x {height} pixels, this one has "
            f"{wanted[1]} x {wanted[0]}: open the matching image, or undo the scaling"
        )
    return height, width
