"""The parts of sam2's mask decoder, for `models.base.points_decoder`."""

from __future__ import annotations

from sam2.modeling.sam import transformer
from sam2.modeling.sam.mask_decoder import MaskDecoder

from sam2_widget.models.base.points_decoder import Attention, Block, Parts


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
    )


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
