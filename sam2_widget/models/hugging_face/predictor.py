"""SAM 2 and EdgeTAM of `transformers` behind `sam2_widget.predictor.Predictor`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from sam2_widget.models.base.cpu_decoder import Parts
from sam2_widget.models.base.cuda_graphs import Answer, Inputs
from sam2_widget.models.base.predictor import BasePredictor
from sam2_widget.models.hugging_face.decoder_parts import parts_of


class HuggingFacePredictor(BasePredictor):
    """A model of `transformers`; everything else as in `BasePredictor`.

    Its class has the encoder, the prompt encoder and the mask decoder of SAM 2 under other names.
    EdgeTAM has another encoder, which is several times faster on a CPU.
    """

    _model: Any
    _package = "transformers"

    @property
    def _kind(self) -> str:
        """Differs from the sam2 package, whose embeddings differ in the last bits."""
        return type(self._model).__name__

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(model, **options)
        if self._kind == "EdgeTamModel":
            self.architecture = "EdgeTAM"

    @property
    def logits_size(self) -> tuple[int, int]:
        """(h, w) of the logits that it returns and accepts."""
        height, width = self._model.prompt_encoder.mask_input_size
        return int(height), int(width)

    @property
    def image_size(self) -> int:
        """Side of its square input in pixels, to which every image is scaled."""
        return int(self._model.prompt_encoder.input_image_size)

    def _grid(self) -> torch.Tensor:
        positions: torch.Tensor = self._model.get_image_wide_positional_embeddings()
        return positions

    def feature_maps(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:  # noqa: D102
        return tuple(self._model.get_image_embeddings(pixels))

    def map_shapes(self) -> list[tuple[int, ...]]:  # noqa: D102
        channels = self._model.config.prompt_encoder_config.hidden_size
        sides = [tuple(size) for size in self._model.config.vision_config.backbone_feature_sizes]
        return [(1, channels // n, *s) for n, s in zip((8, 4, 1), sides, strict=True)]

    def _decoder_weights(self) -> Iterator[torch.Tensor]:
        yield from self._model.prompt_encoder.parameters()
        yield from self._model.mask_decoder.parameters()

    def _prompts(self, inputs: Inputs, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Encoded prompts; `axis`, 0 or 1, is put before the axis of an image's prompts."""
        sparse, dense = self._model.prompt_encoder(
            input_points=inputs.coords.unsqueeze(axis),
            input_labels=inputs.labels.unsqueeze(axis),
            input_boxes=None,
            input_masks=inputs.previous,
        )
        return sparse, dense

    def _encode_prompts(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        sparse, dense = self._prompts(inputs, 0)
        return sparse.squeeze(0), dense

    def _decoder_parts(self) -> Parts:
        return parts_of(self._model.mask_decoder)

    def _network(self, inputs: Inputs) -> Answer:
        *high_res, features = inputs.maps
        # Axis 1 counts the prompts of an image: one, or all where there is a single image.
        axis = 0 if len(inputs.coords) > len(features) else 1
        with self._autocast(on_cpu=False):
            sparse, dense = self._prompts(inputs, axis)
            logits, scores, _, _ = self._model.mask_decoder(
                image_embeddings=features,
                image_positional_embeddings=self._positions.expand(len(features), -1, -1, -1),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=inputs.multimask,
                high_resolution_features=high_res,
            )
        return logits.squeeze(axis), scores.squeeze(axis)
