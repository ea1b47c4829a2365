"""Write the prompts of an image or of a stack, from which the same masks can be made again."""

from __future__ import annotations

from typing import Protocol

from sam2_widget._utils.files import Target, write_bytes
from sam2_widget.prompts.collections import Prompts
from sam2_widget.prompts.stacks import StackPrompts


class HasPrompts(Protocol):
    """A result with the prompts that it was made from."""

    @property
    def prompts(self) -> Prompts | StackPrompts:
        """The prompts of one image, or of all planes of a stack."""


def write_prompts(result: HasPrompts, target: Target, *, overwrite: bool = False) -> None:
    """Write the same file as ``prompts.save``, to a path or a file object."""
    write_bytes(target, result.prompts.to_json().encode(), overwrite=overwrite)
