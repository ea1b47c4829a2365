"""`SegmentWidget`: connects browser, session and model by traits.

The only module that imports anywidget. Edits are processed by `sam2_widget.annotation.annotator`,
messages to pages are sent by `sam2_widget.comm.publishing`, and messages of pages are handled by
`sam2_widget.comm.receiving`.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakMethod

import numpy as np
import numpy.typing as npt
import traitlets

from sam2_widget import server
from sam2_widget._utils.arrays import BoolArray, Float32Array, UInt8Array
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget._utils.weakrefs import weak_callback
from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.planes import Planes
from sam2_widget.annotation.predictions import Candidate
from sam2_widget.annotation.status import Status
from sam2_widget.annotation.timings import Timing
from sam2_widget.autosave.autosave import Autosave
from sam2_widget.autosave.restoring import Restoring
from sam2_widget.comm import messages, wire
from sam2_widget.comm.proposals import ProposingTrait
from sam2_widget.comm.publishing import Publisher
from sam2_widget.comm.queries import QueryHandler
from sam2_widget.comm.receiving import Receiver
from sam2_widget.comm.timeline import TrackingTrait
from sam2_widget.comm.transfers import Transfers
from sam2_widget.config import checked_autosave, current
from sam2_widget.export.methods import Exports
from sam2_widget.export.values import MasksLike
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.images.axes import Plane
from sam2_widget.images.collection import ImageCollection
from sam2_widget.images.contrast import Channels, ContrastLimits
from sam2_widget.images.sources import ImageLike, as_source, load_image
from sam2_widget.images.stacks import ImageStack, stack_of
from sam2_widget.models import checkpoints
from sam2_widget.models.checkpoints import ModelLike
from sam2_widget.prompts.categories import ClassNumbers
from sam2_widget.prompts.collections import Prompts
from sam2_widget.prompts.colors import checked_labels
from sam2_widget.results.loading import Loading, PromptsLike, saved_prompts, start_from
from sam2_widget.results.segmentation import Segmentation, SegmentedObject
from sam2_widget.results.stacks import StackResults
from sam2_widget.widget import lifetime, options
from sam2_widget.widget.configuring import Configuring, LabelsLike
from sam2_widget.widget.editing import Editing
from sam2_widget.widget.front_end import front_end
from sam2_widget.widget.observers import Caller, Changes, Event
from sam2_widget.widget.page_widget import PageWidget
from sam2_widget.widget.pictures import Pictures
from sam2_widget.widget.proposing import Proposing
from sam2_widget.widget.static_preview import StaticPreview
from sam2_widget.widget.tracking import Tracking

logger = logging.getLogger(__name__)

KERNELS_OWN = (
    *("_categories", "_image", "_labels", "_prompt_classes", "_saved", "_state", "_status"),
    *("_tracking", "_proposing"),
)
"""Traits that are written by the kernel only."""


class SegmentWidget(
    Editing,
    Proposing,
    Tracking,
    Loading,
    Restoring,
    Configuring,
    Pictures,
    Exports,
    PageWidget,
):
    """A widget to segment an image by clicks, boxes and strokes.

    Parameters
    ----------
    image : path, bytes, file object, PIL image, array, tensor, list of these, or ImageStack
        Arrays have the shape (H, W), (H, W, C) or, for tensors, (C, H, W), with C = 1, 3 or 4, or
        any other that `axes` describes, and contain bool, integers or floats; `load_image`
        describes the conversion to colours. A stack, a video, a folder of images and a list of
        images get a slider; each plane has objects and a history of its own.
    model : str or Predictor
        ``"auto"``, ``"bundled"``, ``"tiny"``, ``"small"``, ``"base-plus"``, ``"large"``, a Hugging
        Face hub id, the path of a SAM 2 checkpoint, or a predictor from `load_model`.
    labels : sequence of str, mapping of str to colour or number, or COCO categories, optional
        The labels that objects may have; without them a label is any text. Their order, or the
        numbers given, are the class numbers in every file: ``{"cat": 17}``, ``{17: "cat"}``,
        ``{"cat": (17, "red")}`` or ``coco["categories"]``.
    masks : path, label map, masks, Segmentation, Detections, …, optional
        Existing masks to start from, each a finished object, in any form that `read_masks` accepts.
        For a stack, a label volume of as many planes is added to all planes, anything else to the
        first.
    prompts : Prompts, StackPrompts, path, or lists of Point, Box, …, optional
        Prompts to start from, with finished objects: those of another widget, or a file from
        ``w.prompts.save``, ``w.planes.prompts.save`` or the menu.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``; the best available by default.
    axes : str, optional
        A letter for each axis of an array, e.g. ``"ZCYX"``.
    plane : int or mapping, optional
        A plane of a stack, e.g. ``{"Z": 12}``; without it the widget shows all planes.
    channels : int, sequence or mapping, optional
        Which channels are shown: one, three (red, green, blue), or a mapping to colours.
    contrast_limits : "auto", "full", pair, or sequence of pairs
        The values shown as black and as white.
    autosave : bool or path, optional
        Whether prompts are saved to disk when they change: in the user's data folder, or in the
        given folder. The default is set by `configure` or ``SAM2_WIDGET_AUTOSAVE``, else False. In
        any case they are kept as long as the kernel runs, and offered when the same image is opened
        again: see `restore`.
    retrack : bool
        Whether a tracked object is tracked again automatically after a correction, see `track`;
        ``w.retrack`` changes it.
    save_picture : bool, optional
        Whether the saved notebook contains a picture of the image with its masks; the default is
        set by `configure`, else True.

    Raises
    ------
    ImageError
        If the image cannot be read, or is no image.
    UnknownModelError
        If there is no such model.
    LabelError
        If `labels` are not distinct texts.
    AnnotationError
        If `masks` cannot be read, or do not have the size of the image.
    PromptError
        If `prompts` are invalid, or outside the image.

    Notes
    -----
    Coordinates are (x, y) in image pixels; pixel column ``i`` covers ``[i, i + 1)``. The model is
    downloaded, loaded and run in the background. Reading a result waits for pending predictions,
    and raises `ModelError` if the model fails. ``w.observe(f, "masks")`` calls ``f`` when the masks
    have changed, on another thread than the cells'.

    Examples
    --------
    >>> w = SegmentWidget("photo.jpg", model="bundled")  # doctest: +SKIP
    >>> w.add_point(320, 200)  # as a click does           # doctest: +SKIP
    >>> w.masks.shape  # doctest: +SKIP
    (1, 480, 640)
    """

    _esm = front_end("widget.js")
    _css = front_end("widget.css")

    # Written by the kernel.
    _image = traitlets.Dict().tag(sync=True)
    _stack = traitlets.Dict().tag(sync=True)
    _status = traitlets.Dict().tag(sync=True)
    _labels: traitlets.List[Any] = traitlets.List(traitlets.Dict()).tag(sync=True)
    _categories: traitlets.List[Any] = traitlets.List(traitlets.Dict()).tag(sync=True)
    _prompt_classes: traitlets.List[Any] = traitlets.List(traitlets.Dict()).tag(sync=True)
    _state = traitlets.Dict().tag(sync=True)
    _saved = traitlets.Dict().tag(sync=True)
    _tracking = traitlets.Dict().tag(sync=True)
    _proposing = traitlets.Dict().tag(sync=True)
    _nodelay = traitlets.Bool(default_value=False).tag(sync=True)
    _picture_key = traitlets.Unicode().tag(sync=True)
    # Written by pages, never set here: `set_state` handles what arrives.
    _prompts = traitlets.Dict().tag(sync=True, echo_update=False)

    def __init__(
        self,
        image: ImageLike | ImageStack | ImageCollection,
        *,
        model: ModelLike = "auto",
        labels: LabelsLike | None = None,
        masks: MasksLike = None,
        prompts: PromptsLike | None = None,
        device: str | None = None,
        axes: str | None = None,
        plane: Plane | None = None,
        channels: Channels | None = None,
        contrast_limits: ContrastLimits = "auto",
        autosave: bool | str | os.PathLike[str] | None = None,
        retrack: bool = False,
        save_picture: bool | None = None,
    ) -> None:
        folder = current().autosave if autosave is None else checked_autosave(autosave)
        checkpoints.check_model(model)
        checkpoints.check_device(device)
        options: dict[str, Any] = {"axes": axes, "plane": plane, "channels": channels}
        options["contrast_limits"] = contrast_limits
        found = image if isinstance(image, ImageCollection) else _opened(image, options)
        classes, categories = checked_labels(labels)
        self._planes = Planes(
            found,
            classes,
            numbers=ClassNumbers(categories),
            device=device,
            changed=weak_callback(self._publish),
            settled=weak_callback(self._settled),
            plane_changed=weak_callback(self._on_plane_change),
        )
        self._annotator: Annotator = self._planes.shown
        session = self._annotator.session
        start_from(self._planes, masks)
        if prompts is not None:
            StackResults(self._planes).replay(saved_prompts(prompts))
        if self._planes.tracking is not None:
            self._planes.tracking.note_all()
        # A path is shown in the page, and saved in a notebook with the widgets' state, only if it
        # was passed here. Of the user's data folder, or one that an administrator has configured,
        # the page shows only the file's name; `w.autosave` is the path.
        is_named = not (autosave is None or isinstance(autosave, bool))
        self._autosave = Autosave(
            self._planes, folder, changed=weak_callback(self._publish_saved), shows_folder=is_named
        )
        self._planes.edited = weak_callback(self._edited)
        self._call = Caller()
        notify = weak_callback(self._notify)
        self._committed: Event[SegmentedObject] = Event("on_commit", self._call, notify)
        self._changed: Event[SegmentWidget] = Event("on_change", self._call, notify)
        self._changes = Changes(self._planes)
        if save_picture is None:
            save_picture = current().save_picture
        self._static_preview = StaticPreview(WeakMethod(self._draw_preview), enabled=save_picture)
        self._name = self._planes.picture.image.name
        ack: dict[str, int] = {}
        self._publisher = Publisher(
            self._planes,
            ack,
            send=weak_callback(self._send_custom),
            set_state=weak_callback(self._set_own_state),
            set_picture=weak_callback(self._set_picture),
            set_tracking=weak_callback(self._set_tracking),
            set_proposing=weak_callback(self._set_proposing),
            publish_delayed=weak_callback(self._publish),
        )
        self._planes.prefetched = weak_callback(self._publisher.ahead.prepared)
        queries = QueryHandler(self._planes, self._publisher, send=weak_callback(self._send_custom))
        self._receiver = Receiver(
            self._planes,
            self._publisher,
            ack,
            query=queries.handle,
            transfer=Transfers(
                self._planes, send=weak_callback(self._send_custom), propose=self._autosave.propose
            ).take,
            advance=weak_callback(self._advance),
            committed=weak_callback(self._notify_committed),
            autosave=self._autosave,
            set_traits=weak_callback(self.set_state),
        )
        super().__init__(
            _image=self._picture_message(),
            _stack=self._stack_message(),
            _labels=wire.labels_message(session.classes),
            _categories=wire.categories_message(self._planes.categories),
            _prompt_classes=wire.prompt_classes_message(session.numbers.known),
            _state=self._publisher.state,
            _status=self._annotator.model.status.to_dict(),
            _nodelay=server.has_nodelay(),
            _saved=self._autosave.message(),
            _tracking=self._publisher.lanes.tracking,
            _picture_key=self._static_preview.key,
            save_picture=save_picture,
            retrack=retrack,
        )
        self.on_msg(
            lambda widget, content, buffers: widget._receiver.message(content, buffers)  # noqa: SLF001
        )
        self._planes.load(model)
        # Last, because its results are published. A set of images stores its annotations itself.
        if self._planes.collection is None:
            self._autosave.start()
        else:
            self._autosave.skip_search()

    # --- the result -------------------------------------------------------------------------------

    @property
    def mask(self) -> BoolArray:
        """Mask of the active object, (H, W) bool; all False if there is none."""
        session = self._annotator.session
        active = session.annotation.active
        found = [o for o in self.objects if active and o.id == active.id]
        return found[0].mask if found else np.zeros((session.height, session.width), bool)

    @property
    def masks(self) -> BoolArray:
        """All masks, (N, H, W) bool, including that of the active object."""
        return self._annotator.current_result().masks

    @property
    def scores(self) -> Float32Array:
        """The model's estimate of each mask's IoU, (N,) float32."""
        return self._annotator.current_result().scores

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """(H, W) int32: 0 is background, ``numbers[i]`` is ``objects[i]``; later ones on top."""
        return self._annotator.current_result().label_map

    @property
    def objects(self) -> tuple[SegmentedObject, ...]:
        """All objects with label, mask, score, area, …, including the active one."""
        return self._annotator.current_result().objects

    @property
    def numbers(self) -> tuple[int, ...]:
        """The value of each object in `label_map`: 1, 2, …, unless it was given a number."""
        return self._annotator.current_result().numbers

    def _to_export(self) -> Segmentation:
        return self._planes.result(self._planes.number(self._annotator))

    @property
    def prompts(self) -> Prompts:
        """The prompts of all objects; ``segment(image, w.prompts)`` gives the same masks."""
        return self._annotator.session.prompts

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The alternative masks of the active object, if its prompts are ambiguous."""
        active = self._annotator.session.annotation.active
        return self._active_prediction().candidates if active else ()

    @property
    def image(self) -> UInt8Array:
        """The image that both the page and the model get, (H, W, 3) uint8, read-only."""
        return self._annotator.rgb

    @property
    def plane(self) -> int:
        """Number of the plane shown, from 0: results are of this plane. Set it to show another.

        ``w.observe(f, "plane")`` calls ``f`` when another is shown.
        """
        return self._planes.index

    @plane.setter
    def plane(self, plane: int) -> None:
        self._planes.show_plane(self._planes.checked(plane))

    @property
    def planes(self) -> StackResults:
        """The results of each plane, and of all planes together."""
        return StackResults(self._planes)

    @property
    def status(self) -> Status:
        """What the widget is doing."""
        return self._annotator.status

    @property
    def timings(self) -> tuple[Timing, ...]:
        """Timings of the newest clicks in milliseconds: see `Timing`.

        Pages report their part with one of the next clicks. Reading this property requests the
        missing parts, which arrive a moment later.
        """
        timings = self._planes.timings.all()
        if any(timing.total is None for timing in timings):
            self._send_custom({"type": "timings"}, [])
        return timings

    @property
    def model(self) -> str:
        """Name of the model; set it to another name to change the model and keep all prompts."""
        return self._annotator.model.status.model

    @model.setter
    def model(self, model: ModelLike) -> None:
        checkpoints.check_model(model)
        self._planes.load(model)

    # --- events -----------------------------------------------------------------------------------

    def on_commit(self, function: Callable[[SegmentedObject], object]) -> Callable[[], None]:
        """Call `function` with each object that is finished, in the page or by `commit`.

        The functions of a widget are called one after the other on a thread of the widget, so that
        they delay no other widget. Exceptions are logged and shown in the widget.

        Returns
        -------
        callable
            Call it to unregister `function`.
        """
        return self._committed.subscribe(function)

    def on_change(self, function: Callable[[SegmentWidget], object]) -> Callable[[], None]:
        """Call `function` with the widget when masks, labels or settings have changed.

        Otherwise like `on_commit`. Several quick changes may cause one call.
        """
        return self._changed.subscribe(function)

    def _notify_committed(self, annotator: Annotator, object_id: int) -> None:
        def finished() -> SegmentedObject:
            result = annotator.current_result()
            return next(o for o in result.objects if o.id == object_id)

        self._committed.fire(finished)

    def _notify(self, notice: str) -> None:
        self._annotator.notify(notice)

    def _on_plane_change(self) -> None:
        """Called when another plane is shown."""
        self._annotator = self._planes.shown
        if self._trait_notifiers.get("plane"):
            self._call(lambda: self._call_observers("plane"))

    def _settled(self) -> None:
        """Called when no prediction is pending any more."""
        self._call_changed()
        self._planes.prefetch()

    def _call_changed(self) -> None:
        """Call the user's functions if something has changed since their last call."""
        masks, anything = self._changes.since_last()
        if masks and self._trait_notifiers.get("masks"):
            self._call(lambda: self._call_observers("masks"))
        if anything:
            self._changed.fire(lambda: self)
            self._static_preview.changed()

    def _call_observers(self, name: str) -> None:
        change = {"name": name, "type": "change", "owner": self, "old": None}
        try:
            self.notify_change(traitlets.Bunch(change, new=getattr(self, name)))
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, f"an observer of {name!r} failed", error)

    def close(self) -> None:
        """Remove the widget from the page; its results can still be read.

        Calling it is optional: a widget without references and without an output is closed
        automatically.
        """
        if hasattr(self, "_receiver") and not self._annotator.model.is_closed:
            self._static_preview.close()
            self._planes.close()
            self._planes.detach_model()
            self._publish()
        super().close()

    def __del__(self) -> None:
        try:
            for name in {"_static_preview", "_planes"} & self.__dict__.keys():
                lifetime.close_later(self.__dict__[name].close_without_widget)
        except Exception:  # noqa: BLE001, S110 - modules are empty when the interpreter ends
            pass
        super().__del__()

    def __repr__(self) -> str:
        session, along = self._annotator.session, self._planes.axis
        count = len(session.annotation.objects)
        objects = "1 object" if count == 1 else f"{count} objects"
        plane = f"{along} {self.plane} of {len(self._planes)}, " if along else ""
        size = f"{session.width} x {session.height}"
        return f"SegmentWidget({size}, {plane}{objects}, {self.status})"

    # --- to and from pages ------------------------------------------------------------------------

    def _publish(self) -> None:
        """Send all changes to pages."""
        with self._planes.lock:
            self._status = self._annotator.model.status.to_dict()
            classes = self._annotator.session.classes
            self._labels = wire.labels_message(classes, self._planes.used_labels)
            self._categories = wire.categories_message(self._planes.categories)
            known = self._annotator.session.numbers.known
            self._prompt_classes = wire.prompt_classes_message(known)
            if self._planes.axis:
                self._stack = dict(self._stack_message())
            if not self._annotator.model.is_closed:
                self._publisher.publish()

    def _publish_saved(self) -> None:
        """Send the state of autosave to pages."""
        with self._planes.lock:
            if not self._annotator.model.is_closed:
                self._saved = dict(self._autosave.message())

    def _edited(self, annotator: Annotator) -> None:
        self._autosave.edited(self._planes.number(annotator), annotator.session)

    def _advance(self, number: int, to: str) -> None:
        """Called when a page leaves image `number` of a set; a hook for the widget of a set."""

    def _picture_message(self) -> messages.ImageTrait:
        return wire.image_message(self._planes.picture, self._name)

    def _stack_message(self) -> messages.StackTrait:
        planes = self._planes
        if planes.collection is not None:
            return wire.set_message(len(planes))
        return wire.stack_message(planes.axis, len(planes), planes.annotated)

    def _set_picture(self) -> None:
        self._image = dict(self._picture_message())

    def _set_tracking(self, tracking: TrackingTrait) -> None:
        self._tracking = dict(tracking)

    def _set_proposing(self, proposing: ProposingTrait) -> None:
        self._proposing = dict(proposing)

    def _set_own_state(self, state: messages.StateTrait) -> None:
        self._state = dict(state)

    def _send_custom(self, content: messages.KernelMessage, buffers: list[bytes]) -> None:
        self.send(content, buffers)

    def _should_send_property(self, key: str, value: object) -> bool:
        # Kernel traits are sent at once: `hold_sync` of one thread would delay those of all others,
        # and lose values that they set at its end.
        written_here = key in KERNELS_OWN
        return written_here or bool(super()._should_send_property(key, value))

    @contextlib.contextmanager
    def hold_trait_notifications(self) -> Iterator[None]:
        """Do not hold traits back once there are pages.

        traitlets implements holding by replacing a method of the widget, for all threads, so that
        values set by the model's thread at the end of the block would not be published.
        """
        with super().hold_trait_notifications() if self.comm is None else contextlib.nullcontext():
            yield

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Handle traits from a page: only prompts and options are accepted."""
        if not isinstance(sync_data, dict):
            return
        if "_prompts" in sync_data:
            self._receiver.prompts(sync_data["_prompts"])
        for name in options.NAMES & sync_data.keys():
            if self.accepts(name, sync_data[name]):
                super().set_state({name: sync_data[name]})


def _opened(image: ImageLike | ImageStack, options: dict[str, Any]) -> LoadedImage | ImageStack:
    image = image if isinstance(image, ImageStack) else as_source(image)
    return stack_of(image, **options) or load_image(image, **options)
