"""Put another trunk under a checkpoint, as a start for training.

``python -m training.new_trunk OLD TRUNK OUTPUT --data SETS`` takes everything but trunk and neck
from the checkpoint OLD, which has an EfficientNet-Lite0, and the trunk from TRUNK, the published
weights of EfficientNet-Lite2. The neck is fitted by linear regression so that its maps become those
of OLD; then the encoder, with the convolutions that the decoder applies to its maps, is trained
towards the same maps.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from sam2_widget.models.bundled.network import Stage, TrunkSize, build_compact, read_metadata
from training.datasets import Library
from training.dialogue import encode
from training.export import export
from training.model import load_trunk, merge_batch_norms, parameter_groups, prepare, to_input
from training.scenes import draw_sample

if TYPE_CHECKING:
    from numpy.random import Generator
    from sam2.modeling.sam2_base import SAM2Base

LITE0 = TrunkSize(
    (
        Stage(3, 1, 1, 16, 1),
        Stage(3, 2, 6, 24, 2),
        Stage(5, 2, 6, 40, 2),
        Stage(3, 2, 6, 80, 3),
        Stage(5, 1, 6, 112, 3),
        Stage(5, 2, 6, 192, 4),
        Stage(3, 1, 6, 320, 1),
    ),
    (9.5, 8.9, 6.5, 2.55),
)
SIDE, IMAGES = 256, 8
BATCHES, RIDGE = 30, 1e-3
"""Of the regression: batches of images, and the penalty as a share of the features' mean square."""
RATE, TRUNK_SHARE, WARM_UP = 1e-3, 0.5, 20


def load_old(path: Path) -> SAM2Base:
    """Load a checkpoint of format version 1: its trunk is Lite0, with batch normalisations."""
    if (version := read_metadata(path).get("version")) != "1":
        raise ValueError(f"{path} must be of format version 1, got {version!r}")
    state = {name: tensor.float() for name, tensor in load_file(path).items()}
    prefix = "image_encoder.trunk."
    published = {"stem": "_conv_stem", "bn0": "_bn0", "blocks": "_blocks"}
    trunk = {}
    for name in [name for name in state if name.startswith(prefix)]:
        first, rest = name.removeprefix(prefix).split(".", 1)
        trunk[f"{published[first]}.{rest}"] = state.pop(name)
    merged = {prefix + name: tensor for name, tensor in merge_batch_norms(trunk).items()}
    model = build_compact(SIDE, LITE0)
    model.load_state_dict(state | merged, strict=True)
    return model


def draw_images(library: Library, rng: Generator) -> Tensor:
    """Return (IMAGES, 3, SIDE, SIDE) training images."""
    return to_input(np.stack([draw_sample(library, SIDE, 1, rng).image for _ in range(IMAGES)]))


@torch.no_grad()
def fit_neck(model: SAM2Base, old: SAM2Base, library: Library) -> None:
    """Fit the neck's 1 x 1 convolutions to the outputs of those of another model, in place."""
    rng = np.random.default_rng(0)
    ours, theirs = model.image_encoder.neck.convs, old.image_encoder.neck.convs
    squares: list[Tensor] = [torch.zeros(()).double()] * len(ours)
    products: list[Tensor] = [torch.zeros(()).double()] * len(ours)
    for _ in range(BATCHES):
        images = draw_images(library, rng)
        pairs = zip(model.image_encoder.trunk(images), old.image_encoder.trunk(images), strict=True)
        for level, (own, other) in enumerate(pairs):
            wanted = _rows(theirs[-1 - level].conv(other))
            features = torch.cat([_rows(own), wanted.new_ones(len(wanted), 1)], 1)
            squares[level] = squares[level] + features.T @ features
            products[level] = products[level] + features.T @ wanted
    for level, (square, product) in enumerate(zip(squares, products, strict=True)):
        penalty = RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
        solution = torch.linalg.solve(square + penalty, product).float()
        conv = ours[-1 - level].conv
        conv.weight.copy_(solution[:-1].T[:, :, None, None])
        conv.bias.copy_(solution[-1])


def _rows(maps: Tensor) -> Tensor:
    """(B, C, h, w) as (B h w, C) in double precision."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2).double()


def imitate(model: SAM2Base, old: SAM2Base, library: Library, steps: int) -> list[float]:
    """Train the encoder towards the maps of another model, in place; the loss of each step."""
    optimizer = torch.optim.AdamW(parameter_groups(model, TRUNK_SHARE), weight_decay=0.01)
    losses = []
    for step in range(steps):
        images = draw_images(library, np.random.default_rng([1, step]))
        for group in optimizer.param_groups:
            rise, fall = min(1, (step + 1) / WARM_UP), 1 - 0.9 * step / steps
            group["lr"] = group["share"] * RATE * rise * fall
        with torch.no_grad():
            wanted = encode(old, images)
        pairs = zip(encode(model, images), wanted, strict=True)
        loss = torch.stack([(a - b).square().mean() / b.square().mean() for a, b in pairs]).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        for group in optimizer.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def with_new_trunk(old: SAM2Base, trunk: Path, library: Library, steps: int) -> SAM2Base:
    """Return a model to train, which predicts almost what another one does.

    Parameters
    ----------
    old
    trunk
        Published weights of the new trunk.
    library
    steps
        Of training after the regression.
    """
    model = build_compact(SIDE)
    kept = ("image_encoder.trunk.", "image_encoder.neck.convs.")
    state = {n: tensor for n, tensor in old.state_dict().items() if not n.startswith(kept)}
    left = model.load_state_dict(state, strict=False)
    if left.unexpected_keys or not all(name.startswith(kept) for name in left.missing_keys):
        raise ValueError(f"the old model does not fit: {left}")
    load_trunk(model.image_encoder.trunk, trunk)
    fit_neck(model, old, library)
    imitate(prepare(model), old, library, steps)
    return model


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path, help="checkpoint with an EfficientNet-Lite0")
    parser.add_argument("trunk", type=Path, help="published weights of EfficientNet-Lite2 (.pth)")
    parser.add_argument("output", type=Path, help="checkpoint to start training from")
    parser.add_argument("--data", type=Path, required=True, help="folder of unpacked sets")
    parser.add_argument("--steps", type=int, default=500)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = with_new_trunk(load_old(args.old), args.trunk, Library(args.data), args.steps)
    export(model.state_dict(), args.output, image_size=SIDE, made_by="new trunk")


if __name__ == "__main__":
    main()
