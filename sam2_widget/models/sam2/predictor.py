"""SAM 2 of the package sam2 behind `sam2_widget.predictor.Predictor`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import torch
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.mask_decoder import MaskDecoder
from sam2.modeling.sam2_base import SAM2Base

from sam2_widget.models.base.cuda_graphs import Answer, Inputs
from sam2_widget.models.base.predictor import BasePredictor, Sam2Embedding, candidates
from sam2_widget.models.sam2.points_decoder import PointsDecoder
from sam2_widget.predictor import Candidates, PromptArrays

POINTS_AT_ONCE = 4
"""Points that a CPU decodes at a time: what is computed for more does not stay in its caches."""


class Sam2Predictor(BasePredictor):
    """A network of the package sam2, with the same masks as its `SAM2ImagePredictor`.

    Parameters
    ----------
    model : SAM2Base
        In evaluation mode, on its device.
    **options
        As for `BasePredictor`.
    """

    _model: SAM2Base
    _package = "sam2"

    def __init__(self, model: SAM2Base, **options: Any) -> None:
        super().__init__(model, **options)
        self._points_decoder = self._fast_points_decoder()

    @property
    def logits_size(self) -> tuple[int, int]:
        """(h, w) of the logits that it returns and accepts."""
        height, width = self._model.sam_prompt_encoder.mask_input_size
        return int(height), int(width)

    @property
    def image_size(self) -> int:
        """Side of its square input in pixels, to which every image is scaled."""
        return int(self._model.image_size)

    def _grid(self) -> torch.Tensor:
        positions: torch.Tensor = self._model.sam_prompt_encoder.get_dense_pe()
        return positions

    def feature_maps(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:  # noqa: D102
        backbone = self._model.forward_image(pixels)
        _, features, _, sizes = self._model._prepare_backbone_features(backbone)  # noqa: SLF001
        if self._model.directly_add_no_mem_embed:
            features[-1] = features[-1] + self._model.no_mem_embed
        # Sequences (h * w, 1, channels) back to maps (1, channels, h, w).
        pairs = zip(features, sizes, strict=True)
        return tuple(f.permute(1, 2, 0).reshape(1, -1, *size) for f, size in pairs)

    def map_shapes(self) -> list[tuple[int, ...]]:  # noqa: D102
        channels, side = self._model.hidden_dim, self._model.sam_image_embedding_size
        return [(1, channels // n, s * side, s * side) for n, s in ((8, 4), (4, 2), (1, 1))]

    def _decode_points(
        self, embedding: Sam2Embedding, points: Sequence[PromptArrays]
    ) -> list[Candidates]:
        if self._points_decoder is None:
            return super()._decode_points(embedding, points)
        found: list[Candidates] = []
        for start in range(0, len(points), POINTS_AT_ONCE):
            some = points[start : start + POINTS_AT_ONCE]
            inputs = self._inputs(self._maps(embedding), repeat(embedding), some, multimask=True)
            found += candidates(*self._fast_network(self._points_decoder, inputs))
        return found

    def _fast_points_decoder(self) -> PointsDecoder | None:
        """A faster decoder of many points; None on GPUs, where each of its steps takes a launch."""
        decoder = getattr(self._model, "sam_mask_decoder", None)
        suits = isinstance(decoder, MaskDecoder) and self._device.type == "cpu"
        return PointsDecoder(decoder, self._positions) if suits else None

    def _fast_network(self, decoder: PointsDecoder, inputs: Inputs) -> Answer:
        points = (inputs.coords, inputs.labels)
        sparse, dense = self._model.sam_prompt_encoder(
            points=points, boxes=None, masks=inputs.previous
        )
        # Without a mask prompt it is the same for all points.
        return decoder(inputs.maps, sparse, dense[:1] if inputs.previous is None else dense)

    def _decoder_weights(self) -> Iterator[torch.Tensor]:
        yield from self._model.sam_prompt_encoder.parameters()
        yield from self._model.sam_mask_decoder.parameters()

    def forget(self) -> None:
        """Free the device's memory except the weights: copies, graphs, sam2's tables."""
        super().forget()
        for module in self._model.modules():
            if isinstance(module, PositionEmbeddingSine):
                module.cache.clear()

    def _network(self, inputs: Inputs) -> Answer:
        *high_res, features = inputs.maps
        points = (inputs.coords, inputs.labels)
        encoder, decoder = self._model.sam_prompt_encoder, self._model.sam_mask_decoder
        with self._autocast(on_cpu=False):
            sparse, dense = encoder(points=points, boxes=None, masks=inputs.previous)
            logits, scores, _, _ = decoder(
                image_embeddings=features,
                image_pe=self._positions,
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=inputs.multimask,
                repeat_image=len(sparse) > len(features),
                high_res_features=high_res,
            )
        return logits, scores
