"""The parts of a mask decoder of `transformers`, for `models.base.cpu_decoder`.

Those of SAM 2 and of EdgeTAM have the same names.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from sam2_widget.models.base.cpu_decoder import Attention, Block, Parts


def parts_of(decoder: Any) -> Parts:
    """The parts of a `Sam2MaskDecoder` or `EdgeTamMaskDecoder`."""
    both = decoder.transformer
    tokens = [decoder.obj_score_token, decoder.iou_token, decoder.mask_tokens]
    return Parts(
        tokens=tokens,
        first_mask=len(tokens) - 1,
        blocks=[_block(layer) for layer in both.layers],
        last=_attention(both.final_attn_token_to_image),
        last_norm=both.layer_norm_final_attn,
        scores=decoder.iou_prediction_head,
        upscaling=(
            decoder.upscale_conv1,
            decoder.upscale_layer_norm,
            decoder.activation,
            decoder.upscale_conv2,
            decoder.activation,
        ),
        masks=list(decoder.output_hypernetworks_mlps),
        choose_one=partial(_choose_one, decoder),
    )


def _choose_one(decoder: Any, logits: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """The mask for several prompts, or the best other one where it is unstable."""
    if not decoder.dynamic_multimask_via_stability:
        return logits[:, :1], scores[:, :1]
    # With an axis that counts the prompts of an image.
    both = decoder._dynamic_multimask_via_stability(logits[None], scores[None])  # noqa: SLF001
    chosen, score = (one.squeeze(0) for one in both)
    return chosen, score


def _block(layer: Any) -> Block:
    def self_attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        # With an axis that counts the prompts of an image.
        given = (one.unsqueeze(0) for one in (queries, keys, values))
        found: Tensor = layer.self_attn(*given)[0]
        return found.squeeze(0)

    return Block(
        is_first=layer.skip_first_layer_pe,
        self_attention=self_attention,
        to_cells=_attention(layer.cross_attn_token_to_image),
        to_tokens=_attention(layer.cross_attn_image_to_token),
        mlp=layer.mlp,
        norms=[layer.layer_norm1, layer.layer_norm2, layer.layer_norm3, layer.layer_norm4],
    )


def _attention(one: Any) -> Attention:
    return Attention(one.q_proj, one.k_proj, one.v_proj, one.o_proj, one.num_attention_heads)
