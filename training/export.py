"""Write a checkpoint as the half-precision safetensors file that the package ships.

``python -m training.export checkpoint.pt bundled.safetensors --made-by "..."``
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from sam2_widget.models.bundled.network import FORMAT, FORMAT_VERSION, build_compact


def export(state: dict[str, Tensor], path: Path, *, image_size: int, made_by: str) -> None:
    """Write a state dict in half precision, after checking that it fits the architecture."""
    build_compact(image_size).load_state_dict(state, strict=True)
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in state.items()}
    metadata = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "image_size": str(image_size),
        "made_by": made_by,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)
    path.chmod(0o644)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="state dict, or a checkpoint of the loop")
    parser.add_argument("output", type=Path)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--made-by", default="", help="how it was trained, in a sentence")
    args = parser.parse_args()
    saved = torch.load(args.checkpoint, weights_only=True, map_location="cpu")
    state = saved.get("average", saved)
    export(state, args.output, image_size=args.image_size, made_by=args.made_by)
    print(hashlib.sha256(args.output.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
