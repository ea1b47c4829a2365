"""What a click costs in the kernel: ours against the usual server design, in one run.

Both sides have the same model and the same embedding. The peer does what servers for SAM 2 do:
`SAM2ImagePredictor.predict` with full-size masks, the best one as a PNG in base64 in JSON. The
architecture is the true SAM 2.1 tiny with random weights unless a checkpoint is given, and the mask
that is sent is a disc, so that nothing depends on what random weights find.

    python benchmarks/click.py [CHECKPOINT]
"""

from __future__ import annotations

import base64
import io
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sam2.build_sam import build_sam2
from sam2.sam2_image_predictor import SAM2ImagePredictor

from sam2_widget import Point
from sam2_widget.answers import Answer, to_arrays
from sam2_widget.comm.wire import state_message
from sam2_widget.masks.logits import LogitMask
from sam2_widget.masks.strokes import Mask
from sam2_widget.models.checkpoints import Checkpoint, load_checkpoint
from sam2_widget.models.sam2_predictor import Sam2Predictor
from sam2_widget.session import Session

SIZES = {"0.3 MP": (480, 640), "2 MP": (1080, 1920), "48 MP": (6000, 8000)}
RUNS = 15


def median_ms(call: Callable[[], object], runs: int = RUNS) -> float:
    """Median time of a call in milliseconds, the first one apart."""
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def disc(side: int = 256) -> np.ndarray:
    """Logits of a disc with an edge as steep as SAM 2's."""
    y, x = np.mgrid[:side, :side]
    return (0.5 * (60 - np.hypot(x - 128, y - 128))).clip(-32, 32).astype(np.float32)


def load_models(arguments: list[str]) -> tuple[Sam2Predictor, SAM2ImagePredictor]:
    """Our predictor and sam2's on one model."""
    if arguments:
        ours = load_checkpoint(Checkpoint("given", Path(arguments[0])), device="cpu")
    else:
        torch.manual_seed(0)
        model = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu")
        ours = Sam2Predictor(model, name="tiny", dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return ours, SAM2ImagePredictor(ours._model)  # noqa: SLF001


def our_reply(session: Session, logits: np.ndarray) -> tuple[dict[str, Any], bytes]:
    """All that our kernel does after the decoder."""
    mask = LogitMask.from_logits(logits)
    message = state_message(
        session, Answer(Mask(mask), 0.9), failed=False, epoch=0, ack={"page": 1}, notice=""
    )
    message["active"]["mask"].pop("data")  # travels beside the JSON
    return message, mask.data


def their_masks(
    theirs: SAM2ImagePredictor, candidates: torch.Tensor, size: tuple[int, int]
) -> np.ndarray:
    """What `SAM2ImagePredictor.predict` does after the decoder."""
    masks = theirs._transforms.postprocess_masks(candidates, size) > theirs.mask_threshold  # noqa: SLF001
    return masks.squeeze(0).float().numpy() > 0


def their_reply(mask: np.ndarray) -> str:
    """A full-size mask as PNG in base64 in JSON."""
    buffer = io.BytesIO()
    Image.fromarray(mask).convert("L").save(buffer, "PNG")
    return json.dumps({"mask": base64.b64encode(buffer.getvalue()).decode(), "score": 0.9})


def measure(
    ours: Sam2Predictor, theirs: SAM2ImagePredictor, size: tuple[int, int]
) -> dict[str, float]:
    """Medians in milliseconds, and bytes of one reply, for an image of `size` (height, width)."""
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    embedding = ours.embed(image)
    arrays = to_arrays((Point(width / 2, height / 2),))
    candidates = torch.from_numpy(np.stack([disc()] * 3))[None]
    session = Session(width, height)
    session.add(Point(width / 2, height / 2))
    heavy = RUNS if width < 4000 else 5  # noqa: PLR2004
    message, data = our_reply(session, disc())
    return {
        "decoder": median_ms(lambda: ours.predict(embedding, arrays, multimask=True)),
        "ours": median_ms(lambda: our_reply(session, disc()), heavy),
        "theirs": median_ms(lambda: their_reply(their_masks(theirs, candidates, size)[0]), heavy),
        "our bytes": len(json.dumps(message)) + len(data),
        "their bytes": len(their_reply(their_masks(theirs, candidates, size)[0])),
    }


def main() -> None:
    """Print one table."""
    ours, theirs = load_models(sys.argv[1:])
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, medians of {RUNS} runs")
    print("After the decoder, ours against full-size masks as PNG in base64 in JSON:")
    for name, size in SIZES.items():
        found = measure(ours, theirs, size)
        print(
            f"{name:>6}: decoder {found['decoder']:.0f} ms; ours {found['ours']:.2f} ms and "
            f"{found['our bytes']:.0f} bytes; peer {found['theirs']:.1f} ms and "
            f"{found['their bytes']:.0f} bytes; {found['theirs'] / found['ours']:.0f} times less"
        )


if __name__ == "__main__":
    main()
