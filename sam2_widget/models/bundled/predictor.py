"""The bundled model behind `sam2_widget.predictor.Predictor`.

It was trained with small images and drawn prompts (`network`), runs again on a window around the
object (`crops`), and refines the outline by a graph cut (`outlines`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torchvision.transforms.v2.functional as transforms
from cachetools import LRUCache
from PIL import Image
from sam2.modeling.sam2_base import SAM2Base

from sam2_widget._utils.arrays import Float32Array, UInt8Array
from sam2_widget.models import threads
from sam2_widget.models.base.pixels import MEAN, STD, to_tensor
from sam2_widget.models.base.predictor import Sam2Embedding, T, single_points, unpacked
from sam2_widget.models.batches import DecodeRequest
from sam2_widget.models.bundled import crops as zoom
from sam2_widget.models.bundled import network as compact
from sam2_widget.models.bundled.outlines import refine
from sam2_widget.models.sam2.predictor import Sam2Predictor
from sam2_widget.predictor import Candidates, Embedding, PromptArrays

KEPT_SIDE = 1024
"""Longest side in pixels of the image that is stored for cropping windows."""
WINDOWS_KEPT = 8
OUTLINE_SIDE = 128
"""Side in pixels of the window in which the outline is refined; time grows with its square."""
OTHERS_SIDE = 64
"""The same for the candidates of a first click that are not the best: most are never chosen."""
PADDING_LABEL = -1
MAX_WINDOWS_TRIED = 2
"""Most windows per prediction: the image, then around the object, or larger if cut off."""

_Windows: TypeAlias = LRUCache[zoom.Window, Sam2Embedding]


@dataclass(frozen=True, slots=True, eq=False)
class CompactEmbedding:
    """An image and its features: of the whole image, and of recently used windows.

    Attributes
    ----------
    image : (h, w, 3) uint8 ndarray
        At most `KEPT_SIDE` pixels on its longest side.
    width, height : int
        Original size of the image in pixels.
    whole : Sam2Embedding
    windows : LRUCache
        Cache, used on the model thread only. It affects the time of a prediction, not its result.
    """

    image: UInt8Array
    width: int
    height: int
    whole: Sam2Embedding
    windows: _Windows = field(default_factory=lambda: LRUCache(WINDOWS_KEPT))

    @property
    def nbytes(self) -> int:
        """Memory in bytes with a full cache of windows."""
        return self.image.nbytes + (1 + WINDOWS_KEPT) * self.whole.nbytes

    @property
    def device(self) -> str:
        """The device that holds it."""
        return self.whole.device

    def to(self, device: str) -> CompactEmbedding:
        """A copy on another device."""
        return CompactEmbedding(self.image, self.width, self.height, self.whole.to(device))


class CompactPredictor(Sam2Predictor):
    """The bundled model; everything else as in `Sam2Predictor`.

    It computes in float32 by default: that is fast enough everywhere, and the outlines, which
    depend on small differences, then hardly differ between processors. Its embeddings are float32,
    too; they are small compared to the image that is stored with them.
    """

    architecture = "compact"
    refines_points = True
    proposal_thresholds = (0.5, 0.7)  # chosen from `benchmarks.proposals`
    proposal_edges = 0.5  # likewise: it proposes parts of plain ground

    def __init__(
        self,
        model: SAM2Base,
        *,
        name: str,
        dtype: torch.dtype | None = torch.float32,
        kept: torch.dtype = torch.float32,
        checkpoint: str | None = None,
    ) -> None:
        super().__init__(model, name=name, dtype=dtype, kept=kept, checkpoint=checkpoint)

    @property
    def logits_size(self) -> tuple[int, int]:
        """(h, w) of the logits that it returns; as input it accepts any size."""
        return zoom.CELLS, zoom.CELLS

    def predict_points(self, embedding: Embedding, points: Float32Array) -> list[Candidates]:
        """Decode many points of one image in one run, on the whole image only.

        `predict` also uses a window around the object, and refines the outline. The logits cover
        the whole image.
        """
        found = self._compact(embedding)
        scale = self._model.image_size / np.array([found.width, found.height])
        prompts = single_points((points * scale).astype(np.float32))
        return self._run(lambda: self._decode_points(found.whole, prompts))

    def predict_many(self, requests: Sequence[DecodeRequest], *, size: int) -> list[Candidates]:
        """Decode one after the other: the windows of each depend on its own results."""
        del size
        return [self.predict(a.embedding, a.prompts, multimask=a.multimask) for a in requests]

    def _run(self, job: Callable[[], T]) -> T:
        def exactly() -> T:
            # TF32, which convolutions use on GPUs by default, moves outlines.
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                return job()

        return super()._run(exactly)

    def _embed(self, image: UInt8Array) -> Embedding:
        picture = Image.fromarray(image)
        picture.thumbnail((KEPT_SIDE, KEPT_SIDE), Image.Resampling.BOX)
        kept = np.array(picture)
        whole = self._encode(self._view(kept, zoom.WHOLE))
        return CompactEmbedding(kept, image.shape[1], image.shape[0], whole)

    def pack(self, embedding: Embedding) -> dict[str, npt.NDArray[Any]]:
        """Convert an embedding to arrays."""
        found = self._compact(embedding)
        size = np.array([found.width, found.height], np.int64)
        return {**super().pack(found.whole), "image": found.image, "size": size}

    def unpack(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Embedding:
        """Convert arrays from `pack` to an embedding; ValueError if they are something else."""
        image = unpacked(arrays, "image", np.uint8, (None, None, 3))
        width, height = unpacked(arrays, "size", np.int64, (2,)).tolist()
        whole = self._own(super().unpack(arrays))
        inner = Sam2Embedding(whole.maps, self._model.image_size, self._model.image_size)
        return CompactEmbedding(image, width, height, inner)

    def _compact(self, embedding: Embedding) -> CompactEmbedding:
        if not isinstance(embedding, CompactEmbedding):
            raise TypeError(f"embedding must be what embed() returned, got {embedding!r}")
        return embedding

    def _predict(
        self, embedding: Embedding, prompts: PromptArrays, *, multimask: bool
    ) -> Candidates:
        found = self._compact(embedding)
        window, answer = self._settle(found, prompts, multimask=multimask)
        return self._refined(found, prompts, window, answer)

    def _settle(
        self, embedding: CompactEmbedding, prompts: PromptArrays, *, multimask: bool
    ) -> tuple[zoom.Window, Candidates]:
        """Predict in the expected window, and again if the object turns out to be elsewhere."""
        size = embedding.width, embedding.height
        is_first = prompts.box is None and prompts.logits is None
        window = zoom.WHOLE if is_first else zoom.window_of(prompts, *size, prompts.logits)
        found = self._predict_in_window(embedding, prompts, window, multimask=multimask)
        for _ in range(MAX_WINDOWS_TRIED - 1):
            mask = found.logits[found.best]
            again = is_first or (not prompts.only_box and zoom.is_cut_off(mask, window))
            last, is_first = window, False
            window = zoom.window_of(prompts, *size, zoom.paste(mask, window)) if again else window
            if window == last:
                break
            found = self._predict_in_window(embedding, prompts, window, multimask=multimask)
        return window, found

    def _predict_in_window(
        self,
        embedding: CompactEmbedding,
        prompts: PromptArrays,
        window: zoom.Window,
        *,
        multimask: bool,
    ) -> Candidates:
        """Predict in a window; the logits cover the window only."""
        side = self._model.image_size
        near = window.inside(prompts, embedding.width, embedding.height, side)
        if prompts.logits is not None:
            logits = zoom.cut(prompts.logits, window, side // 4)
            near = PromptArrays(near.points, near.labels, near.box, logits)
        return self._decode(self._features(embedding, window), near, multimask=multimask)

    def _features(self, embedding: CompactEmbedding, window: zoom.Window) -> Sam2Embedding:
        if window == zoom.WHOLE:
            return embedding.whole
        found: Sam2Embedding | None = embedding.windows.get(window)
        if found is None:
            found = self._encode(self._view(embedding.image, window))
            embedding.windows[window] = found
        return found

    def _refined(
        self,
        embedding: CompactEmbedding,
        prompts: PromptArrays,
        window: zoom.Window,
        found: Candidates,
    ) -> Candidates:
        """Refine the outlines of a window's candidates, and convert them to the whole image."""
        size = embedding.width, embedding.height
        sides = [OTHERS_SIDE] * len(found.logits)
        sides[found.best] = OUTLINE_SIDE
        pixels = {side: _view(embedding.image, window, side) for side in set(sides)}

        def refined(index: int) -> Float32Array:
            side = sides[index]
            fine = cv2.resize(found.logits[index], (side, side)).astype(np.float32)
            near = window.inside(prompts, *size, side)
            whole = zoom.paste(refine(pixels[side], fine, near), window)
            zoom.enforce_prompts(whole, prompts, *size)
            return whole

        # GrabCut takes most of the time of a click, and three candidates need three runs.
        return Candidates(np.stack(threads.spread(refined, range(len(sides)))), found.scores)

    def _view(self, image: UInt8Array, window: zoom.Window) -> UInt8Array:
        return _view(image, window, self._model.image_size)

    def _pixels(self, image: UInt8Array) -> torch.Tensor:
        normalised: torch.Tensor = transforms.normalize(to_tensor(image), MEAN, STD)
        return normalised

    def _points(
        self, embedding: Sam2Embedding, prompts: PromptArrays
    ) -> tuple[torch.Tensor, torch.Tensor]:
        coords, labels = super()._points(embedding, prompts)
        # sam2's prompt encoder adds half a pixel; here coordinates are those of pixel centres.
        coords = coords - 0.5
        if labels.shape[1] == 1:
            # In training a single click was followed by a padding point.
            coords = torch.cat([coords, torch.zeros_like(coords)], dim=1)
            labels = torch.cat([labels, torch.full_like(labels, PADDING_LABEL)], dim=1)
        return coords, labels

    def _mask_input(
        self, coords: torch.Tensor, labels: torch.Tensor, prompts: PromptArrays
    ) -> torch.Tensor:
        previous = super()._mask_input(coords, labels, prompts)
        return compact.draw_prompts(coords, labels, previous, self._model.image_size)


def _view(image: UInt8Array, window: zoom.Window, side: int) -> UInt8Array:
    """A window of an image scaled to (side, side, 3), averaged when scaled down."""
    x0, y0, x1, y1 = window.pixels(image.shape[1], image.shape[0])
    shrinks = min(x1 - x0, y1 - y0) >= side
    how = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.array(Image.fromarray(image).resize((side, side), how, box=(x0, y0, x1, y1)))
