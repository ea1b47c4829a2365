"""What a user sets in Python about classes, colours and masks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sam2_widget.annotator import Annotator
from sam2_widget.colors import checked_classes, checked_palette, default_palette
from sam2_widget.settings import Overlap


class Configuring:
    """The settings of a widget, as properties."""

    _annotator: Annotator

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that objects may have, each with its colour; empty if any text may be one.

        Set it to a list of labels, or to a mapping of labels to colours. Objects keep the labels
        that they have.
        """
        return MappingProxyType(self._annotator.session.classes)

    @labels.setter
    def labels(self, labels: Iterable[str] | Mapping[str, str] | None) -> None:
        classes = checked_classes(labels)
        self._annotator.configure(lambda: self._annotator.session.set_classes(classes))

    @property
    def palette(self) -> tuple[str, ...]:
        """Colours of objects without a class; set it to a list or the name of a cmap colour map."""
        return self._annotator.session.palette or default_palette()

    @palette.setter
    def palette(self, palette: str | Iterable[str]) -> None:
        colors = checked_palette(palette)

        def change() -> None:
            self._annotator.session.palette = colors

        self._annotator.configure(change)

    @property
    def overlap(self) -> Overlap:
        """``"on top"``: objects may share pixels. ``"cut out"``: each pixel is the topmost's."""
        return self._annotator.session.annotation.settings.overlap

    @overlap.setter
    def overlap(self, overlap: Overlap) -> None:
        self._annotator.edit(lambda: self._annotator.session.set_setting("overlap", overlap))

    @property
    def fill_holes(self) -> int:
        """Holes of the model's masks of at most that many image pixels are filled; 0: none."""
        return self._annotator.session.annotation.settings.fill_holes

    @fill_holes.setter
    def fill_holes(self, area: int) -> None:
        self._annotator.edit(lambda: self._annotator.session.set_setting("fill_holes", area))

    @property
    def drop_specks(self) -> int:
        """Specks of the model's masks of at most that many image pixels are dropped; 0: none."""
        return self._annotator.session.annotation.settings.drop_specks

    @drop_specks.setter
    def drop_specks(self, area: int) -> None:
        self._annotator.edit(lambda: self._annotator.session.set_setting("drop_specks", area))
