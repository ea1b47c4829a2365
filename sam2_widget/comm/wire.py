"""What the kernel sends to browsers: the one place that knows the layout of these messages.

As traits: ``_image`` (`image_message`), ``_labels`` (`labels_message`), ``_status`` and ``_state``
(`state_message`). As custom messages: finished objects (`objects_messages`), each once when it
changes, and the answers to what a page has asked for. What browsers send is in
`sam2_widget.comm.requests`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from cachetools import LRUCache

from sam2_widget.answers import FORESEEN_KEPT, Answer
from sam2_widget.comm.requests import Hover, Part, Press, Probe, Save, Tiles, Upload
from sam2_widget.images.pyramid import TILE
from sam2_widget.images.view import View
from sam2_widget.kinds import MaskPrompt, Prompt, Stroke
from sam2_widget.masks.logits import LogitMask
from sam2_widget.masks.strokes import Base, Mask
from sam2_widget.notices import Notices
from sam2_widget.session import AnnotatedObject, Session
from sam2_widget.text import presentable

Content: TypeAlias = dict[str, Any]

MAX_BATCH = 1 << 20
"""Bytes of masks in one message: a burst of messages is lost, and a huge one stalls the page."""


class Told:
    """What pages have got: it is sent once, and known by its key from then on.

    Strokes: ten of 500 vertices would else cost every click 80 kB and 50 ms. And the masks that
    were foreseen: by the time that they are asked for they are there.
    """

    def __init__(self) -> None:
        self._keys: set[str] = set()
        # Pages keep some more, so none that is named here is unknown there.
        self._masks: LRUCache[_Foreseen, str] = LRUCache(FORESEEN_KEPT)

    def foresee(self, base: Base, asked: Press) -> str:
        """The key under which pages know a mask that is sent ahead; no other mask ever has it."""
        key = self._masks[_foreseen(base)] = f"{asked.client}/{asked.n}"
        return key

    def key_of(self, base: Base) -> str | None:
        """The key of a mask that pages have got ahead; None if they have not."""
        return self._masks.get(_foreseen(base))

    def entry(self, stroke: Stroke) -> Content:
        """A stroke as it is sent, with its points if they are new."""
        entry: Content = _stroke(stroke)
        if stroke.key not in self._keys:
            self._keys.add(stroke.key)
            entry["points"] = stroke.points
        return entry


_Foreseen: TypeAlias = tuple[int, int, bytes]


def _foreseen(base: Base) -> _Foreseen:
    return base.width, base.height, base.data


def _stroke(stroke: Stroke) -> Content:
    return {"key": stroke.key, "radius": stroke.radius, "label": stroke.label}


class CustomMessage(msgspec.Struct, frozen=True):
    """A custom message: its content, and its binary buffers."""

    content: Content
    buffers: list[bytes]


def image_message(view: View, name: str, levels: int, plane: int = 0) -> Content:
    """The trait ``_image``; `levels`: see `Pyramid`."""
    return {
        "plane": plane,
        "width": view.width,
        "height": view.height,
        "mime": view.mime,
        "data": view.data,
        "name": presentable(name),
        "view_width": view.view_width,
        "view_height": view.view_height,
        "tiles": {"size": TILE, "levels": levels} if levels else None,
    }


def stack_message(along: str, count: int, annotated: list[int]) -> Content:
    """The trait ``_stack``: empty for a plain image."""
    return {"axis": along, "count": count, "annotated": annotated} if along else {}


def labels_message(classes: Mapping[str, str]) -> list[Content]:
    """The trait ``_labels``."""
    return [{"name": name, "color": color} for name, color in classes.items()]


def state_message(
    session: Session,
    answer: Answer | None,
    *,
    failed: bool,
    epoch: int,
    ack: dict[str, int],
    notice: str,
    notices: Notices,
    plane: int,
    turning: int | None,
) -> Content:
    """The trait ``_state`` but for its revision, and for what pages may have got: see `as_told`.

    `answer` is that to the active object, None while it is pending or after the model `failed`;
    `notice` is about it, `notices` are what single pages, or all, were told beside;
    `turning` the plane that is on its way, None if none is.
    """
    active = session.annotation.active
    return {
        "epoch": epoch,
        "ack": dict(ack),
        "active": active and _active(session, active, answer, failed=failed),
        "can_undo": session.can_undo,
        "can_redo": session.can_redo,
        "label": session.label,
        "next_color": session.next_color,
        "notice": presentable(notice),
        "notices": {client: presentable(text) for client, text in notices.told.items()},
        "noticed": notices.count,
        "settings": _settings(session),
        "plane": plane,
        "turning": turning,
    }


def as_told(state: Content, mask: Mask | None, told: Told) -> Content:
    """The state with what pages have not got of `mask`, the active one, and keys for the rest."""
    if mask is None:
        return state
    active = state["active"]
    sent = dict(active["mask"])
    if mask.strokes:
        sent["strokes"] = [told.entry(stroke) for stroke in mask.strokes]
    if key := told.key_of(mask.base):
        del sent["data"]
        sent["known"] = key
    return {**state, "active": {**active, "mask": sent}}


def _settings(session: Session) -> Content:
    settings = session.annotation.settings
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


def _active(
    session: Session, active: AnnotatedObject, answer: Answer | None, *, failed: bool
) -> Content:
    index = session.annotation.index(active.id)
    return {
        **_described(shown_object(session, active, answer), index),
        "prompts": [_prompt(prompt) for prompt in active.prompts],
        "pending": answer is None and not failed,
        "empty": answer is not None and answer.mask.empty,
        "mask": answer and {**_mask(answer.mask), "data": answer.mask.base.data},
        "candidates": answer and _candidates(answer),
        "choice": answer.choice if answer else 0,
    }


def _prompt(prompt: Prompt) -> Content:
    """A prompt for the page to show; what is heavy goes as its key."""
    if isinstance(prompt, Stroke):
        key, radius, label = prompt.key, prompt.radius, prompt.label
        return {"type": "stroke", "key": key, "radius": radius, "label": label}
    if isinstance(prompt, MaskPrompt):
        return {"type": "mask", "key": prompt.key}
    built: Content = msgspec.to_builtins(prompt)
    return built


def _candidates(answer: Answer) -> list[Content] | None:
    """The chosen one without its mask: that is the object's, which is beside it."""
    others = [
        None if index == answer.choice else {**_mask(each.mask), "data": each.mask.base.data}
        for index, each in enumerate(answer.candidates)
    ]
    return [
        {"score": found.score, "mask": mask}
        for found, mask in zip(answer.candidates, others, strict=True)
    ] or None


def _mask(mask: Mask, entry: Callable[[Stroke], Content] = _stroke) -> Content:
    """All of a mask but its data, which goes as a trait's or a message's buffer."""
    base = mask.base
    message: Content = {"width": base.width, "height": base.height}
    if isinstance(base, LogitMask):
        message["kind"] = "logits"
    else:
        message.update(kind="pixels", x=base.x, y=base.y)
    if mask.strokes:
        message["strokes"] = [entry(stroke) for stroke in mask.strokes]
    return message


@dataclass(frozen=True, slots=True)
class ShownObject:
    """All that a page must know of a finished object."""

    annotated: AnnotatedObject
    answer: Answer | None
    color: str
    visible: bool
    locked: bool

    def says_the_same(self, other: ShownObject) -> bool:
        """Whether a page that knows this one need not be told the other."""
        looks = (self.color, self.visible, self.locked)
        return (
            self.annotated is other.annotated
            and self.answer is other.answer
            and looks == (other.color, other.visible, other.locked)
        )


def shown_object(
    session: Session, annotated: AnnotatedObject, answer: Answer | None
) -> ShownObject:
    """An object as it looks in `session`; the answer is None while it is pending."""
    return ShownObject(
        annotated,
        answer,
        session.color(annotated),
        visible=annotated.id not in session.hidden,
        locked=annotated.id in session.locked,
    )


def _described(shown: ShownObject, index: int) -> Content:
    return {
        "id": shown.annotated.id,
        "index": index,
        "color": shown.color,
        "label": shown.annotated.label,
        "score": shown.answer and shown.answer.score,
        "visible": shown.visible,
        "locked": shown.locked,
    }


def objects_messages(
    put: Iterable[tuple[int, ShownObject]],
    drop: Iterable[int] = (),
    *,
    plane: int,
    told: Told,
    reset: bool = False,
) -> list[CustomMessage]:
    """Messages that bring a browser's finished objects up to date, none if nothing changed.

    Parameters
    ----------
    put : iterable of (index, object)
        Objects that are new or changed, by ascending index.
    drop : iterable of int
        Ids of objects that are no longer finished objects.
    plane : int
        Which plane they are on.
    told : Told
        Strokes that pages have got.
    reset : bool
        Whether the browser shall forget all others.
    """
    dropped = list(drop)
    messages: list[CustomMessage] = []
    content, buffers = _batch(plane, reset=reset, drop=dropped), list[bytes]()
    for index, shown in put:
        if sum(map(len, buffers)) > MAX_BATCH:
            messages.append(CustomMessage(content, buffers))
            content, buffers = _batch(plane), []
        mask = shown.answer and _buffered(shown.answer.mask, buffers, told)
        content["put"].append({**_described(shown, index), "mask": mask})
    if content["put"] or dropped or reset:
        messages.append(CustomMessage(content, buffers))
    return messages


def _batch(plane: int, *, reset: bool = False, drop: Iterable[int] = ()) -> Content:
    return {"type": "objects", "plane": plane, "reset": reset, "put": [], "drop": list(drop)}


def _buffered(mask: Mask, buffers: list[bytes], told: Told) -> Content:
    """A mask whose data is put among the message's `buffers`."""
    buffers.append(mask.base.data)
    return {**_mask(mask, told.entry), "buffer": len(buffers) - 1}


def preview_message(asked: Hover, answer: Answer | None, told: Told) -> CustomMessage:
    """What a click would give; None if that cannot be told now."""
    buffers: list[bytes] = []
    mask = answer and _buffered(answer.mask, buffers, told)
    if answer and mask and isinstance(asked, Press):
        mask["key"] = told.foresee(answer.mask.base, asked)
    content = {
        "type": "preview",
        "client": asked.client,
        "n": asked.n,
        "mask": mask,
        "score": answer and answer.score,
    }
    return CustomMessage(content, buffers)


def tiles_message(asked: Tiles, files: Iterable[bytes | None]) -> CustomMessage:
    """The tiles asked for that there are."""
    tiles: list[Content] = []
    buffers: list[bytes] = []
    for (column, row), file in zip(asked.tiles, files, strict=True):
        if file is not None:
            tiles.append({"col": column, "row": row, "mime": "image/jpeg", "buffer": len(buffers)})
            buffers.append(file)
    content = {
        "type": "tiles",
        "client": asked.client,
        "plane": asked.plane,
        "level": asked.level,
        "tiles": tiles,
    }
    return CustomMessage(content, buffers)


def probe_message(asked: Probe, values: list[float]) -> CustomMessage:
    """The values of the pixel asked for, one per channel; none outside the image."""
    content = {"type": "probe", "client": asked.client, "n": asked.n, "x": asked.x, "y": asked.y}
    return CustomMessage({**content, "values": values}, [])


def file_message(asked: Save, name: str, mime: str, size: int, parts: int) -> CustomMessage:
    """The file asked for is made; its parts can be fetched. None if it could not be made."""
    content = {"type": "file", "client": asked.client, "n": asked.n, "name": name, "mime": mime}
    return CustomMessage({**content, "size": size, "parts": parts}, [])


def part_message(asked: Part, data: bytes) -> CustomMessage:
    """A part of a file; empty if it is no longer there."""
    content = {"type": "part", "client": asked.client, "n": asked.n, "part": asked.part}
    return CustomMessage(content, [data])


def uploaded_message(asked: Upload, at: int, *, done: bool) -> CustomMessage:
    """How much of a file has arrived, and whether the page has to send no more."""
    content = {"type": "uploaded", "client": asked.client, "n": asked.n, "at": at, "done": done}
    return CustomMessage(content, [])
