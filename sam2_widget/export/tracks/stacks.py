"""Files of the objects of all planes of a stack, in the formats of tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from sam2_widget._utils.files import Target
from sam2_widget.export.registry import accepts
from sam2_widget.export.tracks.formats import format_of, write_tracks, writer_of
from sam2_widget.export.values import ResultLike
from sam2_widget.export.volumes import StackLike, write_volume
from sam2_widget.images.arrays import LoadedImage


class TrackedPlanes(StackLike, Protocol):
    """The results of all planes of a stack, and their images."""

    @property
    def images(self) -> Sequence[LoadedImage]:
        """The image of each plane, read when it is accessed."""

    def every_result(self) -> Mapping[int, ResultLike]:
        """The result of each plane, including planes without objects."""


def write_stack(
    stack: TrackedPlanes,
    target: Target,
    *,
    format: str | None = None,  # noqa: A002 - as `write_tracks`
    overwrite: bool = False,
    **options: Any,
) -> None:
    """Write the objects of all planes; see `write_tracks`.

    The options for the number of planes and for the images below the masks are filled in.
    """
    name = format or format_of(target)
    if name == "tiff" and not options:
        # This writer keeps labels and colours, too.
        write_volume(stack, target, overwrite=overwrite)
        return
    writer = writer_of(name)
    facts = {"length": len(stack), "source": stack.images}
    given = {key: value for key, value in facts.items() if accepts(writer, key)} | options
    write_tracks(stack.every_result(), target, format=name, overwrite=overwrite, **given)


write_stack_coco = partial(write_stack, format="youtube-vis")
write_stack_mots = partial(write_stack, format="mots")
write_stack_csv = partial(write_stack, format="csv")
write_stack_npz = partial(write_stack, format="npz")
write_stack_pngs = partial(write_stack, format="pngs")
write_stack_overlay = partial(write_stack, format="overlay")
