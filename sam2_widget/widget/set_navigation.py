"""From image to image of a set, as methods of `SegmentSet`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from sam2_widget.datasets.annotated_image import AnnotatedImage
from sam2_widget.datasets.annotations import State
from sam2_widget.datasets.image_set import ImageSet
from sam2_widget.errors import ImageError
from sam2_widget.widget.set_widget import SetWidget


class SetNavigation(ImageSet):
    """A set of which one image is shown in a widget.

    Attributes
    ----------
    widget : SetWidget
    """

    widget: SetWidget

    @property
    def shown(self) -> int:
        """Number of the image that the widget shows."""
        return self.widget.plane

    @property
    def image(self) -> AnnotatedImage:
        """The image that the widget shows: its state, note, attributes, …."""
        return self[self.shown]

    @property
    def name(self) -> str:
        """Name of the image that the widget shows."""
        return self.image.name

    @property
    def state(self) -> State:
        """How far the image shown is: see `AnnotatedImage.state`."""
        return self.image.state

    @state.setter
    def state(self, state: State) -> None:
        self.image.state = state

    def go(self, which: str | int) -> AnnotatedImage:
        """Show an image, by its name or number.

        An object that is being worked on is finished first.

        Raises
        ------
        ImageError
            If there is none, or it cannot be read.
        """
        return self._go(self.number(which), 0)

    def next(self) -> AnnotatedImage:
        """Show the next image that can be read; ImageError if there is none."""
        return self._go(self.shown + 1, 1)

    def previous(self) -> AnnotatedImage:
        """Show the image before that can be read; ImageError if there is none."""
        return self._go(self.shown - 1, -1)

    def done(self) -> AnnotatedImage:
        """The image shown is done: show the next that is not finished.

        Its state becomes ``"done"``, or ``"empty"`` if it has no objects. After the last one the
        first that was left out is shown, and if all are finished the image stays.
        """
        self.mark_done()
        return self._go_to_unfinished()

    def skip(self) -> AnnotatedImage:
        """Leave out the image shown: its state is ``"skipped"``. Shows the next as `done` does."""
        self.state = "skipped"
        return self._go_to_unfinished()

    def mark_done(self) -> None:
        """Set the state of the image shown as `done` does, and keep showing it."""
        self.widget.finish_object()
        self.state = "done" if self.image.objects else "empty"

    def _go_to_unfinished(self) -> AnnotatedImage:
        """Show the next image that needs work and can be read; after the last, the first."""
        shown = self.shown
        numbers = (*range(shown + 1, len(self)), *range(shown))
        self.show_first(one for one in numbers if not self[one].is_finished)
        return self.image

    def show_first(self, numbers: Iterable[int]) -> bool:
        """Show the first of these images that can be read; False if none can be."""
        for number in numbers:
            with suppress(ImageError):
                self._go(number, 0)
                return True
        return False

    def _go(self, number: int, step: int) -> AnnotatedImage:
        self.widget.finish_object()
        while True:
            if not 0 <= number < len(self):
                where = "after" if step > 0 else "before"
                raise ImageError(f"there is no image {where} {self.name!r} that can be read")
            try:
                self.widget.plane = number
            except ImageError:
                if not step:
                    raise
                number += step
            else:
                return self.image

    def _first_readable(self) -> int:
        """The first image that is not finished and can be read, else any that can be."""
        unfinished = [n for n in range(len(self)) if not self[n].is_finished]
        others = [n for n in range(len(self)) if n not in set(unfinished)]
        for number in (*unfinished, *others):
            try:
                self.load(self.image_at(number))
            except ImageError:
                continue
            return number
        first = next(iter(self.problems.values()))
        raise ImageError(f"none of the {len(self)} images can be read, the first because: {first}")
