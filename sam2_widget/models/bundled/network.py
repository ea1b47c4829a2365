"""The compact SAM 2: sam2's own neck, prompt encoder and mask decoder over a small trunk.

The trunk is EfficientNet-Lite2. The whole model has 6.1 M parameters and takes 12.1 MB in half
precision, so that it can travel in the wheel.

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
FORMAT_VERSION = "2"
CHANNELS = 128
STEM_CHANNELS = 32

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


class Stage(NamedTuple):
    """Some blocks of the trunk with the same number of channels; the first may shrink the maps."""

    kernel: int
    stride: int
    expansion: int
    channels: int
    depth: int


class TrunkSize(NamedTuple):
    """A member of the EfficientNet-Lite family.

    Attributes
    ----------
    stages : tuple of Stage
    scales : tuple of float
        What the four outputs are divided by, finest first. Raw outputs are so large that prompt
        embeddings have no effect beside them, and the model's masks do not depend on the prompt.
        These are measured with ImageNet weights.
    """

    stages: tuple[Stage, ...]
    scales: tuple[float, float, float, float]


LITE2 = TrunkSize(
    (
        Stage(3, 1, 1, 16, 1),
        Stage(3, 2, 6, 24, 3),
        Stage(5, 2, 6, 48, 3),
        Stage(3, 2, 6, 88, 4),
        Stage(5, 1, 6, 120, 4),
        Stage(5, 2, 6, 208, 5),
        Stage(3, 1, 6, 352, 1),
    ),
    (12.96, 10.33, 6.771, 2.464),
)
_OUTPUT_STAGES = (1, 2, 4, 6)
"""Stages whose last block is an output: the last ones of strides 4, 8, 16 and 32."""


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding, for inputs whose size the stride divides.

    At stride 2 the odd row and column of padding go to the bottom and the right.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups)
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self._margin = (before, after, before, after) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return super().forward(functional.pad(x, self._margin) if self._margin else x)


class InvertedResidual(nn.Module):
    """Expand, filter each channel on its own, project; the input is added where shapes allow.

    Sub-modules carry the names of the published EfficientNet-Lite weights, whose batch
    normalisations are merged into the convolutions.
    """

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        width = inputs * stage.expansion
        self._expands = stage.expansion > 1
        if self._expands:
            self._expand_conv = SameConv2d(inputs, width, 1, 1)
        self._depthwise_conv = SameConv2d(width, width, stage.kernel, stride, groups=width)
        self._project_conv = SameConv2d(width, stage.channels, 1, 1)
        self._skips = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        y = functional.relu6(self._expand_conv(x)) if self._expands else x
        y = functional.relu6(self._depthwise_conv(y))
        y = cast("Tensor", self._project_conv(y))
        return x + y if self._skips else y


class EfficientNetLite(nn.Module):
    """The trunk: features at strides 4, 8, 16 and 32.

    `channel_list` has their numbers of channels, coarsest first, as sam2's neck expects.
    """

    def __init__(self, size: TrunkSize) -> None:
        super().__init__()
        self.stem = SameConv2d(3, STEM_CHANNELS, 3, 2)
        blocks: list[InvertedResidual] = []
        inputs = STEM_CHANNELS
        last_blocks = []
        for stage in size.stages:
            for repeat in range(stage.depth):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(InvertedResidual(inputs, stage, stride))
                inputs = stage.channels
            last_blocks.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        self.channel_list = tuple(size.stages[k].channels for k in reversed(_OUTPUT_STAGES))
        outputs = (last_blocks[k] for k in _OUTPUT_STAGES)
        self._scales = dict(zip(outputs, size.scales, strict=True))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the four feature maps, finest first, each of about unit variance."""
        x = functional.relu6(self.stem(image))
        outputs = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._scales:
                outputs.append(x / self._scales[index])
        return outputs


def build_compact(image_size: int = 256, trunk_size: TrunkSize = LITE2) -> SAM2Base:
    """Build the architecture with random weights, in evaluation mode.

    Parameters
    ----------
    image_size
        Side of the model's square input in pixels, a multiple of 32.
    trunk_size
    """
    if image_size <= 0 or image_size % 32:
        raise ValueError(f"image_size must be a positive multiple of 32, got {image_size!r}")
    trunk = EfficientNetLite(trunk_size)
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
"""Most bytes of the description of the tensors: that of the bundled checkpoint has 34 KiB."""


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
    merge_neck(model)
    # Channels last makes the encoder faster on a CPU; the decoder gains nothing.
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
