"""`SegmentWidget`: traits and glue between browser, session and model.

The only module that imports anywidget. What an edit sets off is in `sam2_widget.annotator`, what
pages are told in `publishing`, what they say in `receiving`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakMethod

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from sam2_widget import lifetime, options, server
from sam2_widget.annotator import Annotator
from sam2_widget.answers import Candidate
from sam2_widget.colors import checked_classes
from sam2_widget.comm import wire
from sam2_widget.comm.publishing import Publisher
from sam2_widget.comm.questions import Questions
from sam2_widget.comm.receiving import Receiver
from sam2_widget.comm.routing import route_as_sent
from sam2_widget.comm.transfers import Transfers
from sam2_widget.configuring import Configuring
from sam2_widget.editing import Editing
from sam2_widget.export.methods import Exports
from sam2_widget.images.axes import Plane
from sam2_widget.images.contrast import Channels, ContrastLimits
from sam2_widget.images.sources import ImageLike, load_image
from sam2_widget.images.stacks import ImageStack, stack_of
from sam2_widget.loading import Loading, MasksLike, as_objects
from sam2_widget.masks.logits import BoolArray, Float32Array
from sam2_widget.models import checkpoints
from sam2_widget.models.checkpoints import ModelLike
from sam2_widget.observers import Caller, Changes, Event
from sam2_widget.pictures import Pictures
from sam2_widget.planes import Planes
from sam2_widget.poster import Poster
from sam2_widget.predictor import UInt8Array
from sam2_widget.prompts import Prompts
from sam2_widget.results import Segmentation, SegmentedObject
from sam2_widget.stack_results import StackResults
from sam2_widget.status import Status
from sam2_widget.timings import Timing
from sam2_widget.tracebacks import log_failure
from sam2_widget.weak import weakly

logger = logging.getLogger(__name__)

BRUSH_SHARE = 25
"""The brush is at first this part of the image's longer side."""

KERNELS_OWN = ("_image", "_labels", "_state", "_status")
"""Traits that only the kernel writes."""

STATIC = Path(__file__).parent / "static"


def _front_end(name: str) -> str:
    try:
        return (STATIC / name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ImportError(
            f"the front end of sam2-widget is not built, {STATIC / name} is missing: "
            "run `pip install .` in its source folder"
        ) from error


class SegmentWidget(Editing, Loading, Configuring, Pictures, Exports, anywidget.AnyWidget):
    """An image to click on, and the masks that follow.

    Parameters
    ----------
    image : path, PIL image, ndarray, tensor, xarray, dask, zarr or h5py array, or ImageStack
        Of shape (H, W), (H, W, C) or, for tensors, (C, H, W), with C = 1, 3 or 4, or of whatever
        `axes` names; of bool, whole numbers or floats. See `load_image` for how values become
        colours. A stack gets a slider; each plane has objects and a history of its own.
    model : str or Predictor
        ``"auto"``, ``"bundled"``, ``"tiny"``, ``"small"``, ``"base-plus"``, ``"large"``, a Hugging
        Face hub id, the path of a SAM 2 checkpoint, or what `load_model` returned.
    labels : sequence of str or mapping of str to colour, optional
        The labels that objects may have; without them a label is any text.
    masks : path, label map, masks, Segmentation, Detections, …, optional
        Existing masks to start from, each a finished object: all that `read_masks` reads. Those of
        a stack are put on its first plane.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``; the best there is by default.
    axes : str, optional
        A letter for each axis of an array, e.g. ``"ZCYX"``.
    plane : int or mapping, optional
        Which plane of a stack, e.g. ``{"Z": 12}``; without it all planes can be gone through.
    channels : int, sequence or mapping, optional
        Which channels are shown: one, three (red, green, blue), or a mapping to colours.
    contrast_limits : "auto", "full", pair, or sequence of pairs
        The values shown as black and as white.

    Raises
    ------
    ImageError
        If the image cannot be read, or is no image.
    UnknownModelError
        If there is no such model.
    LabelError
        If `labels` are not distinct texts.
    AnnotationError
        If `masks` are none, or have not the size of the image.

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
    _stack = traitlets.Dict().tag(sync=True)
    _status = traitlets.Dict().tag(sync=True)
    _labels: traitlets.List[dict[str, str]] = traitlets.List(traitlets.Dict()).tag(sync=True)
    _state = traitlets.Dict().tag(sync=True)
    _undelayed = traitlets.Bool(default_value=False).tag(sync=True)
    # Written by the browser, never set here: `set_state` takes what arrives.
    _prompts = traitlets.Dict().tag(sync=True, echo_update=False)

    def __init__(
        self,
        image: ImageLike | ImageStack,
        *,
        model: ModelLike = "auto",
        labels: Iterable[str] | Mapping[str, str] | None = None,
        masks: MasksLike = None,
        device: str | None = None,
        axes: str | None = None,
        plane: Plane | None = None,
        channels: Channels | None = None,
        contrast_limits: ContrastLimits = "auto",
    ) -> None:
        checkpoints.check_model(model)
        checkpoints.check_device(device)
        options: dict[str, Any] = {"axes": axes, "plane": plane, "channels": channels}
        options["contrast_limits"] = contrast_limits
        found = stack_of(image, **options) or load_image(image, **options)  # type: ignore[arg-type]
        self._planes = Planes(
            found,
            checked_classes(labels),
            device=device,
            changed=weakly(self._publish),
            settled=weakly(self._settled),
            turned=weakly(self._turned),
        )
        self._annotator: Annotator = self._planes.shown
        session = self._annotator.session
        session.replay(as_objects(masks, session))
        self._call = Caller()
        complain = weakly(self._complain)
        self._committed: Event[SegmentedObject] = Event("on_commit", self._call, complain)
        self._changed: Event[SegmentWidget] = Event("on_change", self._call, complain)
        self._changes = Changes(self._planes)
        self._poster = Poster(WeakMethod(self._draw_poster))
        self._name = self._planes.picture.image.name
        ack: dict[str, int] = {}
        self._publisher = Publisher(
            self._planes,
            ack,
            send=weakly(self._send_custom),
            set_state=weakly(self._set_own_state),
            set_picture=weakly(self._set_picture),
        )
        questions = Questions(self._planes, self._publisher, send=weakly(self._send_custom))
        self._receiver = Receiver(
            self._planes,
            self._publisher,
            ack,
            ask=questions.ask,
            transfer=Transfers(self._planes, send=weakly(self._send_custom)).take,
            committed=weakly(self._tell_committed),
            set_traits=weakly(self.set_state),
        )
        super().__init__(
            _image=self._picture_message(),
            _stack=self._stack_message(),
            _labels=wire.labels_message(session.classes),
            _state=self._publisher.state,
            _status=self._annotator.engine.status.to_dict(),
            _undelayed=server.is_undelayed(),
            brush_size=max(max(session.width, session.height) / BRUSH_SHARE, 1.0),
        )
        self.on_msg(
            lambda widget, content, buffers: widget._receiver.message(content, buffers)  # noqa: SLF001
        )
        self._planes.load(model)

    # --- the result -------------------------------------------------------------------------------

    @property
    def mask(self) -> BoolArray:
        """Mask of the object being worked on, (H, W) bool; all False if there is none."""
        session = self._annotator.session
        active = session.annotation.active
        found = [o for o in self.objects if active and o.id == active.id]
        return found[0].mask if found else np.zeros((session.height, session.width), bool)

    @property
    def masks(self) -> BoolArray:
        """All masks, (N, H, W) bool, that of the object being worked on among them."""
        return self._annotator.current_result().masks

    @property
    def scores(self) -> Float32Array:
        """The model's estimate of each mask's IoU, (N,) float32."""
        return self._annotator.current_result().scores

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """(H, W) int32: 0 is background, ``i + 1`` is ``objects[i]``; later objects lie on top."""
        return self._annotator.current_result().label_map

    @property
    def objects(self) -> tuple[SegmentedObject, ...]:
        """All objects with label, mask, score, area, …; the one being worked on is among them."""
        return self._annotator.current_result().objects

    def _to_export(self) -> Segmentation:
        return self._annotator.current_result()

    @property
    def prompts(self) -> Prompts:
        """The prompts of all objects; ``segment(image, w.prompts)`` gives the same masks."""
        return self._annotator.session.prompts

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The masks offered for the object being worked on, if its prompts are ambiguous."""
        active = self._annotator.session.annotation.active
        return self._active_answer().candidates if active else ()

    @property
    def image(self) -> UInt8Array:
        """The image as shown and as the model sees it, (H, W, 3) uint8, read-only."""
        return self._annotator.rgb

    @property
    def plane(self) -> int:
        """Number of the plane shown, from 0: results are of this plane. Set it to show another.

        ``w.observe(f, "plane")`` calls ``f`` when another is shown.
        """
        return self._planes.index

    @plane.setter
    def plane(self, plane: int) -> None:
        self._planes.turn(self._planes.checked(plane))

    @property
    def planes(self) -> StackResults:
        """What has been segmented on each plane, and on all together."""
        return StackResults(self._planes)

    @property
    def status(self) -> Status:
        """What the widget is doing."""
        return self._annotator.status

    @property
    def timings(self) -> tuple[Timing, ...]:
        """Where the time of the newest clicks went, in milliseconds: see `Timing`.

        What the page measured comes with one of the next clicks. It is asked here for what it has
        not told yet, and answers a moment later.
        """
        timings = self._planes.timings.all()
        if any(timing.total is None for timing in timings):
            self._send_custom({"type": "timings"}, [])
        return timings

    @property
    def model(self) -> str:
        """Name of the model; set it to another name to change the model and keep all prompts."""
        return self._annotator.engine.status.model

    @model.setter
    def model(self, model: ModelLike) -> None:
        checkpoints.check_model(model)
        self._planes.load(model)

    # --- events -----------------------------------------------------------------------------------

    def on_commit(self, function: Callable[[SegmentedObject], object]) -> Callable[[], None]:
        """Have `function` called with each object that is finished, in the page or by `commit`.

        It is called on a thread that the functions of this widget share, each in its turn: what
        one waits for holds up no other widget. What it raises is logged and shown in the widget.

        Returns
        -------
        callable
            Call it to end that.
        """
        return self._committed.subscribe(function)

    def on_change(self, function: Callable[[SegmentWidget], object]) -> Callable[[], None]:
        """Have `function` called with the widget when masks, labels or settings have changed.

        As `on_commit` otherwise. Changes that follow fast on each other may be told once.
        """
        return self._changed.subscribe(function)

    def _tell_committed(self, annotator: Annotator, object_id: int) -> None:
        def finished() -> SegmentedObject:
            result = annotator.current_result()
            return next(o for o in result.objects if o.id == object_id)

        self._committed.fire(finished)

    def _complain(self, notice: str) -> None:
        self._annotator.complain(notice)

    def _turned(self) -> None:
        """Another plane is shown."""
        self._annotator = self._planes.shown
        if self._trait_notifiers.get("plane"):
            self._call(lambda: self._call_observers("plane"))

    def _settled(self) -> None:
        """Nothing is pending any more."""
        self._tell_changed()
        self._planes.prefetch()

    def _tell_changed(self) -> None:
        """Have the user's functions called if something has changed since they were."""
        masks, anything = self._changes.since_last()
        if masks and self._trait_notifiers.get("masks"):
            self._call(lambda: self._call_observers("masks"))
        if anything:
            self._changed.fire(lambda: self)
            self._poster.changed()

    def _call_observers(self, name: str) -> None:
        change = {"name": name, "type": "change", "owner": self, "old": None}
        try:
            self.notify_change(traitlets.Bunch(change, new=getattr(self, name)))
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, f"an observer of {name!r} failed", error)

    def close(self) -> None:
        """Remove the widget from the page; what has been segmented can still be read.

        Nobody need call it: a widget that no name refers to and no output shows is closed by
        itself.
        """
        if hasattr(self, "_receiver") and not self._annotator.engine.closed:
            self._poster.close()
            self._planes.close()
            self._planes.let_go()
            self._publish()
        if self.comm is not None:
            lifetime.forget(self.model_id)
            self.comm.on_msg(None)
            self.layout.close()
        super().close()
        # Where it puts None, so that a closed widget could not be displayed at all.
        self.__dict__.pop("_repr_mimebundle_", None)

    def __del__(self) -> None:
        # Called by the garbage collector, on any thread: nothing is sent, drawn or waited for.
        with contextlib.suppress(Exception):
            self._poster.forget()
            self._planes.close()
        with contextlib.suppress(Exception):
            # Not by the names of the traits, which would make what was not there yet.
            for orphan in ("layout", "comm"):
                if self._trait_values.get(orphan) is not None:
                    lifetime.close_later(self._trait_values[orphan])

    def __repr__(self) -> str:
        session, along = self._annotator.session, self._planes.along
        count = len(session.annotation.objects)
        objects = "1 object" if count == 1 else f"{count} objects"
        plane = f"{along} {self.plane} of {len(self._planes)}, " if along else ""
        size = f"{session.width} x {session.height}"
        return f"SegmentWidget({size}, {plane}{objects}, {self.status})"

    # --- to and from pages ------------------------------------------------------------------------

    def _publish(self) -> None:
        """Bring all pages up to date."""
        with self._planes.lock:
            self._status = self._annotator.engine.status.to_dict()
            self._labels = wire.labels_message(self._annotator.session.classes)
            if self._planes.along:
                self._stack = self._stack_message()
            if not self._annotator.engine.closed:
                self._publisher.publish()

    def _picture_message(self) -> dict[str, Any]:
        shown = self._planes.picture
        return wire.image_message(shown.view, self._name, shown.pyramid.levels, shown.index)

    def _stack_message(self) -> dict[str, Any]:
        planes = self._planes
        return wire.stack_message(planes.along, len(planes), planes.annotated)

    def _set_picture(self) -> None:
        self._image = self._picture_message()

    def _set_own_state(self, state: dict[str, Any]) -> None:
        self._state = state

    def _send_custom(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.send(content, buffers)

    def open(self) -> None:
        """Open the comm."""
        super().open()
        route_as_sent(self.comm)
        lifetime.hold_weakly(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if self.comm is None:
            return {"text/plain": repr(self)}, {}
        lifetime.shown(self)
        return super()._repr_mimebundle_(**kwargs)

    def _should_send_property(self, key: str, value: object) -> bool:
        # What the kernel writes is sent at once. A `hold_sync` of one thread holds back all others,
        # and loses what they set at its end.
        written_here = key in KERNELS_OWN
        return written_here or bool(super()._should_send_property(key, value))

    @contextlib.contextmanager
    def hold_trait_notifications(self) -> Iterator[None]:
        """Hold nothing back once pages are there.

        It does so by another method on the widget itself, for all threads, and what the model
        thread sets as it ends is told nobody.
        """
        with super().hold_trait_notifications() if self.comm is None else contextlib.nullcontext():
            yield

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        """Take what arrives on the comm."""
        if self._receiver.is_framed(msg):
            super()._handle_msg(msg)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take traits from a browser: prompts and options, and no others, whatever it says."""
        if not isinstance(sync_data, dict):
            return
        if "_prompts" in sync_data:
            self._receiver.prompts(sync_data["_prompts"])
        for name in options.NAMES & sync_data.keys():
            if self.accepts(name, sync_data[name]):
                super().set_state({name: sync_data[name]})
