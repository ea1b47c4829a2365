"""The part of the widget's Python interface for classes, colours and mask settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, get_args

from sam2_widget.annotation.annotator import Annotator
from sam2_widget.errors import SettingError
from sam2_widget.masks.settings import Overlap
from sam2_widget.prompts.colors import ColorBy, checked_labels, checked_palette, default_palette

LabelsLike: TypeAlias = Iterable[Any] | Mapping[Any, Any]
"""Labels as `sam2_widget.prompts.colors.checked_labels` accepts them."""


class Configuring:
    """The settings of a widget, as properties."""

    _annotator: Annotator

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that are classes, with their colours.

        Set it to a list of labels, to a mapping of labels to colours or to numbers, or to the
        categories of a COCO file. New objects may have these labels; existing objects keep theirs.
        Files contain the given numbers, or else numbers in this order. Without classes any text may
        be a label, and labels typed in the widget are added here.
        """
        return MappingProxyType(self._annotator.session.classes)

    @labels.setter
    def labels(self, labels: LabelsLike | None) -> None:
        classes, categories = checked_labels(labels)
        session = self._annotator.session
        self._annotator.configure(lambda: session.set_classes(classes, categories))

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
    def color_by(self) -> ColorBy:
        """``"class"``: objects of a class have its colour. ``"object"``: each has its own."""
        return self._annotator.session.color_by

    @color_by.setter
    def color_by(self, color_by: ColorBy) -> None:
        if color_by not in get_args(ColorBy):
            raise SettingError(f"color_by must be 'class' or 'object', got {color_by!r}")

        def change() -> None:
            self._annotator.session.color_by = color_by

        self._annotator.configure(change)

    @property
    def overlap(self) -> Overlap:
        """``"on top"``: masks may overlap. ``"cut out"``: a pixel belongs to the topmost object."""
        return self._annotator.session.annotation.settings.overlap

    @overlap.setter
    def overlap(self, overlap: Overlap) -> None:
        self._annotator.edit(lambda: self._annotator.session.set_setting("overlap", overlap))

    @property
    def fill_holes(self) -> int:
        """Holes of predicted masks up to that many image pixels are filled; 0: none."""
        return self._annotator.session.annotation.settings.fill_holes

    @fill_holes.setter
    def fill_holes(self, area: int) -> None:
        self._annotator.edit(lambda: self._annotator.session.set_setting("fill_holes", area))

    @property
    def drop_specks(self) -> int:
        """Specks of predicted masks up to that many image pixels are removed; 0: none."""
        return self._annotator.session.annotation.settings.drop_specks

    @drop_specks.setter
    def drop_specks(self, area: int) -> None:
        self._annotator.edit(lambda: self._annotator.session.set_setting("drop_specks", area))
