"""What crosses the comm, both ways: the one place that knows the layout of messages.

Kernel → browser, as traits: ``_image`` (`image_message`), ``_status``, ``_labels`` and ``_state``
(`state_message`); as custom messages: finished objects (`objects_message`), each once when it
changes. Browser → kernel: the trait ``prompts`` (`parse_prompts`), of which the newest wins, and
one custom message per action (`parse_action`).

Everything from the browser is checked here. Whoever can talk to the kernel can run code in it
anyway, but a stray or outdated page must not bring the widget into a state it cannot be in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from sam2_widget.answers import Answer
from sam2_widget.errors import MessageError
from sam2_widget.images import View
from sam2_widget.masks import LogitMask
from sam2_widget.prompts import Prompt
from sam2_widget.results import object_color
from sam2_widget.session import MAX_LABEL_LENGTH, AnnotatedObject, Session

MAX_BATCH = 1 << 20
"""Bytes of masks in one message: a burst of messages is lost, and a huge one stalls the page."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
ClientId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Label = Annotated[str, msgspec.Meta(max_length=MAX_LABEL_LENGTH)]


class RequestId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks, and the how manieth request it is. Not called ``id``: ipykernel 7.4 keeps those."""

    client: ClientId
    n: Count


class PromptsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The trait ``prompts``: the whole list of the active object.

    Attributes
    ----------
    rid : RequestId
    epoch : int
        The state's epoch that the browser knew: with another one, the list is about an object that
        is no longer being worked on.
    prompts : tuple of Point and Box
    """

    rid: RequestId
    epoch: Count
    prompts: tuple[Prompt, ...]


class _Action(msgspec.Struct, frozen=True, tag_field="type"):
    rid: RequestId
    epoch: Count
    prompts: tuple[Prompt, ...] | None = None


class Commit(_Action, frozen=True, tag="commit"):
    """Finish the active object."""

    label: Label | None = None


class Select(_Action, frozen=True, tag="select"):
    """Work on a finished object again."""

    object: Count = 0


class Delete(_Action, frozen=True, tag="delete"):
    """Remove an object."""

    object: Count = 0


class Rename(_Action, frozen=True, tag="label"):
    """Give an object another label."""

    object: Count = 0
    label: Label | None = None


class UseLabel(_Action, frozen=True, tag="class"):
    """Set the label of the next object."""

    label: Label | None = None


class Undo(_Action, frozen=True, tag="undo"):
    """Take a step back."""


class Redo(_Action, frozen=True, tag="redo"):
    """Take a step forward."""


class Clear(_Action, frozen=True, tag="clear"):
    """Remove all objects."""


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """A page has opened and has seen none of the objects."""


class Nudge(msgspec.Struct, frozen=True, tag_field="type", tag="nudge"):
    """Nothing: its acknowledgement carries that of the message before it."""


Action = Commit | Select | Delete | Rename | UseLabel | Undo | Redo | Clear
Message = Action | Hello | Nudge


def _convert(value: object, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise MessageError(f"malformed message from the browser: {error}") from error


def request_id(content: object) -> RequestId | None:
    """The request's id, if that much of a malformed message can be read."""
    try:
        rid: RequestId = _convert(content["rid"] if isinstance(content, dict) else None, RequestId)
    except (MessageError, KeyError):
        return None
    return rid


def parse_prompts(value: object) -> PromptsRequest:
    """Check the trait ``prompts``; MessageError if it is malformed."""
    request: PromptsRequest = _convert(value, PromptsRequest)
    return request


def parse_message(content: object) -> Message:
    """Check a custom message; MessageError if it is malformed."""
    message: Message = _convert(content, Message)
    return message


def image_message(view: View, name: str) -> dict[str, Any]:
    """The trait ``_image``."""
    return {
        "width": view.width,
        "height": view.height,
        "mime": view.mime,
        "data": view.data,
        "name": name,
    }


def state_message(
    session: Session,
    answer: Answer | None,
    *,
    failed: bool,
    epoch: int,
    ack: dict[str, int],
    notice: str,
) -> dict[str, Any]:
    """The trait ``_state`` but for its revision.

    `answer` is that to the active object, None while it is pending or after the model `failed`.
    """
    active = session.annotation.active
    return {
        "epoch": epoch,
        "ack": dict(ack),
        "active": active and _active(session, active, answer, failed=failed),
        "can_undo": session.can_undo,
        "can_redo": session.can_redo,
        "label": session.label,
        "notice": notice,
    }


def _active(
    session: Session, active: AnnotatedObject, answer: Answer | None, *, failed: bool
) -> dict[str, Any]:
    return {
        **_described(active, session.annotation.index(active.id)),
        "prompts": [msgspec.to_builtins(prompt) for prompt in active.prompts],
        "score": answer and answer.score,
        "pending": answer is None and not failed,
        "empty": answer is not None and answer.mask.empty,
        "mask": answer and {**_mask(answer.mask), "data": answer.mask.data},
    }


def _described(annotated: AnnotatedObject, index: int) -> dict[str, Any]:
    return {
        "id": annotated.id,
        "index": index,
        "color": object_color(annotated.id),
        "label": annotated.label,
    }


def _mask(mask: LogitMask) -> dict[str, Any]:
    return {"width": mask.width, "height": mask.height}


class ObjectsMessage(msgspec.Struct, frozen=True):
    """A custom message about finished objects: its content, and its binary buffers."""

    content: dict[str, Any]
    buffers: list[bytes]


def objects_messages(
    put: Iterable[tuple[int, AnnotatedObject, Answer | None]],
    drop: Iterable[int] = (),
    *,
    reset: bool = False,
) -> list[ObjectsMessage]:
    """Messages that bring a browser's finished objects up to date, none if nothing changed.

    Parameters
    ----------
    put : iterable of (index, object, answer)
        Objects that are new or changed, by ascending index; the answer is None while pending.
    drop : iterable of int
        Ids of objects that are no longer finished objects.
    reset : bool
        Whether the browser shall forget all others.
    """
    dropped = list(drop)
    messages: list[ObjectsMessage] = []
    content, buffers = _batch(reset=reset, drop=dropped), list[bytes]()
    for index, annotated, answer in put:
        if sum(map(len, buffers)) > MAX_BATCH:
            messages.append(ObjectsMessage(content, buffers))
            content, buffers = _batch(), []
        entry = _described(annotated, index)
        entry.update(score=answer and answer.score, mask=None)
        if answer is not None:
            entry["mask"] = {**_mask(answer.mask), "buffer": len(buffers)}
            buffers.append(answer.mask.data)
        content["put"].append(entry)
    if content["put"] or dropped or reset:
        messages.append(ObjectsMessage(content, buffers))
    return messages


def _batch(*, reset: bool = False, drop: Iterable[int] = ()) -> dict[str, Any]:
    return {"type": "objects", "reset": reset, "put": [], "drop": list(drop)}
