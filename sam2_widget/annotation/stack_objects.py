"""The objects of a whole stack, as its prompts describe them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import count

from sam2_widget.annotation.session import AnnotatedObject
from sam2_widget.annotation.stretches import Direction, KeyframeMark, Stretch, stretches
from sam2_widget.errors import PromptError
from sam2_widget.masks.settings import Settings
from sam2_widget.prompts.collections import ObjectPrompts, check_prompts
from sam2_widget.prompts.stacks import StackPrompts


@dataclass(frozen=True, slots=True)
class StackObject:
    """An object of a stack, with its prompts on all planes.

    Attributes
    ----------
    number : int
        The same on all planes.
    keyframes : mapping of int to ObjectPrompts
        Its prompts, by plane; at least one.
    settings : mapping of int to Settings
        Settings of these planes, by plane.
    """

    number: int
    keyframes: Mapping[int, ObjectPrompts]
    settings: Mapping[int, Settings]

    def on(self, plane: int) -> AnnotatedObject:
        """The object on a plane: with its prompts there, and with the label of its first keyframe.

        A keyframe that has a label of its own keeps it.
        """
        every = tuple(self.keyframes.values())
        here = self.keyframes.get(plane)
        label = here.label if here and here.label is not None else _first(o.label for o in every)
        return AnnotatedObject(
            self.number,
            here.prompts if here else (),
            label,
            self.number,
            _first(one.color for one in every),
            any(one.crowd for one in every),
        )

    def stretches(
        self, wanted: range, *, direction: Direction, context: str
    ) -> tuple[Stretch, ...]:
        """The stretches to be tracked, see `sam2_widget.annotation.stretches`."""
        marks = {
            plane: KeyframeMark.of(one.prompts, self.settings[plane])
            for plane, one in self.keyframes.items()
        }
        return stretches(self.number, marks, wanted, direction=direction, context=context)


def _first(values: Iterable[str | None]) -> str | None:
    return next((one for one in values if one is not None), None)


def objects_of(prompts: StackPrompts) -> dict[int, StackObject]:
    """The objects of a stack by their numbers, in the order of their first keyframes.

    Prompts without a number become an object of their own, numbered after the largest.

    Raises
    ------
    PromptError
        If two objects of one plane have the same number.
    """
    named = {one.number for plane in prompts.values() for one in plane if one.number is not None}
    free = count(max(named, default=0) + 1)
    found: dict[int, StackObject] = {}
    for index, plane in prompts.items():
        for described in plane:
            number = next(free) if described.number is None else described.number
            known = found.get(number, StackObject(number, {}, {}))
            if index in known.keyframes:
                raise PromptError(f"two objects of plane {index} have the number {number}")
            found[number] = StackObject(
                number,
                {**known.keyframes, index: described},
                {**known.settings, index: plane.settings},
            )
    return found


def chosen(
    objects: Mapping[int, StackObject], numbers: Collection[int] | None
) -> dict[int, StackObject]:
    """The objects with these numbers, or all; PromptError if one does not exist."""
    if numbers is None:
        return dict(objects)
    unknown = [number for number in numbers if number not in objects]
    if unknown:
        raise PromptError(f"there is no object {unknown[0]!r}: there are {sorted(objects)}")
    return {number: one for number, one in objects.items() if number in numbers}


def check_objects(objects: Mapping[int, StackObject], planes: int, size: tuple[int, int]) -> None:
    """Raise `PromptError` unless all keyframes and prompts lie in a stack.

    Parameters
    ----------
    objects : mapping of int to StackObject
    planes : int
        Number of planes.
    size : (int, int)
        (height, width) of a plane in pixels.
    """
    for one in objects.values():
        for index, described in one.keyframes.items():
            if index >= planes:
                raise PromptError(
                    f"object {one.number} has prompts on frame {index}: there are frames 0 to "
                    f"{planes - 1}"
                )
            check_prompts(described.prompts, size[1], size[0])
