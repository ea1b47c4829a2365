"""Convolutions of the trunk that train in less time on a CPU.

1 x 1 convolutions compute in bfloat16, which some processors have instructions for. The weights of
depthwise convolutions are constant (`training.model.parameter_groups`): their gradients take longer
than all else in their blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from sam2_widget.models.bundled.network import InvertedResidual, SameConv2d


class Pointwise(nn.Module):
    """A 1 x 1 convolution in bfloat16, with the parameters of another one."""

    def __init__(self, conv: SameConv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        parameters = (self.weight.flatten(1).bfloat16(), cast("Tensor", self.bias).bfloat16())
        y = functional.linear(x.permute(0, 2, 3, 1).bfloat16(), *parameters)
        return y.float().permute(0, 3, 1, 2)


class Depthwise(nn.Module):
    """A depthwise convolution of stride 1 with the parameters of another one; its biases learn."""

    def __init__(self, conv: SameConv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self._padding = conv.padding

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return cast("Tensor", _Depthwise.apply(x, self.weight, self.bias, self._padding))


class _Depthwise(torch.autograd.Function):
    """Has no gradient for the weights, which torch's would compute even where they are constant."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, padding: tuple[int, ...]
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.padding = padding
        return functional.conv2d(x, weight, bias, padding=padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (weight,), (gradient,) = ctx.saved_tensors, gradients
        flipped = weight.flip(2, 3)
        of_input = functional.conv2d(gradient, flipped, padding=ctx.padding, groups=len(weight))
        return of_input, None, gradient.sum((0, 2, 3)), None


def replace_layers(block: InvertedResidual) -> None:
    """Replace the convolutions of a block in place; the names of its parameters stay the same."""
    for name, conv in cast("list[tuple[str, SameConv2d]]", list(block.named_children())):
        if name == "_depthwise_conv":
            if conv.stride == (1, 1):
                setattr(block, name, Depthwise(conv))
        else:
            setattr(block, name, Pointwise(conv))
