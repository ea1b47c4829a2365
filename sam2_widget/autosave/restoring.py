"""The part of the widget's Python interface that restores saved prompts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sam2_widget.annotation.planes import Planes
from sam2_widget.autosave.autosave import Autosave
from sam2_widget.autosave.saved import SavedPrompts


class Restoring:
    """Methods and properties of a widget for prompts that are saved automatically."""

    _planes: Planes
    _autosave: Autosave

    @property
    def saved(self) -> SavedPrompts | None:
        """Earlier prompts of the same image, from this kernel or the disk; None if there are none.

        They are offered until they are restored or dismissed. ``w.saved.prompts`` are the prompts,
        ``w.saved.time`` is when they were changed last, ``w.saved.count`` the number of objects.
        """
        return self._autosave.offer

    def restore(self) -> int:
        """Restore the objects of `saved` on all planes, which `undo` reverts.

        Objects that were added since stay, on top of them.

        Returns
        -------
        int
            Number of objects; 0 if nothing is saved.
        """
        _ = self._autosave.offer  # waits until the search has ended
        taken = self._autosave.take()
        if taken is None:
            return 0
        for index, prompts in taken.planes.items():
            annotator = self._planes[index]
            annotator.edit(partial(annotator.session.restore, prompts))
        return taken.count

    def dismiss(self) -> None:
        """Stop offering `saved`. It remains stored within the limits of docs/saving.md."""
        _ = self._autosave.offer
        self._autosave.take()

    @property
    def autosave(self) -> Path | None:
        """The file where prompts are saved within a second of a change; None without autosave.

        Reading it waits until all changes so far are saved.

        Raises
        ------
        ExportError
            If they cannot be saved there.
        """
        return self._autosave.saved_file()
