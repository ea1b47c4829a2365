"""Tracking without a browser: prompts on some frames → masks on all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, get_args

from cachetools import LRUCache

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget.annotation.keyframes import keyframe_of
from sam2_widget.annotation.predictions import (
    Prediction,
    PredictionCache,
    maker_of,
    predict_without_model,
)
from sam2_widget.annotation.propagation import FrameMask, Propagation
from sam2_widget.annotation.session import Annotation, Session
from sam2_widget.annotation.stack_objects import StackObject, check_objects, chosen, objects_of
from sam2_widget.annotation.stretches import Direction, KeyframeMark, context_of
from sam2_widget.errors import ImageError, ModelError, PromptError, SettingError
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.images.contrast import Channels, ContrastLimits
from sam2_widget.images.sources import ImageLike
from sam2_widget.images.stacks import ImageStack, stack_of
from sam2_widget.masks.regions import cleaned
from sam2_widget.masks.settings import DEFAULTS, Settings
from sam2_widget.masks.strokes import Mask
from sam2_widget.models import recovery, worker
from sam2_widget.models.checkpoints import ModelLike, check_model
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.models.packages import why_untracked
from sam2_widget.models.recovery import Plan
from sam2_widget.predictor import Embedding, Frame, Keyframe, Predictor, TrackingPredictor
from sam2_widget.prompts.collections import Prompts, as_prompts
from sam2_widget.prompts.stacks import StackPrompts
from sam2_widget.results.headless import plan_for
from sam2_widget.results.segmentation import Segmentation, make_segmentation

FramesLike: TypeAlias = "ImageLike | ImageStack | Sequence[ImageLike]"
"""Any source of frames: see `ImageStack`."""

StackPromptsLike: TypeAlias = "StackPrompts | str | os.PathLike[str] | Mapping[int, Any]"

COLOR_CHANNELS = (3, 4)
"""Number of channels of RGB and RGBA."""

MAX_IMAGES = 4
"""Frames in the cache: each is needed twice, by the tracker and for the result."""


@dataclass(frozen=True, eq=False)
class TrackedFrame(Segmentation):
    """The objects of one frame: those that have prompts on it, and those that were tracked to it.

    Objects that are absent from the frame are not included. In addition to the attributes of
    `Segmentation` it has the following.

    Attributes
    ----------
    frame : int
        Number of the frame in the source, from 0.
    """

    frame: int = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """The number of each object, the same on all frames: its value in `label_map`."""
        return self.numbers

    @property
    def labels(self) -> tuple[str | None, ...]:
        """The label of each object."""
        return tuple(found.label for found in self.objects)

    @property
    def prompts(self) -> Prompts:
        """The prompts on this frame; objects that were tracked to it have none."""
        given = tuple(one for one in super().prompts if one.prompts)
        return Prompts(given, self.settings, self.categories)


def track(
    source: FramesLike,
    prompts: StackPromptsLike,
    *,
    model: ModelLike = "auto",
    device: str | None = None,
    objects: Collection[int] | None = None,
    planes: range | slice | None = None,
    direction: Direction = "both",
    axes: str | None = None,
    channels: Channels | None = None,
    contrast_limits: ContrastLimits = "auto",
) -> Iterator[TrackedFrame]:
    """Track objects through a video or a volume, as the widget does, without a browser.

    Frames are read and tracked while the results are iterated over: memory does not grow with the
    length of the video. The image of each result is freed with it.

    Parameters
    ----------
    source : ImageStack, or what it takes
        A video, a stack of pages or slices, a folder or a list of images; an array is
        (T, H, W), or (T, H, W, 3 or 4), unless `axes` say otherwise.
    prompts : StackPrompts, path, or mapping of int to prompts
        ``w.planes.prompts`` of a widget; a file that it was saved to; or a mapping from frames to
        prompts as `segment` takes them. Objects with the same number on several frames are one
        object. An object with an empty list of prompts is absent from that frame on, see
        ``w.set_absent``.
    model : str or Predictor
        See `load_model`; it must support tracking.
    device : str, optional
        See `load_model`.
    objects : collection of int, optional
        Numbers of the objects to track; by default all.
    planes : range or slice, optional
        The frames to return; by default all. The masks do not depend on it.
    direction : {"both", "forward", "backward"}
        ``"forward"``: masks come from earlier keyframes only; ``"backward"``: from later ones only.
    axes, channels, contrast_limits : optional
        How frames are converted to RGB; see `load_image`.

    Returns
    -------
    iterator of TrackedFrame
        One for each frame of `planes`, in order, with ``frame``, ``ids``, ``labels``, ``masks``
        (N, H, W) bool, ``scores`` (N,) float32, ``label_map`` (H, W) int32 and all other attributes
        of a `Segmentation`. The same prompts give exactly the same masks as in the widget, with the
        same model on the same machine.

    Raises
    ------
    ImageError
        If the source cannot be read or has only one frame; also during iteration, at a damaged
        frame. The results of earlier frames have been returned by then.
    PromptError
        If prompts are malformed, or outside the frames or the image.
    ModelError
        If the model cannot be loaded, or does not support tracking.
    SettingError
        If `planes` or `direction` are not valid.

    Examples
    --------
    >>> from sam2_widget import Point, track
    >>> for result in track("film.mp4", {0: [Point(320, 200)]}):  # doctest: +SKIP
    ...     print(result.frame, result.ids, result.masks.shape)
    0 (1,) (1, 480, 640)
    """
    job = prepare_tracking(
        source,
        prompts,
        model=model,
        device=device,
        objects=objects,
        planes=planes,
        direction=direction,
        axes=axes,
        channels=channels,
        contrast_limits=contrast_limits,
    )
    return job.results()


def prepare_tracking(
    source: FramesLike,
    prompts: StackPromptsLike,
    *,
    model: ModelLike = "auto",
    device: str | None = None,
    objects: Collection[int] | None = None,
    planes: range | slice | None = None,
    direction: Direction = "both",
    **options: Any,
) -> StackTracker:
    """The tracker of `track`, after its arguments were checked and the model was loaded."""
    stack = _stack(source, **options)
    found = as_stack_prompts(prompts)
    every = objects_of(found)
    size = stack[0].rgb.shape[:2]
    check_objects(every, len(stack), size)
    if direction not in get_args(Direction):
        raise SettingError(f"direction must be one of {get_args(Direction)}, got {direction!r}")
    check_model(model)
    job = StackTracker(stack, found, chosen(every, objects), _planes(planes, len(stack)), direction)
    job.load(plan_for(model, device))
    return job


def _stack(source: FramesLike, *, axes: str | None = None, **options: Any) -> ImageStack:
    axes = axes or _axes_of_frames(getattr(source, "shape", ()))
    stack = stack_of(source, axes=axes, **options)  # type: ignore[arg-type]  # lists are sources, too
    if stack is None:
        shape = getattr(source, "shape", None)
        what = f"an array of shape {shape}" if shape else f"{source!r:.80}"
        raise ImageError(
            f"only several frames can be tracked through, and {what} is taken for one: pass a "
            "video, a list of images, an ImageStack, or axes=, e.g. axes='TYX'"
        )
    if not len(stack):
        raise ImageError("the source has no frames")
    return stack


def _axes_of_frames(shape: tuple[int, ...]) -> str | None:
    """The axes of an array of frames, where its shape leaves no doubt; else None."""
    in_color = bool(shape) and shape[-1] in COLOR_CHANNELS
    return {(4, True): "TYXC", (3, False): "TYX"}.get((len(shape), in_color))


def as_stack_prompts(prompts: StackPromptsLike) -> StackPrompts:
    """Convert an argument to `StackPrompts`; PromptError if that is not possible."""
    if isinstance(prompts, StackPrompts):
        return prompts
    if isinstance(prompts, (str, os.PathLike)):
        return StackPrompts.load(prompts)
    if not isinstance(prompts, Mapping):
        raise PromptError(
            "prompts must be w.planes.prompts, or say on which frame they are, as in "
            f"{{0: [Point(12, 8)]}}; got {type(prompts).__name__}"
        )
    wrong = [key for key in prompts if isinstance(key, bool) or not isinstance(key, int) or key < 0]
    if wrong:
        raise PromptError(f"a frame must be a number from 0, got {wrong[0]!r}")
    return StackPrompts({index: as_prompts(one) for index, one in prompts.items()})


def _planes(planes: range | slice | None, count: int) -> range:
    """The requested frames; SettingError if they are not contiguous."""
    if planes is None:
        return range(count)
    found = range(*planes.indices(count)) if isinstance(planes, slice) else planes
    if not isinstance(found, range) or found.step != 1:
        raise SettingError(f"planes must be a range or slice with a step of 1, got {planes!r}")
    if not found or found.start < 0 or found.stop > count:
        raise SettingError(f"planes must be some of 0..{count - 1}, got {planes!r}")
    return found


class StackTracker:
    """Tracks the objects of a stack and yields a result for each frame.

    Parameters
    ----------
    stack : ImageStack
    prompts : StackPrompts
    objects : mapping of int to StackObject
    planes : range
    direction : str

    Attributes
    ----------
    planes : range
        The frames that get results.
    stack : ImageStack
        The source of the frames.
    """

    def __init__(
        self,
        stack: ImageStack,
        prompts: StackPrompts,
        objects: Mapping[int, StackObject],
        planes: range,
        direction: Direction,
    ) -> None:
        self.stack = stack
        self._prompts = prompts
        self._objects = objects
        self.planes = planes
        self._direction = direction
        self._images: LRUCache[int, LoadedImage] = LRUCache(MAX_IMAGES)
        self._size: tuple[int, int] = self._image(0).rgb.shape[:2]
        self._session = Session(self._size[1], self._size[0])
        self._session.numbers.learn(prompts.categories)
        self._predictions: dict[tuple[int, int], Prediction] = {}
        """Predictions by number and frame, for keyframes that the tracker needed ahead of time."""

    def load(self, plan: Plan) -> None:
        """Load the model and prepare the tracking."""
        self._predictor = _tracking(recovery.attempt(plan, Plan.load, report=_report))
        self._plan = plan
        context = context_of(self._predictor, len(self.stack))
        todo = [
            stretch
            for one in self._objects.values()
            for stretch in one.stretches(self.planes, direction=self._direction, context=context)
        ]
        self._run = Propagation(
            todo,
            self._predictor,
            count=len(self.stack),
            read=self._rgb,
            keyframe=self._keyframe,
        )

    def results(self) -> Iterator[TrackedFrame]:
        """The results in the order of the frames, each as soon as it is complete."""
        found: dict[int, list[FrameMask]] = {}
        for index in self.planes:
            while self._run.settled <= index:
                mask = recovery.attempt(self._plan, self._next, report=_report)
                if mask.final and mask.present:
                    found.setdefault(mask.index, []).append(mask)
            yield self._result(index, {one.number: one for one in found.pop(index, [])})

    def _next(self, plan: Plan) -> FrameMask:
        """The tracker's next mask; with another model, if the current one ran out of memory."""
        if plan is not self._plan:
            self._predictor = _tracking(plan.load())
            self._run.replace_predictor(self._predictor)
            self._plan = plan
        return next(self._run)

    def _image(self, index: int) -> LoadedImage:
        image = self._images.get(index)
        if image is None:
            image = self._images[index] = self.stack[index]
        return image

    def _rgb(self, index: int) -> UInt8Array:
        return self._image(index).rgb

    def _keyframe(self, number: int, frame: Frame) -> Keyframe:
        found, prediction = self._predicted(self._objects[number], frame)
        if frame.index in self.planes:
            self._predictions[number, frame.index] = prediction
        return found

    def _predicted(self, one: StackObject, frame: Frame) -> tuple[Keyframe, Prediction]:
        """The mask of an object on a frame where it has prompts."""
        prompts, settings = one.keyframes[frame.index].prompts, one.settings[frame.index]
        if predict_without_model(prompts) is None:
            frame.embedding  # noqa: B018 - reads from disk here, not on the model's thread
        cache = PredictionCache(self._predictor, lambda: frame.embedding, frame.size)
        return worker.of(self._predictor).run(
            lambda: (keyframe_of(cache, prompts, settings), cache(prompts, settings))
        )

    def _result(self, index: int, masks: Mapping[int, FrameMask]) -> TrackedFrame:
        pairs = [
            (one.on(index), self._prediction(one, index, masks.get(number)))
            for number, one in self._objects.items()
        ]
        here = [(annotated, found) for annotated, found in pairs if found is not None]
        annotation = Annotation(tuple(one for one, _ in here), None, self._settings(index))
        made = make_segmentation(
            self._session,
            PredictionCache(self._predictor, _no_embedding, self._size),
            annotation=annotation,
            image=self._image(index),
            predictions=[found for _, found in here],
        )
        parts = {field.name: getattr(made, field.name) for field in fields(made)}
        return TrackedFrame(**parts, frame=index)

    def _settings(self, index: int) -> Settings:
        """Settings of a frame with prompts, else of the first frame that has prompts."""
        plane = index if index in self._prompts else next(iter(self._prompts), None)
        return DEFAULTS if plane is None else self._prompts[plane].settings

    def _prediction(
        self, one: StackObject, index: int, mask: FrameMask | None
    ) -> Prediction | None:
        """The mask of an object on a frame, or None if it is absent."""
        described = one.keyframes.get(index)
        if described is None:
            return None if mask is None else self._tracked(mask)
        if KeyframeMark.of(described.prompts).absent:
            return None
        known = self._predictions.pop((one.number, index), None)
        return known or self._predicted(one, self._frame(index))[1]

    def _tracked(self, found: FrameMask) -> Prediction:
        """A tracked mask, cleaned in the same way as masks of clicks."""
        mask = cleaned(found.mask, self._settings(found.index).cleaning, self._size)
        return Prediction(Mask(mask), found.score, maker=maker_of(self._predictor))

    def _frame(self, index: int) -> Frame:
        rgb = self._image(index).rgb
        return Frame(index, len(self.stack), rgb, embeddings.source(self._predictor, rgb))


def _tracking(predictor: Predictor) -> TrackingPredictor:
    """The predictor, if it supports tracking; else ModelError."""
    if isinstance(predictor, TrackingPredictor):
        return predictor
    raise ModelError(
        why_untracked(predictor)
        or f"the model {predictor.name!r} does not track: use model='bundled', or a SAM 2, e.g. "
        "model='tiny', whose checkpoint has the parts for videos"
    )


def _no_embedding() -> Embedding:
    raise ModelError("all masks of a result are known before it is made")


def _report(step: str) -> None:
    warnings.warn(step, stacklevel=2)
