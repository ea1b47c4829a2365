"""Prompts of an image as they were saved automatically."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sam2_widget.prompts.collections import Prompts
from sam2_widget.prompts.stacks import StackPrompts


@dataclass(frozen=True, slots=True)
class SavedPrompts:
    """Prompts that were saved automatically, as they were at `time`.

    Attributes
    ----------
    planes : StackPrompts
        By the plane's number; a plain image has plane 0 only.
    seconds : float
        Seconds since 1970 when they were changed last.
    path : Path or None
        The file that contains them; None if only this kernel has them.
    """

    planes: StackPrompts
    seconds: float
    path: Path | None = None

    @property
    def prompts(self) -> Prompts | StackPrompts:
        """The prompts of a plain image, or those of all planes of a stack."""
        return self.planes if self.planes.along else self.planes.planes.get(0, Prompts())

    @property
    def time(self) -> datetime:
        """When they were changed last, in the kernel's time zone."""
        return datetime.fromtimestamp(self.seconds).astimezone()

    @property
    def count(self) -> int:
        """Number of objects, on all planes together."""
        return count_objects(self.planes.planes)

    def __repr__(self) -> str:
        where = "this kernel" if self.path is None else repr(str(self.path))
        number = f"{self.count} object{'' if self.count == 1 else 's'}"
        return f"SavedPrompts({number} from {self.time:%Y-%m-%d %H:%M}, in {where})"


def count_objects(planes: Mapping[int, Prompts]) -> int:
    """Number of objects on all planes together."""
    return sum(bool(one.prompts) for prompts in planes.values() for one in prompts)


def to_json(planes: StackPrompts) -> str:
    """The text of a prompts file: of one image, or of a stack."""
    return planes.to_json() if planes.along else planes.planes.get(0, Prompts()).to_json()


def from_json(text: str) -> StackPrompts:
    """What `to_json` wrote; PromptError if it did not."""
    if '"sam2-widget-stack-prompts"' in text[:200]:
        return StackPrompts.from_json(text)
    return StackPrompts({0: Prompts.from_json(text)})
