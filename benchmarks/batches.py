"""Clicks of several users in one run of the decoder: what it saves, and what it changes.

The architecture is the true SAM 2.1 tiny with random weights, on the GPU if there is one.

    OMP_NUM_THREADS=1 python benchmarks/batches.py
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch
from sam2.build_sam import build_sam2

from sam2_widget import Point
from sam2_widget.annotation.predictions import to_arrays
from sam2_widget.models.batches import DecodeRequest
from sam2_widget.models.sam2.predictor import Sam2Predictor

BATCHES = (1, 2, 4, 8)
RUNS = 7


def main() -> None:
    """Print a line a size."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    model = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", device=device)
    predictor = Sam2Predictor(model, name="tiny", dtype=None if device == "cuda" else torch.float32)
    random = np.random.default_rng(0)
    images = [random.integers(0, 255, (480, 640, 3), np.uint8) for _ in range(max(BATCHES))]
    requests = [
        DecodeRequest(
            predictor.embed(image), to_arrays((Point(40.0 * i + 60, 200),)), multimask=True
        )
        for i, image in enumerate(images)
    ]
    alone = [predictor.predict(a.embedding, a.prompts, multimask=True).logits for a in requests]
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for size in BATCHES:
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            found = predictor.predict_many(requests[:size], size=size)
            times.append(time.perf_counter() - start)
        pairs = list(zip(found, alone, strict=False))
        print(
            f"{size} in a run: {1e3 * statistics.median(times) / size:.1f} ms a click; "
            f"largest difference {max(np.abs(a.logits - b).max() for a, b in pairs):.1g}, "
            f"pixels that flip {sum(((a.logits > 0) != (b > 0)).sum() for a, b in pairs)}"
        )


if __name__ == "__main__":
    main()
