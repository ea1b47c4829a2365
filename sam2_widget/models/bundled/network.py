"""The compact SAM 2: sam2's own neck, prompt encoder and mask decoder over a small trunk.

The trunk is EfficientNet-Lite0. The whole model has 4.7 M parameters, takes 9.4 MB in half
precision and encodes an image in some 50 ms on one CPU core, so that it can travel in the wheel.

Coordinates are (x, y) in pixels of the model's input, a square of ``image_size`` pixels.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
import torch
from safetensors.torch import load_file
from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn
from torch.nn import functional

from sam2_widget._utils.regular_files import open_regular
from sam2_widget.models.bundled.neck import merge_neck
from sam2_widget.models.published import IMAGE_SIZES

FORMAT = "sam2-widget-compact"
FORMAT_VERSION = "1"
CHANNELS = 128
EPSILON = 1e-3
"""Epsilon of the trunk's batch normalisations, as in training."""

CLICK_LOGIT = 12.0
"""Value that a click writes into the mask prompt, with its sign."""
CLICK_RADIUS = 2
"""Radius of a click's disk, in cells of the mask prompt (4 input pixels each)."""
BOX_LOGIT = 4.0
"""Value that a box writes inside; its outside gets the negative."""
LOGIT_LIMIT = 8.0
"""Previous logits are clamped to ± this, so that a click always has a larger value."""

BESIDE, ON, TOP_LEFT, BOTTOM_RIGHT = 0, 1, 2, 3
"""sam2's labels of a click outside and on the object and of the corners of a box."""


class _Stage(NamedTuple):
    kernel: int
    stride: int
    expansion: int
    channels: int
    depth: int


_STAGES = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)

# Raw outputs are so large that prompt embeddings have no effect beside them, and the model's
# masks do not depend on the prompt. These are their standard deviations with ImageNet weights.
_OUTPUT_SCALES = {2: 9.5, 4: 8.9, 10: 6.5, 15: 2.55}


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding, for inputs whose size the stride divides.

    At stride 2 the odd row and column of padding go to the bottom and the right.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self._margin = (before, after, before, after) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return super().forward(functional.pad(x, self._margin) if self._margin else x)


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation that always uses the stored statistics, also while training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        stored = (self.running_mean, self.running_var, self.weight, self.bias)
        return functional.batch_norm(x, *stored, training=False, eps=EPSILON)


class InvertedResidual(nn.Module):
    """Expand, filter each channel on its own, project; the input is added where shapes allow.

    Sub-modules carry the names of the published EfficientNet-Lite weights.
    """

    def __init__(self, inputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        width = inputs * stage.expansion
        self._expands = stage.expansion > 1
        if self._expands:
            self._expand_conv = SameConv2d(inputs, width, 1, 1)
            self._bn0 = FrozenBatchNorm2d(width)
        self._depthwise_conv = SameConv2d(width, width, stage.kernel, stride, groups=width)
        self._bn1 = FrozenBatchNorm2d(width)
        self._project_conv = SameConv2d(width, stage.channels, 1, 1)
        self._bn2 = FrozenBatchNorm2d(stage.channels)
        self._skips = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = cast("Tensor", self._bn2(self._project_conv(y)))
        return x + y if self._skips else y


class EfficientNetLite0(nn.Module):
    """The trunk: features at strides 4, 8, 16 and 32 with 24, 40, 112 and 320 channels."""

    channel_list = (320, 112, 40, 24)

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, 32, 3, 2)
        self.bn0 = FrozenBatchNorm2d(32)
        blocks: list[InvertedResidual] = []
        inputs = 32
        for stage in _STAGES:
            for repeat in range(stage.depth):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(InvertedResidual(inputs, stage, stride))
                inputs = stage.channels
        self.blocks = nn.ModuleList(blocks)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the four feature maps, finest first, each of about unit variance."""
        x = functional.relu6(self.bn0(self.stem(image)))
        outputs = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _OUTPUT_SCALES:
                outputs.append(x / _OUTPUT_SCALES[index])
        return outputs


def fold_batch_norms(trunk: EfficientNetLite0) -> None:
    """Merge every batch normalisation into the convolution before it, in place.

    The outputs stay the same up to rounding; the names of the parameters do not.
    """
    _fold(trunk, "stem", "bn0")
    for block in trunk.blocks:
        if hasattr(block, "_expand_conv"):
            _fold(block, "_expand_conv", "_bn0")
        _fold(block, "_depthwise_conv", "_bn1")
        _fold(block, "_project_conv", "_bn2")


@torch.no_grad()
def _fold(owner: nn.Module, conv_name: str, norm_name: str) -> None:
    conv = cast("SameConv2d", owner.get_submodule(conv_name))
    norm = cast("FrozenBatchNorm2d", owner.get_submodule(norm_name))
    scale = norm.weight / (norm.running_var + EPSILON).sqrt()
    conv.weight.mul_(scale[:, None, None, None])
    conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
    setattr(owner, norm_name, nn.Identity())


def build_compact(image_size: int = 256) -> SAM2Base:
    """Build the architecture with random weights, in evaluation mode.

    Parameters
    ----------
    image_size
        Side of the model's square input in pixels, a multiple of 32.
    """
    if image_size <= 0 or image_size % 32:
        raise ValueError(f"image_size must be a positive multiple of 32, got {image_size!r}")
    trunk = EfficientNetLite0()
    position = PositionEmbeddingSine(CHANNELS, warmup_cache=False)
    neck = FpnNeck(
        position,
        CHANNELS,
        trunk.channel_list,
        fpn_interp_model="nearest",
        fpn_top_down_levels=[0, 1, 2, 3],
    )
    model = SAM2Base(
        ImageEncoder(trunk, neck, scalp=1),
        memory_attention=None,
        memory_encoder=None,
        num_maskmem=1,
        image_size=image_size,
        directly_add_no_mem_embed=True,
        use_high_res_features_in_sam=True,
        multimask_output_in_sam=True,
        multimask_min_pt_num=0,
        multimask_max_pt_num=1,
        iou_prediction_use_sigmoid=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
        use_obj_ptrs_in_encoder=False,
    )
    return model.eval()


MOST_HEADER = 2**24
"""Most bytes of the description of the tensors: that of the bundled checkpoint has 64 KiB."""


class _Header(msgspec.Struct, rename={"metadata": "__metadata__"}):
    metadata: dict[str, str] = {}


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the text metadata of a safetensors file without reading its tensors."""
    data = b""
    with open_regular(path) as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length <= MOST_HEADER:
            data = file.read(length)
    try:
        return msgspec.json.decode(data, type=_Header).metadata
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from error


def load_compact(path: str | Path) -> SAM2Base:
    """Load a compact checkpoint: half precision on disk, float32 in memory.

    Parameters
    ----------
    path
        A safetensors file whose metadata has ``format``, ``version`` and ``image_size``.

    Returns
    -------
    SAM2Base
        The model in evaluation mode, on the CPU.

    Raises
    ------
    ValueError
        The file is of another format, or its names or shapes do not fit the architecture.
    """
    metadata = read_metadata(path)
    found = (metadata.get("format"), metadata.get("version"))
    if found != (FORMAT, FORMAT_VERSION):
        expected = (FORMAT, FORMAT_VERSION)
        raise ValueError(f"{path} is not a compact checkpoint: expected {expected}, got {found}")
    state = {name: tensor.float() for name, tensor in load_file(path).items()}
    image_size = int(metadata["image_size"])
    if image_size not in IMAGE_SIZES:  # position tables grow with its area
        raise ValueError(f"{path} states an input of {image_size} pixels: 64 to 2048 are possible")
    model = build_compact(image_size)
    try:
        model.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit the compact architecture: {error}") from error
    fold_batch_norms(model.image_encoder.trunk)
    merge_neck(model)
    # With the folding it halves the encoder's time on a CPU; the decoder gains nothing.
    model.image_encoder.to(memory_format=torch.channels_last)
    return model.requires_grad_(requires_grad=False)


def draw_prompts(
    coords: Tensor, labels: Tensor, previous_logits: Tensor | None = None, size: int = 256
) -> Tensor:
    """Draw prompts into the low-resolution mask prompt, which the compact model relies on.

    Each click is a disk of ±12, drawn in order, over the previous logits clamped to ±8. Without
    previous logits a box fills its inside with +4 and its outside with -4; with them it is not
    drawn, because the previous logits already depend on it.

    Parameters
    ----------
    coords
        (N, 2) or (B, N, 2) float, (x, y) in pixels of the model's input.
    labels
        (N,) or (B, N) integer: 1 click on the object, 0 click outside it, 2 and 3 the corners of
        a box, -1 padding.
    previous_logits
        (..., size / 4, size / 4) float32, the logits that the clicks correct.
    size
        Side of the model's input in pixels.

    Returns
    -------
    Tensor
        (B, 1, size / 4, size / 4) float32; B is 1 without a batch dimension.
    """
    side = size // 4
    coords = coords.reshape(-1, *coords.shape[-2:])
    labels = labels.reshape(-1, labels.shape[-1])
    cells = ((coords.float() + 0.5) / 4).floor().clamp(0, side - 1)
    if previous_logits is None:
        canvas = _draw_boxes(cells, labels, side)
    else:
        canvas = previous_logits.float().reshape(-1, side, side).clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
    for cell, label in zip(cells.unbind(1), labels.unbind(1), strict=True):
        canvas = _draw_click(canvas, cell, label)
    return canvas[:, None]


def _draw_boxes(cells: Tensor, labels: Tensor, side: int) -> Tensor:
    """Return (B, side, side): ±4 where a row has a box, 0 where it has none."""
    grid = torch.arange(side, device=cells.device)
    first = (cells * (labels == TOP_LEFT)[..., None]).sum(1)[:, :, None]
    last = (cells * (labels == BOTTOM_RIGHT)[..., None]).sum(1)[:, :, None]
    within = (grid >= first) & (grid <= last)
    inside = within[:, 1, :, None] & within[:, 0, None, :]
    has_box = (labels == TOP_LEFT).any(1)[:, None, None]
    return torch.where(inside, BOX_LOGIT, -BOX_LOGIT) * has_box


def _draw_click(canvas: Tensor, cell: Tensor, label: Tensor) -> Tensor:
    grid = torch.arange(canvas.shape[-1], device=canvas.device)
    squares = (grid - cell[:, :, None]) ** 2
    disk = squares[:, 1, :, None] + squares[:, 0, None, :] <= CLICK_RADIUS**2
    is_click = (label == BESIDE) | (label == ON)
    value = (label * 2 - 1).to(canvas.dtype) * CLICK_LOGIT
    return torch.where(disk & is_click[:, None, None], value[:, None, None], canvas)
