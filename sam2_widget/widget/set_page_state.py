"""Makes what is sent to the page of a set: see `sam2_widget.comm.set_messages`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from sam2_widget._utils.text import presentable
from sam2_widget.comm import set_messages as messages
from sam2_widget.comm.set_requests import ItemsRequest
from sam2_widget.datasets.classes import Attribute
from sam2_widget.datasets.image_set import ImageSet
from sam2_widget.datasets.matches import Matches

MAX_USED = 1000
"""Labels without a class that menus offer."""


class PlaceState(TypedDict):
    """The traits of a page that depend on which image is shown: see `SetTraits`."""

    _images: messages.ImagesTrait
    _shown: messages.ShownTrait


class OtherState(TypedDict):
    """The other traits of a page that depend on the set: see `SetTraits`."""

    _progress: messages.ProgressTrait
    _search: messages.SearchTrait
    _declared: messages.DeclaredTrait
    _review: messages.ReviewTrait


def new_page_state(place: PlaceState, others: OtherState) -> messages.SetTraits:
    """All traits of a page."""
    notice: messages.NoticeTrait = {"count": 0, "client": "", "text": ""}
    return {**place, **others, "_notice": notice, "_acks": {}}


def place_state(
    images: ImageSet,
    matches: Matches,
    *,
    shown: int,
    active_object: int | None,
    actions: dict[str, int],
) -> PlaceState:
    """The traits of a page that shows image `shown`, whose object `active_object` is edited.

    `actions` has the newest action of each client that was carried out before.
    """
    return {
        "_images": _images(len(images), matches, shown),
        "_shown": _shown(images, shown, active_object, actions),
    }


def other_state(images: ImageSet, matches: Matches, review: messages.ReviewTrait) -> OtherState:
    """The traits of a page that are the same whichever image is shown."""
    query = matches.query
    return {
        "_progress": _progress(images),
        "_search": {"text": query.text, "state": query.state, "label": query.label},
        "_declared": _declared(images),
        "_review": review,
    }


def _images(total: int, matches: Matches, shown: int) -> messages.ImagesTrait:
    return {
        "total": total,
        "matches": len(matches),
        "list": matches.list,
        "version": matches.version,
        "before": matches.before(shown),
        "is_match": shown in matches,
    }


def _shown(
    images: ImageSet, number: int, active: int | None, actions: dict[str, int]
) -> messages.ShownTrait:
    image = images[number]
    return {
        "number": number,
        "name": presentable(image.name),
        "state": image.state,
        "note": image.note,
        "values": dict(image.attributes),
        "object": _object(images, number, active),
        "actions": actions,
    }


def _object(images: ImageSet, number: int, active: int | None) -> messages.ObjectDetails | None:
    for place, one in enumerate(images[number].objects, start=1):
        if one.id == active:
            return {
                "id": one.id,
                "place": place,
                "label": one.object.label,
                "note": one.note,
                "values": dict(one.attributes),
            }
    return None


def _progress(images: ImageSet) -> messages.ProgressTrait:
    progress = images.progress
    # A time is known only where somebody has worked: annotations from a file took none.
    is_timed = progress.seconds > 0
    return {
        "done": progress.done,
        "unreadable": progress.unreadable,
        "seconds_per_image": progress.seconds_per_image if is_timed else None,
        "seconds_left": progress.seconds_left if is_timed else None,
        "error": presentable(images.error),
    }


def _declared(images: ImageSet) -> messages.DeclaredTrait:
    classes = images.classes
    return {
        "classes": list(classes),
        "used": [one for one in images.used_labels if one not in classes][:MAX_USED],
        "image": _attributes(images.attributes),
        "object": _attributes(images.object_attributes),
    }


def _attributes(declared: Mapping[str, Attribute]) -> list[messages.AttributeDeclaration]:
    return [
        {"name": name, "type": one.type, "choices": list(one.choices)}
        for name, one in declared.items()
    ]


def items_answer(images: ImageSet, matches: Matches, request: ItemsRequest) -> messages.ItemsAnswer:
    """Names and states of some matches."""
    numbers = matches.numbers[request.first : request.first + request.count]
    return {
        "type": "items",
        "client": request.client,
        "n": request.n,
        "list": matches.list,
        "version": matches.version,
        "first": request.first,
        "items": [_item(images, one) for one in numbers] if request.list == matches.list else [],
    }


def _item(images: ImageSet, number: int) -> messages.ImageItem:
    name = images.image_at(number).name
    return {
        "number": number,
        "name": presentable(name),
        "state": images.store.by_old_names(name).state,
        "problem": presentable(images.problems.get(name, "")),
    }
