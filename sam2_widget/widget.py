"""`SegmentWidget`: traits and glue between browser, session and model.

The only module that imports anywidget. An edit, from Python or from the browser, changes the
session at once; its answer is computed on the model thread; then both are published. Handlers run
on the main thread or on ipykernel's subshell thread, so `_lock` guards all that they share, and
nothing slow happens under it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from sam2_widget import models, wire, worker
from sam2_widget.answers import Answer, Answers
from sam2_widget.cache import embeddings
from sam2_widget.errors import (
    ClosedError,
    LabelError,
    MessageError,
    ModelError,
    PromptError,
    SegmentationError,
)
from sam2_widget.images import ImageLike, encode_view, to_rgb
from sam2_widget.masks import BoolArray, Float32Array
from sam2_widget.predictor import Predictor, UInt8Array
from sam2_widget.prompts import Box, Point, Prompts
from sam2_widget.results import Segmentation, SegmentedObject, make_segmentation
from sam2_widget.session import AnnotatedObject, Session
from sam2_widget.status import Phase, Status

logger = logging.getLogger(__name__)

T = TypeVar("T")

STATIC = Path(__file__).parent / "static"

CLIENTS_KEPT = 32
"""Browsers whose last request is remembered; every reload of a page is a new one."""

PROGRESS_EVERY = 0.1
"""Seconds between two reports of a download."""


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

    _esm = STATIC / "widget.js"
    _css = STATIC / "widget.css"

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
        model: str | Predictor = "auto",
        labels: Sequence[str] | None = None,
        device: str | None = None,
    ) -> None:
        _check_model(model)
        models.check_device(device)
        self._rgb = to_rgb(image)
        self._rgb.setflags(write=False)
        self._device = device
        self._session = Session(self._rgb.shape[1], self._rgb.shape[0], _checked_labels(labels))
        self._lock = threading.RLock()
        self._ready: Future[Answers] = Future()
        self._answers: Answers | None = None
        self._failure: ModelError | None = None
        self._result: tuple[object, Segmentation] | None = None
        self._ack: dict[str, int] = {}
        self._epoch = 0
        self._notice = ""
        self._sent: dict[int, tuple[AnnotatedObject, Answer | None]] = {}
        self._notified: tuple[AnnotatedObject, ...] = ()
        self._closed = False
        super().__init__(
            _image=wire.image_message(encode_view(self._rgb), _file_name(image)),
            _labels=list(self._session.labels),
            _state={**self._current_state(), "revision": 0},
            _status=Status("loading", "Loading the model").to_dict(),
        )
        self.on_msg(self._on_message)
        self._start_loading(model)

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
        status = Status(**self._status)
        if status.phase == "ready" and self._pending():
            return Status("predicting", "Predicting", None, status.model, status.device)
        return status

    @property
    def model(self) -> str:
        """Name of the model; set it to another name to change the model and keep all prompts."""
        return str(self._status["model"])

    @model.setter
    def model(self, model: str | Predictor) -> None:
        _check_model(model)
        with self._lock:
            self._ready = Future()
            self._failure = None
        self._start_loading(model)

    def close(self) -> None:
        """Remove the widget from the page; what has been segmented can still be read."""
        if not getattr(self, "_closed", True):
            self._show("closed", "Closed")
            self._closed = True
            if not self._ready.done():
                self._ready.set_exception(ClosedError("the widget was closed while loading"))
        super().close()

    def __repr__(self) -> str:
        height, width = self._rgb.shape[:2]
        count = len(self._session.annotation.objects)
        objects = "1 object" if count == 1 else f"{count} objects"
        return f"SegmentWidget({width} x {height}, {objects}, {self.status})"

    # --- loading, in the background ---------------------------------------------------------------

    def _start_loading(self, model: str | Predictor) -> None:
        # Not on the model thread: a download must not keep other widgets from their model.
        arguments = (model, self._ready)
        threading.Thread(target=self._load, args=arguments, daemon=True).start()

    def _load(self, model: str | Predictor, ready: Future[Answers]) -> None:
        try:
            answers, note = self._opened(model)
        except Exception as error:  # noqa: BLE001 - whatever it was, it must reach the user
            self._fail_loading(_as_model_error(error), ready)
            return
        with self._lock:
            if self._closed or ready is not self._ready:
                return
            self._answers, self._result = answers, None
        self._show_ready(note, answers.predictor)
        self._answer_later()
        ready.set_result(answers)

    def _opened(self, model: str | Predictor) -> tuple[Answers, str]:
        """A model that has seen the image, and what the user must know about it."""
        note = ""
        if isinstance(model, (str, os.PathLike)):
            found = models.fetch(model, device=self._device, progress=self._reporter())
            note = found.note
            self._show("loading", f"Loading the model {_title(found.name)}")
            predictor = models.load_checkpoint(found, device=self._device)
        else:
            predictor = model
        source = embeddings.source(
            predictor,
            self._rgb,
            before=lambda: self._show_encoding(predictor),
            after=lambda: self._show_ready(note, predictor),
        )
        # The first click finds the image encoded.
        worker.run(source)
        return Answers(predictor, source), note

    def _reporter(self) -> models.Progress:
        """Shows a download, at most every `PROGRESS_EVERY` seconds."""
        last = 0.0

        def report(what: str, fraction: float | None) -> None:
            nonlocal last
            if time.monotonic() - last >= PROGRESS_EVERY or fraction == 1:
                last = time.monotonic()
                percent = "" if fraction is None else f": {fraction:.0%}"
                self._show("downloading", f"Downloading {what}{percent}", fraction)

        return report

    def _fail_loading(self, error: ModelError, ready: Future[Answers]) -> None:
        with self._lock:
            if self._closed or ready is not self._ready:
                return
        self._show_error(error)
        self._publish()
        ready.set_exception(error)

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
        pending = self._pending()
        if not (answer_follows and pending and self._ready.done() and self._failure is None):
            self._publish()
        if not pending:
            if self._failure is not None and self._answers is not None:
                self._show_ready("")
            self._notify()
        elif self._answers is not None:
            self._answer_later()

    def _id_of(self, i: int) -> int:
        objects = self._session.annotation.objects
        try:
            return objects[i].id
        except (IndexError, TypeError) as error:
            raise PromptError(f"there is no object {i!r}: there are {len(objects)}") from error

    # --- answers, on the model thread -------------------------------------------------------------

    def _pending(self) -> list[AnnotatedObject]:
        """Objects without an answer, the one being worked on first."""
        annotation, answers = self._session.annotation, self._answers
        if answers is None:
            return list(annotation.objects)
        found = [o for o in annotation.objects if answers.known(o.prompts) is None]
        return sorted(found, key=lambda o: o.id != annotation.active_id)

    def _answer_later(self) -> None:
        worker.submit(self._answer_pending)

    def _answer_pending(self) -> None:
        """Answer, publish, notify. It sees the newest edits: several calls cost as much as one."""
        answers = self._answers
        if answers is None:
            return
        try:
            while pending := self._pending():
                answers(pending[0].prompts)
        except Exception as error:  # noqa: BLE001 - whatever it was, it must reach the user
            self._show_error(_as_model_error(error))
        else:
            if self._failure is not None:
                self._show_ready("")
        self._publish()
        if self._failure is None:
            self._notify()

    def _current_result(self) -> Segmentation:
        """The segmentation of the newest edits; waits for it."""
        answers = self._answers if self._closed and self._answers else self._ready.result()
        while self._pending():
            worker.run(self._answer_pending)
            if self._failure is not None:
                raise self._failure
        annotation = self._session.annotation
        if self._result is None or self._result[0] != annotation.objects:
            made = make_segmentation(
                annotation.objects,
                lambda prompts: worker.run(lambda: answers(prompts)),
                size=self._rgb.shape[:2],
                model=answers.predictor.name,
            )
            self._result = (annotation.objects, made)
        return self._result[1]

    def _notify(self) -> None:
        """Call the observers of ``"masks"`` if the masks have changed."""
        objects = self._session.annotation.objects
        with self._lock:
            changed = objects != self._notified
            self._notified = objects
        if changed and self._trait_notifiers.get("masks"):
            change = {"name": "masks", "type": "change", "owner": self, "old": None}
            try:
                self.notify_change(traitlets.Bunch(change, new=self.masks))
            except Exception:
                logger.exception("an observer of 'masks' failed")

    # --- publishing -------------------------------------------------------------------------------

    def _show(
        self,
        phase: Phase,
        message: str,
        progress: float | None = None,
        *,
        model: str | None = None,
        device: str | None = None,
    ) -> None:
        with self._lock:
            if not self._closed:
                model = self._status.get("model", "") if model is None else model
                device = self._status.get("device", "") if device is None else device
                self._status = Status(phase, message, progress, model, device).to_dict()

    def _show_ready(self, note: str, predictor: Predictor | None = None) -> None:
        model, device = (predictor.name, predictor.device) if predictor else (None, None)
        with self._lock:
            self._failure = None
            self._show("ready", note or "Ready", model=model, device=device)

    def _show_encoding(self, predictor: Predictor) -> None:
        name, device = predictor.name, predictor.device
        self._show("encoding", "Encoding the image", model=name, device=device)

    def _show_error(self, error: ModelError) -> None:
        with self._lock:
            self._failure = error
            self._show("error", str(error))

    def _current_state(self) -> dict[str, Any]:
        active = self._session.annotation.active
        answer = self._answers.known(active.prompts) if active and self._answers else None
        return wire.state_message(
            self._session,
            answer,
            failed=self._failure is not None,
            epoch=self._epoch,
            ack=self._ack,
            notice=self._notice,
        )

    def _publish(self) -> None:
        """Bring all browsers up to date; sends only what has changed."""
        with self._lock:
            if self._closed:
                return
            active_id = self._session.annotation.active_id
            finished = {
                o.id: (index, o, self._answers.known(o.prompts) if self._answers else None)
                for index, o in enumerate(self._session.annotation.objects)
                if o.id != active_id
            }
            put = [entry for key, entry in finished.items() if self._sent.get(key) != entry[1:]]
            drop = [key for key in self._sent if key not in finished]
            self._sent = {key: entry[1:] for key, entry in finished.items()}
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
            self._receive(lambda: self._take_prompts(wire.parse_prompts(sync_data["_prompts"])))

    def _on_message(self, _: object, content: object, __: object) -> None:
        self._receive(lambda: self._take_message(wire.parse_message(content)))

    def _receive(self, handle: Callable[[], None]) -> None:
        """Run a handler; what goes wrong is told in the widget, for no cell would show it."""
        try:
            handle()
        except SegmentationError as error:
            self._tell(str(error))
        except Exception as error:
            logger.exception("a message from the browser could not be handled")
            self._tell(f"Something went wrong in the kernel: {error!r}")

    def _tell(self, notice: str) -> None:
        with self._lock:
            self._notice = notice
        self._publish()

    def _take_prompts(self, request: wire.PromptsRequest) -> None:
        with self._lock:
            if not self._acknowledge(request.rid):
                return
            self._apply(request.epoch, request.prompts)
        self._after_edit(answer_follows=not self._notice)

    def _take_message(self, message: wire.Message) -> None:
        if isinstance(message, wire.Hello):
            self._publish_all()
        elif not isinstance(message, wire.Nudge):
            with self._lock:
                if not self._acknowledge(message.rid):
                    return
                if message.prompts is not None:
                    self._apply(message.epoch, message.prompts)
                self._act(message)
                self._epoch += 1
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
            self._notice = "Python changed the objects at the same moment: please click again."

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


def _check_model(model: str | Predictor) -> None:
    if not (hasattr(model, "embed") and hasattr(model, "predict")):
        models.check_name(model)


def _checked_labels(labels: Sequence[str] | None) -> tuple[str, ...]:
    checker = Session(1, 1)
    if isinstance(labels, str):
        raise LabelError(f"labels must be a list of texts, got {labels!r}: write [{labels!r}]")
    checked = tuple(labels or ())
    for label in checked:
        checker.checked_label(label)
    if None in checked or len(set(checked)) != len(checked):
        raise LabelError(f"labels must be distinct texts, got {list(checked)}")
    return checked


def _file_name(image: ImageLike) -> str:
    return Path(image).name if isinstance(image, (str, os.PathLike)) else ""


def _title(model: str | os.PathLike[str]) -> str:
    """Name of a model for reading: a path only by its last part."""
    return Path(model).name if Path(model).is_file() else str(model)


def _as_model_error(error: Exception) -> ModelError:
    if isinstance(error, ModelError):
        return error
    logger.error("the model failed", exc_info=error)
    wrapped = ModelError(f"the model failed: {error!r}; try model='bundled'")
    wrapped.__cause__ = error
    return wrapped
