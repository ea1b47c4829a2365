"""Creates the messages to pages that `sam2_widget.comm.messages` defines.

Of finished objects (`objects_messages`) and strokes only new ones are sent, see `SentRegistry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from cachetools import LRUCache

from sam2_widget._utils.text import presentable
from sam2_widget.annotation.notices import Notices
from sam2_widget.annotation.pictures import ShownPlane
from sam2_widget.annotation.predictions import MAX_SPECULATIVE_RUNS, Prediction
from sam2_widget.annotation.session import AnnotatedObject, Session, number_of
from sam2_widget.comm import messages
from sam2_widget.comm.requests import Frames, Hover, Part, Press, Probe, Save, Tiles, Upload
from sam2_widget.images.pyramid import TILE
from sam2_widget.images.view import View
from sam2_widget.masks.logits import LogitMask
from sam2_widget.masks.strokes import Base, Mask
from sam2_widget.prompts.categories import Categories
from sam2_widget.prompts.collections import Class, classes_of
from sam2_widget.prompts.types import MaskPrompt, Prompt, Stroke

MAX_BATCH = 1 << 20
"""Bytes of masks in a message: many small messages may be lost, and a huge one blocks the page."""


class SentRegistry:
    """Registry of data that was sent to pages, to which later messages refer by keys.

    It contains strokes, of which ten with 500 vertices would otherwise add 80 kB and 50 ms to every
    click, and the masks of speculative predictions, which the page has before the click.
    """

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._large_keys: set[str] = set()
        # Pages store a few more of them, so that every key that is sent is valid.
        self._masks: LRUCache[_MaskData, str] = LRUCache(MAX_SPECULATIVE_RUNS)

    def add_mask(self, base: Base, press: Press) -> str:
        """Register the mask of a speculative prediction; returns its key, which is unique."""
        key = self._masks[_mask_data(base)] = f"{press.client}/{press.n}"
        return key

    def key_of(self, base: Base) -> str | None:
        """The key of a mask that was sent to pages; None if it was not."""
        return self._masks.get(_mask_data(base))

    def new_large_prompts(self, prompts: Iterable[Prompt]) -> dict[str, str]:
        """Strokes and masks among `prompts` that were not sent before, as JSON by their keys."""
        large = [p for p in prompts if isinstance(p, (Stroke, MaskPrompt))]
        # Also strokes that were part of a state: a page may miss a state without noticing it, but
        # not a message of objects, which are numbered.
        new = [p for p in large if p.key not in self._large_keys]
        found = {p.key: msgspec.json.encode(p).decode() for p in new}
        self._large_keys.update(found)
        return found

    def entry(self, stroke: Stroke) -> messages.MaskStroke:
        """A stroke in a message: with its points the first time, later with its key only."""
        entry = _stroke(stroke)
        if stroke.key not in self._keys:
            self._keys.add(stroke.key)
            entry["points"] = stroke.points
        return entry


_MaskData: TypeAlias = tuple[int, int, bytes]


def _mask_data(base: Base) -> _MaskData:
    return base.width, base.height, base.data


def _stroke(stroke: Stroke) -> messages.MaskStroke:
    return {"key": stroke.key, "radius": stroke.radius, "label": stroke.label}


@dataclass(frozen=True, slots=True)
class CustomMessage:
    """A custom message: its content, and its binary buffers."""

    content: messages.KernelMessage
    buffers: list[bytes]


@dataclass(frozen=True, slots=True)
class ObjectsBatch:
    """A message of finished objects that has no number yet."""

    content: messages.ObjectsBatch
    buffers: list[bytes]

    def numbered(self, n: int) -> CustomMessage:
        """The complete message."""
        return CustomMessage({**self.content, "n": n}, self.buffers)


def image_message(picture: ShownPlane, name: str) -> messages.ImageTrait:
    """The trait ``_image``."""
    return {**_picture(picture, name), "data": picture.view.data}


def picture_message(picture: ShownPlane) -> messages.PictureMessage:
    """The picture of an image of a set that is not shown yet; its data is the message's buffer."""
    return {**_picture(picture, picture.image.name), "type": "picture", "buffer": 0}


def _picture(picture: ShownPlane, name: str) -> messages.PictureContent:
    view, levels = picture.view, picture.pyramid.levels
    return {
        "plane": picture.index,
        "width": view.width,
        "height": view.height,
        "mime": view.mime,
        "name": presentable(name),
        "view_width": view.view_width,
        "view_height": view.view_height,
        "tiles": {"size": TILE, "levels": levels} if levels else None,
    }


def stack_message(along: str, count: int, annotated: list[int]) -> messages.StackTrait:
    """The trait ``_stack``: empty for a plain image."""
    return {"axis": along, "count": count, "annotated": annotated} if along else {}


def set_message(count: int) -> messages.StackTrait:
    """The trait ``_stack`` of a set of images."""
    return {"images": count}


def labels_message(
    classes: Mapping[str, str], used: Iterable[str] = ()
) -> list[messages.ClassColor]:
    """The trait ``_labels``: the classes, then the `used` labels that are not classes."""
    undeclared = dict.fromkeys(name for name in used if name not in classes)
    return [{"name": n, "color": color} for n, color in {**classes, **undeclared}.items()]


def categories_message(categories: Categories) -> list[messages.Category]:
    """The trait ``_categories``: all classes with their ids, as COCO lists them."""
    return [{"id": number, "name": name} for name, number in categories.numbers(first=1).items()]


def prompt_classes_message(known: Categories) -> list[Class]:
    """The trait ``_prompt_classes``: the classes as in a file of prompts."""
    found: list[Class] = msgspec.to_builtins(classes_of(known))
    return found


def state_message(
    session: Session,
    prediction: Prediction | None,
    *,
    index: int,
    failed: bool,
    epoch: int,
    ack: dict[str, int],
    notice: str,
    notices: Notices,
    plane: int,
    pending_plane: int | None,
    objects: int,
) -> messages.StateContent:
    """The trait ``_state`` without its revision, before `strip_known`.

    `prediction` is that of the active object, None while it is pending or after the model `failed`;
    `index` is its place among all objects of the plane; `notice` is about it; `notices` are the
    other notices, for one page or for all; `pending_plane` is the plane that will be shown, if any;
    `objects` is the number of the last message of objects that belongs to this state.
    """
    active = session.annotation.active
    return {
        "epoch": epoch,
        "ack": dict(ack),
        "active": (
            _active(session, active, prediction, index=index, failed=failed) if active else None
        ),
        "can_undo": session.can_undo,
        "can_redo": session.can_redo,
        "label": session.label,
        "next_color": session.next_color,
        "color_by": session.color_by,
        "notice": presentable(notice),
        "notices": {client: presentable(text) for client, text in notices.current.items()},
        "noticed": notices.count,
        "settings": _settings(session),
        "plane": plane,
        "pending_plane": pending_plane,
        "objects": objects,
    }


def strip_known(
    state: messages.StateContent, mask: Mask | None, registry: SentRegistry
) -> messages.StateContent:
    """The state, with keys in place of the parts of the active mask that were sent before."""
    active = state["active"]
    if mask is None or active is None or active["mask"] is None:
        return state
    sent = active["mask"].copy()
    if mask.strokes:
        sent["strokes"] = [registry.entry(stroke) for stroke in mask.strokes]
    if key := registry.key_of(mask.base):
        del sent["data"]
        sent["known"] = key
    return {**state, "active": {**active, "mask": sent}}


def _settings(session: Session) -> messages.MaskSettings:
    settings = session.annotation.settings
    return {
        "overlap": settings.overlap,
        "fill_holes": settings.fill_holes,
        "drop_specks": settings.drop_specks,
    }


def _active(
    session: Session,
    active: AnnotatedObject,
    prediction: Prediction | None,
    *,
    index: int,
    failed: bool,
) -> messages.ActiveObject:
    return {
        **_described(shown_object(session, active, prediction), index),
        "pending": prediction is None and not failed,
        "empty": prediction is not None and prediction.mask.empty,
        "mask": _whole(prediction.mask) if prediction else None,
        "candidates": _candidates(prediction) if prediction else None,
        "choice": prediction.choice if prediction else 0,
    }


def _prompt(prompt: Prompt) -> messages.ShownPrompt:
    """A prompt for display; large ones are replaced by their keys."""
    shown: messages.ShownPrompt
    if isinstance(prompt, Stroke):
        shown = messages.ShownStroke(prompt.key, prompt.radius, prompt.label)
    elif isinstance(prompt, MaskPrompt):
        shown = messages.ShownMask(prompt.key)
    else:
        shown = prompt
    built: messages.ShownPrompt = msgspec.to_builtins(shown)
    return built


def _candidates(prediction: Prediction) -> list[messages.CandidateContent] | None:
    """The candidates; the chosen one without its mask, which is the object's."""
    return [
        {
            "score": candidate.score,
            "mask": None if index == prediction.choice else _whole(candidate.mask),
        }
        for index, candidate in enumerate(prediction.candidates)
    ] or None


def _whole(mask: Mask) -> messages.MaskContent:
    """A mask with its data, which becomes a buffer of the trait."""
    return {**_mask(mask), "data": mask.base.data}


def _mask(
    mask: Mask, entry: Callable[[Stroke], messages.MaskStroke] = _stroke
) -> messages.MaskContent:
    """A mask without its data."""
    base = mask.base
    message: messages.MaskContent
    if isinstance(base, LogitMask):
        message = {"kind": "logits", "width": base.width, "height": base.height}
    else:
        message = {"kind": "pixels", "width": base.width, "height": base.height}
        message["x"], message["y"] = base.x, base.y
    if mask.strokes:
        message["strokes"] = [entry(stroke) for stroke in mask.strokes]
    return message


@dataclass(frozen=True, slots=True)
class ShownObject:
    """A finished object as pages show it."""

    annotated: AnnotatedObject
    prediction: Prediction | None
    color: str
    visible: bool
    locked: bool

    def is_same_as(self, other: ShownObject) -> bool:
        """Whether a page that has received this object need not receive `other`."""
        looks = (self.color, self.visible, self.locked)
        return (
            self.annotated is other.annotated
            and self.prediction is other.prediction
            and looks == (other.color, other.visible, other.locked)
        )


def shown_object(
    session: Session, annotated: AnnotatedObject, prediction: Prediction | None
) -> ShownObject:
    """An object as it looks in `session`; the prediction is None while it is pending."""
    return ShownObject(
        annotated,
        prediction,
        session.color(annotated),
        visible=not session.is_hidden(annotated),
        locked=session.is_locked(annotated),
    )


def _described(shown: ShownObject, index: int) -> messages.ObjectContent:
    described: messages.ObjectContent = {
        "id": shown.annotated.id,
        "index": index,
        "prompts": [_prompt(prompt) for prompt in shown.annotated.prompts],
        "color": shown.color,
        "label": shown.annotated.label,
        "score": shown.prediction.score if shown.prediction else None,
        "number": shown.annotated.number,
        "crowd": shown.annotated.crowd,
        "visible": shown.visible,
        "locked": shown.locked,
    }
    if shown.annotated.color is not None:
        described["own_color"] = shown.annotated.color
    if number_of(shown.annotated.id) is not None:
        described["tracked"] = True
    return described


def objects_messages(
    put: Iterable[tuple[int, ShownObject]],
    drop: Iterable[int] = (),
    *,
    plane: int,
    registry: SentRegistry,
    reset: bool = False,
    active: AnnotatedObject | None = None,
) -> list[ObjectsBatch]:
    """Messages that update the finished objects of pages; none if nothing has changed.

    They contain the prompts of each object, too, so that pages can restore them after a restart of
    the kernel: strokes and masks are sent once, in ``large_prompts``, and by their keys otherwise.

    Parameters
    ----------
    put : iterable of (index, object)
        Objects that are new or changed, by ascending index.
    drop : iterable of int
        Ids of objects that are no longer finished objects.
    plane : int
        Number of their plane.
    registry : SentRegistry
        Data that was sent before.
    reset : bool
        Whether pages must drop all other objects.
    active : AnnotatedObject, optional
        The active object, for pages that may have only the keys of its strokes.
    """
    dropped = list(drop)
    closed: list[ObjectsBatch] = []
    content, buffers = _batch(plane, reset=reset, drop=dropped), list[bytes]()
    content["large_prompts"].update(registry.new_large_prompts(active.prompts if active else ()))
    size = 0
    for index, shown in put:
        if size > MAX_BATCH:
            closed.append(ObjectsBatch(content, buffers))
            content, buffers, size = _batch(plane), [], 0
        found = shown.prediction
        mask = _buffered(found.mask, buffers, registry) if found else None
        large = registry.new_large_prompts(shown.annotated.prompts)
        size += sum(map(len, large.values())) + (len(buffers[-1]) if mask else 0)
        content["large_prompts"].update(large)
        content["put"].append({**_described(shown, index), "mask": mask})
    if content["put"] or dropped or reset:
        closed.append(ObjectsBatch(content, buffers))
    return closed


def _batch(plane: int, *, reset: bool = False, drop: Iterable[int] = ()) -> messages.ObjectsBatch:
    return {
        "type": "objects",
        "plane": plane,
        "reset": reset,
        "put": [],
        "drop": list(drop),
        "large_prompts": {},
    }


def _buffered(mask: Mask, buffers: list[bytes], registry: SentRegistry) -> messages.MaskContent:
    """A mask whose data is put among the message's `buffers`."""
    buffers.append(mask.base.data)
    return {**_mask(mask, registry.entry), "buffer": len(buffers) - 1}


def preview_message(
    request: Hover, prediction: Prediction | None, registry: SentRegistry
) -> CustomMessage:
    """The mask that a click would give; None if it cannot be predicted now."""
    buffers: list[bytes] = []
    mask = _buffered(prediction.mask, buffers, registry) if prediction else None
    if prediction and mask and isinstance(request, Press):
        mask["key"] = registry.add_mask(prediction.mask.base, request)
    content: messages.PreviewAnswer = {
        "type": "preview",
        "client": request.client,
        "n": request.n,
        "mask": mask,
        "score": prediction.score if prediction else None,
    }
    return CustomMessage(content, buffers)


def tiles_message(request: Tiles, files: Iterable[bytes | None]) -> CustomMessage:
    """The requested tiles that exist."""
    tiles: list[messages.Tile] = []
    buffers: list[bytes] = []
    for (column, row), file in zip(request.tiles, files, strict=True):
        if file is not None:
            tiles.append({"col": column, "row": row, "mime": "image/jpeg", "buffer": len(buffers)})
            buffers.append(file)
    content: messages.TilesAnswer = {
        "type": "tiles",
        "client": request.client,
        "plane": request.plane,
        "level": request.level,
        "tiles": tiles,
    }
    return CustomMessage(content, buffers)


def frame_message(
    request: Frames,
    plane: int,
    view: View,
    objects: Iterable[tuple[AnnotatedObject, Prediction | None, str]],
) -> CustomMessage:
    """A plane for playback: its picture, and objects with their colours, from bottom to top."""
    buffers, shown = [view.data], list[messages.FrameObject]()
    for annotated, prediction, color in objects:
        if prediction is not None:
            # No keys: during playback pages store nothing.
            mask = _buffered(prediction.mask, buffers, SentRegistry())
            tracked = number_of(annotated.id) is not None
            number = annotated.number
            shown.append({"number": number, "color": color, "tracked": tracked, "mask": mask})
    content: messages.FrameAnswer = {
        **_frame(request, plane),
        "mime": view.mime,
        "width": view.width,
        "height": view.height,
        "view_width": view.view_width,
        "view_height": view.view_height,
        "buffer": 0,
        "objects": shown,
    }
    return CustomMessage(content, buffers)


def failed_frame_message(request: Frames, plane: int, error: str) -> CustomMessage:
    """A plane that cannot be played."""
    content: messages.FrameAnswer = {**_frame(request, plane), "error": presentable(error)}
    return CustomMessage(content, [])


def _frame(request: Frames, plane: int) -> messages.FrameAnswer:
    return {"type": "frame", "client": request.client, "n": request.n, "plane": plane}


def probe_message(request: Probe, values: list[float]) -> CustomMessage:
    """The values of the requested pixel, one per channel; none outside the image."""
    content: messages.ProbeAnswer = {
        "type": "probe",
        "client": request.client,
        "n": request.n,
        "x": request.x,
        "y": request.y,
        "values": values,
    }
    return CustomMessage(content, [])


def file_message(request: Save, name: str, mime: str, size: int, parts: int) -> CustomMessage:
    """The requested file can be fetched in parts; no parts if it could not be made."""
    content: messages.FileAnswer = {
        "type": "file",
        "client": request.client,
        "n": request.n,
        "name": name,
        "mime": mime,
        "size": size,
        "parts": parts,
    }
    return CustomMessage(content, [])


def part_message(request: Part, data: bytes) -> CustomMessage:
    """A part of a file; empty if it is no longer there."""
    content: messages.PartAnswer = {
        "type": "part",
        "client": request.client,
        "n": request.n,
        "part": request.part,
    }
    return CustomMessage(content, [data])


def uploaded_message(request: Upload, at: int, *, done: bool) -> CustomMessage:
    """How much of a file has arrived, and whether it is complete."""
    content: messages.UploadedAnswer = {
        "type": "uploaded",
        "client": request.client,
        "n": request.n,
        "at": at,
        "done": done,
    }
    return CustomMessage(content, [])
