"""Classes and attributes of a set: declared once, and changed in all images at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from types import MappingProxyType

import msgspec

from sam2_widget.datasets.classes import Attribute, SetClass, new_names
from sam2_widget.datasets.store import AnnotationStore
from sam2_widget.errors import LabelError
from sam2_widget.prompts.categories import Categories
from sam2_widget.prompts.collections import Prompts
from sam2_widget.prompts.colors import checked_color, default_palette, is_name


class SetClasses:
    """The classes and attributes of a set, as methods."""

    store: AnnotationStore

    @property
    def classes(self) -> dict[str, str]:
        """The classes of the set, each with its colour, ``"#rrggbb"``."""
        return {one.name: one.color for one in self.store.set.classes}

    @property
    def categories(self) -> Categories:
        """The classes of the set, with their numbers in every format."""
        return self.store.set.categories

    def _declare(self, colors: Mapping[str, str], categories: Categories) -> None:
        """Declare classes; they come before those of stored annotations."""
        known = {one.name: one for one in self.store.set.classes}
        names = new_names(self.store.set.renames, 0)
        ids = categories.ids or [None] * len(categories.names)
        declared: dict[str, SetClass] = {}
        for name, number, default in zip(categories.names, ids, cycle(default_palette())):
            # A notebook that is run again declares the names before classes were renamed.
            now = names.get(name, name)
            before = known.get(now, SetClass(now, colors[name]))
            color = before.color if colors[name] == default else colors[name]
            declared.setdefault(now, SetClass(now, color, before.id if number is None else number))
        rest = (one for one in known.values() if one.name not in declared)
        self.store.change_set(classes=_numbered([*declared.values(), *rest]))

    def _use_labels(self, prompts: Prompts) -> None:
        """Add a class for each label that has none, if the set has classes."""
        if not self.classes:
            return
        for one in prompts:
            if one.label is not None and one.label not in self.classes:
                self.add_class(one.label)

    def take_classes(self, colors: Mapping[str, str]) -> None:
        """Replace the classes and their colours; they keep their numbers."""
        known = {one.name: one.id for one in self.store.set.classes}
        changed = [SetClass(name, color, known.get(name)) for name, color in colors.items()]
        self.store.change_set(classes=_numbered(changed))

    def add_class(self, name: str, color: str | None = None) -> None:
        """Add a class; an existing one gets the colour, if given.

        Raises
        ------
        LabelError
            If the name cannot be a label.
        """
        if not is_name(name):
            raise LabelError(f"a class needs a name of 1 to 200 characters, got {name!r}")
        if name in self.classes:
            if color is not None:
                self.recolor_class(name, color)
            return
        palette = default_palette()
        chosen = palette[len(self.classes) % len(palette)] if color is None else color
        new = SetClass(name, checked_color(chosen))
        self.store.change_set(classes=_numbered([*self.store.set.classes, new]))

    def recolor_class(self, name: str, color: str) -> None:
        """Give a class another colour, everywhere.

        Raises
        ------
        LabelError
            If there is no such class.
        """
        self._check_class(name)
        checked = checked_color(color)
        self.store.change_set(
            classes=tuple(
                msgspec.structs.replace(one, color=checked) if one.name == name else one
                for one in self.store.set.classes
            )
        )

    def rename_class(self, old: str, new: str) -> None:
        """Rename a class in all images at once; if there is a class `new`, the two are merged.

        Raises
        ------
        LabelError
            If there is no class `old`, or `new` cannot be a label.
        """
        if not is_name(new):
            raise LabelError(f"a class needs a name of 1 to 200 characters, got {new!r}")
        self._check_class(old)
        if old == new:
            return
        classes = self.store.set.classes
        if new in self.classes:
            after = tuple(one for one in classes if one.name != old)
        else:
            after = tuple(
                msgspec.structs.replace(one, name=new) if one.name == old else one
                for one in classes
            )
        renames = (*self.store.set.renames, (old, new))
        self.store.change_set(classes=after, renames=renames)

    def _check_class(self, name: str) -> None:
        if name not in self.classes and not any(
            one.object.label == name for key in self.store for one in self.store[key].objects
        ):
            raise LabelError(f"there is no class {name!r}: there are {list(self.classes)}")

    # --- attributes -------------------------------------------------------------------------------

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """The attributes that images may have."""
        return MappingProxyType(self.store.set.image_attributes)

    @property
    def object_attributes(self) -> Mapping[str, Attribute]:
        """The attributes that objects may have."""
        return MappingProxyType(self.store.set.object_attributes)

    def _declare_attributes(
        self, images: dict[str, Attribute], objects: dict[str, Attribute]
    ) -> None:
        known = self.store.set
        self.store.change_set(
            image_attributes={**known.image_attributes, **images},
            object_attributes={**known.object_attributes, **objects},
        )


def _numbered(classes: Sequence[SetClass]) -> tuple[SetClass, ...]:
    """If some classes have a number, give the next numbers to those without."""
    numbers = [one.id for one in classes if one.id is not None]
    if not numbers:
        return tuple(classes)
    following = max(numbers) + 1
    found: dict[int, SetClass] = {}
    for one in classes:
        number = following if one.id is None or one.id in found else one.id
        following += number == following
        found[number] = msgspec.structs.replace(one, id=number)
    return tuple(found.values())
