"""The parts of sam2's mask decoder, for `models.base.cpu_decoder`."""

from __future__ import annotations

from functools import partial

from sam2.modeling.sam import transformer
from sam2.modeling.sam.mask_decoder import MaskDecoder
from torch import Tensor

from sam2_widget.models.base.cpu_decoder import Attention, Block, Parts


def parts_of(decoder: MaskDecoder) -> Parts:
    """The parts of a decoder with features of high resolution."""
    both = decoder.transformer
    tokens = [decoder.iou_token, decoder.mask_tokens]
    if decoder.pred_obj_scores:
        tokens.insert(0, decoder.obj_score_token)
    return Parts(
        tokens=tokens,
        first_mask=len(tokens) - 1,
        blocks=[_block(layer) for layer in both.layers],
        last=_attention(both.final_attn_token_to_image),
        last_norm=both.norm_final_attn,
        scores=decoder.iou_prediction_head,
        upscaling=tuple(decoder.output_upscaling),
        masks=list(decoder.output_hypernetworks_mlps),
        choose_one=partial(_choose_one, decoder),
    )


def _choose_one(decoder: MaskDecoder, logits: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """The mask for several prompts, or the best other one where it is unstable."""
    if not decoder.dynamic_multimask_via_stability:
        return logits[:, :1], scores[:, :1]
    chosen, score = decoder._dynamic_multimask_via_stability(logits, scores)  # noqa: SLF001
    return chosen, score


def _block(layer: transformer.TwoWayAttentionBlock) -> Block:
    return Block(
        is_first=layer.skip_first_layer_pe,
        self_attention=layer.self_attn,
        to_cells=_attention(layer.cross_attn_token_to_image),
        to_tokens=_attention(layer.cross_attn_image_to_token),
        mlp=layer.mlp,
        norms=[layer.norm1, layer.norm2, layer.norm3, layer.norm4],
    )


def _attention(one: transformer.Attention) -> Attention:
    return Attention(one.q_proj, one.k_proj, one.v_proj, one.out_proj, one.num_heads)
