"""The neck of the bundled model, with less to compute.

sam2's neck gives the maps of strides 4 and 8 all 128 channels, and the decoder reduces them by
1 x 1 convolutions to 16 and 32. Such a convolution commutes with upsampling by nearest neighbours,
and two of them in a row equal one, so that those channels need not be computed at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sam2.modeling.backbones.image_encoder import FpnNeck
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn
from torch.nn import functional


class MergedNeck(nn.Module):
    """sam2's neck and the decoder's convolutions of the two finest maps.

    Parameters
    ----------
    neck : FpnNeck
        Of four levels, which adds the coarser map to each.
    to_fine, to_middle : Conv2d
        The decoder's convolutions of the maps of strides 4 and 8.
    """

    def __init__(self, neck: FpnNeck, to_fine: nn.Conv2d, to_middle: nn.Conv2d) -> None:
        super().__init__()
        self.position_encoding = neck.position_encoding
        self.coarsest, self.coarse, middle, fine = (level.conv for level in neck.convs)
        self.middle = _composed(middle, to_middle)
        self.coarse_to_middle = _without_bias(to_middle)
        self.fine = _composed(fine, to_fine)
        self.middle_to_fine = _composed(middle, _without_bias(to_fine))
        self.coarse_to_fine = _without_bias(to_fine)

    def forward(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the maps of all strides, finest first, and the encodings of their positions."""
        x4, x8, x16, x32 = maps
        coarsest = self.coarsest(x32)
        coarse = self.coarse(x16) + _upsampled(coarsest)
        middle = self.middle(x8) + _upsampled(self.coarse_to_middle(coarse))
        coarser = self.middle_to_fine(x8) + _upsampled(self.coarse_to_fine(coarse))
        fine = self.fine(x4) + _upsampled(coarser)
        found = [fine, middle, coarse, coarsest]
        return found, [self.position_encoding(one) for one in found]


def merge_neck(model: SAM2Base) -> None:
    """Replace the neck of a model, and what the decoder does with its finest maps, in place.

    The outputs stay the same up to rounding; the names of the parameters do not.
    """
    encoder, decoder = model.image_encoder, model.sam_mask_decoder
    encoder.neck = MergedNeck(encoder.neck, decoder.conv_s0, decoder.conv_s1)
    decoder.conv_s0, decoder.conv_s1 = nn.Identity(), nn.Identity()


def _composed(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """One 1 x 1 convolution in place of two."""
    weight, biases = _matrix(second), (cast("Tensor", first.bias), second.bias)
    bias = weight @ biases[0].detach()
    if biases[1] is not None:
        bias = bias + biases[1].detach()
    merged = nn.Conv2d(first.in_channels, second.out_channels, 1)
    merged.weight = nn.Parameter((weight @ _matrix(first))[:, :, None, None])
    merged.bias = nn.Parameter(bias)
    return merged


def _without_bias(conv: nn.Conv2d) -> nn.Conv2d:
    copied = nn.Conv2d(conv.in_channels, conv.out_channels, 1, bias=False)
    copied.load_state_dict({"weight": conv.weight})
    return copied


def _matrix(conv: nn.Conv2d) -> Tensor:
    return conv.weight.detach().flatten(1)


def _upsampled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
