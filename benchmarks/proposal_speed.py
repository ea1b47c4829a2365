"""Proposals: time and memory beside those of sam2's own generator, on the same image.

    python -m benchmarks.proposal_speed [--megapixels 2 48] [--points 32] [--batch 64] [--quick]

The true architecture of SAM 2.1 tiny with random weights on the CPU, in one thread, and the same
parameters; each program runs in a process of its own. Discs around the points are added to the
masks of random weights, which would cover the whole image otherwise. Times are of the processor.
Memory is the peak of the process above what it held with the model loaded. Of large images sam2's
own generator needs 12 bytes a pixel for each point of a batch and more: lower ``--batch`` for them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from resource import RUSAGE_SELF, getrusage
from time import process_time
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator
from sam2.build_sam import build_sam2

from sam2_widget import propose
from sam2_widget.models.sam2.predictor import Sam2Predictor

MIN_SCORE, MIN_STABILITY = 0.51, 0.5
"""About half of the masks of random weights pass."""

RADII = (0.03, 0.06, 0.12)
"""Of the discs, as a share of the network's input."""


def blobs(megapixels: float) -> NDArray[np.uint8]:
    """A colourful image, (H, W, 3), with sides as 3 to 4."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    small = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    size = (height * 4 // 3, height)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def load(side: int) -> Any:
    """The network; its input has `side` pixels on each side."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(0)
    overrides = [f"++model.image_size={side}"]
    return build_sam2(
        "configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu", hydra_overrides_extra=overrides
    )


class Discs:
    """Adds a disc around its point to each mask, with ragged outlines."""

    def __init__(self, model: Any) -> None:
        self._side = model.image_size
        self._points = torch.empty(0, 2)
        model.sam_prompt_encoder.register_forward_hook(self._remember, with_kwargs=True)

    def _remember(self, _module: Any, _args: Any, given: dict[str, Any], _out: Any) -> None:
        self._points = given["points"][0][:, 0]

    def added(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits of masks, (B, K, h, w), with the discs."""
        at = (torch.arange(logits.shape[-1]) + 0.5) / logits.shape[-1]
        x, y = (self._points / self._side).T[:, :, None, None]
        distance = torch.hypot(at - x, at[:, None] - y)[:, None]
        radii = torch.tensor(RADII)[: logits.shape[1], None, None]
        spread = logits.std(dim=(1, 2, 3), keepdim=True)
        return 3 * logits / spread + 20 * (1 - distance / radii)


def ours(model: Any, image: NDArray[np.uint8], args: argparse.Namespace) -> int:
    """`propose`; returns the number of masks."""
    predictor = Sam2Predictor(model, name="tiny", dtype=torch.float32)
    discs = Discs(model)
    decode: Any = predictor._cpu_decoder  # noqa: SLF001

    def with_discs(*given: Any, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
        logits, scores = decode(*given, **options)
        return discs.added(logits), scores

    predictor._cpu_decoder = with_discs  # type: ignore[assignment]  # noqa: SLF001
    found = propose(
        image,
        model=predictor,
        points_per_side=args.points,
        min_score=MIN_SCORE,
        min_stability=MIN_STABILITY,
        overlap_of="boxes",
    )
    return len(found.objects)


def sam2(model: Any, image: NDArray[np.uint8], args: argparse.Namespace) -> int:
    """`SAM2AutomaticMaskGenerator`; returns the number of masks."""
    discs = Discs(model)
    model.sam_mask_decoder.register_forward_hook(
        lambda _module, _args, out: (discs.added(out[0]), *out[1:])
    )
    generator = SAM2AutomaticMaskGenerator(
        model,
        points_per_side=args.points,
        points_per_batch=args.batch,
        pred_iou_thresh=MIN_SCORE,
        stability_score_thresh=MIN_STABILITY,
    )
    sides = [model.image_size // n for n in (4, 8, 16)]
    generator.predictor._bb_feat_sizes = [(side, side) for side in sides]  # noqa: SLF001
    return len(generator.generate(image))


GRID = ("points", "batch", "side")
PROGRAMS: dict[str, Callable[[Any, NDArray[np.uint8], argparse.Namespace], int]] = {
    "ours": ours,
    "sam2": sam2,
}


def peak() -> float:
    """Largest memory of this process so far, in MiB."""
    return getrusage(RUSAGE_SELF).ru_maxrss / 1024


def run(program: str, args: argparse.Namespace) -> dict[str, float]:
    """Measure in this process."""
    warnings.simplefilter("ignore")
    model, image = load(args.side), blobs(args.megapixels[0])
    before, began = peak(), process_time()
    count = PROGRAMS[program](model, image, args)
    return {"s": process_time() - began, "MiB": peak() - before, "masks": count}


def measured(program: str, megapixels: float, args: argparse.Namespace) -> dict[str, float] | None:
    """Measure in a process of its own; None if it was killed, as for want of memory."""
    options = [f"--megapixels={megapixels}", *(f"--{name}={getattr(args, name)}" for name in GRID)]
    command = [sys.executable, "-m", "benchmarks.proposal_speed", "--program", program, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        return None
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megapixels", type=float, nargs="+", default=[2, 48])
    parser.add_argument("--points", type=int, default=32, help="points a side")
    parser.add_argument(
        "--batch", type=int, default=64, help="points a batch of sam2's own generator"
    )
    parser.add_argument("--side", type=int, default=1024, help="side of the network's input")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--program", choices=PROGRAMS, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.quick:
        args.megapixels, args.points, args.side = [0.5], 4, 256
    return args


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    args = parse(arguments)
    if args.program:
        print(json.dumps(run(args.program, args)))
        return
    for megapixels in args.megapixels:
        for program in PROGRAMS:
            found = measured(program, megapixels, args)
            figures = (
                "out of memory"
                if found is None
                else "  ".join(f"{value:8.1f} {unit}" for unit, value in found.items())
            )
            print(f"{megapixels:6.1f} MP  {program:5}  {figures}", flush=True)


if __name__ == "__main__":
    main()
