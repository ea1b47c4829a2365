"""Images of different sizes, of which a widget shows one after the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import overload

from sam2_widget.images.arrays import LoadedImage
from sam2_widget.prompts.collections import Prompts


class ImageCollection(Sequence[LoadedImage]):
    """Images by number, each read whenever it is indexed.

    Attributes
    ----------
    first : int
        The one that is shown first.
    """

    first: int = 0

    @overload
    def __getitem__(self, index: int) -> LoadedImage: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LoadedImage]: ...
    def __getitem__(self, index: int | slice) -> LoadedImage | Sequence[LoadedImage]:
        """Read an image; ImageError if it cannot be read."""
        if isinstance(index, slice):
            return [self.read(one) for one in range(*index.indices(len(self)))]
        return self.read(index)

    @abstractmethod
    def read(self, index: int) -> LoadedImage:
        """Read an image; ImageError if it cannot be read."""

    @abstractmethod
    def prepare(self, index: int) -> None:
        """Have the objects of an image that was read at hand, so that `prompts` is fast."""

    @abstractmethod
    def prompts(self, index: int, size: tuple[int, int]) -> Prompts:
        """The objects that an image of (height, width) pixels has now, as it is opened.

        Called with the lock held, under which objects are changed: none is changed until the image
        is open.
        """

    @abstractmethod
    def ahead(self, index: int, step: int) -> Iterator[int]:
        """Images that will probably be shown after this one, the most probable first.

        `step` is 1 or -1: the direction in which the user went to this one.
        """
