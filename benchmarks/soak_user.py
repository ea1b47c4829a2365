"""What a user of the soak has done so far, counted beside the product."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

SIZE = (640, 480)
"""Width and height of the images."""


def spots(rng: random.Random) -> list[tuple[int, int]]:
    """Places to click, far enough from each other that no placed point is hit again."""
    places = [(x, y) for x in range(40, 570, 44) for y in range(80, 420, 44)]
    rng.shuffle(places)
    return places


@dataclass(frozen=True)
class Objects:
    """Kinds of the prompts of each object, and which one is being worked on."""

    prompts: tuple[tuple[str, ...], ...] = ()
    active: int | None = None


@dataclass
class Expected:
    """The objects as they must be, with the steps back and forth."""

    now: Objects = Objects()
    past: list[Objects] = field(default_factory=list)
    future: list[Objects] = field(default_factory=list)

    @property
    def counts(self) -> list[int]:
        """Number of prompts of each object."""
        return [len(prompts) for prompts in self.now.prompts]

    def _step(self, after: Objects) -> None:
        self.past.append(self.now)
        self.future.clear()
        self.now = after

    def add(self, kind: str) -> None:
        """A click or a box, of which an object has one."""
        prompts, active = list(self.now.prompts), self.now.active
        if active is None:
            active = len(prompts)
            prompts.append(())
        kept = tuple(p for p in prompts[active] if kind != "box" or p != "box")
        prompts[active] = (*kept, kind)
        self._step(Objects(tuple(prompts), active))

    def commit(self) -> None:
        """The next object."""
        if self.now.active is not None:
            self._step(Objects(self.now.prompts))

    def undo(self) -> None:
        """A step back."""
        if self.past:
            self.future.append(self.now)
            self.now = self.past.pop()

    def redo(self) -> None:
        """A step forward."""
        if self.future:
            self.past.append(self.now)
            self.now = self.future.pop()
