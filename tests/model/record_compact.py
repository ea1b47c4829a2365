"""Record the outputs of the bundled checkpoint in the training code, for `test_compact`.

``python -m tests.model.record_compact`` rewrites ``data/compact_check.npz`` for a new checkpoint.
The training code decodes without sam2's predictor and without the merged neck, so that the
recording is independent of both.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file

from sam2_widget.models.bundled.network import build_compact, draw_prompts
from sam2_widget.models.checkpoints import BUNDLED
from training.dialogue import decode, encode
from training.model import to_input

FILE = Path(__file__).parent / "data" / "compact_check.npz"
SIDE = 256


@torch.inference_mode()
def record() -> None:
    with np.load(FILE) as arrays:
        check = dict(arrays)
    model = build_compact(SIDE)
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(BUNDLED).items()})
    image = cv2.resize(check["image"], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    pixels = to_input(image[None])
    check["trunk_s16"] = model.image_encoder.trunk(pixels)[2][0].numpy()
    for kind in ("point", "box"):
        coords = torch.from_numpy(check[f"{kind}_coords"]).float()[None]
        labels = torch.from_numpy(check[f"{kind}_labels"])[None]
        drawn = draw_prompts(coords, labels)
        logits, scores = decode(model, encode(model, pixels), coords, labels, drawn)
        check[f"{kind}_logits"], check[f"{kind}_scores"] = logits[0].numpy(), scores[0].numpy()
    np.savez_compressed(FILE, **check)


if __name__ == "__main__":
    record()
