"""Tracking with the bundled model, which has no memory and was not trained on videos.

An object is found on the next frame in three steps: optical flow warps its mask (`motion`), a
classifier separates the object from its surroundings by the network's features (`appearance`), and
the mask decoder, prompted with the sum of both, gives the outline. All use a window around the
object (`crops`). The classifier is fitted to the keyframes, with a fixed weight, and to the frames
since, with decaying weights, so that a wrong mask does not replace the object for good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from sam2_widget._utils.arrays import BoolArray, Float32Array, UInt8Array
from sam2_widget.masks.regions import shrink
from sam2_widget.models.base.predictor import Sam2Embedding
from sam2_widget.models.bundled import crops as zoom
from sam2_widget.models.bundled import motion
from sam2_widget.models.bundled.appearance import Appearance, features_of
from sam2_widget.models.bundled.predictor import CompactPredictor
from sam2_widget.predictor import (
    Frame,
    Keyframe,
    PromptArrays,
    Track,
    TrackedMask,
    TrackMemory,
)

CELLS = motion.SIDE
"""Side of the masks, in cells."""
WINDOW_CELLS = 64
"""Side of the result in a window, in cells: that of the network's finest features."""
TRUNK_MAPS = 3
"""Feature maps of the trunk that the classifier uses; the coarsest has 352 channels more."""
KEYFRAMES_SHARE = 0.5
"""Weight of the keyframes in the classifier; all frames since share the rest."""
FADING = 0.1
"""Weight of the newest frame among those since the keyframe."""
TRUST = 0.3
"""Relative weight of the flow where it is not consistent."""
APPEARANCE_GAIN, APPEARANCE_WEIGHT = 4.0, 2.0
"""Logit of a cell with the appearance of the object, which is added to that of the flow."""
LIMIT, PROMPT_LIMIT = 4.0, 6.0
"""Limits of the logits: of the flow and of the appearance, and of their sum."""
DECODED_LIMIT = 8.0
AGREEMENT = 0.5
"""Least overlap of the decoder's mask with its prompt for the mask to be used."""
HALF = 0.5
LEAST_CELLS = 8
"""Least number of a window's cells that an object must cover."""
SHRUNK, GROWN = 0.2, 5.0
"""Factor by which an object's area may change while it is not visible."""
ABSENT = -8.0
NO_POINTS = np.zeros((0, 2), np.float32), np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class CompactTrackMemory:
    """The bundled model's memory of an object, from a keyframe or a track so far.

    Attributes
    ----------
    picture : (h, w) uint8 ndarray
        The last frame, see `motion`.
    inside : (CELLS, CELLS) float16 ndarray
        Probability of each of its cells to be inside the object, 0 to 1.
    near : Appearance
        Appearance of the object and its surroundings.
    whole : Appearance
        Appearance of the object and the rest of the keyframe.
    window : Window
        Where the object was found last.
    area : int
        Its area there in cells.
    """

    picture: UInt8Array
    inside: npt.NDArray[np.float16]
    near: Appearance
    whole: Appearance
    window: zoom.Window
    area: int

    @property
    def nbytes(self) -> int:
        """Memory in bytes; arrays shared by several memories are counted for each."""
        parts = (self.picture, self.inside, self.near, self.whole)
        return sum(part.nbytes for part in parts)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A window of a frame, with the network's features."""

    window: zoom.Window
    embedding: Sam2Embedding
    features: torch.Tensor


class CompactTracker(CompactPredictor):
    """The bundled model for images and videos."""

    @property
    def _kind(self) -> str:
        return CompactPredictor.__name__  # its embeddings are the same

    def remember(self, frame: Frame, keyframes: Sequence[Keyframe]) -> list[CompactTrackMemory]:
        """Compute the memories of objects that have prompts on `frame`.

        Raises
        ------
        DeviceError
            If the memory of the device does not suffice.
        """
        grey = motion.picture(frame.rgb)
        whole = self._run(lambda: self._viewed(frame.rgb, zoom.WHOLE))
        # One by one, so that a click waits for one of them, not for all.
        return [self._run(partial(self._remember, frame, grey, whole, one)) for one in keyframes]

    def follow(
        self, frame: Frame, tracks: Sequence[Track]
    ) -> list[tuple[TrackedMask, CompactTrackMemory]]:
        """The objects on `frame`, and the new memories of their tracks; raises as `remember`."""
        grey = motion.picture(frame.rgb)
        whole = cache(lambda: self._viewed(frame.rgb, zoom.WHOLE))
        motions: dict[int, motion.Motion] = {}

        def motion_since(before: UInt8Array) -> motion.Motion:
            # Objects that are tracked together share the picture.
            if id(before) not in motions:
                motions[id(before)] = motion.Motion(before, grey)
            return motions[id(before)]

        follow = partial(self._follow, frame, grey, whole, motion_since)
        return [self._run(partial(follow, one)) for one in tracks]

    def _remember(
        self, frame: Frame, grey: UInt8Array, whole: _View, keyframe: Keyframe
    ) -> CompactTrackMemory:
        inside = shrink(keyframe.mask, (CELLS, CELLS))
        view = self._viewed(frame.rgb, _window_of(inside > HALF, frame, zoom.WHOLE))
        return CompactTrackMemory(
            picture=grey,
            inside=inside.astype(np.float16),
            near=_appearance(view, inside),
            whole=_appearance(whole, inside),
            window=view.window,
            area=int(np.count_nonzero(inside > HALF)),
        )

    def _follow(
        self,
        frame: Frame,
        grey: UInt8Array,
        whole: Callable[[], _View],
        motion_since: Callable[[UInt8Array], motion.Motion],
        track: Track,
    ) -> tuple[TrackedMask, CompactTrackMemory]:
        keyframes = [_own_memory(one) for one in track.keyframes]
        before = _own_memory(track.memory or track.keyframes[0])
        prior = np.zeros((WINDOW_CELLS, WINDOW_CELLS), np.float32)
        if before.inside.any():
            moved = motion_since(before.picture)
            carried = moved.carry(before.inside.astype(np.float32))
            view = self._viewed(frame.rgb, _window_of(carried > HALF, frame, before.window))
            prior = _prior(carried, moved.trust, view.window)
        else:
            view = self._viewed(frame.rgb, _searched(whole(), keyframes, before.window))
        known = Appearance.mean([one.near for one in keyframes])
        looks = _looks(view, before.near.mixed(known, KEYFRAMES_SHARE))
        rough = _joined_with(prior > 0, prior + APPEARANCE_WEIGHT * looks)
        logits = _joined_with(prior > 0, self._outlined(view, rough))
        found = _paste(logits, view.window)
        presence = _presence(found, logits, looks, before)
        if presence <= 0:
            gone = replace(before, picture=grey, inside=np.zeros_like(before.inside))
            return TrackedMask(-np.abs(found), 0.0, presence), gone
        inside = _probability(found)
        memory = CompactTrackMemory(
            picture=grey,
            inside=inside.astype(np.float16),
            near=before.near.mixed(_appearance(view, inside), FADING),
            whole=before.whole,
            window=view.window,
            area=int(np.count_nonzero(found > 0)),
        )
        return TrackedMask(found, _score(logits), presence), memory

    def _viewed(self, image: UInt8Array, window: zoom.Window) -> _View:
        maps: list[torch.Tensor] = []
        # sam2 and converted encoders return only the neck's output, not the trunk's maps.
        hook = self._model.image_encoder.trunk.register_forward_hook(
            lambda *call: maps.extend(call[-1])
        )
        try:
            embedding = self._encode(self._view(image, window), with_torch=True)
        finally:
            hook.remove()
        return _View(
            window,
            embedding,
            features_of([*maps[:TRUNK_MAPS], embedding.maps[-1] / 4], WINDOW_CELLS),
        )

    def _outlined(self, view: _View, prompt: Float32Array) -> Float32Array:
        """Replace logits of a window by the decoder's mask, if the two overlap enough."""
        rough = np.clip(prompt, -PROMPT_LIMIT, PROMPT_LIMIT)
        if np.count_nonzero(rough > 0) < LEAST_CELLS:
            return rough
        corners = np.ravel(_corners(rough > 0)) * (self._model.image_size / WINDOW_CELLS)
        prompts = PromptArrays(*NO_POINTS, corners.astype(np.float32), rough)
        (decoded,) = self._decode(view.embedding, prompts, multimask=False).logits
        if _overlap(decoded > 0, rough > 0) <= AGREEMENT:
            return rough
        return np.asarray((np.clip(decoded, -DECODED_LIMIT, DECODED_LIMIT) + rough) / 2, np.float32)


def _searched(
    whole: _View, keyframes: Sequence[CompactTrackMemory], last: zoom.Window
) -> zoom.Window:
    """The window around the region of a frame that looks most like the object.

    It has the size of the last window, which is returned if there is no such region.
    """
    looks = _looks(whole, Appearance.mean([one.whole for one in keyframes]))
    count, regions, _, middles = cv2.connectedComponentsWithStats((looks > 0).astype(np.uint8))
    if count == 1:
        return last
    sums = np.bincount(regions.ravel(), looks.ravel(), count)
    middle = middles[1 + int(sums[1:].argmax())] + HALF
    return last.moved(middle * zoom.CELLS / WINDOW_CELLS)


def _window_of(mask: BoolArray, frame: Frame, otherwise: zoom.Window) -> zoom.Window:
    """The window around a mask of a whole frame, or another one if it is empty."""
    if not mask.any():
        return otherwise
    height, width = frame.size
    return zoom.window_around(_corners(mask) * (np.array([width, height]) / CELLS), width, height)


def _corners(mask: BoolArray) -> npt.NDArray[np.float64]:
    """(x, y) of the first and one past the last cell of a mask that is not empty, (2, 2)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([[columns[0], rows[0]], [columns[-1] + 1.0, rows[-1] + 1.0]])


def _appearance(view: _View, inside: Float32Array) -> Appearance:
    cells = zoom.cut(inside, view.window, WINDOW_CELLS).clip(0, 1)
    return Appearance.of(view.features, torch.tensor(cells).ravel())


def _looks(view: _View, appearance: Appearance) -> Float32Array:
    """Logits of whether each cell of a window looks like the object, as those of `_prior`."""
    found = (view.features @ appearance.classifier()).reshape(WINDOW_CELLS, WINDOW_CELLS).numpy()
    return np.asarray(np.clip(APPEARANCE_GAIN * found, -LIMIT, LIMIT), np.float32)


def _prior(carried: Float32Array, trust: Float32Array, window: zoom.Window) -> Float32Array:
    """Logits, (WINDOW_CELLS, WINDOW_CELLS), of a window by the flow alone."""
    inside = zoom.cut(carried, window, WINDOW_CELLS).clip(1e-3, 1 - 1e-3)
    logits = np.log(inside / (1 - inside)).clip(-LIMIT, LIMIT)
    return np.asarray(
        logits * (TRUST + (1 - TRUST) * zoom.cut(trust, window, WINDOW_CELLS)), np.float32
    )


def _joined_with(own: BoolArray, logits: Float32Array) -> Float32Array:
    """Remove regions that do not overlap the object's warped mask: they only look like it.

    If no region overlaps it, all are kept.
    """
    _, regions = cv2.connectedComponents((logits > 0).astype(np.uint8))
    kept = np.setdiff1d(regions[own], [0])
    if not len(kept):
        return logits
    return np.where(np.isin(regions, [0, *kept]), logits, -np.abs(logits))


def _paste(logits: Float32Array, window: zoom.Window) -> Float32Array:
    """Convert logits of a window to (CELLS, CELLS) over the whole frame."""
    x0, y0, x1, y1 = (side * CELLS // zoom.CELLS for side in window)
    whole = np.full((CELLS, CELLS), zoom.OUTSIDE, np.float32)
    near = Image.fromarray(logits).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR)
    whole[y0:y1, x0:x1] = np.asarray(near)
    return whole


def _overlap(one: BoolArray, other: BoolArray) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 0.0


def _presence(
    found: Float32Array, logits: Float32Array, looks: Float32Array, before: CompactTrackMemory
) -> float:
    """Logit of whether the mask that was found shows the object."""
    inside = logits > 0
    if np.count_nonzero(inside) < LEAST_CELLS:
        return ABSENT
    area = np.count_nonzero(found > 0) / max(before.area, 1)
    if not before.inside.any() and not SHRUNK < area < GROWN:
        return ABSENT
    return float(looks[inside].mean())


def _score(logits: Float32Array) -> float:
    """The expected IoU if the probabilities of the cells are right."""
    probability, inside = _probability(logits), logits > 0
    return float(
        probability[inside].sum() / (np.count_nonzero(inside) + probability[~inside].sum())
    )


def _probability(logits: Float32Array) -> Float32Array:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _own_memory(memory: TrackMemory) -> CompactTrackMemory:
    if not isinstance(memory, CompactTrackMemory):
        raise TypeError(f"a track must hold what remember() or follow() returned, got {memory!r}")
    return memory
