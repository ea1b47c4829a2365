"""SAM 2 of the package sam2 behind `sam2_widget.predictor.Predictor`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.mask_decoder import MaskDecoder
from sam2.modeling.sam2_base import SAM2Base

from sam2_widget.models.base.cpu_decoder import Parts
from sam2_widget.models.base.cuda_graphs import Answer, Inputs
from sam2_widget.models.base.predictor import BasePredictor
from sam2_widget.models.sam2.decoder_parts import parts_of


class Sam2Predictor(BasePredictor):
    """A network of the package sam2, with the same masks as its `SAM2ImagePredictor`.

    Its model is a `SAM2Base`.
    """

    _model: SAM2Base
    _package = "sam2"

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

    def _encode_prompts(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        points = (inputs.coords, inputs.labels)
        sparse, dense = self._model.sam_prompt_encoder(
            points=points, boxes=None, masks=inputs.previous
        )
        return sparse, dense

    def _decoder_parts(self) -> Parts | None:
        decoder = getattr(self._model, "sam_mask_decoder", None)
        return parts_of(decoder) if isinstance(decoder, MaskDecoder) else None

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
        with self._autocast(on_cpu=False):
            sparse, dense = self._encode_prompts(inputs)
            logits, scores, _, _ = self._model.sam_mask_decoder(
                image_embeddings=features,
                image_pe=self._positions,
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=inputs.multimask,
                repeat_image=len(sparse) > len(features),
                high_res_features=high_res,
            )
        return logits, scores
