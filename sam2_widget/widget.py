"""`SegmentWidget`: traits and glue between browser, session and model.

The only module that imports anywidget. An edit, from Python or from the browser, changes the
session at once; its answer is computed on the model thread; then both are published. Handlers run
on the main thread or on ipykernel's subshell thread, so `_lock` guards all that they share; nothing
slow happens under it, and nobody who holds it waits for another thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from sam2_widget import models, wire, worker
from sam2_widget.answers import Answer, Answers
from sam2_widget.engine import Engine, as_model_error
from sam2_widget.errors import LabelError, MessageError, PromptError, SegmentationError
from sam2_widget.images import ImageLike, encode_view, to_rgb
from sam2_widget.masks import BoolArray, Float32Array
from sam2_widget.models import ModelLike
from sam2_widget.predictor import UInt8Array
from sam2_widget.prompts import Box, Point, Prompts
from sam2_widget.results import Segmentation, SegmentedObject, make_segmentation
from sam2_widget.session import AnnotatedObject, Session
from sam2_widget.status import Status

logger = logging.getLogger(__name__)

T = TypeVar("T")

STATIC = Path(__file__).parent / "static"


def _front_end(name: str) -> str:
    try:
        return (STATIC / name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ImportError(
            f"the front end of sam2-widget is not built, {STATIC / name} is missing: "
            "run `pip install .` in its source folder"
        ) from error


_Answered: TypeAlias = tuple[AnnotatedObject, Answer]

CLIENTS_KEPT = 32
"""Browsers whose last request is remembered; every reload of a page is a new one."""


class SegmentWidget(anywidget.AnyWidget):
    """An image to click on, and the masks that follow.

    Parameters
    ----------
    image : path, PIL image, ndarray or torch tensor
        Arrays of shape (H, W) or (H, W, C), tensors also (C, H, W), with C = 1, 3 or 4; of dtype
        uint8, uint16, bool or float. See `sam2_widget.images.to_rgb` for how values become colours.
    model : str or Predictor
        ``"auto"``, ``"bundled"``, ``"tiny"``, ``"small"``, ``"base-plus"``, ``"large"``, a Hugging
        Face hub id, the path of a SAM 2 checkpoint, or what `load_model` returned.
    labels : sequence of str, optional
        The labels that objects may have; without them a label is any text.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``; the best there is by default.

    Raises
    ------
    ImageError
        If the image cannot be read, or is no image.
    UnknownModelError
        If there is no such model.
    LabelError
        If `labels` are not distinct texts.

    Notes
    -----
    Coordinates are (x, y) in image pixels; pixel column ``i`` covers ``[i, i + 1)``. The model is
    downloaded, loaded and run in the background. Whatever is read here waits for what is pending,
    and raises `ModelError` if the model cannot answer. ``w.observe(f, "masks")`` calls ``f`` when
    the masks have changed, on another thread than the cells'.

    Examples
    --------
    >>> w = SegmentWidget("photo.jpg", model="bundled")  # doctest: +SKIP
    >>> w.add_point(320, 200)  # as a click does           # doctest: +SKIP
    >>> w.masks.shape  # doctest: +SKIP
    (1, 480, 640)
    """

    # Texts, not paths: anywidget watches paths, and its watcher would keep every widget alive.
    _esm = _front_end("widget.js")
    _css = _front_end("widget.css")

    # Written by the kernel.
    _image = traitlets.Dict().tag(sync=True)
    _status = traitlets.Dict().tag(sync=True)
    _labels: traitlets.List[str] = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _state = traitlets.Dict().tag(sync=True)
    # Written by the browser, never set here: `set_state` takes what arrives.
    _prompts = traitlets.Dict().tag(sync=True, echo_update=False)

    def __init__(
        self,
        image: ImageLike,
        *,
        model: ModelLike = "auto",
        labels: Iterable[str] | None = None,
        device: str | None = None,
    ) -> None:
        models.check_model(model)
        models.check_device(device)
        self._rgb = to_rgb(image)
        self._rgb.setflags(write=False)
        self._session = Session(self._rgb.shape[1], self._rgb.shape[0], _checked_labels(labels))
        self._lock = threading.RLock()
        self._engine = Engine(self._rgb, device=device, changed=self._engine_changed)
        self._known: tuple[Answers | None, dict[int, _Answered]] = (None, {})
        self._failed: AnnotatedObject | None = None
        self._result: tuple[Answers, tuple[AnnotatedObject, ...], Segmentation] | None = None
        self._ack: dict[str, int] = {}
        self._epoch = 0
        self._notice = ""
        self._sent: dict[int, tuple[AnnotatedObject, Answer | None]] = {}
        self._notified: list[tuple[int, Answer]] = []
        super().__init__(
            _image=wire.image_message(encode_view(self._rgb), _file_name(image)),
            _labels=list(self._session.labels),
            _state={**self._current_state(), "revision": 0},
            _status=self._engine.status.to_dict(),
        )
        self.on_msg(self._on_message)
        self._engine.load(model)

    # --- what the mouse can do, Python can do -----------------------------------------------------

    def add_point(self, x: float, y: float, label: int = 1) -> None:
        """Click at (x, y) in image pixels: `label` 1 for the object, 0 for what is not part of it.

        Raises
        ------
        PromptError
            If the point is outside the image, not finite, or the label neither 0 nor 1.
        """
        point = Point(x, y, label)
        self._edit(lambda: self._session.add(point))

    def add_box(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Draw a box between two opposite corners in image pixels; it replaces an earlier one.

        Raises
        ------
        PromptError
            If the box reaches outside the image, is not finite or has no area.
        """
        box = Box(x0, y0, x1, y1)
        self._edit(lambda: self._session.add(box))

    def commit(self, label: str | None = None) -> None:
        """Finish the object being worked on, so that the next prompt starts a new one.

        Raises
        ------
        PromptError
            If no object is being worked on.
        LabelError
            If `label` is not one of the widget's labels.
        """
        self._edit(lambda: self._session.commit(label))

    def select(self, i: int) -> None:
        """Work on ``objects[i]`` again; PromptError if there is none."""
        self._edit(lambda: self._session.select(self._id_of(i)))

    def delete(self, i: int) -> None:
        """Remove ``objects[i]``; PromptError if there is none."""
        self._edit(lambda: self._session.delete(self._id_of(i)))

    def rename(self, i: int, label: str | None) -> None:
        """Give ``objects[i]`` another label, or none; LabelError if it may not have it."""
        self._edit(lambda: self._session.rename(self._id_of(i), label))

    def undo(self) -> bool:
        """Take the last step back, a prompt or a whole object; False if there is none."""
        return self._edit(self._session.undo)

    def redo(self) -> bool:
        """Bring back the last step taken back; False if there is none."""
        return self._edit(self._session.redo)

    def clear(self) -> None:
        """Remove all objects; `undo` brings them back."""
        self._edit(self._session.clear)

    # --- the result -------------------------------------------------------------------------------

    @property
    def mask(self) -> BoolArray:
        """Mask of the object being worked on, (H, W) bool; all False if there is none."""
        active = self._session.annotation.active
        found = [o for o in self.objects if active and o.id == active.id]
        return found[0].mask if found else np.zeros(self._rgb.shape[:2], bool)

    @property
    def masks(self) -> BoolArray:
        """All masks, (N, H, W) bool, that of the object being worked on among them."""
        return self._current_result().masks

    @property
    def scores(self) -> Float32Array:
        """The model's estimate of each mask's IoU, (N,) float32."""
        return self._current_result().scores

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """(H, W) int32: 0 is background, ``i + 1`` is ``objects[i]``; later objects lie on top."""
        return self._current_result().label_map

    @property
    def objects(self) -> tuple[SegmentedObject, ...]:
        """All objects with label, mask, score, area, …; the one being worked on is among them."""
        return self._current_result().objects

    @property
    def prompts(self) -> Prompts:
        """The prompts of all objects; ``segment(image, w.prompts)`` gives the same masks."""
        return self._session.prompts

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that objects may have; empty if any text may be one."""
        return self._session.labels

    @property
    def image(self) -> UInt8Array:
        """The image as shown and as the model sees it, (H, W, 3) uint8, read-only."""
        return self._rgb

    @property
    def status(self) -> Status:
        """What the widget is doing."""
        status = self._engine.status
        if status.phase == "ready" and self._pending():
            return Status("predicting", "Predicting", None, status.model, status.device)
        return status

    @property
    def model(self) -> str:
        """Name of the model; set it to another name to change the model and keep all prompts."""
        return self._engine.status.model

    @model.setter
    def model(self, model: ModelLike) -> None:
        models.check_model(model)
        self._engine.load(model)

    def close(self) -> None:
        """Remove the widget from the page; what has been segmented can still be read."""
        if hasattr(self, "_engine") and not self._engine.closed:
            self._engine.close()
            self._engine_changed()
        super().close()

    def __repr__(self) -> str:
        height, width = self._rgb.shape[:2]
        count = len(self._session.annotation.objects)
        objects = "1 object" if count == 1 else f"{count} objects"
        return f"SegmentWidget({width} x {height}, {objects}, {self.status})"

    # --- edits ------------------------------------------------------------------------------------

    def _edit(self, change: Callable[[], T]) -> T:
        """Change the session from Python."""
        with self._lock:
            result = change()
            self._epoch += 1
            self._notice = ""
        self._after_edit()
        return result

    def _after_edit(self, *, answer_follows: bool = False) -> None:
        """Publish what is known, and have the model answer the rest.

        `answer_follows` saves a message where the page knows already what it has asked for.
        """
        self._failed = None
        pending = self._pending()
        answer_is_near = answer_follows and pending and self._engine.status.phase == "ready"
        if not answer_is_near:
            self._publish()
        if pending:
            self._answer_later()
        else:
            self._engine.recovered()
            self._notify()

    def _id_of(self, i: int) -> int:
        objects = self._session.annotation.objects
        try:
            return objects[i].id
        except (IndexError, TypeError, AttributeError) as error:
            raise PromptError(f"there is no object {i!r}: there are {len(objects)}") from error

    # --- answers, on the model thread -------------------------------------------------------------

    def _answered(self, annotated: AnnotatedObject) -> Answer | None:
        """The answer to an object if it is known; looked up once: 500 others cost nothing."""
        answers, known = self._known
        if answers is not self._engine.answers:
            answers, known = self._known = (self._engine.answers, {})
        found = known.get(annotated.id)
        if found is not None and found[0] is annotated:
            return found[1]
        answer = answers.known(annotated.prompts) if answers else None
        if answer is not None:
            known[annotated.id] = (annotated, answer)
        return answer

    def _pending(self) -> list[AnnotatedObject]:
        """Objects without an answer, the one being worked on first."""
        annotation = self._session.annotation
        found = [o for o in annotation.objects if self._answered(o) is None]
        return sorted(found, key=lambda o: o.id != annotation.active_id)

    def _answer_later(self) -> None:
        if self._engine.answers is not None:
            worker.submit(self._answer_next)

    def _answer_next(self) -> None:
        """Answer one object and publish it; others, of other widgets too, have their turn between.

        It sees the newest edits, so a turn that came too late for its own finds nothing to do.
        """
        answers, pending = self._engine.answers, self._pending()
        if answers is None or self._engine.closed:
            return
        try:
            if pending:
                answers(pending[0].prompts)
        except Exception as error:  # noqa: BLE001 - whatever it was, it must reach the user
            self._failed = pending[0]
            self._engine.failed(error)
            self._publish()
            return
        self._engine.recovered()
        self._publish()
        if self._pending():
            self._answer_later()
        else:
            self._notify()

    def _current_result(self) -> Segmentation:
        """The segmentation of the newest edits; waits for it."""
        while True:
            answers, objects = self._engine.wait(), self._session.annotation.objects
            kept = self._result  # once: another thread may put a newer one in its place
            if kept and kept[0] is answers and kept[1] is objects:
                return kept[2]
            try:
                size = self._rgb.shape[:2]
                made = worker.run(lambda: make_segmentation(objects, answers, size=size))  # noqa: B023
            except Exception as error:
                raise as_model_error(error) from error
            if answers is self._engine.answers:
                self._result = (answers, objects, made)
                return made

    def _notify(self) -> None:
        """Have the observers of ``"masks"`` called if the masks have changed."""
        with self._lock:
            objects = self._session.annotation.objects
            answered = [(o.id, answer) for o in objects if (answer := self._answered(o))]
            if answered == self._notified or len(answered) < len(objects):
                return
            self._notified = answered
        if self._trait_notifiers.get("masks"):
            worker.call_observers(self._call_observers)

    def _call_observers(self) -> None:
        change = {"name": "masks", "type": "change", "owner": self, "old": None}
        try:
            self.notify_change(traitlets.Bunch(change, new=self.masks))
        except Exception:
            logger.exception("an observer of 'masks' failed")

    def _engine_changed(self) -> None:
        """The engine has a new status or a new model."""
        with self._lock:
            status = self._engine.status
            self._status = status.to_dict()
        self._publish()
        # Not after an error: what has failed is tried again at the next edit.
        if status.phase == "ready":
            self._answer_later()

    # --- publishing -------------------------------------------------------------------------------

    def _current_state(self) -> dict[str, Any]:
        active = self._session.annotation.active
        return wire.state_message(
            self._session,
            self._answered(active) if active else None,
            failed=active is not None and (active is self._failed or self._engine.hopeless),
            epoch=self._epoch,
            ack=self._ack,
            notice=self._notice,
        )

    def _publish(self) -> None:
        """Bring all browsers up to date; sends only what has changed."""
        with self._lock:
            if self._engine.closed:
                return
            annotation = self._session.annotation
            put: list[tuple[int, AnnotatedObject, Answer | None]] = []
            finished: dict[int, tuple[AnnotatedObject, Answer | None]] = {}
            for index, annotated in enumerate(annotation.objects):
                if annotated.id != annotation.active_id:
                    finished[annotated.id] = entry = (annotated, self._answered(annotated))
                    sent = self._sent.get(annotated.id, (None, None))
                    if sent[0] is not entry[0] or sent[1] is not entry[1]:
                        put.append((index, *entry))
            drop = [key for key in self._sent if key not in finished]
            self._sent = finished
            # In this order an object on its way from one place to the other is never in neither.
            self._send_objects(wire.objects_messages(put))
            state, before = self._current_state(), self._state
            if state != {key: before[key] for key in before if key != "revision"}:
                self._state = {**state, "revision": before["revision"] + 1}
            self._send_objects(wire.objects_messages([], drop))

    def _publish_all(self) -> None:
        """Send all finished objects to a page that has just opened."""
        with self._lock:
            self._sent = {}
            self._send_objects(wire.objects_messages([], reset=True))
            self._publish()

    def _send_objects(self, messages: list[wire.ObjectsMessage]) -> None:
        for message in messages:
            self.send(message.content, message.buffers)

    def _send(self, msg: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        super()._send(msg, buffers)
        self._free_reply_route()

    def open(self) -> None:
        """Open the comm."""
        super().open()
        self._free_reply_route()

    def _free_reply_route(self) -> None:
        # ipykernel 7.4 sends what arrives to the thread that last published on the comm, which for
        # anything published by a cell is the main thread: clicks would wait for the running cell.
        with contextlib.suppress(AttributeError):
            del self.comm._reply_subshell_id  # noqa: SLF001 - there is no public way

    # --- what arrives from browsers ---------------------------------------------------------------

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take a trait from a browser: prompts, and no other, whatever it says."""
        if isinstance(sync_data, dict) and "_prompts" in sync_data:
            self._receive(sync_data["_prompts"], self._take_prompts)

    def _on_message(self, _: object, content: object, __: object) -> None:
        self._receive(content, self._take_message)

    def _receive(self, content: object, take: Callable[[object], None]) -> None:
        """Run a handler; what goes wrong is told in the widget, for no cell would show it."""
        try:
            take(content)
        except SegmentationError as error:
            self._refuse(content, str(error))
        except Exception as error:
            logger.exception("a message from the browser could not be handled")
            self._refuse(content, f"Something went wrong in the kernel: {error!r}")

    def _refuse(self, content: object, notice: str) -> None:
        """Say why nothing was done. The page waits for every request to be acknowledged."""
        with self._lock:
            rid = wire.request_id(content)
            if rid is not None:
                self._acknowledge(rid)
            self._notice = notice
        self._after_edit()

    def _take_prompts(self, content: object) -> None:
        request = wire.parse_prompts(content)
        with self._lock:
            if not self._acknowledge(request.rid):
                return
            self._apply(request.epoch, request.prompts)
        self._after_edit(answer_follows=not self._notice)

    def _take_message(self, content: object) -> None:
        message = wire.parse_message(content)
        if isinstance(message, wire.Hello):
            self._publish_all()
        elif not isinstance(message, wire.Nudge):
            with self._lock:
                if not self._acknowledge(message.rid):
                    return
                self._epoch += 1
                if message.prompts is not None:
                    self._apply(message.epoch + 1, message.prompts)
                self._act(message)
            self._after_edit()

    def _acknowledge(self, rid: wire.RequestId) -> bool:
        """Note a request; False if a later one of the same browser was here before."""
        if rid.n <= self._ack.get(rid.client, -1):
            return False
        self._ack.pop(rid.client, None)
        self._ack[rid.client] = rid.n
        while len(self._ack) > CLIENTS_KEPT:
            del self._ack[next(iter(self._ack))]
        self._notice = ""
        return True

    def _apply(self, epoch: int, prompts: tuple[Point | Box, ...]) -> None:
        """Take the browser's prompts, unless they are about another object than ours."""
        if epoch == self._epoch:
            self._session.set_prompts(prompts)
        else:
            self._notice = "The objects were changed elsewhere at the same moment: click again."

    def _act(self, action: wire.Action) -> None:
        session = self._session
        try:
            match action:
                case wire.Commit():
                    session.commit(action.label)
                case wire.Select():
                    session.select(action.object)
                case wire.Delete():
                    session.delete(action.object)
                case wire.Rename():
                    session.rename(action.object, action.label)
                case wire.UseLabel():
                    session.use_label(action.label)
                case wire.Undo():
                    session.undo()
                case wire.Redo():
                    session.redo()
                case wire.Clear():
                    session.clear()
        except LookupError as error:
            raise MessageError("That object is no longer there.") from error


def _checked_labels(labels: Iterable[str] | None) -> tuple[str, ...]:
    if isinstance(labels, str):
        raise LabelError(f"labels must be a list of texts, got {labels!r}: write [{labels!r}]")
    try:
        found = () if labels is None else tuple(labels)
    except TypeError as error:
        raise LabelError(f"labels must be a list of texts, got {labels!r}") from error
    checker = Session(1, 1)
    checked = tuple(checker.checked_label(label) or "" for label in found)
    if not all(label.strip() for label in checked) or len(set(checked)) != len(checked):
        raise LabelError(f"labels must be distinct texts and not empty, got {list(found)}")
    return checked


def _file_name(image: ImageLike) -> str:
    return Path(image).name if isinstance(image, (str, os.PathLike)) else ""
