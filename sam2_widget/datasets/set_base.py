"""What the parts of `ImageSet` use of each other."""

from __future__ import annotations

from abc import abstractmethod

from sam2_widget.datasets.annotations import ImageAnnotations
from sam2_widget.datasets.sources import SetImage
from sam2_widget.datasets.store import AnnotationStore
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.results.segmentation import Segmentation


class SetBase:
    """The images of a set and their annotations; the base class of the parts of `ImageSet`."""

    store: AnnotationStore

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names of all images."""

    @abstractmethod
    def number(self, which: str | int) -> int:
        """Number of an image, by its name or number."""

    @abstractmethod
    def image_at(self, number: int) -> SetImage:
        """The source of an image, by its number."""

    @abstractmethod
    def load(self, image: SetImage) -> LoadedImage:
        """Read an image."""

    @abstractmethod
    def annotations(self, name: str) -> ImageAnnotations:
        """The annotations of an image, including its initial objects."""

    @abstractmethod
    def segmentation(self, name: str) -> Segmentation:
        """The masks of an image."""
